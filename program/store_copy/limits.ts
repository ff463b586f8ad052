/**
 * Every limit of copying a store, each with its reason.
 *
 * @module
 */

/** Rows in one transaction: beyond some thousands the commit costs nothing beside them. */
export const PAGE_ROWS_MAX = 5_000;

/**
 * Characters and bytes of what one transaction carries: messages have bodies, and a chunk of recipients
 * may be a megabyte. Two pages are in memory at once, each several times over on its way to text.
 */
export const PAGE_BYTES_MAX = 4 * 1024 * 1024;

/** How long the server may take for one page, in milliseconds: a disk that is busy, not one that is gone. */
export const STATEMENT_TIMEOUT_MS = 60_000;

/** Milliseconds between two reports: four a second where they are drawn, one a second where they are lines. */
export const LIVE_MS = 250;

/** See {@link LIVE_MS}. */
export const LINE_MS = 1_000;
