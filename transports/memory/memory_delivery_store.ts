/**
 * The delivery pipeline's store and queue in memory: for tests, for simulation, and for a service
 * that may forget everything when it ends.
 *
 * It answers exactly as the durable stores do. What they do with a disk it does with a value, the
 * *disk* of this store: a write is on it when its promise resolves, and not a moment earlier. So
 * `crash` and `reopen` show what a durable store would show after its process was killed. A function
 * of the test sees every call and decides what goes wrong with it, as with the message store.
 *
 * @example Fail the second call
 * ```ts
 * const store = new MemoryDeliveryStore({ fault: ({ number }) => number === 2 ? "io" : undefined });
 * await store.saveApp("news", {}, Date.now());
 * const failed = await store.app("news").then(() => false, () => true);
 * if (!failed) throw new Error("the second call did not fail");
 * ```
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
import { type CallOf, Calls, type Fault } from "./calls.ts";
import { appOf, lanesOf, listApps, removeApp, saveApp } from "./delivery_apps.ts";
import { devicesPage, invalidate, removeDevice, saveDevices } from "./delivery_devices.ts";
import { addToHistory, historyOf, lastOutcomes } from "./delivery_history.ts";
import { type Disk, emptyDisk, laneOf, type StoredRow } from "./delivery_disk.ts";
import {
  addRecipients,
  cancel,
  closeNotification,
  expand,
  expandable,
  notificationsPage,
  rowOf,
  statusOf,
  submit,
  sweep,
} from "./delivery_notifications.ts";
import { claim, commit, endLeasesOf, leasedBatch, load, release } from "./delivery_queue.ts";
import { claimSink, saveSinkPosition, sinkOf } from "./delivery_sinks.ts";

export type * from "../delivery_store/records.ts";
export { type CallOf, type Fault, StoreError, type StoreErrorCode } from "./calls.ts";

/** Dead letters that are kept; the oldest make room, for they are for people to look at. */
const DEAD_LETTERS_MAX = 10_000;

/** The calls of the store, by the names of its methods. */
export type DeliveryCallName = Exclude<
  keyof MemoryDeliveryStore,
  "crash" | "reopen" | "corrupt" | "identity" | symbol
>;

/** One call, as it was made. */
export type DeliveryCall = CallOf<DeliveryCallName>;

/** How a store is made; without options it never fails and answers at once. */
export interface MemoryDeliveryStoreOptions {
  /** Wall-clock time; default is the machine's. */
  readonly clock?: { wallNow(): number };
  /** Told of every call, in order, when it is made; decides what goes wrong with it. */
  fault?(call: DeliveryCall): Fault | undefined;
  /** Holds this call back, before it has any effect, until the promise resolves. */
  delay?(call: DeliveryCall): Promise<void> | undefined;
}

/** A delivery store in memory. */
export class MemoryDeliveryStore implements AsyncDisposable {
  readonly #options: MemoryDeliveryStoreOptions;
  readonly #identity = crypto.randomUUID();
  #disk: Disk = emptyDisk();
  readonly #calls: Calls<DeliveryCallName>;

  /** Makes an empty store. */
  constructor(options: MemoryDeliveryStoreOptions = {}) {
    this.#options = options;
    this.#calls = new Calls(options);
  }

  /** Ends the store at once, as a killed process would: calls on their way are lost. */
  crash(): void {
    this.#calls.crash();
  }

  /** A new store on what reached the disk of this one, which is ended, and its leases with it. */
  reopen(options: MemoryDeliveryStoreOptions = this.#options): MemoryDeliveryStore {
    this.crash();
    const store = new MemoryDeliveryStore(options);
    store.#disk = this.#disk;
    endLeasesOf(store.#disk, undefined, store.#now());
    return store;
  }

  /** Tells it from every other store, and from this one opened again: then all leases have ended. */
  identity(): Promise<string> {
    return Promise.resolve(this.#identity);
  }

  /** Makes the recipients of this batch unreadable, as a damaged disk would. */
  corrupt(batch: number): void {
    const damaged = this.#disk.batches.get(batch);
    if (damaged !== undefined) damaged.unreadable = true;
  }

  /** Ends the store; calls on their way are lost. */
  [Symbol.asyncDispose](): Promise<void> {
    this.crash();
    return Promise.resolve();
  }

  /** Saves an app's credentials under its name, as its next version, and resumes its lanes. */
  saveApp(name: string, credentials: Credentials, _now: number): Promise<App> {
    return this.#call("saveApp", () => saveApp(this.#disk, name, credentials));
  }

  /** An app by its name. */
  app(name: string): Promise<App | undefined> {
    return this.#call("app", () => {
      const entry = this.#disk.apps.get(name);
      return entry && appOf(entry);
    });
  }

  /** All apps by name, with their pauses. */
  apps(): Promise<readonly AppListing[]> {
    return this.#call("apps", () => listApps(this.#disk));
  }

