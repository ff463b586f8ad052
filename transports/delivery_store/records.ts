/**
 * What delivery stores are given and what they give back: the same shapes for every one of them, so
 * that whoever drives them knows none of them. What belongs to a thousand recipients travels as
 * columns. Times are milliseconds since 1970.
 *
 * @module
 */

import type { App, Notification, Platform, Recipients } from "../provider/provider.ts";

export type {
  ApnsContent,
  ApnsCredentials,
  ApnsPushType,
  App,
  Content,
  Credentials,
  FcmContent,
  FcmCredentials,
  Json,
  JsonObject,
  Notification,
  Platform,
  Recipients,
  Urgency,
  WebPushContent,
  WebPushCredentials,
} from "../provider/provider.ts";

/** How a delivery ended for good. `delivered` means accepted by the provider, not seen by a person. */
export const OUTCOMES = [
  "delivered",
  "token_invalid",
  "rejected",
  "expired",
  "failed",
  "cancelled",
] as const;

/** One of {@link OUTCOMES}. */
export type Outcome = typeof OUTCOMES[number];

/** A lane's pause: nothing of it is claimed until somebody resumes it. */
export interface Pause {
  /** Which platform. */
  readonly platform: Platform;
  /** Why, for people. */
  readonly reason: string;
  /** Since when. */
  readonly since: number;
}

/** A device as it is registered. */
export interface DeviceRecord {
  /** The caller's id of it. */
  readonly id: string;
  /** The app it belongs to. */
  readonly app: string;
  /** Its platform. */
  readonly platform: Platform;
  /** APNs or FCM token, or the endpoint URL of a subscription. */
  readonly address: string;
  /** Web Push only: `p256dh` (65 bytes) followed by `auth` (16 bytes). */
  readonly keys: Uint8Array | undefined;
  /** The caller's id of the person, for audiences. */
  readonly user: string | undefined;
  /** Tags, for audiences. */
  readonly tags: readonly string[];
}

/** A device as the store knows it. */
export interface Device extends DeviceRecord {
  /** `invalid` devices are in no audience until they are registered again. */
  readonly state: "active" | "invalid";
  /** When it was last registered. */
  readonly registeredAt: number;
  /** Why it is invalid. */
  readonly reason: string | undefined;
}

/** A recipient named by its address instead of a registered device. */
export interface DirectRecipient {
  /** Its platform. */
  readonly platform: Platform;
  /** See {@link DeviceRecord}. */
  readonly address: string;
  /** See {@link DeviceRecord}. */
  readonly keys: Uint8Array | undefined;
}

/** Who gets a notification. Each recipient counts once, however many of its tags match. */
export type Audience =
  | { readonly kind: "devices"; readonly devices: readonly string[] }
  | { readonly kind: "users"; readonly users: readonly string[] }
  | { readonly kind: "tags"; readonly tags: readonly string[] }
  | { readonly kind: "all" }
  | { readonly kind: "direct"; readonly recipients: readonly DirectRecipient[] }
  | { readonly kind: "open" };

/** A notification as it is offered to the store. */
export interface Submission {
  /** The notification, its id made by the caller. */
  readonly notification: Notification;
  /** Who gets it; `open` waits for recipients and for being closed. */
  readonly audience: Audience;
  /** A second submission of the app with this key is answered with the id of the first. */
  readonly idempotencyKey: string | undefined;
  /** A digest of what was submitted: the key with another digest is a conflict. */
  readonly digest: string;
}

/** What became of a submission. */
export type SubmitOutcome =
  | { readonly kind: "accepted"; readonly id: string }
  | { readonly kind: "repeated"; readonly id: string }
  | { readonly kind: "conflict" }
  | { readonly kind: "no_app" };

/** Where a notification is in its life. `open`, `scheduled`, `expanding` and `sending` end in `done` or `cancelled`. */
export type NotificationState =
  | "open"
  | "scheduled"
  | "expanding"
  | "sending"
  | "done"
  | "cancelled";

/** How many recipients stand where. `total` is the sum of all but `retries`, and grows while expanding. */
export interface Counts {
  /** Recipients found so far. */
  readonly total: number;
  /** Accepted by the provider. */
  readonly delivered: number;
  /** Their address is dead. */
  readonly tokenInvalid: number;
  /** Refused for what was sent. */
  readonly rejected: number;
  /** Not sent in time. */
  readonly expired: number;
  /** Given up. */
  readonly failed: number;
  /** Not sent because the notification was cancelled. */
  readonly cancelled: number;
  /** Without an outcome yet. */
  readonly pending: number;
  /** Requests that had to be sent again. */
  readonly retries: number;
}

/** A notification with its progress. */
export interface NotificationStatus {
  /** What was accepted. */
  readonly notification: Notification;
  /** Where it is. */
  readonly state: NotificationState;
  /** Whether every recipient has its outcome. */
  readonly sendingDone: boolean;
  /** All platforms together. */
  readonly counts: Counts;
  /** Each platform that has recipients. */
  readonly platforms: Readonly<Partial<Record<Platform, Counts>>>;
  /** When its first batch was claimed. */
  readonly startedAt: number | undefined;
  /** When its last recipient had its outcome. */
  readonly finishedAt: number | undefined;
}

/** How a delivery ended, as rows, webhooks and files show it. */
export interface DeliveryRow {
  /** Its place in the order of recording, unique in the store and growing. */
  readonly position: number;
  /** The notification. */
  readonly notification: string;
  /** The app. */
  readonly app: string;
  /** The recipient's number within the notification, see {@link Recipients}. */
  readonly number: number;
  /** The device, unless the recipient was direct or its device was removed. */
  readonly device: string | undefined;
  /** The platform. */
  readonly platform: Platform;
  /** The address it was sent to. */
  readonly address: string;
  /** How it ended. */
  readonly outcome: Outcome;
  /** The provider's status, 0 when there was none. */
  readonly status: number;
  /** The provider's reason, or ours. */
  readonly reason: string;
  /** Requests made for it. */
  readonly attempts: number;
  /** When it was recorded. */
  readonly at: number;
  /** For `token_invalid`: a device registered after this time is not meant. */
  readonly registeredBefore: number | undefined;
}

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

/** An app with its pauses. */
export interface AppListing {
  /** The app. */
  readonly app: App;
  /** Its lanes of which nothing is claimed. */
  readonly pauses: readonly Pause[];
}

/** Devices that were not saved, as places in what was handed in. */
export interface UnsavedDevices {
  /** Places of devices of an unknown app. */
  readonly noApp: readonly number[];
  /** Places of devices whose id another app has. */
  readonly taken: readonly number[];
}

/** Which page of notifications. */
export interface NotificationsPage {
  /** Only this app's. */
  readonly app?: string;
  /** Continue after this id; from the newest when absent. */
  readonly after: string | undefined;
  /** At most so many. */
  readonly limit: number;
}

/** Notifications to expand. */
export interface Expandable {
  /** Their ids, oldest first. */
  readonly ids: readonly string[];
  /** When to ask again at the latest. */
  readonly dueAt: number | undefined;
}

/** A notification with the app it is sent for. */
export interface Campaign {
  /** The notification. */
  readonly notification: Notification;
  /** The app. */
  readonly app: App;
}
