/**
 * Every limit of the queue on Redis, each with its reason.
 *
 * @module
 */

/**
 * Batches of one lane that a node's refill brings the stream up to: enough for a node's share of a
 * lane, 16, while what waits in Redis stays little of what waits in the store, where fairness,
 * pauses and cancellations are decided.
 */
export const LANE_REFILL = 32;

/** Batches of one lane that may wait in Redis, however many nodes refill it at the same time. */
export const LANE_WAITING_MAX = 128;

/** Lanes that may have batches waiting in Redis; others wait in the store. With their batches some 30 MB of Redis. */
export const LANES_MAX = 1_024;

/** Batches that one refill takes from the store; some milliseconds of its writer. */
export const REFILL_MAX = 256;

/**
 * Time after which a node looks whether the store has work of lanes that have nothing in Redis, while
 * Redis has work enough of others: so long a small notification may wait behind a large one.
 */
export const REFILL_MS = 250;

/**
 * How long the store's lease on a batch lasts beyond the lease in Redis. A batch waits in Redis for
 * {@linkcode WAIT_MAX_MS} at most before it is given back, at the latest {@linkcode TEND_MS} and a claim
 * later, then it is renewed by whoever works on it every ten seconds for the lease and this time. A
 * node that dies leaves it unrenewed for the lease, until another one takes it over and renews it; this time is what
 * that one has to look.
 */
export const UPSTREAM_EXTRA_MS = 30_000;

/**
 * How long a batch waits in Redis without being read before it is given back to the store: its lane is
 * held, paused or full on every node, and meanwhile it may have expired or been cancelled.
 */
export const WAIT_MAX_MS = 10_000;

/** Time between two looks of a node for batches that have waited too long, and for consumers that are gone. */
export const TEND_MS = 5_000;

/** Time between two looks of a node for batches whose lease has ended. */
export const LOOK_MS = 500;

/** How old the knowledge may be which lanes are paused. */
export const PAUSES_MS = 1_000;

/** Batches given back from one lane by one look. */
export const GIVE_BACK_MAX = 64;

/** Time after which a consumer without a batch is forgotten: its node reads every second while it lives. */
export const CONSUMER_IDLE_MS = 3_600_000;

/** Entries of a group that one step of a walk over it looks at: some tens of microseconds of Redis. */
export const PAGE = 100;

/**
 * How long keys are kept after the last batch was handed over: entries are worth nothing without the
 * store's lease, which has long ended by then, and what outlives its store must not stay for ever.
 */
export const KEYS_KEPT_MS = 86_400_000;

/** Entries that are set aside and kept; the oldest make room, for they are for people to look at. */
export const DEAD_ENTRIES_MAX = 10_000;

/** Characters of an entry that are kept when it is set aside: enough to recognise it. */
export const DEAD_BODY_CHARS = 1_000;

/** Leases that a node remembers; it has 128 batches in flight by default. */
export const HELD_MAX = 16_384;

/** Delay before the store gives a batch again for which there was no room in Redis. */
export const REFUSED_MS = 1_000;

/** Recipients of one batch, as the store makes them: an entry that names more is none. */
export const BATCH_RECIPIENTS_MAX = 1_000;
