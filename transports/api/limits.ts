/**
 * Every bound of the API door, each with its reason. The bounds of connections, headers and times
 * are those of the HTTP door.
 *
 * @module
 */

/** How long `/readyz` waits for its checks: a load balancer's probe usually gives up after 5 s, and should get an answer, not silence. */
export const READY_DEADLINE_MS = 2_000;

/** Longest bearer token looked at: ours have 43 characters; what is longer is refused without hashing it. */
export const TOKEN_LENGTH_MAX = 256;

/** Distance of two looks at the event loop: ten a second show a stall of 100 ms and cost nothing. */
export const LOOP_SAMPLE_MS = 100;

/** How long answers in work may take when the door closes; each of them is small. */
export const DRAIN_MS = 1_000;
