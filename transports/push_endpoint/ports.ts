/**
 * What the push endpoint needs from outside, and what it reports.
 *
 * Whoever holds subscriptions and messages fits {@linkcode PushService} structurally; the endpoint
 * knows nothing else of it. A rejected promise means "not available now" and is answered 503.
 *
 * @module
 */

/** A message as a sender posted it. */
export interface PostedMessage {
  /** The user agent, 32 lower-case hexadecimal digits. */
  readonly uaid: string;
  /** The channel, a lower-case dashed UUID. */
  readonly channelId: string;
  /** Seconds to keep it, already capped; 0 means now or never. */
  readonly ttlSeconds: number;
  /** Replaces an undelivered message of the same topic. */
  readonly topic: string | undefined;
  /** Absent for an empty body. */
  readonly content: PostedContent | undefined;
}

/** An encrypted body with what is needed to decrypt it. */
export interface PostedContent {
  /** The body as it came, never empty, never inflated. */
  readonly body: Uint8Array;
  /** Its headers, by their names on the device's wire. */
  readonly headers: ContentHeaders;
}

/** The cryptographic headers that travel with a body. */
export interface ContentHeaders {
  /** The `Content-Encoding`. */
  readonly encoding: "aes128gcm" | "aesgcm";
  /** The `Encryption` header without quotes and padding, when it was sent. */
  readonly encryption?: string;
  /** The `Crypto-Key` header without quotes and padding, when it was sent. */
  readonly crypto_key?: string;
}

/** What became of a posted message. */
export type Acceptance =
  | { readonly kind: "accepted"; readonly messageId: string }
  | { readonly kind: "no_subscription" }
  /** The user agent has too many messages waiting. */
  | { readonly kind: "over_limit" }
  | { readonly kind: "unavailable" };

/** Holds subscriptions and messages. */
export interface PushService {
  /** Whether the channel is subscribed now. */
  subscription(
    uaid: string,
    channelId: string,
  ): Promise<"subscribed" | "no_channel" | "no_user">;
  /** Takes a message; when it is `"accepted"` it survives what the service promises to survive. */
  accept(message: PostedMessage): Promise<Acceptance>;
  /** Removes a message that was not delivered yet; an unknown one is fine. */
  withdraw(uaid: string, sortKey: number): Promise<void>;
}

/** Tells the time. */
export interface WallClock {
  /** Milliseconds since 1970. */
  wallNow(): number;
}

/** The system's wall clock. */
export const SYSTEM_CLOCK: WallClock = { wallNow: () => Date.now() };

/** What an operational route shows of the server. */
export interface EndpointStatus {
  /** Whether the server can do its work. */
  readonly status: "OK" | "ERROR";
  /** Version of the server. */
  readonly version: string;
}

/** Values of `Urgency`, RFC 8030 section 5.3. */
export type Urgency = "very-low" | "low" | "normal" | "high";

/** What was wrong with a VAPID header: autopush's names of its counters, and ours where it has none. */
export type VapidFault =
  | "aud_missing"
  | "authorization_repeated"
  | "invalid_algorithm"
  | "invalid_audience"
  | "invalid_claims"
  | "invalid_crypto_key"
  | "invalid_expiry"
  | "invalid_key"
  | "invalid_signature"
  | "invalid_vapid"
  | "expired"
  | "key_mismatch"
  | "missing_key"
  | "missing_token"
  | "token_too_long"
  | "unknown_scheme";

/** How a VAPID token names its sender (`sub`): counted, never refused. */
export type VapidSubject = "bad_format" | "empty" | "missing" | "ok";

/** What the endpoint reports, for metrics and logs; no event carries a token, an address or a body. */
export type EndpointEvent =
  | {
    readonly kind: "accepted";
    readonly payloadBytes: number;
    readonly ttlSeconds: number;
    readonly topic: boolean;
    /** `"unknown"` for a value RFC 8030 does not have; it is ignored. */
    readonly urgency: Urgency | "unknown";
    readonly encoding: "aes128gcm" | "aesgcm" | "none";
  }
  | { readonly kind: "refused"; readonly status: number; readonly errno: number | null }
  | { readonly kind: "withdrawn" }
  | {
    readonly kind: "vapid_verified";
    readonly draft: "01" | "02";
    /** Whether the token was known from an earlier request. */
    readonly remembered: boolean;
    readonly subject: VapidSubject;
  }
  | { readonly kind: "vapid_refused"; readonly fault: VapidFault }
  /** The service rejected, or a handler threw; answered 503 or 500. */
  | { readonly kind: "failed"; readonly error: unknown }
  /** A connection was cut because its address has too many. */
  | { readonly kind: "connection_refused" };
