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
export type SaveOutcome = "stored" | "over_limit" | "no_channel" | "no_user" | BehindOutcome;

/**
 * Nothing was stored, since the user agent was given a message with the same or a larger sort key,
 * which may have been removed since: another node accepted it, its clock a little ahead. With a
 * larger key the message takes its place behind that one, and no key names two messages of a user
 * agent. Only a store that several nodes write to answers so.
 */
export interface BehindOutcome {
  /** The largest sort key that a message of the user agent was stored under. */
  readonly behind: number;
}

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

/** Where a user agent is connected: a node, and which of its sessions. */
export interface Whereabouts {
  /** The node's id in the {@link NodeDirectory}. */
  readonly node: string;
  /** The session, different for every connection. */
  readonly session: string;
}

/**
 * Which node holds the session of a user agent, for nodes that share a store; kept by that store.
 *
 * A message that was stored before `arrive` resolved is found by a read that follows it, and one
 * stored later finds the session by `whereabouts`: so no message waits in between.
 */
export interface Presence {
  /** From now on this is where the user agent is; answers where it was until now. An unknown user agent is fine. */
  arrive(uaid: string, at: Whereabouts): Promise<Whereabouts | undefined>;
  /** Forgets that the user agent is here, unless it has arrived elsewhere since. */
  depart(uaid: string, at: Whereabouts): Promise<void>;
  /** Where each of these user agents is, by place. */
  whereabouts(uaids: readonly string[]): Promise<readonly (Whereabouts | undefined)[]>;
}

/** Milliseconds by which timers fired late. */
export interface LoopDelay {
  /** Half of them were not later than this. */
  readonly p50: number;
  /** Ninety-nine of a hundred were not later than this. */
  readonly p99: number;
  /** The latest. */
  readonly max: number;
}

/**
 * How a node does, as it says itself with each renewal of its lease. Rates, CPU time and delays are those
 * of the last ten seconds.
 */
export interface NodeFacts {
  /** Wall-clock time of these, in milliseconds since 1970, by the node's own clock. */
  readonly at: number;
  /** Version of its runtime. */
  readonly deno: string;
  /** Resident memory. */
  readonly rssBytes: number;
  /** JavaScript's heap in use. */
  readonly heapBytes: number;
  /** CPU time as a share of one core: above 100 when several threads compute. */
  readonly cpuPercent: number;
  /** How late its timers fired. */
  readonly loopDelayMs: LoopDelay;
  /** Device sockets open. */
  readonly devices: number;
  /** Batches in flight. */
  readonly batches: number;
  /** Recipients whose delivery ended, whatever the outcome. */
  readonly deliveriesPerSecond: number;
  /** Connections to providers open. */
  readonly providerConnections: number;
}

/** A node as the others know it. */
export interface NodeRecord {
  /** Its id, another one after every start. */
  readonly id: string;
  /** Origin of its node port, where others hand it messages; absent when it has none. */
  readonly url: string | undefined;
  /** What it does: `devices`, `endpoint`, `delivery`, `api`. */
  readonly roles: readonly string[];
  /** Its version of this program. */
  readonly version: string;
  /** Digests of its endpoint keys, first of the one which encrypts: a node without that key knows none of its endpoints. */
  readonly keys: readonly string[];
  /** Wall-clock time of its start, in milliseconds since 1970. */
  readonly startedAt: number;
  /** How it does, as of the last renewal of its lease; absent when it does not say so in words that are understood. */
  readonly facts: NodeFacts | undefined;
}

/** The nodes that share a store, each under a lease that is measured by the store's own clock. */
export interface NodeDirectory {
  /** Enters this node, or prolongs its lease from now on. */
  renew(node: NodeRecord, leaseMs: number): Promise<void>;
  /** Removes a node; unknown is fine. */
  leave(id: string): Promise<void>;
  /** All nodes whose lease lasts, by their start, and the ids of at most a hundred whose lease has ended. */
  nodes(): Promise<{ readonly alive: readonly NodeRecord[]; readonly ended: readonly string[] }>;
}

/** A session named from another node. */
export interface DisplacedSession {
  /** The user agent. */
  readonly uaid: string;
  /** Its session there, see {@link Whereabouts}. */
  readonly session: string;
}

/** What nodes do for each other: one node as another sees it. A rejection means that it could not be reached. */
export interface Peer {
  /** Hands messages to their sessions; answers, by place, whether the session was there. */
  push(messages: readonly PushMessage[]): Promise<readonly boolean[]>;
  /** Has the sessions of these user agents look into the store; answers, by place, whether they were there. */
  notify(uaids: readonly string[]): Promise<readonly boolean[]>;
  /** Ends these sessions, whose user agents have connected elsewhere. */
  displace(sessions: readonly DisplacedSession[]): Promise<void>;
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
  /** So long after it was handed to the device's socket. */
  | { readonly kind: "acknowledged"; readonly code: 100 | 101 | 102; readonly delayMs: number }
  | { readonly kind: "nacked"; readonly code: 0 | 301 | 302 | 303 }
  | { readonly kind: "accepted"; readonly route: "direct" | "forwarded" | "stored" | "dropped" }
  | { readonly kind: "sent"; readonly source: "direct" | "stored"; readonly delayMs: number }
  | { readonly kind: "session_ended"; readonly reason: string; readonly lastedMs: number }
  | { readonly kind: "user_reset" }
  | { readonly kind: "store_failed"; readonly operation: string; readonly reason: string }
  | { readonly kind: "broadcasts_polled"; readonly ok: boolean; readonly reason: string }
  | { readonly kind: "swept"; readonly rows: number }
  | { readonly kind: "node_joined"; readonly node: string; readonly url: string | undefined }
  | { readonly kind: "node_left"; readonly node: string }
  /** Its lease ended, and so many batches it had claimed are due again. */
  | { readonly kind: "node_lost"; readonly node: string; readonly batches: number }
  /** This node could not renew its own lease in time. */
  | { readonly kind: "lease_lapsed"; readonly lateMs: number }
  | { readonly kind: "peer_failed"; readonly node: string; readonly reason: string };

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
