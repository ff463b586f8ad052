/**
 * Every bound of the sinks, the monitor and the sweeper of results, with its reason.
 *
 * @module
 */

/** Rows read and offered to a sink at once: the most one batch can add, some 300 KB as JSON. */
export const SINK_PAGE_ROWS = 1_000;

/** Tallies read and offered to a sink at once: what a million deliveries come to. */
export const SINK_PAGE_TALLIES = 1_000;

/** Time after which a sink looks for entries though nobody told it to: other nodes add some, too. */
export const SINK_LOOK_MS = 1_000;

/** Time in which a page must have been read, recorded and remembered; then the sink hangs, and is started again. */
export const SINK_STEP_MS = 30_000;

/**
 * Lease on a sink: a page may take {@linkcode SINK_STEP_MS}, and is begun only under a lease that lasts
 * as long; the rest is the time between two prolongations. After a crash of its node a sink stands
 * still for so long at most, unless the node's leases are ended sooner.
 */
export const SINK_LEASE_MS = 40_000;

/** Time after which a node asks again for the lease on a sink that another one feeds. */
export const SINK_ASK_MS = 5_000;

/** Sinks of a node, those of a library user included. */
export const SINKS_MAX = 16;

/**
 * Delay before a sink that failed is started again: a receiver that is away for a night is asked once
 * in a minute. It is longer than {@linkcode SINK_STEP_MS}, so that a sink which hangs each time it is
 * started does not count as one that recovered.
 */
export const SINK_BACKOFF: { readonly minMs: number; readonly maxMs: number } = {
  minMs: 1_000,
  maxMs: 60_000,
};

/**
 * Restarts a supervisor of sinks must allow so that no sink's failure ends the others: with the
 * delays of {@linkcode SINK_BACKOFF} and their jitter, one sink is started at most six times in ten
 * seconds, however long its receiver is away.
 */
export const SINK_INTENSITY: { readonly restarts: number; readonly withinMs: number } = {
  restarts: 6 * SINKS_MAX,
  withinMs: 10_000,
};

/** Seconds the monitor remembers: ten minutes, a screen's width of bars. */
export const MONITOR_SECONDS = 600;

/** Results of batches that may wait for the monitor: more than a second of them at full speed. */
export const MONITOR_MAILBOX = 4_096;

/** Time between two publications of the monitor: a bar is a second. */
export const MONITOR_TICK_MS = 1_000;

/** Time between two looks for what other nodes have delivered: a bar is a second. */
export const FOLLOW_MS = 1_000;

/** Listeners of the monitor, one for each page that shows it: all of a team, and some forgotten tabs. */
export const MONITOR_LISTENERS_MAX = 256;

/** Time between two sweeps of results whose time is over. */
export const RESULT_SWEEP_MS = 60_000;

/** Rows removed by one step of a sweep, small enough not to hold up the commits of batches behind it. */
export const RESULT_SWEEP_ROWS = 2_000;
