/**
 * Bounds that all delivery stores have in common, each with its reason.
 *
 * @module
 */

/**
 * Ends of the process that count as one delivery of each batch that was in flight: mostly it is not the
 * batch that killed it, but one which always does must be given up at last.
 */
export const DEATHS_PER_DELIVERY = 10;

/** Time for which the history is kept: two days on three platforms are 52,000 slots of some 60 bytes. */
export const HISTORY_MS = 48 * 3_600_000;

/** Tallies that one call adds to the history: a sink's page, some 200 KB. */
export const HISTORY_TALLIES_MAX = 1_000;

/** Devices whose last outcome one call answers: a page of devices. */
export const LAST_OUTCOMES_MAX = 1_000;
