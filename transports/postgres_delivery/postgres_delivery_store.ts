/**
 * The delivery pipeline's store and queue in PostgreSQL: apps, devices, notifications, batches and the
 * rows of deliveries, for any number of nodes.
 *
 * A write has reached the server's disk when its promise resolves. Nodes take turns at what must be
 * done by one at a time: claims wait for claims, which are milliseconds, and results for the logs, so
 * that whoever follows a log never misses an entry. Opening ends nobody's leases: those of a node that
 * has ended are ended by `abandon`, or by their time. A rejection is a {@link StoreError}, or an error
 * that names the rule which a caller broke.
 *
 * @module
 */

import type {
  App,
  AppListing,
  BatchResult,
  Campaign,
  Claimed,
  ClaimRequest,
  CommitOutcome,
  Credentials,
  DeadLetter,
  DeliveriesPage,
  DeliveryRow,
  Device,
  DeviceRecord,
  DevicesPage,
  DirectRecipient,
  Expandable,
  Expanded,
  HistorySlot,
  HistorySpan,
  Lane,
  LaneStatus,
  Lease,
  LoadedBatch,
  NotificationsPage,
  NotificationStatus,
  SinkClaim,
  SinkLog,
  Submission,
  SubmitOutcome,
  Tally,
  UnsavedDevices,
} from "../delivery_store/records.ts";
import type { WallClock } from "../message_store/records.ts";
import {
  asOpenError,
  checkVersions,
  Columns,
  openPostgres,
  type Postgres,
  type PostgresOptions,
  sql,
} from "../postgres/mod.ts";
import * as apps from "./apps.ts";
import * as devices from "./devices.ts";
import { Additions } from "./direct.ts";
import * as history from "./history.ts";
import * as logs from "./logs.ts";
import * as notifications from "./notifications.ts";
import * as queue from "./queue.ts";
import { Results } from "./results.ts";
import { DELIVERY_PART } from "./schema/migrations.ts";

const STORE = new Columns("pg_control_system");

/** How a delivery store is opened. */
export interface PostgresDeliveryStoreOptions extends PostgresOptions {
  /** Wall-clock time; default is the machine's. */
  readonly clock?: WallClock;
}

/** An open store; made by {@link openPostgresDeliveryStore}. */
export class PostgresDeliveryStore implements AsyncDisposable {
  readonly #postgres: Postgres;
  readonly #results: Results;
  readonly #additions: Additions;
  readonly #clock: WallClock;

  private constructor(postgres: Postgres, clock: WallClock) {
    this.#postgres = postgres;
    this.#results = new Results(postgres);
    this.#additions = new Additions(postgres);
    this.#clock = clock;
  }

  /** For {@link openPostgresDeliveryStore}. */
  static async open(options: PostgresDeliveryStoreOptions): Promise<PostgresDeliveryStore> {
    const { clock = { wallNow: () => Date.now() }, ...rest } = options;
    // Every statement has its index, and most stop after the first entries of it in order. A planner
    // that knows too little of new tables would read whole ones, or sort all that an index has; and
    // one that hopes for more of the values would plan each look of a claim anew.
    const settings = {
      enable_seqscan: "off",
      enable_bitmapscan: "off",
      plan_cache_mode: "force_generic_plan",
      ...rest.settings,
    };
    const postgres = await openPostgres({ ...rest, settings });
    try {
      await checkVersions(postgres, [DELIVERY_PART]);
      return new PostgresDeliveryStore(postgres, clock);
    } catch (error) {
      await postgres.close();
      throw asOpenError(postgres.place, error);
    }
  }

