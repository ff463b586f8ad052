/**
 * Every bound of what is written to InfluxDB, with its reason.
 *
 * @module
 */

/** Points of one request: InfluxData's advice for batches; with the longest names some 2 MB, where servers take 25 MB. */
export const REQUEST_POINTS_MAX = 5_000;

/** Characters of an answer that are repeated in an error. */
export const ANSWER_CHARS_MAX = 200;

/** Characters of a token: those of InfluxDB have 88, a user's password may be longer. */
export const TOKEN_CHARS_MAX = 1_024;

/** Characters of a name: InfluxDB takes 64 KB for all names and tags of a point together. */
export const NAME_CHARS_MAX = 1_024;
