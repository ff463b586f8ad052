/**
 * What the delivery store in memory keeps, and the arithmetic of its queue.
 *
 * Invariants: every recipient of a notification is in exactly one batch or counted under exactly one
 * outcome; a batch is claimed by its newest token only; positions of rows grow without end.
 * Why plain maps and searches over all of them: this is the model the durable stores are compared
 * with, so each rule is written down as it is said, not as it is fast.
 *
 * @module
 */

import {
  type Audience,
  type Counts,
  type Credentials,
  type DeadLetter,
  type DeliveryRow,
  type Device,
  type DirectRecipient,
  type HistorySlot,
  type Notification,
  type NotificationState,
  type Outcome,
  OUTCOMES,
  type Platform,
  type Tally,
} from "../delivery_store/records.ts";

/** Recipients in one batch, at most. */
export const BATCH_RECIPIENTS_MAX = 1_000;

/** The platforms, in the order in which people see them. */
export const PLATFORMS = ["apns", "fcm", "webpush"] as const;

/** An app. One that was removed is no longer among the apps, and another may have its name. */
export interface AppEntry {
  readonly name: string;
  version: number;
  credentials: Credentials;
}

/** A device with its number. */
export interface DeviceEntry {
  readonly number: number;
  readonly device: Device;
  readonly suspect: boolean;
}

/** How many recipients of one platform stand where. */
export type PlatformCounts = { total: number; retries: number } & Record<Outcome, number>;

/** A notification with its progress. */
export interface NotificationEntry {
  readonly app: AppEntry;
  readonly notification: Notification;
  readonly audience: Audience;
  readonly idempotencyKey: string | undefined;
  readonly digest: string;
  state: NotificationState;
  /** Whether its whole audience is in batches. */
  expanded: boolean;
  /** The devices registered after this one are not in the audience; known from the first step on. */
  lastDevice: number | undefined;
  /** The last device that was looked at. */
  cursor: number;
  /** Direct recipients by number, from 1. */
  readonly direct: DirectRecipient[];
  readonly tallies: Map<Platform, PlatformCounts>;
  /** Virtual time of its newest batch in each lane. */
  readonly virtualTimes: Map<Platform, number>;
  /** A rated notification's next batch is claimed from this time on. */
  pacedAt: number;
  startedAt: number | undefined;
  finishedAt: number | undefined;
}

/** Recipients to be sent to. */
export interface Batch {
  readonly id: number;
  readonly entry: NotificationEntry;
  readonly platform: Platform;
  readonly numbers: readonly number[];
  readonly attempt: number;
  readonly virtualTime: number;
  token: number;
  /** Claims of it that were not handed back. */
  deliveries: number;
  /** Ends of the process while it was leased. */
  deaths: number;
  leased: boolean;
  /** Who claimed it last. */
  node: string;
  /** When it may be claimed: its time, or the end of its lease. */
  dueAt: number;
  unreadable: boolean;
}

/** One app on one platform. */
export interface LaneEntry {
  readonly app: string;
  readonly platform: Platform;
  pause: { readonly reason: string; readonly since: number } | undefined;
  virtualTime: number;
  /** Place in the order of claims. */
  servedAt: number;
}

/** How far a sink has come, and who feeds it until when. */
export interface SinkEntry {
  readonly position: number;
  /** The holder of the lease, if any. */
  readonly node: string | undefined;
  readonly until: number;
}

/** A row without what is looked up when it is read. */
export type StoredRow = Omit<DeliveryRow, "device">;

/** What survives a crash. */
export interface Disk {
  readonly apps: Map<string, AppEntry>;
  /** The last version of every name, of removed apps too. */
  readonly versions: Map<string, number>;
  readonly devices: Map<string, DeviceEntry>;
  /** The id of the device with this number. */
  readonly deviceIds: Map<number, string>;
  lastDevice: number;
  readonly notifications: Map<string, NotificationEntry>;
  readonly batches: Map<number, Batch>;
  lastBatch: number;
  readonly lanes: Map<string, LaneEntry>;
  served: number;
  rows: StoredRow[];
  lastPosition: number;
  tallies: Tally[];
  lastTally: number;
  readonly sinks: Map<string, SinkEntry>;
  /** What ended when, in slots of ten seconds. */
  history: readonly HistorySlot[];
  /** The position of the newest row about the device with this number. */
  readonly lastRows: Map<number, number>;
  readonly letters: DeadLetter[];
}

/** Throws when `condition` does not hold: a bug of the caller. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${message}`);
}

/** A disk with nothing on it. */
export function emptyDisk(): Disk {
  return {
    apps: new Map(),
    versions: new Map(),
    devices: new Map(),
    deviceIds: new Map(),
    lastDevice: 0,
    notifications: new Map(),
    batches: new Map(),
    lastBatch: 0,
    lanes: new Map(),
    served: 0,
    rows: [],
    lastPosition: 0,
    tallies: [],
    lastTally: 0,
    sinks: new Map(),
    history: [],
    lastRows: new Map(),
    letters: [],
  };
}

