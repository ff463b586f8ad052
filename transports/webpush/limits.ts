/**
 * Every limit of the Web Push sender, each with its reason.
 *
 * @module
 */

/** `p256dh` (65 bytes) and `auth` (16) of one recipient. */
export const RECIPIENT_KEYS_BYTES = 81;

/** A push service takes 4,096 bytes of body (RFC 8030 section 7.2); header, delimiter and tag take 103. */
export const PLAINTEXT_BYTES_MAX = 3_993;

/** The record size in the header: more than any message has, as a message is one record (RFC 8291 section 4). */
export const RECORD_BYTES = 4_096;

/** Recipients of one block: a batch has 1,000, and salts for a block are drawn in one call of 64 KiB at most. */
export const BLOCK_RECIPIENTS_MAX = 4_096;

/** Threads that encrypt unless told otherwise: four make 80,000 messages a second, more than is sent. */
export const THREADS_DEFAULT_MAX = 4;

/** Blocks at a thread: one it works on, and one so that it never waits for the next. */
export const THREAD_BLOCKS_MAX = 2;

/** Blocks held for all threads; at 81 KB each this is 41 MB, and what comes beyond is told to come again. */
export const PENDING_BLOCKS_MAX = 512;

/** After this time a block that found no room is worth another try: some blocks take that long. */
export const BUSY_MS = 500;

/** A block at which so many threads died is given up: it would take the others with it. */
export const BLOCK_DEATHS_MAX = 3;

/** A thread that dies this often without a block in between will not work at all. */
export const THREAD_RESTARTS_MAX = 5;

/** First and longest delay before a dead thread is started again; it doubles. */
export const THREAD_RESTART_MIN_MS = 50;
export const THREAD_RESTART_MAX_MS = 5_000;
