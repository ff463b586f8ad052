/**
 * The things the delivery pipeline speaks of: apps, devices, notifications, outcomes.
 *
 * An app is a tenant with its credentials; a device is one recipient; a notification is content,
 * audience and options. Times are milliseconds since 1970, from the node's clock, unless a name says
 * otherwise.
 *
 * @module
 */

/** The platforms, in the order in which people see them. */
export const PLATFORMS = ["apns", "fcm", "webpush"] as const;

/** Who delivers to a device: Apple, Google, or the push service of a browser. */
export type Platform = typeof PLATFORMS[number];

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

/** A JSON value. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };

/** Credentials for APNs: a signing key, or a client certificate. */
export type ApnsCredentials =
  | {
    /** Unencrypted PKCS#8 PEM of the P-256 key, the content of Apple's `.p8` file. */
    readonly key: string;
    /** Its ten-character id. */
    readonly keyId: string;
    /** The ten-character id of the team. */
    readonly teamId: string;
    /** The app's bundle id; push types add their suffix. */
    readonly topic: string;
    /** Where to send; Apple's production origin when absent. */
    readonly origin?: string;
  }
  | {
    /** PEM of the client certificate, with its chain. */
    readonly certificate: string;
    /** PEM of the certificate's private key. */
    readonly certificateKey: string;
    /** The app's bundle id. */
    readonly topic: string;
    /** Where to send; Apple's production origin when absent. */
    readonly origin?: string;
  };

/** Credentials for FCM's HTTP v1 API. */
export interface FcmCredentials {
  /** The service account as Google's console hands it out. */
  readonly serviceAccount: JsonObject;
  /** Where to send; Google's origin when absent. */
  readonly origin?: string;
}

/** Credentials for Web Push. */
export interface WebPushCredentials {
  /** The VAPID private key, base64url (RFC 8292). */
  readonly vapidPrivateKey: string;
  /** Who is responsible: a `mailto:` or `https:` URI (RFC 8292 section 2.1). */
  readonly subject: string;
}

/** A tenant's credentials, one entry for each platform it sends to. */
export interface Credentials {
  /** For Apple's devices. */
  readonly apns?: ApnsCredentials;
  /** For Google's. */
  readonly fcm?: FcmCredentials;
  /** For browsers. */
  readonly webpush?: WebPushCredentials;
}

/** A tenant. */
export interface App {
  /** Its name, in URLs and commands. */
  readonly name: string;
  /** Grows with every change of its credentials, so that what was derived from old ones is not used. */
  readonly version: number;
  /** Its secrets. */
  readonly credentials: Credentials;
}

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

/** What a notification says. */
export interface Content {
  /** The title people see. */
  readonly title?: string;
  /** The text people see. */
  readonly body?: string;
  /** What the app gets beside it. */
  readonly data?: JsonObject;
  /** Overrides for APNs. */
  readonly apns?: ApnsContent;
  /** Overrides for FCM. */
  readonly fcm?: FcmContent;
  /** Overrides for Web Push. */
  readonly webpush?: WebPushContent;
}

/** The values of `apns-push-type`. */
export type ApnsPushType =
  | "alert"
  | "background"
  | "voip"
  | "complication"
  | "fileprovider"
  | "mdm"
  | "liveactivity"
  | "location"
  | "pushtotalk"
  | "widgets"
  | "controls";

/** What a notification says differently on APNs. */
export interface ApnsContent {
  /** The whole payload, instead of one made of title, body and data. */
  readonly payload?: JsonObject;
  /** Keys of `aps` beside or instead of the ones made of title and body: `badge`, `sound`, `thread-id`, … */
  readonly aps?: JsonObject;
  /** The push type; `alert`, or `background` when nothing is shown. */
  readonly pushType?: ApnsPushType;
  /** 1, 5 or 10; from the urgency when absent. */
  readonly priority?: number;
  /** At most 64 bytes; from the topic when absent. */
  readonly collapseId?: string;
  /** The whole `apns-topic`, instead of the app's with the push type's suffix. */
  readonly topic?: string;
}

/** What a notification says differently on FCM. */
export interface FcmContent {
  /** Fields of the message beside or instead of the ones made of title, body and data, but for the target. */
  readonly message?: JsonObject;
  /** Lets Google check and not deliver. */
  readonly validateOnly?: boolean;
}

/** What a notification says differently on Web Push. */
export interface WebPushContent {
  /** The whole plaintext: a text as it is, an object as its JSON. */
  readonly payload?: string | JsonObject;
  /** Makes the payload a declarative message that Safari shows without a service worker: needs a title and this URL. */
  readonly navigate?: string;
}

/** How urgent (RFC 8030 section 5.3); on APNs and FCM it becomes the priority. */
export type Urgency = "very-low" | "low" | "normal" | "high";

/** A notification that was accepted. */
export interface Notification {
  /** Its id, a UUID. */
  readonly id: string;
  /** Whose it is. */
  readonly app: string;
  /** What it says. */
  readonly content: Content;
  /** Seconds the provider may keep it for a device that is away; 0 is now or never. */
  readonly ttlSeconds: number;
  /** How urgent. */
  readonly urgency: Urgency;
  /** Replaces an undelivered notification of the same topic. */
  readonly topic: string | undefined;
  /** When it was accepted. */
  readonly createdAt: number;
  /** When to begin; it is not sent before. */
  readonly sendAt: number;
  /** After this time nothing more is sent; what is left is `expired`. */
  readonly expiresAt: number;
  /** Recipients a second, at most; as fast as providers take them when absent. */
  readonly ratePerSecond: number | undefined;
  /** Whether a row is kept of every delivery, or of failures only. */
  readonly rows: "failures" | "all";
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

/** Where a notification may be in its life, in this order. */
export const NOTIFICATION_STATES = [
  "open",
  "scheduled",
  "expanding",
  "sending",
  "done",
  "cancelled",
] as const;

/** Where a notification is in its life. `open`, `scheduled`, `expanding` and `sending` end in `done` or `cancelled`. */
export type NotificationState = typeof NOTIFICATION_STATES[number];

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
