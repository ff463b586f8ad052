/**
 * Every limit of the message store on Redis, each with its reason.
 *
 * @module
 */

/**
 * How much longer than they count Redis keeps the keys of a user agent: what a clock of a node may be
 * off, and time for the sweep, which says how much it removed.
 */
export const MARGIN_MS = 86_400_000;

/** Expired messages that one save removes to make room: more than it adds, and less than a millisecond. */
export const EXPIRED_PER_SAVE = 100;

/** Messages one script removes: so long, some milliseconds, everybody else waits. */
export const REMOVED_PER_CALL = 500;

/** Messages one page may have: so long, some milliseconds, everybody else waits. */
export const PAGE_MAX = 1_000;

/** User agents that are looked at together by one sweep, each by a call of its own. */
export const SWEEP_USERS = 64;

/** Calls that one request for many user agents makes at once: it leaves the connection to others, too. */
export const LOOKUPS_AT_ONCE = 512;

/** Nodes whose lease has ended that are told at once: they are dealt with one by one. */
export const ENDED_MAX = 100;

/** How long a node whose lease has ended is remembered when nobody removes it. */
export const ENDED_KEPT_MS = 7 * 86_400_000;
