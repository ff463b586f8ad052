/**
 * Every bound of the API's client, with its reason.
 *
 * @module
 */

/** Bytes of one whole answer: a page of 1,000 devices with a hundred tags each stays below. */
export const ANSWER_BYTES_MAX = 16 * 1_048_576;

/** Bytes of one line of an answer that comes in lines: the last one of an import has its problems. */
export const LINE_BYTES_MAX = 1_048_576;

/** Milliseconds for one whole answer; the API itself answers within seconds or refuses. */
export const ANSWER_MS = 30_000;

/** Problems of one answer that are kept; the API tells at most as many. */
export const PROBLEMS_MAX = 100;

/** Characters of a text of the other side that a failure repeats. */
export const DETAIL_CHARS_MAX = 300;

/** Characters of one event and of each of its lines: the live tree of a large node has some 50,000. */
export const EVENT_CHARS_MAX = 4 * 1_048_576;

/** Milliseconds without a byte after which a stream of events is given up: a node gives a sign of life every 15 s. */
export const EVENTS_SILENCE_MS = 45_000;
