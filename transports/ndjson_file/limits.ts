/**
 * Every bound of the file of results, with its reason.
 *
 * @module
 */

/** Bytes of a line: a row has some 300, and some thousands with the longest address and reason. */
export const LINE_BYTES_MAX = 64 * 1_024;

/** Mode of a new file: its addresses are for its owner alone. */
export const FILE_MODE = 0o600;
