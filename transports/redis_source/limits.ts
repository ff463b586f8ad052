/**
 * Every limit of the source on Redis, each with its reason.
 *
 * @module
 */

/** How long one read waits for an entry: so often a node looks for entries that others left behind. */
export const BLOCK_MS = 2_000;

/** Entries after which a node looks for left ones though new ones keep coming. */
export const ENTRIES_PER_LOOK = 64;

/**
 * Time without a sign of life after which an entry that a node has read is another's to take. An entry is
 * stored and acknowledged within half a minute, and while it waits for a store that is away the node shows
 * signs of life.
 */
export const IDLE_MS = 60_000;

/** Parts of the idle time after which a node shows that it still has its entry: two may fail. */
export const SIGNS_PER_IDLE = 3;

/** Time after which a consumer without an entry is forgotten: its node reads every two seconds while it lives. */
export const CONSUMER_IDLE_MS = 3_600_000;

/**
 * Deliveries after which an entry is handed out without its fields, to be set aside: they may be what keeps
 * it from arriving. Whoever judges entries gives them up before that, with what they have.
 */
export const DELIVERIES_WITH_FIELDS_MAX = 20;

/** Bytes of a notification that are made a text: as many as the API takes. Redis takes half a gigabyte. */
export const NOTIFICATION_BYTES_MAX = 8_388_608;

/** Fields of an entry that are shown when it is set aside. */
export const DEAD_FIELDS_MAX = 50;

/** Entries that are set aside and kept; the oldest make room, for they are for people to look at. */
export const DEAD_ENTRIES_MAX = 10_000;

/** Characters of an entry that are kept when it is set aside: enough to recognise it. */
export const DEAD_BODY_CHARS = 1_000;

/** Characters of the reason for which an entry was set aside. */
export const DEAD_REASON_CHARS = 500;
