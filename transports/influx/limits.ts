/**
 * Every bound of what is written to InfluxDB, with its reason.
 *
 * @module
 */

/** Time a write may take, its connection included: shorter than what a sink may take for a page, so that its reason is told. */
export const WRITE_TIMEOUT_MS = 15_000;

/** Points of one request: InfluxData's advice for batches; with the longest names some 2 MB, where servers take 25 MB. */
export const REQUEST_POINTS_MAX = 5_000;

/** Bytes of an answer that are read: enough for the reason of a refusal. */
export const ANSWER_BYTES_MAX = 4_096;

/** Characters of an answer that are repeated in an error. */
export const ANSWER_CHARS_MAX = 200;

/** Characters of the address. */
export const URL_CHARS_MAX = 2_048;

/** Characters of a token: those of InfluxDB have 88, a user's password may be longer. */
export const TOKEN_CHARS_MAX = 1_024;

/** Characters of a name: InfluxDB takes 64 KB for all names and tags of a point together. */
export const NAME_CHARS_MAX = 1_024;
