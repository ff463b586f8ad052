/**
 * Every bound of the actor runtime, each with its reason. Nothing in the runtime grows without one.
 *
 * @module
 */

/** Messages one actor handles before the next ready actor has its turn: long enough to amortise the switch. */
export const TURN_MESSAGES_MAX = 128;

/**
 * Milliseconds the runtime computes before it lets the event loop park. Sockets are only read while
 * the loop parks; a zero timer costs about 1 ms, so a shorter slice would waste a larger share.
 */
export const SLICE_MS = 4;

/**
 * Messages and turns between two looks at the clock, which cost as much as handling a few messages.
 * A turn that has handled many is followed by a look, so a slice outlasts its time by one turn.
 */
export const WORK_PER_CLOCK_READ = 16;

/** Default deadline of `send` and `ask` in milliseconds, the one OTP's `gen_server:call` has. */
export const ASK_TIMEOUT_MS = 5_000;

/**
 * Empty lists of calls kept for the next call of their timeout, each until its timer fires. A
 * program has a few timeouts; one that computes a new one for every call should not fill the heap.
 */
export const CALL_LISTS_KEPT = 64;

/** Default time for an orderly stop in milliseconds, the one OTP gives a worker. */
export const SHUTDOWN_MS = 5_000;

/** Largest delay a timer of the platform takes: 2^31 - 1 ms; longer ones are armed again on the way. */
export const PLATFORM_TIMER_MS_MAX = 2_147_483_647;

/** Timers expired in one go before other work of the event loop is let in. */
export const EXPIRIES_PER_WAKE_MAX = 10_000;

/** Largest capacity of a mailbox: more than a million waiting messages is a missing limit elsewhere. */
export const MAILBOX_CAPACITY_MAX = 1_048_576;

/** Senders that may wait at one mailbox; each holds a promise and a payload. */
export const WAITING_SENDERS_MAX = 65_536;

/** Slots a mailbox keeps when it has drained: a busy actor does not reallocate, an idle one stays small. */
export const MAILBOX_SLOTS_KEPT = 16;

/** Promises one incarnation may have piped to itself; its own `inFlightMax` should be far lower. */
export const PIPES_MAX = 65_536;

/** Replies one incarnation may owe through `ctx.later()`. */
export const LATERS_MAX = 65_536;

/** Actors one incarnation may watch: a registry watches one session per connection. */
export const WATCHES_MAX = 1_048_576;

/** Resources one incarnation may hold through `ctx.use()`. */
export const RESOURCES_MAX = 1_024;

/** Children one actor may spawn; more belong into a pool, which stops them in parallel. */
export const SPAWNED_CHILDREN_MAX = 1_024;

/** Largest pool: about half a kilobyte for each actor makes this one gigabyte. */
export const POOL_CHILDREN_MAX = 2_097_152;

/** Dead letters remembered for the operator; all are counted. */
export const DEAD_LETTERS_KEPT = 64;

/** Characters of an error's text shown in the live tree. */
export const CRASH_TEXT_CHARS = 200;

/** Children of a pool listed one by one in the live tree; a larger pool shows counts only. */
export const TREE_POOL_CHILDREN_MAX = 100;

/** Classes of a pool's children by messages waiting, each twice as wide as the one before; the last is 128 and more, the most a connection's mailbox holds. */
export const TREE_DEPTH_CLASSES = 9;

/** Restarts a window may allow, and so the times it remembers. */
export const INTENSITY_RESTARTS_MAX = 10_000;