  /** Removes an app with its devices; `"busy"` while one of its notifications is unfinished. */
  removeApp(name: string): Promise<"removed" | "unknown" | "busy"> {
    return this.#call("removeApp", () => removeApp(this.#disk, name));
  }

  /** Stops claims from a lane; one that is paused keeps its first reason. An unknown app has none. */
  pause({ app, platform }: Lane, reason: string, now: number): Promise<void> {
    return this.#call("pause", () => {
      if (!this.#disk.apps.has(app)) return;
      laneOf(this.#disk, app, platform).pause ??= { reason, since: now };
    });
  }

  /** Allows claims from a lane again; says whether it was paused. */
  resume({ app, platform }: Lane): Promise<boolean> {
    return this.#call("resume", () => {
      if (!this.#disk.apps.has(app)) return false;
      const lane = laneOf(this.#disk, app, platform);
      const paused = lane.pause !== undefined;
      lane.pause = undefined;
      return paused;
    });
  }

  /** Registers up to 1,000 devices, each replacing the one of the same id; says which it did not save. */
  saveDevices(devices: readonly DeviceRecord[], now: number): Promise<UnsavedDevices> {
    return this.#call("saveDevices", () => saveDevices(this.#disk, devices, now));
  }

  /** A device by its id. */
  device(id: string): Promise<Device | undefined> {
    return this.#call("device", () => this.#disk.devices.get(id)?.device);
  }

  /** A page of an app's devices, ordered by id. */
  devices(page: DevicesPage): Promise<readonly Device[]> {
    return this.#call("devices", () => devicesPage(this.#disk, page));
  }

  /** Removes a device; says whether it was there. */
  removeDevice(id: string): Promise<boolean> {
    return this.#call("removeDevice", () => removeDevice(this.#disk, id));
  }

  /** Marks the devices of these rows invalid, unless they were registered again since; says how many were. */
  invalidate(rows: readonly DeliveryRow[]): Promise<number> {
    return this.#call("invalidate", () => invalidate(this.#disk, rows));
  }

  /** Accepts a notification, with its direct recipients. */
  submit(submission: Submission): Promise<SubmitOutcome> {
    return this.#call("submit", () => submit(this.#disk, submission));
  }

  /** Adds up to 10,000 recipients to an open notification. */
  addRecipients(
    id: string,
    recipients: readonly DirectRecipient[],
  ): Promise<"added" | "unknown" | "closed"> {
    return this.#call("addRecipients", () => addRecipients(this.#disk, id, recipients));
  }

  /** Closes an open notification: it is sent from now on, or from its time on. */
  closeNotification(id: string): Promise<"closed" | "unknown" | "already_closed"> {
    return this.#call("closeNotification", () => closeNotification(this.#disk, id, this.#now()));
  }

  /** Stops what has not been claimed; recipients of claimed batches still get their outcome. */
  cancel(id: string, now: number): Promise<"cancelled" | "unknown" | "already_ended"> {
    return this.#call("cancel", () => cancel(this.#disk, id, now));
  }

