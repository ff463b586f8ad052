/**
 * What the push actors need from outside, as interfaces: the store, the device's socket, the
 * endpoint's identifiers and the source of broadcasts. Transports fit these structurally and do
 * not import them; the two meet in `mod.ts`.
 *
 * Identifiers: a UAID is 32 lower-case hexadecimal digits; a channel id is a lower-case, dashed
 * UUID. A sort key is a positive integer that grows with every accepted message and is never
 * given twice, not even after the clock was set back or the process restarted.
 *
 * @module
 */

/** A user agent: one browser profile or UnifiedPush distributor. */
export interface UserAgent {
  /** Its identity, 32 lower-case hexadecimal digits. */
  readonly uaid: string;
  /** Wall-clock time of its last hello, in milliseconds since 1970. */
  readonly connectedAt: number;
}

/** The cryptographic headers that travel with a message's body, by their names on the device's wire. */
export interface ContentHeaders {
  /** The `Content-Encoding`: how the body is encrypted. */
  readonly encoding: "aes128gcm" | "aesgcm";
  /** The `Encryption` header, normalised, when it was sent. */
  readonly encryption?: string;
  /** The `Crypto-Key` header, normalised, when it was sent. */
  readonly crypto_key?: string;
}

/** A body with the headers needed to decrypt it. */
export interface Content {
  /** The encrypted body, never empty. */
  readonly body: Uint8Array;
  /** Its headers. */
  readonly headers: ContentHeaders;
}

/** A message as an application server posted it to the endpoint of one channel. */
export interface IncomingMessage {
  /** The user agent the endpoint belongs to. */
  readonly uaid: string;
  /** The channel the endpoint belongs to. */
  readonly channelId: string;
  /** Seconds to keep the message, already capped; 0 means now or never (RFC 8030 section 5.2). */
  readonly ttlSeconds: number;
  /** Replaces an undelivered message of the same topic (RFC 8030 section 5.4). */
  readonly topic: string | undefined;
  /** Absent for an empty body. */
  readonly content: Content | undefined;
}

/** A message that was accepted: it has its place in the order and its public id. */
export interface PushMessage extends IncomingMessage {
  /** Place in the order of acceptance, unique. */
  readonly sortKey: number;
  /** Opaque id: the device's `version` and the last segment of the `Location`. */
  readonly version: string;
  /** Wall-clock second in which it expires: it is dead when `now >= expiresAt`. */
  readonly expiresAt: number;
}

/** One page of waiting messages, read in order. */
export interface PageRequest {
  /** Whose messages. */
  readonly uaid: string;
  /** `"topic"` reads replaceable messages, `"plain"` all others. */
  readonly kind: "topic" | "plain";
  /** At most so many messages. */
  readonly limit: number;
  /** The current wall-clock second: expired messages are not returned. */
  readonly nowSeconds: number;
}

/** What the store knows of a subscription. */
export type SubscriptionState = "subscribed" | "no_channel" | "no_user";

/** What became of a message offered to the store. */
export type SaveOutcome = "stored" | "over_limit" | "no_channel" | "no_user";

/**
 * Durable state of the Web Push half. Every write has reached the disk when its promise resolves.
 * A rejection means "not available now" and nothing else: nothing of that call was stored.
 */
export interface MessageStore {
  /** The user agent, or `undefined` when it is unknown or was not seen for the user lifetime. */
  user(uaid: string): Promise<UserAgent | undefined>;
  /** Creates the user agent or refreshes its `connectedAt`. */
  saveUser(user: UserAgent): Promise<void>;
  /** Refreshes the `connectedAt` of a known user agent; `false` when it is unknown or has lapsed. */
  refreshUser(user: UserAgent): Promise<boolean>;
  /** Removes the user agent with its channels and messages; unknown is fine. */
  removeUser(uaid: string): Promise<void>;
  /** Adds a channel (again is fine) unless the user agent would then have more than `channelsMax`. */
  addChannel(
    uaid: string,
    channelId: string,
    channelsMax: number,
  ): Promise<"added" | "over_limit" | "no_user">;
  /** Removes a channel with its waiting messages; says whether it existed. */
  removeChannel(uaid: string, channelId: string): Promise<boolean>;
  /** Whether this channel is subscribed now. */
  subscription(uaid: string, channelId: string): Promise<SubscriptionState>;
  /**
   * Stores a message; one with a topic replaces the waiting message of the same user agent,
   * channel and topic. Refused with `"over_limit"` when the user agent already has more than
   * `waitingMax` messages waiting.
   */
  saveMessage(message: PushMessage, waitingMax: number): Promise<SaveOutcome>;
  /** A page of waiting messages in ascending sort key. */
  messages(page: PageRequest): Promise<readonly PushMessage[]>;
  /** Removes these messages of a user agent; unknown sort keys are fine. */
  removeMessages(uaid: string, sortKeys: readonly number[]): Promise<void>;
  /** Removes up to `limit` expired messages and as many lapsed user agents; says how many in all. */
  sweep(nowSeconds: number, limit: number): Promise<number>;
  /** The largest sort key ever stored, 0 when none was. */
  lastSortKey(): Promise<number>;
  /** Resolves when the store can read and write. */
  ping(): Promise<void>;
}

/** The WebSocket of one device, already upgraded. It bounds its own send queue and closes a device that does not read. */
export interface DeviceSocket extends Disposable {
  /** Queues a text message; `false` when the socket is closing or closed. */
  send(text: string): boolean;
  /** Queues a Ping frame without payload; its Pong is reported to the owner. */
  ping(): void;
  /** Sends Close with this code and reason and ends TCP within a second. */
  close(code: number, reason: string): void;
}

/** Makes the public identifiers: the only thing which knows how they are encrypted. */
export interface Identifiers {
  /** The endpoint URL of a channel, bound to the application server's key when one is given. */
  endpointUrl(uaid: string, channelId: string, key: Uint8Array | undefined): string;
  /** The public id of a message, unguessable and different on every call. */
  messageId(uaid: string, channelId: string, sortKey: number): string;
  /** A fresh, random UAID. */
  newUaid(): string;
}

/** Where the versions of broadcasts come from. */
export interface BroadcastSource {
  /** The current version of every broadcast id. */
  fetch(signal: AbortSignal): Promise<ReadonlyMap<string, string>>;
}

/** What the push actors report, for metrics and logs; no event carries an identifier or a body. */
export type PushEvent =
  | { readonly kind: "hello"; readonly user: "new" | "existing" | "reassigned" }
  | { readonly kind: "registered"; readonly status: 200 | 400 | 500 }
  | { readonly kind: "unregistered"; readonly code: number }
  | { readonly kind: "acknowledged"; readonly code: 100 | 101 | 102 }
  | { readonly kind: "nacked"; readonly code: 0 | 301 | 302 | 303 }
  | { readonly kind: "accepted"; readonly route: "direct" | "stored" | "dropped" }
  | { readonly kind: "sent"; readonly source: "direct" | "stored"; readonly delayMs: number }
  | { readonly kind: "session_ended"; readonly reason: string; readonly lastedMs: number }
  | { readonly kind: "user_reset" }
  | { readonly kind: "store_failed"; readonly operation: string; readonly reason: string }
  | { readonly kind: "broadcasts_polled"; readonly ok: boolean; readonly reason: string }
  | { readonly kind: "swept"; readonly rows: number };

/** Takes the push actors' events; must return at once and never throw. */
export interface Observer {
  /** Records one event. */
  record(event: PushEvent): void;
}

/** A listener that accepts connections. */
export interface OpenDoor extends AsyncDisposable {
  /** The port it is bound to. */
  readonly port: number;
}
