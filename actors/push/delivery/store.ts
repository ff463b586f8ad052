/**
 * What the pipeline needs of a queue and a store. Transports fit these interfaces structurally and
 * do not import them.
 *
 * A batch is at most 1,000 recipients of one notification and one platform, claimed under a lease; a
 * lane is one app on one platform. What belongs to a thousand recipients travels as columns, not as a
 * thousand objects.
 *
 * @module
 */

import type {
  App,
  Credentials,
  DeliveryRow,
  Device,
  DeviceRecord,
  DirectRecipient,
  Notification,
  NotificationStatus,
  Outcome,
  Pause,
  Platform,
  Submission,
  SubmitOutcome,
} from "./records.ts";

/** One app on one platform. */
export interface Lane {
  /** The app. */
  readonly app: string;
  /** The platform. */
  readonly platform: Platform;
}

/** The right to work on a batch until it ends. The token grows with each claim, so that an old holder is known. */
export interface Lease {
  /** The batch. */
  readonly batch: number;
  /** How often it has been claimed, this time included. */
  readonly token: number;
}

/** A batch under a lease. */
export interface ClaimedBatch extends Lane {
  /** The lease. */
  readonly lease: Lease;
  /** The notification's id. */
  readonly notification: string;
  /** Recipients in it, at most 1,000. */
  readonly count: number;
  /** Requests made for each of them so far. */
  readonly attempt: number;
  /** How often it was claimed and neither ended nor handed back, this time included: a poisonous one is given up. */
  readonly deliveries: number;
}

/** A lane's share of what a node works on. */
export interface LaneLoad extends Lane {
  /** Its batches in flight on this node. */
  readonly inFlight: number;
  /** Whether nothing of it is to be sent now: only what has expired is claimed. */
  readonly held: boolean;
}

/** What a node asks the queue for. */
export interface ClaimRequest {
  /** Who asks. */
  readonly node: string;
  /** Now. */
  readonly now: number;
  /** How long the leases are to last. */
  readonly leaseMs: number;
  /** Batches to claim, at most. */
  readonly batchesMax: number;
  /** Batches a lane may have in flight on this node. */
  readonly laneBatchesMax: number;
  /** Lanes that already have batches in flight or are held; all others have none and are free. */
  readonly lanes: readonly LaneLoad[];
}

/** What a claim brought. */
export interface Claimed {
  /** The batches, fairly taken: lanes in turn, within a lane notifications in turn. */
  readonly batches: readonly ClaimedBatch[];
  /** When the next batch that may not be claimed yet becomes due; `undefined` when there is none. */
  readonly dueAt: number | undefined;
}

/**
 * Where batches wait. A batch leaves it when the store has committed its result. A lease that is not
 * renewed ends, and the batch is claimed again.
 */
export interface Queue {
  /** Takes leases on batches that are due. A batch of an expired notification is due even if its lane is paused or held. */
  claim(request: ClaimRequest): Promise<Claimed>;
  /** Prolongs leases; answers for each whether it is still held. */
  renew(leases: readonly Lease[], until: number): Promise<readonly boolean[]>;
  /** Hands a batch back untouched, to be claimed by anyone from this time on; the claim does not count among its deliveries. */
  release(lease: Lease, notBefore: number): Promise<void>;
  /**
   * Told when the store has recorded the batch's result, or says that the lease is stale: a queue that is
   * not the store forgets the batch then. One that was not told must find out by itself.
   */
  done?(lease: Lease): Promise<void>;
  /** Ends all leases of a node that works no more, those on sinks too: its batches are due at once. Says how many batches there were. */
  abandon(node: string, now: number): Promise<number>;
}

/** Recipients of one batch, column by column. */
export interface Recipients {
  /** Their platform. */
  readonly platform: Platform;
  /**
   * The number of each within its notification, an integer below 2^48 that never changes: with the
   * notification's id it makes the id of the delivery.
   */
  readonly numbers: readonly number[];
  /** The address of each: token, or endpoint URL. */
  readonly addresses: readonly string[];
  /** Web Push: 81 bytes for each, `p256dh` and `auth`; otherwise empty. */
  readonly keys: Uint8Array;
  /** Places of recipients whose last answer was a failure: kept off clean connections. */
  readonly suspects: readonly number[];
}