  /** A notification with its progress. */
  notification(id: string): Promise<NotificationStatus | undefined> {
    return this.#call("notification", () => {
      const entry = this.#disk.notifications.get(id);
      return entry && statusOf(entry);
    });
  }

  /** Notifications, newest first; continue after this id. */
  notifications(page: NotificationsPage): Promise<readonly NotificationStatus[]> {
    return this.#call("notifications", () => notificationsPage(this.#disk, page));
  }

  /** Ids of notifications to expand, oldest first, and when the next scheduled one is due. */
  expandable(now: number, limit: number): Promise<Expandable> {
    return this.#call("expandable", () => expandable(this.#disk, now, limit));
  }

  /** Puts a further part of a notification's audience into batches. */
  expand(
    id: string,
    options: { readonly limit: number; readonly batchMax: number },
  ): Promise<Expanded> {
    return this.#call("expand", () => expand(this.#disk, id, options, this.#now()));
  }

  /** The notification and app of a batch; `undefined` when one of them is gone. */
  campaign(notification: string): Promise<Campaign | undefined> {
    return this.#call("campaign", () => {
      const entry = this.#disk.notifications.get(notification);
      if (entry === undefined || this.#disk.apps.get(entry.app.name) !== entry.app) {
        return undefined;
      }
      return { notification: entry.notification, app: appOf(entry.app) };
    });
  }

  /** The recipients of a batch; `"stale"` when the lease was lost, `"unreadable"` when it makes no sense. */
  load(lease: Lease): Promise<LoadedBatch | "stale" | "unreadable"> {
    return this.#call("load", () => load(this.#disk, lease));
  }

  /** Records what a batch came to, as a whole. */
  commit(result: BatchResult): Promise<CommitOutcome> {
    return this.#call("commit", () => commit(this.#disk, result));
  }

  /** Takes leases on batches that are due. */
  claim(request: ClaimRequest): Promise<Claimed> {
    return this.#call("claim", () => claim(this.#disk, request));
  }

  /** Prolongs leases; answers for each whether it is still held. */
  renew(leases: readonly Lease[], until: number): Promise<readonly boolean[]> {
    return this.#call("renew", () =>
      leases.map((lease) => {
        const batch = leasedBatch(this.#disk, lease);
        if (batch !== undefined) batch.dueAt = until;
        return batch !== undefined;
      }));
  }

  /** Hands a batch back untouched; the claim does not count among its deliveries. */
  release(lease: Lease, notBefore: number): Promise<void> {
    return this.#call("release", () => release(this.#disk, lease, notBefore, this.#now()));
  }

  /** Ends the leases of a node that has ended; says how many batches it had. */
  abandon(node: string, now: number): Promise<number> {
    return this.#call("abandon", () => endLeasesOf(this.#disk, node, now));
  }

  /** A page of rows of one notification in the order of recording. */
  deliveries(page: DeliveriesPage): Promise<readonly DeliveryRow[]> {
    return this.#call(
      "deliveries",
      () =>
        this.#rows(
          page.limit,
          ({ position, notification, outcome }) =>
            notification === page.notification && position > page.after &&
            (page.outcome === undefined || outcome === page.outcome),
        ),
    );
  }

  /** A page of rows of all notifications, for sinks. */
  rowsAfter(position: number, limit: number): Promise<readonly DeliveryRow[]> {
    return this.#call("rowsAfter", () => this.#rows(limit, (row) => row.position > position));
  }

  /** A page of tallies of all notifications, for sinks. */
  talliesAfter(position: number, limit: number): Promise<readonly Tally[]> {
    return this.#call(
      "talliesAfter",
      () => this.#disk.tallies.filter((tally) => tally.position > position).slice(0, limit),
    );
  }

  /** How far a sink has come in this log; a sink that is new begins at its newest entry. */
  sinkPosition(name: string, log: SinkLog): Promise<number> {
    return this.#call("sinkPosition", () => sinkOf(this.#disk, name, log).position);
  }

  /** Takes, prolongs or gives up the lease on a sink; answers its position unless another node has the lease. */
  claimSink(claim: SinkClaim): Promise<number | undefined> {
    return this.#call("claimSink", () => claimSink(this.#disk, claim));
  }

  /** Remembers how far a sink has come; it never goes back. */
  saveSinkPosition(name: string, position: number): Promise<void> {
    return this.#call("saveSinkPosition", () => saveSinkPosition(this.#disk, name, position));
  }

  /**
   * Adds a page of tallies, at most 1,000 in the order of positions, to the history, each once: those at or
   * before the position of the sink `history` have been counted. What is older than 48 hours is forgotten.
   */
  addToHistory(tallies: readonly Tally[]): Promise<void> {
    return this.#call("addToHistory", () => addToHistory(this.#disk, tallies, this.#now()));
  }

  /** The history of this span, summed by step: ascending by second and platform, without empty slots. */
  history(span: HistorySpan): Promise<readonly HistorySlot[]> {
    return this.#call("history", () => historyOf(this.#disk, span));
  }

  /** The newest row about each of at most 1,000 devices, by place; `undefined` when there is none any more. */
  lastOutcomes(devices: readonly string[]): Promise<readonly (DeliveryRow | undefined)[]> {
    return this.#call("lastOutcomes", () => lastOutcomes(this.#disk, devices));
  }

  /** Sets aside an entry that no node can use, with the reason, for people. */
  bury(entry: DeadLetter): Promise<void> {
    return this.#call("bury", () => {
      const { letters } = this.#disk;
      const buried = letters.findIndex(({ source, id }) =>
        source === entry.source && id === entry.id
      );
      if (buried >= 0) letters.splice(buried, 1);
      letters.push(entry);
      if (letters.length > DEAD_LETTERS_MAX) letters.shift();
    });
  }

  /** Entries set aside, newest first. */
  deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    return this.#call("deadLetters", () => this.#disk.letters.toReversed().slice(0, limit));
  }

  /** How full the lanes are that have batches or are paused. */
  lanes(): Promise<readonly LaneStatus[]> {
    return this.#call("lanes", () => lanesOf(this.#disk));
  }

  /** Removes up to `limit` tallies from before this time, rows of notifications that ended before it, and those; says how many. */
  sweep(endedBefore: number, limit: number): Promise<number> {
    return this.#call("sweep", () => sweep(this.#disk, endedBefore, limit));
  }

  /** Resolves when the store answers. */
  ping(): Promise<void> {
    return this.#call("ping", () => {});
  }

  #call<T>(name: DeliveryCallName, effect: () => T): Promise<T> {
    return this.#calls.make(name, effect);
  }

  #now(): number {
    return this.#options.clock?.wallNow() ?? Date.now();
  }

  #rows(limit: number, wanted: (row: StoredRow) => boolean): readonly DeliveryRow[] {
    const rows = this.#disk.rows.filter(wanted).slice(0, limit);
    return rows.map((row) => rowOf(this.#disk, row));
  }
}
