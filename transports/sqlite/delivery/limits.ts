/**
 * Every limit of the delivery store, each with its reason.
 *
 * @module
 */

/** Recipients in one batch, at most: what a batch costs is nothing for each of them, and a crash repeats little. */
export const BATCH_RECIPIENTS_MAX = 1_000;

/** Batches of a rated notification hold this part of a second's recipients, so that a second is filled evenly. */
export const RATED_BATCH_SECONDS = 0.25;

/** Devices in one call: some 15 ms of the writer, in which other writes wait. */
export const DEVICES_MAX = 1_000;

/** Recipients named in one call: what one request of the API may carry. */
export const DIRECT_MAX = 10_000;

/** Recipients put into batches by one step: some 10 ms of the writer. */
export const EXPAND_MAX = 20_000;

/** Batches in one claim: some 20 ms of the writer. */
export const CLAIM_MAX = 1_000;

/** Batches that become due in one claim; what is left becomes due in the next. */
export const DUE_MAX = 2_000;

/** Ranges of device numbers that one step of an expansion looks at: a rare tag takes more steps, not longer ones. */
export const RANGES_MAX = 16;

/** Device numbers in one range, at most. */
export const RANGE_MAX = 1_048_576;

/** Rows on one page: a millisecond or two of the thread that reads. */
export const PAGE_MAX = 10_000;

/** Devices that are sorted to find a page of them; where more match, they are walked in the order of their ids. */
export const SORTED_DEVICES_MAX = 10_000;

/** Rows removed by one step of a sweep or of an app's removal. */
export const SWEEP_MAX = 10_000;

/** Ended notifications looked at by one step of a sweep. Rows are seen in their order: where so many are unseen, the others are, too. */
export const SWEPT_NOTIFICATIONS_MAX = 1_000;

/** Dead letters that are kept; the oldest make room, for they are for people to look at. */
export const DEAD_LETTERS_MAX = 10_000;

/** Tags whose number is remembered by the writer: about 2 MiB. */
export const TAGS_REMEMBERED_MAX = 20_000;

/** Rows that weigh as much as one small write, which costs some ten times of what a row costs. */
export const ROWS_PER_WEIGHT = 10;

/**
 * Weight of all writes that wait or are on their way; the next is refused with the code `"busy"`. It is
 * about half a second of work and some 20 MiB.
 */
export const PENDING_WEIGHT_MAX = 8_192;

/**
 * Weight of one transaction: it bounds how long a claim waits behind an import to some hundreds of
 * milliseconds. An import needs large ones, for each writes every page of an index that it touched.
 */
export const BATCH_WEIGHT_MAX = 2_048;

/** Memory the writing connection may spend on pages, in KiB: the inner pages and the hot part of a million devices. */
export const WRITER_CACHE_KIB = 64 * 1024;

/** Memory the reading connection may: a campaign reads its devices in order, and each page once. */
export const READER_CACHE_KIB = 8 * 1024;

/**
 * Pages of the write-ahead log after which it is copied into the file: 64 MiB of 4 KiB pages. An import
 * changes the same pages of its indexes again and again, and this way they are copied once for several
 * transactions.
 */
export const CHECKPOINT_PAGES = 16_384;
