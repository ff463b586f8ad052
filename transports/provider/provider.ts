/**
 * What the providers' transports are given and what they give back: the same shapes for APNs, FCM and
 * Web Push, so that whoever drives them knows none of them.
 *
 * @module
 */

import type { HttpConnection } from "../http2/exchange.ts";

/** Who delivers to a device: Apple, Google, or the push service of a browser. */
export type Platform = "apns" | "fcm" | "webpush";

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

/** What a provider said to one request, or what stands for it. */
export type Verdict =
  /** It took the notification. */
  | { readonly kind: "delivered" }
  /**
   * The address is dead. `doubtful` when a wrong configuration gives the same answer, so that many of
   * them pause the app. With `invalidSince`, a device registered after that time is alive.
   */
  | {
    readonly kind: "token_invalid";
    readonly status: number;
    readonly reason: string;
    readonly doubtful: boolean;
    readonly invalidSince?: number;
  }
  /** It refuses this notification to this recipient, and will again. */
  | { readonly kind: "rejected"; readonly status: number; readonly reason: string }
  /** Later; not before `afterMs` when it said so. With the scope `lane` it wants less of the whole app. */
  | {
    readonly kind: "retry";
    readonly status: number;
    readonly reason: string;
    readonly afterMs?: number;
    readonly scope: "recipient" | "lane";
  }
  /** It refuses the app as a whole: a person must mend credentials or configuration. */
  | { readonly kind: "pause"; readonly status: number; readonly reason: string }
  /** The request was not made, or not processed: safe to send again at once, over another connection. */
  | { readonly kind: "unsent"; readonly reason: string; readonly afterMs?: number };

/** Verdicts for many recipients: few differ, so each is named once. */
export interface Answers {
  /** The verdicts. */
  readonly verdicts: readonly Verdict[];
  /** For each recipient, by place, the index of its verdict. */
  readonly of: Uint16Array;
}

/** Where a leg goes. All legs of the same key share a pool of connections. */
export interface Destination {
  /** Names what connections may be shared for: origin, credentials, clean or suspect. */
  readonly key: string;
  /** The origin, for the circuit and for people. */
  readonly origin: string;
  /** Connections at once. */
  readonly connectionsMax: number;
  /** Opens a connection; a rejection's message says why, for people. */
  connect(): Promise<HttpConnection>;
}

/** Recipients of a block that go to one destination. */
export interface Leg {
  /** Where to. */
  readonly destination: Destination;
  /** Their places in the block. */
  readonly places: readonly number[];
  /** Sends to those of them that are named here by their index in `places`; never rejects for what a peer does. */
  send(connection: HttpConnection, indexes: readonly number[]): Promise<Answers>;
}

/** A block split by destination; some recipients have their verdict without a request. */
export interface Routed {
  /** Verdicts at once, by place. */
  readonly settled: ReadonlyMap<number, Verdict>;
  /** The others. */
  readonly legs: readonly Leg[];
}

/** A notification made ready for a platform: rendered once, sent many times. */
export type Prepared =
  | { readonly kind: "ready"; route(recipients: Recipients): Routed }
  | { readonly kind: "refused"; readonly verdict: Verdict };

/** What is known of one provider: its requests, its answers, its credentials. */
export interface Provider {
  /** Its platform. */
  readonly platform: Platform;
  /** Renders what all recipients share. Credentials that cannot be used give a `pause`. */
  prepare(app: App, notification: Notification): Promise<Prepared>;
}
