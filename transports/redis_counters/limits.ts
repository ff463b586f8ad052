/**
 * Every limit of the counters in Redis, each with its reason.
 *
 * @module
 */

/**
 * How long the counts of a second are kept: a day, so that two days can be laid side by side hour by
 * hour, and an hour more for whoever looks late. A busy day is 86,400 hashes of some 300 bytes.
 */
export const SECONDS_RETENTION_MS = 25 * 3_600_000;

/** How long the counts of a notification are kept after its last batch: as long as its results are by default. */
export const NOTIFICATIONS_RETENTION_MS = 30 * 86_400_000;

/** Shortest retention: expiry is by whole seconds. */
export const RETENTION_MIN_MS = 1_000;

/**
 * Tries to count one page. The first may not know how far the counters are; the second does. A third
 * would mean that another process counts the same log right now, which the lease on a sink prevents.
 */
export const ATTEMPTS_MAX = 2;

/** Seconds read at once: an hour, and less than the calls that may be on their way. */
export const SECONDS_READ_MAX = 3_600;

/** Characters of the name of a store. */
export const STORE_NAME_CHARS_MAX = 64;
