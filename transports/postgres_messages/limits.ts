/**
 * Every limit of the message store in PostgreSQL, each with its reason.
 *
 * @module
 */

/**
 * Writes that may wait or be on their way; the next is refused with the code `"busy"`. With bodies of
 * 4 KiB it bounds the memory of the queue to about 20 MiB, and it is about a second of work: a caller
 * who waits longer is better told to come back.
 */
export const PENDING_MAX = 4_096;

/**
 * Writes in one transaction. The gain of sharing one commit is spent long before this; what is bounded
 * is how long the first of a group waits for the last, and how long user agents stay locked for other
 * nodes.
 */
export const BATCH_MAX = 512;

/**
 * Rows that keep the largest sort key. Each opened store writes one, chosen by chance: two that write the
 * same one wait for each other's commits, which of ten nodes hardly any do. The migration has the
 * same number.
 */
export const SORT_KEY_MARKS = 128;

/** Nodes whose lease lasts that are told of; a deployment has tens. */
export const NODES_ALIVE_MAX = 1_000;

/** Nodes whose lease has ended that are told of at once: each is removed by who looks after it. */
export const NODES_ENDED_MAX = 100;
