/**
 * Every limit of what the stores of the Web Push half share, each with its reason.
 *
 * @module
 */

/**
 * Characters of what a node says of itself, as JSON: several times what this program writes. Whoever may
 * write to the store may write more, and all nodes read it with each renewal.
 */
export const FACTS_CHARS_MAX = 2_048;

/** Characters of a runtime's version. */
export const RUNTIME_CHARS_MAX = 40;

/** The last time that a date can have, in milliseconds since 1970 (ECMA-262, "Time Values and Time Range"). */
export const TIME_MAX = 8_640_000_000_000_000;