/** A batch's recipients, and those that were in it and cannot be sent to any more. */
export interface LoadedBatch {
  /** The ones to send to. */
  readonly recipients: Recipients;
  /** The others: their device was removed, or became invalid. */
  readonly gone: readonly {
    /** See {@link Recipients}. */
    readonly number: number;
    /** The address, empty when the device was removed. */
    readonly address: string;
    /** What happened. */
    readonly why: "removed" | "invalid";
  }[];
}

/** One delivery that ended, as a batch reports it. */
export interface SettledDelivery {
  /** See {@link Recipients}. */
  readonly number: number;
  /** The address it was sent to. */
  readonly address: string;
  /** How it ended. */
  readonly outcome: Outcome;
  /** The provider's status, 0 when there was none. */
  readonly status: number;
  /** Why. */
  readonly reason: string;
  /** See {@link DeliveryRow}. */
  readonly registeredBefore: number | undefined;
}

/** Recipients that are to be tried again: they become a batch of their own. */
export interface Remainder {
  /** Their numbers. */
  readonly numbers: readonly number[];
  /** Requests made for each of them so far. */
  readonly attempt: number;
  /** Not before this time. */
  readonly notBefore: number;
}

/** Everything a batch came to; recorded as a whole or not at all. */
export interface BatchResult {
  /** The lease it was done under. */
  readonly lease: Lease;
  /** The notification. */
  readonly notification: string;
  /** The lane. */
  readonly lane: Lane;
  /** How many ended how. Together with the remainders they are all recipients of the batch. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** Rows to keep. */
  readonly rows: readonly SettledDelivery[];
  /** What is left to do. In a cancelled notification the store counts it `cancelled` instead. */
  readonly remainders: readonly Remainder[];
  /** Requests made for each recipient, this time included; for the rows. */
  readonly attempts: number;
  /** Recipients, by number, whose device is to be marked as suspect, and no longer. */
  readonly suspects: { readonly marked: readonly number[]; readonly cleared: readonly number[] };
  /** Pauses the lane, with this reason. */
  readonly pause: string | undefined;
  /** Now. */
  readonly at: number;
}

/** What became of a result: `"stale"` when the lease was lost, and nothing was recorded. */
export type CommitOutcome =
  | { readonly kind: "committed"; readonly notificationDone: boolean }
  | { readonly kind: "stale" };

/** What one batch came to, as counters take it: a log in the order of recording, one entry a commit. */
export interface Tally extends Lane {
  /** Its place in the order of recording, unique in the store and growing; a sequence of its own. */
  readonly position: number;
  /** The notification. */
  readonly notification: string;
  /** When it was recorded. */
  readonly at: number;
  /** How many ended how. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** Recipients that are to be tried again after a request. */
  readonly retries: number;
}

/** What ended on one platform in one step of the history. */
export interface HistorySlot {
  /** The step's first second, of those since 1970. */
  readonly second: number;
  /** The platform. */
  readonly platform: Platform;
  /** How many ended how. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** Recipients that were to be tried again after a request. */
  readonly retries: number;
}

/** Which part of the history, in seconds since 1970. */
export interface HistorySpan {
  /** The first second; a multiple of the step. */
  readonly from: number;
  /** The first second after it; a multiple of the step. */
  readonly to: number;
  /** Seconds summed in one slot of the answer; a multiple of 10, as finely as the store keeps them. */
  readonly stepSeconds: number;
}

/** The two logs that sinks follow: rows of deliveries, and tallies of batches. */
export type SinkLog = "rows" | "tallies";