  /** Saves an app's credentials under its name, as its next version, and resumes its lanes. */
  saveApp(name: string, credentials: Credentials, _now: number): Promise<App> {
    return apps.saveApp(this.#postgres, name, credentials);
  }

  /** An app by its name. */
  app(name: string): Promise<App | undefined> {
    return apps.findApp(this.#postgres, name);
  }

  /** All apps by name, with their pauses. */
  apps(): Promise<readonly AppListing[]> {
    return apps.listApps(this.#postgres);
  }

  /**
   * Removes an app with its devices; `"busy"` while one of its notifications is unfinished. The app
   * is gone at once, its devices by steps; what a crash leaves of them no call can reach, and
   * {@link PostgresDeliveryStore.sweep} removes it.
   */
  removeApp(name: string): Promise<"removed" | "unknown" | "busy"> {
    return apps.removeApp(this.#postgres, name);
  }

  /** Stops claims from a lane; one that is paused keeps its first reason. An unknown app has none. */
  pause(lane: Lane, reason: string, now: number): Promise<void> {
    return apps.pauseLane(this.#postgres, lane, reason, now);
  }

  /** Allows claims from a lane again; says whether it was paused. */
  resume(lane: Lane): Promise<boolean> {
    return apps.resumeLane(this.#postgres, lane);
  }

  /** Registers up to 1,000 devices, each replacing the one of the same id; says which it did not save. */
  saveDevices(records: readonly DeviceRecord[], now: number): Promise<UnsavedDevices> {
    return devices.saveDevices(this.#postgres, records, now);
  }

  /** A device by its id. */
  device(id: string): Promise<Device | undefined> {
    return devices.findDevice(this.#postgres, id);
  }

  /** A page of an app's devices, ordered by id. */
  devices(page: DevicesPage): Promise<readonly Device[]> {
    return devices.pageOfDevices(this.#postgres, page);
  }

  /** Removes a device; says whether it was there. */
  removeDevice(id: string): Promise<boolean> {
    return devices.removeDevice(this.#postgres, id);
  }

  /** Marks the devices of these rows invalid, unless they were registered again since; says how many were. */
  invalidate(rows: readonly DeliveryRow[]): Promise<number> {
    return devices.invalidate(this.#postgres, rows);
  }

  /** Accepts a notification, with its direct recipients, at most 10,000. */
  submit(submission: Submission): Promise<SubmitOutcome> {
    return notifications.submit(this.#postgres, submission);
  }

  /**
   * Adds up to 10,000 recipients to an open notification. Repeated by this store after a rejection, a
   * call counts once, also when nobody knew whether it had taken effect.
   */
  addRecipients(
    id: string,
    recipients: readonly DirectRecipient[],
  ): Promise<"added" | "unknown" | "closed"> {
    return this.#additions.add(id, recipients);
  }

  /** Closes an open notification: it is sent from now on, or from its time on. */
  closeNotification(id: string): Promise<"closed" | "unknown" | "already_closed"> {
    return notifications.closeNotification(this.#postgres, id, this.#clock.wallNow());
  }

  /** Stops what has not been claimed; recipients of claimed batches still get their outcome. */
  cancel(id: string, now: number): Promise<"cancelled" | "unknown" | "already_ended"> {
    return notifications.cancelNotification(this.#postgres, id, now);
  }

  /** A notification with its progress. */
  notification(id: string): Promise<NotificationStatus | undefined> {
    return notifications.findNotification(this.#postgres, id);
  }

  /** Notifications, newest first; continue after this id. */
  notifications(page: NotificationsPage): Promise<readonly NotificationStatus[]> {
    return notifications.pageOfNotifications(this.#postgres, page);
  }

  /** Ids of notifications to expand, oldest first, and when the next scheduled one is due. */
  expandable(now: number, limit: number): Promise<Expandable> {
    return notifications.expandable(this.#postgres, now, limit);
  }

  /** Puts a further part of a notification's audience, at most `limit` recipients, into batches. */
  expand(
    id: string,
    options: { readonly limit: number; readonly batchMax: number },
  ): Promise<Expanded> {
    return notifications.expand(this.#postgres, id, { ...options, now: this.#clock.wallNow() });
  }

  /** The notification and app of a batch; `undefined` when one of them is gone. */
  campaign(notification: string): Promise<Campaign | undefined> {
    return notifications.findCampaign(this.#postgres, notification);
  }

  /** The recipients of a batch; `"stale"` when the lease was lost, `"unreadable"` when its row makes no sense. */
  load(lease: Lease): Promise<LoadedBatch | "stale" | "unreadable"> {
    return queue.load(this.#postgres, lease);
  }

  /** Records what a batch came to, in one transaction, which it may share with others. */
  commit(result: BatchResult): Promise<CommitOutcome> {
    return this.#results.commit(result);
  }

  /** Takes leases on batches that are due. */
  claim(request: ClaimRequest): Promise<Claimed> {
    return queue.claim(this.#postgres, request);
  }

  /** Prolongs leases; answers for each whether it is still held. */
  renew(leases: readonly Lease[], until: number): Promise<readonly boolean[]> {
    return queue.renew(this.#postgres, leases, until);
  }

  /** Hands a batch back untouched; the claim does not count among its deliveries. */
  release(lease: Lease, notBefore: number): Promise<void> {
    return queue.release(this.#postgres, lease, notBefore, this.#clock.wallNow());
  }

  /** Ends the leases of a node that has ended; says how many batches it had. */
  abandon(node: string, now: number): Promise<number> {
    return queue.abandon(this.#postgres, node, now);
  }

  /** A page of rows of one notification in the order of recording. */
  deliveries(page: DeliveriesPage): Promise<readonly DeliveryRow[]> {
    return logs.deliveries(this.#postgres, page);
  }

  /** A page of rows of all notifications, for sinks. */
  rowsAfter(position: number, limit: number): Promise<readonly DeliveryRow[]> {
    return logs.rowsAfter(this.#postgres, position, limit);
  }

  /** A page of tallies of all notifications, for sinks. */
  talliesAfter(position: number, limit: number): Promise<readonly Tally[]> {
    return logs.talliesAfter(this.#postgres, position, limit);
  }

  /** How far a sink has come in this log; a sink that is new begins at its newest entry. */
  sinkPosition(name: string, log: SinkLog): Promise<number> {
    return logs.sinkPosition(this.#postgres, name, log);
  }

  /** Takes, prolongs or gives up the lease on a sink; answers its position unless another node has the lease. */
  claimSink(claim: SinkClaim): Promise<number | undefined> {
    return logs.claimSink(this.#postgres, claim);
  }

  /** Remembers how far a sink has come; it never goes back. */
  saveSinkPosition(name: string, position: number): Promise<void> {
    return logs.saveSinkPosition(this.#postgres, name, position);
  }

  /**
   * Adds a page of tallies, at most 1,000 in the order of positions, to the history, each once: those at or
   * before the position of the sink `history` have been counted. What is older than 48 hours is forgotten.
   */
  addToHistory(tallies: readonly Tally[]): Promise<void> {
    return history.addToHistory(this.#postgres, tallies, this.#clock.wallNow());
  }

  /** The history of this span, summed by step: ascending by second and platform, without empty slots. */
  history(span: HistorySpan): Promise<readonly HistorySlot[]> {
    return history.historyOf(this.#postgres, span);
  }

  /** The newest row about each of at most 1,000 devices, by place; `undefined` when there is none any more. */
  lastOutcomes(devices: readonly string[]): Promise<readonly (DeliveryRow | undefined)[]> {
    return history.lastOutcomes(this.#postgres, devices);
  }

  /** Sets aside an entry that no node can use, with the reason, for people. */
  bury(entry: DeadLetter): Promise<void> {
    return logs.bury(this.#postgres, entry);
  }

  /** Entries set aside, newest first. */
  deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    return logs.deadLetters(this.#postgres, limit);
  }

  /** How full the lanes are that have batches or are paused. */
  lanes(): Promise<readonly LaneStatus[]> {
    return queue.lanes(this.#postgres);
  }

  /**
   * Removes up to `limit` tallies from before this time, rows of notifications that ended before it, and
   * then the notifications; says how many. Call it with some thousands, again while it answers more
   * than 0. What another node is removing at the moment is left to it.
   */
  sweep(endedBefore: number, limit: number): Promise<number> {
    return logs.sweep(this.#postgres, endedBefore, limit);
  }

  /** Tells its tables from every other store's, those of a copy included. */
  async identity(): Promise<string> {
    const { rows: [row] } = await this.#postgres.query(
      "tell the store from others",
      sql`SELECT concat_ws('.', system_identifier,
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        'batch'::regclass::oid) AS identity FROM pg_control_system()`,
    );
    return STORE.text(row, "identity");
  }

  /** Resolves when a write has reached the server's disk. */
  async ping(): Promise<void> {
    await this.#postgres.query("write", sql`UPDATE pulse SET beats = beats + 1`);
  }

  /** Waits for the calls on their way, and closes the connections; again is fine. */
  close(): Promise<void> {
    return this.#postgres.close();
  }

  /** The same as {@link PostgresDeliveryStore.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Opens the delivery store in a database whose schema has been migrated.
 *
 * @throws {StoreOpenError} When it cannot be used, or its schema is not exactly the one this program
 * knows; its `code` says why and its message what to do.
 */
export function openPostgresDeliveryStore(
  options: PostgresDeliveryStoreOptions,
): Promise<PostgresDeliveryStore> {
  return PostgresDeliveryStore.open(options);
}
