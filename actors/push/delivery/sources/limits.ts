/**
 * Every bound of the sources, with its reason.
 *
 * @module
 */

/** Times a source may hand out an entry: one that was not settled five times has crashed or stalled five nodes. */
export const ENTRY_DELIVERIES_MAX = 5;

/** The newest form of an entry that this build reads. */
export const ENTRY_SCHEMA_MAX = 1;

/** Characters of an entry's id: with the source's name it becomes an idempotency key. */
export const ENTRY_ID_CHARS_MAX = 128;

/** Characters of a source's name. */
export const SOURCE_NAME_CHARS_MAX = 64;

/** Characters of an entry's text: a notification to 10,000 addresses named in it is some 4 MB. */
export const ENTRY_CHARS_MAX = 8 * 1_024 * 1_024;

/** Characters of an entry kept when it is set aside: enough to recognise it. */
export const DEAD_LETTER_CHARS = 1_000;

/** Characters of the id of an entry that is set aside for its long id, too. */
export const DEAD_LETTER_ID_CHARS = 256;

/** Characters of the reason for which an entry was set aside. */
export const DEAD_LETTER_REASON_CHARS = 500;

/**
 * Delay before a source that ended or threw is opened again, before an entry is offered again, and for
 * the supervisor's restarts: a source that is back is read within half a minute.
 */
export const SOURCE_BACKOFF: { readonly minMs: number; readonly maxMs: number } = {
  minMs: 500,
  maxMs: 30_000,
};

/** Time in which an entry must be stored and acknowledged; then something hangs, and the source is started again. */
export const ENTRY_MS = 30_000;

/** Sources of a node. */
export const SOURCES_MAX = 16;

/**
 * Restarts a supervisor of sources must allow so that no source ends the others: with the delays of
 * {@linkcode SOURCE_BACKOFF} and their jitter, one source is started at most seven times in ten
 * seconds, even if its entries crash it for ever.
 */
export const SOURCE_INTENSITY: { readonly restarts: number; readonly withinMs: number } = {
  restarts: 7 * SOURCES_MAX,
  withinMs: 10_000,
};
