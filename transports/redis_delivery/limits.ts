/**
 * Every limit of the delivery store on Redis, each with its reason. Redis runs one script at a time, so
 * what bounds a script bounds how long everybody else waits.
 *
 * @module
 */

/** Recipients in one batch, at most: what a batch costs is nothing for each of them, and a crash repeats little. */
export const BATCH_RECIPIENTS_MAX = 1_000;

/** Batches of a rated notification hold this part of a second's recipients, so that a second is filled evenly. */
export const RATED_BATCH_SECONDS = 0.25;

/** Devices in one call of the store. */
export const DEVICES_MAX = 1_000;

/** Devices in one script: some 2 ms of Redis. A call's devices go in several, one after the other. */
export const DEVICES_AT_ONCE = 100;

/**
 * Recipients named in one call: what one request of the API may carry, some 10 ms of Redis. With a rate of
 * less than 8 a second each is a batch of its own, and 10,000 of them hold Redis for some tenths of a second.
 */
export const DIRECT_MAX = 10_000;

/** Recipients put into batches by one step: some 10 ms of Redis. */
export const EXPAND_MAX = 10_000;

/** Sets of device numbers that one step of an expansion looks at: a rare tag takes more steps, not longer ones. */
export const CHUNK_LOOKS_MAX = 2_000;

/** Batches in one claim: some 5 ms of Redis. */
export const CLAIM_MAX = 128;

/** Batches that become due in one claim, some 3 ms of Redis; what is left becomes due in the next. */
export const DUE_MAX = 256;

/** Batches that are added by an expansion, cancelled, or get their time in one step: some 10 ms of Redis. */
export const STEP_BATCHES_MAX = 500;

/** Leases in one call of `renew`: some ms of Redis. */
export const RENEW_MAX = 1_000;

/** Rows on one page: some 10 ms of the caller. */
export const PAGE_MAX = 10_000;

/** Fields or keys asked for with one command: some tenths of a millisecond of Redis. */
export const READ_AT_ONCE = 1_000;

/** Devices that are sorted to find a page of them; where more match, they are walked in the order of their ids. */
export const SORTED_DEVICES_MAX = 2_000;

/** Notifications that are due for expansion and put into order; beyond them the earliest come first. */
export const EXPANDABLE_MAX = 1_000;

/** Rows, or devices of a removed app, that one step of a sweep removes: some ms of Redis. */
export const SWEEP_MAX = 1_000;

/** Hours of the history that one call reads: the 49 in which 48 hours lie, and others of nodes whose clocks are ahead. */
export const HISTORY_HOURS_MAX = 72;

/**
 * Times that tallies are folded again because another node has counted some of them meanwhile: nodes that
 * count at once do so where the lease on the sink has just changed hands.
 */
export const HISTORY_RACES_MAX = 16;

/** Dead letters that are kept; the oldest make room, for they are for people to look at. */
export const DEAD_LETTERS_MAX = 10_000;

/**
 * How long Redis remembers that recipients were added, for a caller who never learned of it and says it
 * again. Each call leaves some 150 bytes for so long: a thousand calls a second some 90 MB.
 */
export const ADDED_TTL_MS = 600_000;

/** Calls of unknown outcome that are remembered for being repeated; about 100 bytes each. */
export const UNKNOWN_CALLS_MAX = 1_000;

/** What `ping` writes is gone after this time. */
export const PING_TTL_MS = 60_000;
