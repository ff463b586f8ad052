/**
 * Every bound of the node port, each with its reason.
 *
 * @module
 */

/** Items of one request: a thousand devices to notify are 35 KB, and a failed request costs no more than these. */
export const BLOCK_ITEMS_MAX = 1_000;

/**
 * Bytes after which a client begins another block of messages. Larger blocks are no faster: at 100
 * messages of 1,000 bytes each what a request costs is spread thin already.
 */
export const BLOCK_BYTES = 524_288;

/**
 * Bytes of a request's body: a block may be over `BLOCK_BYTES` by its last message, which has at most
 * 87 KB of body and 32 KB of headers, and headers may take twice their length in UTF-8 or escaped.
 */
export const REQUEST_BYTES_MAX = 2_097_152;

/** Bytes of bodies that are being read or worked on, over all connections: what the port may cost at worst. */
export const BODIES_BYTES_MAX = 67_108_864;

/** Connections of a port: a few for each of the nodes that share a store, of which there are at most 1,000. */
export const NODE_CONNECTIONS_MAX = 4_096;

/** Milliseconds for a whole request: nodes are near each other, and a megabyte takes 100 ms on a slow line. */
export const NODE_REQUEST_MS = 10_000;

/** Seconds after which a client may come back when the port has no room, or its peer is not available. */
export const NODE_RETRY_AFTER_SECONDS = 1;

/** Milliseconds of a call with all its blocks; autopush's number for the same purpose. */
export const CALL_MS = 3_000;

/** Calls of a client at once: its owner has one or two; more than this is a fault there. */
export const CALLS_MAX = 64;

/** Connections of a client: one for blocks of messages, one for what must not wait behind them. */
export const PEER_CONNECTIONS_MAX = 2;

/** Milliseconds an unused connection is kept: less than the 75 s of the port, so that no call meets its end. */
export const PEER_IDLE_MS = 30_000;

/** Bytes of an answer: a boolean for each item, or one sentence. */
export const ANSWER_BYTES_MAX = 16_384;

/** Secrets of a node: as many as it may have endpoint keys. */
export const SECRETS_MAX = 16;

/** Characters of a secret at least; an endpoint key has 44. */
export const SECRET_CHARACTERS_MIN = 32;

/** Bytes of a message's body: the most that the endpoint can be set to take. */
export const BODY_BYTES_MAX = 65_536;

/** Characters of a message's `version`: as many as the endpoint opens. */
export const VERSION_CHARACTERS_MAX = 512;

/** Characters of one cryptographic header: what fits into the head of a request. */
export const HEADER_CHARACTERS_MAX = 16_384;

/** Seconds a message is kept at most: RFC 8030 section 5.2 has a TTL be 31 bits at least. */
export const TTL_SECONDS_MAX = 2_147_483_647;

/** Characters of a session's name. */
export const SESSION_CHARACTERS_MAX = 128;
