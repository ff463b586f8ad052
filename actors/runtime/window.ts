/**
 * Restart intensity and backoff: how often, and how soon.
 *
 * The counting is OTP's: a restart is too many when, it included, more than `restarts` happened
 * within the last `withinMs`, both ends of the window inside. Failed attempts count. Unlike OTP,
 * which cuts its clock to whole seconds, the window is in milliseconds of the monotonic clock.
 *
 * @module
 */

import type { Backoff } from "./actor.ts";
import type { Random } from "./clock.ts";
import { invariant } from "./errors.ts";
import { INTENSITY_RESTARTS_MAX } from "./limits.ts";

/** How many restarts a supervisor allows before it gives up: not more than `restarts` within `withinMs`. */
export interface Intensity {
  /** Restarts allowed; 0 means that the first is already too many. */
  readonly restarts: number;
  /** The window in milliseconds. */
  readonly withinMs: number;
}

/** The restarts of the last while. */
export class RestartWindow {
  readonly #intensity: Intensity;
  #times: number[] = [];

  /**
   * @param intensity The limit.
   * @throws {InvariantError} When a number is negative, or `restarts` is no integer up to 10,000.
   */
  constructor(intensity: Intensity) {
    const { restarts, withinMs } = intensity;
    invariant(
      Number.isInteger(restarts) && restarts >= 0 && restarts <= INTENSITY_RESTARTS_MAX,
      `Cannot allow ${restarts} restarts: it must be an integer from 0 to ${INTENSITY_RESTARTS_MAX}`,
    );
    invariant(withinMs >= 0, `Cannot count restarts within ${withinMs} ms: it must be 0 or more`);
    this.#intensity = intensity;
  }

  /**
   * Counts a restart.
   *
   * @param now Monotonic milliseconds.
   * @returns Whether it is still allowed.
   */
  add(now: number): boolean {
    this.#cut(now);
    this.#times.push(now);
    return this.#times.length <= this.#intensity.restarts;
  }

  /**
   * Restarts inside the window.
   *
   * @param now Monotonic milliseconds.
   */
  count(now: number): number {
    this.#cut(now);
    return this.#times.length;
  }

  #cut(now: number): void {
    const oldest = now - this.#intensity.withinMs;
    this.#times = this.#times.filter((time) => time >= oldest);
  }
}

/**
 * The delay before a restart: doubled at each attempt in a row, with up to half of it taken off
 * at random so that siblings do not come back in step.
 *
 * @param backoff The bounds.
 * @param attempts Restarts in a row before this one.
 * @param random The source of the jitter.
 * @returns Milliseconds.
 */
export function backoffMs(backoff: Backoff, attempts: number, random: Random): number {
  const full = Math.min(backoff.maxMs, backoff.minMs * 2 ** attempts);
  return full * (1 - random.next() / 2);
}