/** The lane of this app on this platform; made when it is asked for. */
export function laneOf(disk: Disk, app: string, platform: Platform): LaneEntry {
  const key = JSON.stringify([app, platform]);
  const lane = disk.lanes.get(key) ??
    { app, platform, pause: undefined, virtualTime: 0, servedAt: 0 };
  disk.lanes.set(key, lane);
  return lane;
}

/** The tally of a notification on this platform; made when it is asked for. */
export function tallyOf(entry: NotificationEntry, platform: Platform): PlatformCounts {
  const tally = entry.tallies.get(platform) ?? {
    total: 0,
    retries: 0,
    delivered: 0,
    token_invalid: 0,
    rejected: 0,
    expired: 0,
    failed: 0,
    cancelled: 0,
  };
  entry.tallies.set(platform, tally);
  return tally;
}

/** Tallies as counts, together. */
export function countsOf(tallies: Iterable<PlatformCounts>): Counts {
  const counts = {
    total: 0,
    delivered: 0,
    tokenInvalid: 0,
    rejected: 0,
    expired: 0,
    failed: 0,
    cancelled: 0,
    pending: 0,
    retries: 0,
  };
  for (const tally of tallies) {
    counts.total += tally.total;
    counts.delivered += tally.delivered;
    counts.tokenInvalid += tally.token_invalid;
    counts.rejected += tally.rejected;
    counts.expired += tally.expired;
    counts.failed += tally.failed;
    counts.cancelled += tally.cancelled;
    counts.retries += tally.retries;
    counts.pending += OUTCOMES.reduce((rest, outcome) => rest - tally[outcome], tally.total);
  }
  return counts;
}

/** The batches of a notification. */
export function batchesOf(disk: Disk, entry: NotificationEntry): readonly Batch[] {
  return [...disk.batches.values()].filter((batch) => batch.entry === entry);
}

/** Puts recipients of one platform into new batches; their notification's turn comes after its last. */
export function addBatches(
  disk: Disk,
  entry: NotificationEntry,
  platform: Platform,
  numbers: readonly number[],
  batchMax: number,
): void {
  tallyOf(entry, platform).total += numbers.length;
  const lane = laneOf(disk, entry.notification.app, platform);
  for (let start = 0; start < numbers.length; start += batchMax) {
    const last = entry.virtualTimes.get(platform) ?? 0;
    const virtualTime = Math.max(lane.virtualTime, last) + 1;
    entry.virtualTimes.set(platform, virtualTime);
    addBatch(disk, {
      entry,
      platform,
      numbers: numbers.slice(start, start + batchMax),
      attempt: 0,
      virtualTime,
      // An open notification waits for being closed.
      dueAt: entry.state === "open" ? entry.notification.expiresAt : dueAtOf(entry, 0),
    });
  }
}

/** Adds one batch that nobody has claimed. */
export function addBatch(
  disk: Disk,
  batch: Omit<Batch, "id" | "token" | "deliveries" | "deaths" | "leased" | "node" | "unreadable">,
): void {
  const id = ++disk.lastBatch;
  disk.batches.set(id, {
    ...batch,
    id,
    token: 0,
    deliveries: 0,
    deaths: 0,
    leased: false,
    node: "",
    unreadable: false,
  });
}

/** When a batch may be claimed that is not to be sent before this time: what has expired is due. */
export function dueAtOf({ notification }: NotificationEntry, notBefore: number): number {
  return Math.min(Math.max(notification.sendAt, notBefore), notification.expiresAt);
}

/** Counts the recipients of a batch as cancelled, and removes it. */
export function cancelBatch(disk: Disk, batch: Batch): void {
  tallyOf(batch.entry, batch.platform).cancelled += batch.numbers.length;
  disk.batches.delete(batch.id);
}

/** Ends a notification whose whole audience has its outcomes. */
export function endIfDone(disk: Disk, entry: NotificationEntry, now: number): boolean {
  if (!entry.expanded || batchesOf(disk, entry).length > 0) return false;
  if (entry.state !== "cancelled") entry.state = "done";
  entry.finishedAt ??= now;
  return true;
}

/**
 * When time alone will let a batch be claimed, however full its lane is; not later than now when it
 * does already. The batch's own time and the end of its lease count, whatever holds it back after.
 */
export function claimableAt(disk: Disk, batch: Batch, now: number): number {
  const { notification, pacedAt } = batch.entry;
  const paused = laneOf(disk, notification.app, batch.platform).pause !== undefined;
  if (batch.dueAt > now && (batch.leased || !paused)) return batch.dueAt;
  if (paused) return notification.expiresAt;
  if (notification.ratePerSecond === undefined) return batch.dueAt;
  return Math.min(pacedAt, notification.expiresAt);
}
