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
