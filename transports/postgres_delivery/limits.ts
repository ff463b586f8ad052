/**
 * Every limit of the delivery store in PostgreSQL, each with its reason.
 *
 * @module
 */

/** Recipients in one batch, at most: what a batch costs is nothing for each of them, and a crash repeats little. */
export const BATCH_RECIPIENTS_MAX = 1_000;

/** Batches of a rated notification hold this part of a second's recipients, so that a second is filled evenly. */
export const RATED_BATCH_SECONDS = 0.25;

/** Devices in one call: some 30 ms of one of the server's processes. */
export const DEVICES_MAX = 1_000;

/**
 * Times that devices are offered again which another node was registering under the same ids at the same
 * moment. Each time one of the two has come through, so a second time is rare.
 */
export const DEVICE_RACES_MAX = 10;

/** Recipients named in one call: what one request of the API may carry. */
export const DIRECT_MAX = 10_000;

/** Calls of unknown outcome that are remembered for being repeated; about 100 bytes each. */
export const UNKNOWN_CALLS_MAX = 1_000;

/** Recipients put into batches by one step: some 30 ms, in which results of the same notification wait. */
export const EXPAND_MAX = 20_000;

/** Looks for members that one step of an expansion takes: where most are invalid, it takes more steps, not longer ones. */
export const LOOKS_MAX = 16;

/** Batches in one claim: some 30 ms, in which claims of other nodes wait. */
export const CLAIM_MAX = 1_000;

/** Batches that become due in one claim; what is left becomes due in the next. */
export const DUE_MAX = 2_000;

/** Rows on one page: some tens of milliseconds of this process. */
export const PAGE_MAX = 10_000;

/** Devices that are sorted to find a page of them; where more match, they are walked in the order of their ids. */
export const SORTED_DEVICES_MAX = 10_000;

/** Rows removed by one step of a sweep or of an app's removal. */
export const SWEEP_MAX = 10_000;

/** Devices removed by one step of an app's removal, so that other writes go between. */
export const CLEARED_AT_ONCE = 2_000;

/** Ended notifications looked at by one step of a sweep. */
export const SWEPT_NOTIFICATIONS_MAX = 1_000;

/** Dead letters that are kept; the oldest make room, for they are for people to look at. */
export const DEAD_LETTERS_MAX = 10_000;

/** Results that are recorded by one transaction: they share its way to the disk and its turn at the logs. */
export const GROUP_RESULTS_MAX = 32;

/** Rows of deliveries in one transaction of results, unless a single result has more: some 20 ms of holding the logs. */
export const GROUP_ROWS_MAX = 4_000;

/** Transactions of results at once: one is worked on while the other reaches the disk. */
export const GROUPS_MAX = 2;

/** Results that wait to be recorded; the next is refused with the code `"busy"`. A node has no more batches in flight. */
export const RESULTS_WAITING_MAX = 2_048;
