/**
 * Every limit of the connection to Redis, each with its reason.
 *
 * @module
 */

/**
 * Calls that may be on their way over one connection; the next is refused with the code `"busy"`. With
 * bodies of 4 KiB it bounds what waits in memory to about 20 MiB, and at 20,000 calls a second it is a
 * fifth of a second of work: a caller who waits longer is better told to come back.
 */
export const PENDING_MAX = 4_096;

/** How long one call may take. Redis answers within milliseconds or is away; a save's sync may take a second. */
export const CALL_TIMEOUT_MS = 5_000;

/** How often calls are looked at for their deadline: how much later than promised one may end. */
export const DEADLINE_CHECK_MS = 250;

/** How long the first connection, or one that is lost, may take to be made before it is tried again. */
export const CONNECT_TIMEOUT_MS = 5_000;

/** How long a connection may be idle before it is pinged, so that a peer that vanished is noticed. */
export const PING_INTERVAL_MS = 2_000;

/** Delay before the first attempt to connect again; doubled for each one after it. */
export const RECONNECT_DELAY_MIN_MS = 50;

/** Largest delay before an attempt to connect again: so late at most is Redis noticed to be back. */
export const RECONNECT_DELAY_MAX_MS = 1_000;

/** Longest time a blocking read may wait: so long a stop may have to wait for it. */
export const BLOCK_MAX_MS = 10_000;

/** Characters of a foreign text, such as a message of Redis, that are repeated in an error. */
export const QUOTED_CHARS_MAX = 200;
