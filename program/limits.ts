/**
 * Every limit of the program's own parts, each with its reason.
 *
 * @module
 */

/** Distance of two looks at the event loop: ten a second show a stall of 100 ms and cost nothing. */
export const LOOP_SAMPLE_MS = 100;

/** Time over which a node's rates, CPU time and delays are told: long enough for four renewals of its lease, and short enough to see a change. */
export const FACTS_WINDOW_MS = 10_000;

/** Time over which rates and CPU time are told at least: what comes at once when a process goes on is no rate. */
export const FACTS_SPAN_MIN_MS = 1_000;

/** Looks at the event loop that are remembered: a window of them. */
export const FACTS_SAMPLES_MAX = FACTS_WINDOW_MS / LOOP_SAMPLE_MS;

/** Time between two points of a node in InfluxDB: its facts are of the last ten seconds. */
export const INFLUX_FACTS_MS = FACTS_WINDOW_MS;

/** Characters of a text from the directory of nodes that are shown; whoever may write to the store may write more. */
export const NODE_TEXT_MAX = 300;

/** Roles of a node that are shown: twice as many as there are. */
export const NODE_ROLES_MAX = 8;

/** Nodes that are shown: as many as may share a store. */
export const NODES_SHOWN_MAX = 1_000;
