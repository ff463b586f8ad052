/**
 * The delivery pipeline's store and queue in one SQLite file: apps, devices, notifications, batches
 * and the rows of deliveries.
 *
 * A write has reached the disk when its promise resolves: it is in the write-ahead log and synced.
 * Writes of the same moment share one sync. Reads are synchronous inside and see committed data only.
 * A rejection is a {@link StoreError} and means that nothing of the call was stored, or an error that
 * names the rule which a caller broke.
 *
 * @example Store an app and read it back
 * ```ts
 * const directory = await Deno.makeTempDir();
 * {
 *   await using store = await openSqliteDeliveryStore({ directory });
 *   await store.saveApp("news", {}, Date.now());
 *   if (await store.app("news") === undefined) throw new Error("the app is not there");
 * }
 * await Deno.remove(directory, { recursive: true });
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
import {
  BATCH_WEIGHT_MAX,
  PENDING_WEIGHT_MAX,
  ROWS_PER_WEIGHT,
  SWEEP_MAX,
} from "./delivery/limits.ts";
import type { Operation, Outcomes } from "./delivery/operations.ts";
import { DeliveryReader } from "./delivery/reader.ts";
import { asStoreError, invariant, StoreError } from "./errors.ts";
import { openLocked } from "./files.ts";
import { type Commit, GroupCommit } from "./group_commit.ts";
import type { DirectoryLock } from "./lock.ts";
import type { WallClock } from "../message_store/records.ts";

export type * from "../delivery_store/records.ts";
export {
  StoreError,
  type StoreErrorCode,
  StoreOpenError,
  type StoreOpenErrorCode,
} from "./errors.ts";
export type { Commit } from "./group_commit.ts";
export type { WallClock } from "../message_store/records.ts";

/** How a delivery store is opened. */
export interface SqliteDeliveryStoreOptions {
  /** Folder for the file and its lock; made with mode 0700 when it is missing. */
  readonly directory: string;
  /** Wall-clock time; default is the machine's. */
  readonly clock?: WallClock;
  /** Told how long each commit took; must return at once. */
  readonly onCommit?: (commit: Commit) => void;
}

/** The name of the store's file in its directory, and of its lock. */
const NAME = "delivery";

/** Devices removed by one step of an app's removal, so that other writes go between. */
const CLEARED_AT_ONCE = 2_000;

/** What an open store holds. */
interface Parts {
  readonly lock: DirectoryLock;
  readonly reader: DeliveryReader;
  readonly group: GroupCommit<Operation, Outcomes, null>;
}

