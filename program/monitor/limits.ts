/**
 * Every bound of what a node shows of itself live, with its reason.
 *
 * @module
 */

/** Time between two looks at the tree and the load, for those who watch: as often as a bar comes. */
export const LOOK_MS = 1_000;

/** Children of a pool shown one by one in a frame of the tree: as many as a page can draw; a larger pool is one box. */
export const FRAME_POOL_CHILDREN_MAX = 24;

/** Crashes and restarts told one by one in a second, more than a person can read; the others are counted. */
export const CRASHES_PER_SECOND_MAX = 20;

/** Characters of an error's text: two lines on a screen. */
export const CRASH_ERROR_CHARS_MAX = 300;
