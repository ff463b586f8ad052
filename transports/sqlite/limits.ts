/**
 * Every limit of the SQLite store, each with its reason.
 *
 * @module
 */

/**
 * Writes that may wait or be on their way; the next is refused with the code `"busy"`. With bodies
 * of 4 KiB it bounds the memory of the queue to about 20 MiB, and at 10,000 durable writes a second
 * it is less than half a second of work: a caller who waits longer is better told to come back.
 */
export const PENDING_MAX = 4_096;

/**
 * Writes in one transaction. The gain of sharing one `fsync` is spent long before this; what is
 * bounded is how long the first of a group waits for the last.
 */
export const BATCH_MAX = 512;

/**
 * Times in a row that the writer's thread is started again without having answered in between.
 * A fault that passes is over by then; one that stays is for whoever supervises the store.
 */
export const RESTARTS_MAX = 5;

/** Delay before the first restart of the writer's thread; doubled for each one after it. */
export const RESTART_DELAY_MIN_MS = 50;

/** Largest delay before a restart of the writer's thread. */
export const RESTART_DELAY_MAX_MS = 1_000;

/**
 * How long a connection waits for the lock of another. There are two connections, one of which only
 * reads, so the wait is rare and short; it blocks the thread which waits.
 */
export const BUSY_TIMEOUT_MS = 250;

/** Pages of the write-ahead log after which it is copied into the file: 16 MiB of 4 KiB pages. */
export const CHECKPOINT_PAGES = 4_096;

/** Size the write-ahead log is cut to after it was copied, so that one burst does not keep the disk. */
export const JOURNAL_BYTES_MAX = 64 * 1024 * 1024;

/** Memory each connection may spend on pages, in KiB: the hot part of a million subscriptions. */
export const CACHE_KIB = 32 * 1024;

/** Characters of a foreign text, such as a message of SQLite, that are repeated in an error. */
export const QUOTED_CHARS_MAX = 200;

/** User agents whose waiting messages need not be counted at every save: 1 MiB of numbers. */
export const COUNTED_USERS_MAX = 20_000;