/** An open store; made by {@link openSqliteDeliveryStore}. */
export class SqliteDeliveryStore implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #clock: WallClock;
  readonly #identity = crypto.randomUUID();
  #closed: Promise<void> | undefined;

  private constructor(parts: Parts, clock: WallClock) {
    this.#parts = parts;
    this.#clock = clock;
  }

  /** For {@link openSqliteDeliveryStore}. */
  static open(options: SqliteDeliveryStoreOptions): Promise<SqliteDeliveryStore> {
    const { directory, clock = { wallNow: () => Date.now() } } = options;
    return openLocked(directory, NAME, async (path, lock) => {
      let reader: DeliveryReader | undefined;
      const group = await GroupCommit.open<Operation, Outcomes, null>({
        path,
        thread: new URL("./delivery/writer_thread.ts", import.meta.url),
        settings: null,
        limits: { pendingMax: PENDING_WEIGHT_MAX, batchMax: BATCH_WEIGHT_MAX },
        weigh: (operation) => 1 + Math.ceil(rowsIn(operation) / ROWS_PER_WEIGHT),
        receipt() {
          invariant(reader !== undefined, "a batch was on its way before the store was open");
          return reader.receipt();
        },
        onCommit: options.onCommit,
      });
      try {
        reader = new DeliveryReader(path);
      } catch (error) {
        await group[Symbol.asyncDispose]();
        throw error;
      }
      // The file is this process's alone: whoever held leases has ended.
      await group.submit({ kind: "end_leases", node: null, now: clock.wallNow() });
      return new SqliteDeliveryStore({ lock, reader, group }, clock);
    });
  }

  /** Saves an app's credentials under its name, as its next version, and resumes its lanes. */
  async saveApp(name: string, credentials: Credentials, _now: number): Promise<App> {
    const text = JSON.stringify(credentials);
    const version = await this.#write({ kind: "save_app", name, credentials: text });
    return { name, version, credentials };
  }

  /** An app by its name. */
  app(name: string): Promise<App | undefined> {
    return this.#read((reader) => reader.app(name));
  }

  /** All apps by name, with their pauses. */
  apps(): Promise<readonly AppListing[]> {
    return this.#read((reader) => reader.apps());
  }

  /**
   * Removes an app with its devices; `"busy"` while one of its notifications is unfinished. The app
   * is gone at once, its devices by steps; what a crash leaves of them no call can reach, and
   * {@link SqliteDeliveryStore.sweep} removes it.
   */
  async removeApp(name: string): Promise<"removed" | "unknown" | "busy"> {
    const outcome = await this.#write({ kind: "remove_app", name });
    if (outcome !== "removed") return outcome;
    const step = { kind: "clear_removed_apps", limit: CLEARED_AT_ONCE } as const;
    while (await this.#write(step) > 0);
    return outcome;
  }

  /** Stops claims from a lane; one that is paused keeps its first reason. An unknown app has none. */
  async pause(lane: Lane, reason: string, now: number): Promise<void> {
    await this.#write({ kind: "pause", lane, reason, now });
  }

  /** Allows claims from a lane again; says whether it was paused. */
  resume(lane: Lane): Promise<boolean> {
    return this.#write({ kind: "resume", lane });
  }

  /** Registers up to 1,000 devices, each replacing the one of the same id; says which it did not save. */
  saveDevices(devices: readonly DeviceRecord[], now: number): Promise<UnsavedDevices> {
    return this.#write({ kind: "save_devices", devices: devices.map(compactKeys), now });
  }

  /** A device by its id. */
  device(id: string): Promise<Device | undefined> {
    return this.#read((reader) => reader.device(id));
  }

  /** A page of an app's devices, ordered by id. */
  devices(page: DevicesPage): Promise<readonly Device[]> {
    return this.#read((reader) => reader.devices(page));
  }

  /** Removes a device; says whether it was there. */
  removeDevice(id: string): Promise<boolean> {
    return this.#write({ kind: "remove_device", id });
  }

  /** Marks the devices of these rows invalid, unless they were registered again since; says how many were. */
  invalidate(rows: readonly DeliveryRow[]): Promise<number> {
    return this.#write({ kind: "invalidate", rows });
  }

  /** Accepts a notification, with its direct recipients, at most 10,000. */
  submit(submission: Submission): Promise<SubmitOutcome> {
    const { audience } = submission;
    if (audience.kind !== "direct") return this.#write({ kind: "submit", submission });
    const recipients = audience.recipients.map(compactKeys);
    const compact = { ...submission, audience: { kind: "direct", recipients } } as const;
    return this.#write({ kind: "submit", submission: compact });
  }

  /** Adds up to 10,000 recipients to an open notification. */
  addRecipients(
    id: string,
    recipients: readonly DirectRecipient[],
  ): Promise<"added" | "unknown" | "closed"> {
    return this.#write({ kind: "add_recipients", id, recipients: recipients.map(compactKeys) });
  }

  /** Closes an open notification: it is sent from now on, or from its time on. */
  closeNotification(id: string): Promise<"closed" | "unknown" | "already_closed"> {
    return this.#write({ kind: "close_notification", id, now: this.#clock.wallNow() });
  }

  /** Stops what has not been claimed; recipients of claimed batches still get their outcome. */
  cancel(id: string, now: number): Promise<"cancelled" | "unknown" | "already_ended"> {
    return this.#write({ kind: "cancel", id, now });
  }

  /** A notification with its progress. */
  notification(id: string): Promise<NotificationStatus | undefined> {
    return this.#read(({ notifications }) => notifications.notification(id));
  }

  /** Notifications, newest first; continue after this id. */
  notifications(page: NotificationsPage): Promise<readonly NotificationStatus[]> {
    return this.#read(({ notifications }) => notifications.page(page));
  }

  /** Ids of notifications to expand, oldest first, and when the next scheduled one is due. */
  expandable(now: number, limit: number): Promise<Expandable> {
    return this.#read((reader) => reader.expandable(now, limit));
  }

  /** Puts a further part of a notification's audience, at most `limit` recipients, into batches. */
  expand(
    id: string,
    options: { readonly limit: number; readonly batchMax: number },
  ): Promise<Expanded> {
    return this.#write({ kind: "expand", id, ...options, now: this.#clock.wallNow() });
  }

  /** The notification and app of a batch; `undefined` when one of them is gone. */
  campaign(notification: string): Promise<Campaign | undefined> {
    return this.#read((reader) => reader.campaign(notification));
  }

  /** The recipients of a batch; `"stale"` when the lease was lost, `"unreadable"` when its row makes no sense. */
  load(lease: Lease): Promise<LoadedBatch | "stale" | "unreadable"> {
    return this.#read((reader) => reader.load(lease));
  }

  /** Records what a batch came to, in one transaction. */
  commit(result: BatchResult): Promise<CommitOutcome> {
    return this.#write({ kind: "commit", result });
  }

  /** Takes leases on batches that are due. */
  async claim(request: ClaimRequest): Promise<Claimed> {
    const { batches, dueAt } = await this.#write({ kind: "claim", request });
    return { batches, dueAt: dueAt ?? undefined };
  }

  /** Prolongs leases; answers for each whether it is still held. */
  renew(leases: readonly Lease[], until: number): Promise<readonly boolean[]> {
    return this.#write({ kind: "renew", leases, until });
  }

  /** Hands a batch back untouched; the claim does not count among its deliveries. */
  async release(lease: Lease, notBefore: number): Promise<void> {
    await this.#write({ kind: "release", lease, notBefore, now: this.#clock.wallNow() });
  }

  /** Ends the leases of a node that has ended; says how many batches it had. */
  abandon(node: string, now: number): Promise<number> {
    return this.#write({ kind: "end_leases", node, now });
  }

  /** A page of rows of one notification in the order of recording. */
  deliveries(page: DeliveriesPage): Promise<readonly DeliveryRow[]> {
    return this.#read(({ notifications }) => notifications.deliveries(page));
  }

  /** A page of rows of all notifications, for sinks. */
  rowsAfter(position: number, limit: number): Promise<readonly DeliveryRow[]> {
    return this.#read(({ notifications }) => notifications.rowsAfter(position, limit));
  }

  /** A page of tallies of all notifications, for sinks. */
  talliesAfter(position: number, limit: number): Promise<readonly Tally[]> {
    return this.#read(({ notifications }) => notifications.talliesAfter(position, limit));
  }

  /** How far a sink has come in this log; a sink that is new begins at its newest entry. */
  sinkPosition(name: string, log: SinkLog): Promise<number> {
    return this.#write({ kind: "sink_position", name, log });
  }

  /** Takes, prolongs or gives up the lease on a sink; answers its position unless another node has the lease. */
  async claimSink(claim: SinkClaim): Promise<number | undefined> {
    return await this.#write({ kind: "claim_sink", claim }) ?? undefined;
  }

  /** Remembers how far a sink has come; it never goes back. */
  async saveSinkPosition(name: string, position: number): Promise<void> {
    await this.#write({ kind: "save_sink_position", name, position });
  }

  /**
   * Adds a page of tallies, at most 1,000 in the order of positions, to the history, each once: those at or
   * before the position of the sink `history` have been counted. What is older than 48 hours is forgotten.
   */
  async addToHistory(tallies: readonly Tally[]): Promise<void> {
    await this.#write({ kind: "add_to_history", tallies, now: this.#clock.wallNow() });
  }

  /** The history of this span, summed by step: ascending by second and platform, without empty slots. */
  history(span: HistorySpan): Promise<readonly HistorySlot[]> {
    return this.#read(({ history }) => history.span(span));
  }

  /** The newest row about each of at most 1,000 devices, by place; `undefined` when there is none any more. */
  lastOutcomes(devices: readonly string[]): Promise<readonly (DeliveryRow | undefined)[]> {
    return this.#read(({ notifications }) => notifications.lastOutcomes(devices));
  }

  /** Sets aside an entry that no node can use, with the reason, for people. */
  async bury(entry: DeadLetter): Promise<void> {
    await this.#write({ kind: "bury", entry });
  }

  /** Entries set aside, newest first. */
  deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    return this.#read((reader) => reader.deadLetters(limit));
  }

  /** How full the lanes are that have batches or are paused. */
  lanes(): Promise<readonly LaneStatus[]> {
    return this.#read((reader) => reader.lanes());
  }

  /**
   * Removes up to `limit` tallies from before this time, rows of notifications that ended before it, and
   * then the notifications; says how many. It holds up other writes: call it with some thousands,
   * again while it answers more than 0.
   */
  sweep(endedBefore: number, limit: number): Promise<number> {
    return this.#write({ kind: "sweep", endedBefore, limit });
  }

  /** Tells it from every other store, and from this one opened again: then all leases have ended. */
  identity(): Promise<string> {
    return Promise.resolve(this.#identity);
  }

  /** Resolves when the store can read and when a write reaches the disk. */
  async ping(): Promise<void> {
    await this.#write({ kind: "touch" });
    await this.#read((reader) => reader.receipt().batch);
  }

  /** Writes what is waiting, closes the file and lets go of the directory; again is fine. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** The same as {@link SqliteDeliveryStore.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { group, reader, lock } = this.#parts;
    // The reader first: the last connection to close copies the write-ahead log into the file.
    reader[Symbol.dispose]();
    await group[Symbol.asyncDispose]();
    lock[Symbol.dispose]();
  }

  #write<K extends Operation["kind"]>(
    operation: Extract<Operation, { kind: K }>,
  ): Promise<Outcomes[K]> {
    return this.#parts.group.submit<K>(operation);
  }

  /** An async function, so that what the connection throws becomes a rejection. */
  // deno-lint-ignore require-await
  async #read<T>(read: (reader: DeliveryReader) => T): Promise<T> {
    if (this.#closed !== undefined) throw new StoreError("closed", "Cannot read: it is closed");
    try {
      return read(this.#parts.reader);
    } catch (error) {
      throw asStoreError("read", error);
    }
  }
}

/**
 * Opens the delivery store in a directory, making both when they are missing.
 *
 * @throws {StoreOpenError} When the directory or the file cannot be used; its `code` says why and its
 * message what to do.
 */
export function openSqliteDeliveryStore(
  options: SqliteDeliveryStoreOptions,
): Promise<SqliteDeliveryStore> {
  return SqliteDeliveryStore.open(options);
}

/** Rows that a write touches, as far as one can tell beforehand. */
function rowsIn(operation: Operation): number {
  switch (operation.kind) {
    case "save_devices":
      return operation.devices.length;
    case "invalidate":
      return operation.rows.length;
    case "add_to_history":
      return operation.tallies.length;
    case "submit": {
      const { audience } = operation.submission;
      return audience.kind === "direct" ? audience.recipients.length : 0;
    }
    case "add_recipients":
      return operation.recipients.length;
    case "expand":
    case "clear_removed_apps":
      return operation.limit;
    case "sweep":
      return Math.min(operation.limit, SWEEP_MAX);
    case "claim":
      return operation.request.batchesMax;
    case "renew":
      return operation.leases.length;
    case "commit": {
      const { rows, suspects } = operation.result;
      return rows.length + suspects.marked.length + suspects.cleared.length;
    }
    case "save_app":
    case "remove_app":
    case "pause":
    case "resume":
    case "remove_device":
    case "close_notification":
    case "cancel":
    case "release":
    case "end_leases":
    case "sink_position":
    case "claim_sink":
    case "save_sink_position":
    case "bury":
    case "touch":
      return 0;
  }
}

/**
 * Keys alone in their buffer: what is sent to the thread is copied with the whole buffer it is a view
 * of, which may be one that many recipients share.
 */
function compactKeys<T extends { readonly keys: Uint8Array | undefined }>(recipient: T): T {
  const { keys } = recipient;
  if (keys === undefined || keys.byteLength === keys.buffer.byteLength) return recipient;
  return { ...recipient, keys: keys.slice() };
}
