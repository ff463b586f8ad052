/**
 * What stores of the Web Push half keep, in the shapes their callers hand over and get back; and what
 * nodes that share a store tell each other through it.
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

/** The cryptographic headers of a body, as RFC 8188 and its draft predecessor name them. */
export interface ContentHeaders {
  /** The `Content-Encoding` of the body. */
  readonly encoding: "aes128gcm" | "aesgcm";
  /** The `Encryption` header, when it was sent. */
  readonly encryption?: string;
  /** The `Crypto-Key` header, when it was sent. */
  readonly crypto_key?: string;
}

/** A body with the headers needed to decrypt it. */
export interface Content {
  /** The encrypted body, never empty. */
  readonly body: Uint8Array;
  /** Its headers. */
  readonly headers: ContentHeaders;
}

/** A message that waits for its device. */
export interface PushMessage {
  /** Whose message it is. */
  readonly uaid: string;
  /** The channel it was sent to, a lower-case, dashed UUID. */
  readonly channelId: string;
  /** Seconds it is to be kept (RFC 8030 section 5.2). */
  readonly ttlSeconds: number;
  /** Replaces a waiting message of the same topic (RFC 8030 section 5.4). */
  readonly topic: string | undefined;
  /** Absent for an empty body. */
  readonly content: Content | undefined;
  /** Place in the order of acceptance, a positive integer, never given twice. */
  readonly sortKey: number;
  /** Opaque public id. */
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
 * which may have been removed since: another node accepted it, its clock a little ahead.
 */
export interface BehindOutcome {
  /** The largest sort key that a message of the user agent was stored under. */
  readonly behind: number;
}

/** What became of a channel offered to the store. */
export type ChannelOutcome = "added" | "over_limit" | "no_user";

/** Wall-clock time; the default is the machine's. */
export interface WallClock {
  /** Milliseconds since 1970. */
  wallNow(): number;
}

/** Where a user agent is connected: a node, and which of its sessions. */
export interface Whereabouts {
  /** The node's id. */
  readonly node: string;
  /** The session, different for every connection. */
  readonly session: string;
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
  /** Digests of its endpoint keys, first of the one which encrypts. */
  readonly keys: readonly string[];
  /** Wall-clock time of its start, in milliseconds since 1970. */
  readonly startedAt: number;
  /** How it does, as of the last renewal of its lease; absent when it does not say so in words that are understood. */
  readonly facts: NodeFacts | undefined;
}

/** The nodes that share a store. */
export interface NodesFound {
  /** Those whose lease lasts, by their start. */
  readonly alive: readonly NodeRecord[];
  /** Ids of at most a hundred whose lease has ended. */
  readonly ended: readonly string[];
}
