/**
 * Every bound of the push actors, with its reason. Bounds an operator may want to change are
 * settings with these values as defaults; the others are constants.
 *
 * @module
 */

/** Messages that may wait for one device session; the registry then leaves them in the store and asks again later. */
export const SESSION_MAILBOX = 128;

/** Messages that may wait for the registry: one burst of posts and hellos while it handles a slice. */
export const REGISTRY_MAILBOX = 16_384;

/** Questions that may wait for the broadcast tracker: one per hello of a reconnect storm. */
export const BROADCASTS_MAILBOX = 16_384;

/** Messages sent to one device and not yet acknowledged; beyond it they wait in the store. */
export const OUTSTANDING_MAX = 128;

/** Replaceable messages read from the store at once, as autopush does. */
export const TOPIC_PAGE = 11;

/** Other messages read from the store at once, as autopush does. */
export const PLAIN_PAGE = 10;

/** Channels of one user agent: a browser profile has tens, a runaway script would have millions. */
export const CHANNELS_MAX = 2_000;

/** Broadcast ids one device may name in a message; Firefox names a handful. */
export const BROADCAST_IDS_MAX = 100;

/** Broadcast ids taken from the source; the rest of a larger document is not offered. */
export const BROADCASTS_MAX = 1_000;

/** Least time between two application pings of a device (autopush counts whole seconds and asks for 45). */
export const CLIENT_PING_MIN_MS = 45_000;

/** A user agent's `connectedAt` is written again only when older than this, so that a reconnect storm is cheap. */
export const USER_REFRESH_MS = 3_600_000;

/** Sessions that are told at once to look into the store: their reads, two each, fit into what a store lets wait. */
export const LOOK_SLICE = 100;

/** Time between two of these slices: 4,000 sessions a second, and five seconds for all that a node has. */
export const LOOK_PAUSE_MS = 25;

/** Delay before the store is asked again who of a node that was cut off still holds its user agent. */
export const CONFIRM_RETRY_MS = 1_000;

/** Times a message is given a larger key because another node's message waits under it; each time it is larger than all. */
export const OFFERS_MAX = 8;

/** Time between two sweeps of expired messages. */
export const SWEEP_INTERVAL_MS = 60_000;

/** Rows removed by one step of a sweep, small enough not to hold up the posts behind it. */
export const SWEEP_ROWS = 1_000;

/** Time a source of broadcasts may take to answer, as autopush has it. */
export const BROADCAST_FETCH_MS = 1_000;

/** Time a socket may take to report its end after it was closed; it ends TCP within a second. */
export const CLOSE_GRACE_MS = 2_000;

/** Time a post that has begun may take when the node stops; most take milliseconds. */
export const DRAIN_MS = 5_000;

/** Time a listener has to close, drain included, before it is given up. */
export const LISTENER_SHUTDOWN_MS = DRAIN_MS + 2_000;