/** Who asks for the lease on a sink, under which one node at a time feeds it. */
export interface SinkClaim {
  /** The sink. */
  readonly name: string;
  /** What it follows; a sink that is new begins at the newest entry of it. */
  readonly log: SinkLog;
  /** Who asks. */
  readonly node: string;
  /** Now. */
  readonly now: number;
  /** How long the lease is to last; 0 gives it up. */
  readonly leaseMs: number;
}

/** Which page of devices. */
export interface DevicesPage {
  /** The app. */
  readonly app: string;
  /** Continue after this device's id; from the start when absent. */
  readonly after: string | undefined;
  /** At most so many. */
  readonly limit: number;
  /** Only those in this state. */
  readonly state?: "active" | "invalid";
  /** Only this person's. */
  readonly user?: string;
  /** Only those with this tag. */
  readonly tag?: string;
}

/** Which page of deliveries. */
export interface DeliveriesPage {
  /** The notification. */
  readonly notification: string;
  /** Continue after this position; 0 for the start. */
  readonly after: number;
  /** At most so many. */
  readonly limit: number;
  /** Only those which ended so. */
  readonly outcome?: Outcome;
}

/** What an expansion step did. */
export interface Expanded {
  /** Recipients put into batches by this step. */
  readonly added: number;
  /** Whether the whole audience is in batches now. */
  readonly done: boolean;
}

/** How full a lane is. */
export interface LaneStatus extends Lane {
  /** Batches that wait, those not yet due included. */
  readonly waiting: number;
  /** Batches under a lease, of all nodes. */
  readonly leased: number;
  /** Why nothing of it is claimed. */
  readonly pause: Pause | undefined;
}

/**
 * Durable state of the pipeline. Every write has reached the disk when its promise resolves; a
 * rejection means "not available now", and the caller may repeat the call: none of them counts twice.
 */
export interface DeliveryStore {
  /** Saves an app's credentials under its name, as its next version, and resumes its lanes. */
  saveApp(name: string, credentials: Credentials, now: number): Promise<App>;
  /** An app by its name. */
  app(name: string): Promise<App | undefined>;
  /** All apps by name, with their pauses. */
  apps(): Promise<readonly { readonly app: App; readonly pauses: readonly Pause[] }[]>;
  /** Removes an app with its devices; `"busy"` while one of its notifications is unfinished. */
  removeApp(name: string): Promise<"removed" | "unknown" | "busy">;
  /** Stops claims from a lane. */
  pause(lane: Lane, reason: string, now: number): Promise<void>;
  /** Allows claims from a lane again; says whether it was paused. */
  resume(lane: Lane): Promise<boolean>;
  /** Registers devices, each replacing the one of the same id: an index for each one whose app is unknown or whose id belongs to another app. */
  saveDevices(devices: readonly DeviceRecord[], now: number): Promise<{
    /** Places of devices of an unknown app. */
    readonly noApp: readonly number[];
    /** Places of devices whose id another app has. */
    readonly taken: readonly number[];
  }>;
  /** A device by its id. */
  device(id: string): Promise<Device | undefined>;
  /** A page of an app's devices, ordered by id. */
  devices(page: DevicesPage): Promise<readonly Device[]>;
  /** Removes a device; says whether it was there. */
  removeDevice(id: string): Promise<boolean>;
  /** Marks devices invalid, unless they were registered again since; says how many were. */
  invalidate(rows: readonly DeliveryRow[]): Promise<number>;
  /** Accepts a notification, with its direct recipients. */
  submit(submission: Submission): Promise<SubmitOutcome>;
  /** Adds recipients to an open notification. */
  addRecipients(
    id: string,
    recipients: readonly DirectRecipient[],
  ): Promise<"added" | "unknown" | "closed">;
  /** Closes an open notification: it is sent from now on. */
  closeNotification(id: string): Promise<"closed" | "unknown" | "already_closed">;
  /** Stops what has not been claimed; recipients of claimed batches still get their outcome. */
  cancel(id: string, now: number): Promise<"cancelled" | "unknown" | "already_ended">;
  /** A notification with its progress. */
  notification(id: string): Promise<NotificationStatus | undefined>;
  /** Notifications, newest first; continue after this id. */
  notifications(page: {
    readonly app?: string;
    readonly after: string | undefined;
    readonly limit: number;
  }): Promise<readonly NotificationStatus[]>;
  /** Ids of notifications to expand, oldest first, and when the next scheduled one is due. */
  expandable(now: number, limit: number): Promise<{
    /** The ids. */
    readonly ids: readonly string[];
    /** When to ask again at the latest. */
    readonly dueAt: number | undefined;
  }>;
  /** Puts a further part of a notification's audience, at most `limit` recipients, into batches of at most `batchMax`. */
  expand(id: string, options: { readonly limit: number; readonly batchMax: number }): Promise<
    Expanded
  >;
  /** The notification and app of a batch; `undefined` when one of them is gone. */
  campaign(
    notification: string,
  ): Promise<{ readonly notification: Notification; readonly app: App } | undefined>;
  /** The recipients of a batch; `"stale"` when the lease was lost, `"unreadable"` when its row makes no sense. */
  load(lease: Lease): Promise<LoadedBatch | "stale" | "unreadable">;
  /** Records what a batch came to, in one transaction: counts, rows, remainders, completion, end of the notification. */
  commit(result: BatchResult): Promise<CommitOutcome>;
  /** A page of rows of one notification in the order of recording. */
  deliveries(page: DeliveriesPage): Promise<readonly DeliveryRow[]>;
  /** A page of rows of all notifications, for sinks. */
  rowsAfter(position: number, limit: number): Promise<readonly DeliveryRow[]>;
  /** A page of tallies of all notifications, for sinks. */
  talliesAfter(position: number, limit: number): Promise<readonly Tally[]>;
  /** How far a sink has come in this log; a sink that is new begins at its newest entry. */
  sinkPosition(name: string, log: SinkLog): Promise<number>;
  /**
   * Takes or prolongs the lease on a sink, or gives it up; answers how far the sink has come, or
   * `undefined` while another node has the lease.
   */
  claimSink(claim: SinkClaim): Promise<number | undefined>;
  /** Remembers how far a sink has come; it never goes back. */
  saveSinkPosition(name: string, position: number): Promise<void>;
  /**
   * Adds a page of tallies, at most 1,000 in the order of positions, to the history of what ended when:
   * slots of ten seconds by the time of recording, kept for 48 hours by the store's clock. Tallies at or
   * before the position of the sink `history` have been counted; that position is moved in the same
   * transaction, so that each counts once, whoever adds it how often.
   */
  addToHistory(tallies: readonly Tally[]): Promise<void>;
  /** The history of this span, summed by step: ascending by second and platform, without empty slots. */
  history(span: HistorySpan): Promise<readonly HistorySlot[]>;
  /**
   * The newest row that was recorded about each of at most 1,000 devices, by place; `undefined` when there
   * is none, or it has been swept: never an older one in its place.
   */
  lastOutcomes(devices: readonly string[]): Promise<readonly (DeliveryRow | undefined)[]>;
  /** Sets aside an entry that no node can use, with the reason, for people. */
  bury(entry: DeadLetter): Promise<void>;
  /** Entries set aside, newest first. */
  deadLetters(limit: number): Promise<readonly DeadLetter[]>;
  /** How full the lanes are. */
  lanes(): Promise<readonly LaneStatus[]>;
  /** Removes up to `limit` rows of notifications that ended before this time, and tallies recorded before it; says how many. */
  sweep(endedBefore: number, limit: number): Promise<number>;
  /** Resolves when the store can read and write. */
  ping(): Promise<void>;
}

/** An entry of a source or the queue that cannot be used. */
export interface DeadLetter {
  /** Where it came from: a source's name, or `queue`. */
  readonly source: string;
  /** Its id there. */
  readonly id: string;
  /** What is wrong with it. */
  readonly reason: string;
  /** Its beginning. */
  readonly body: string;
  /** When it was set aside. */
  readonly at: number;
}
