/**
 * Counts the frames that a peer may send without bringing an answer forward: pings, settings, window
 * updates, resets of streams that are over, empty ones. Each costs us a look or an answer, so a peer
 * that sends nothing else is ended (RFC 9113 section 10.5).
 *
 * @module
 */

import type { Http2Clock } from "./clock.ts";
import { ERROR_CODE, Http2Error } from "./errors.ts";
import { IDLE_FRAMES_PER_REQUEST } from "./limits.ts";

const SECOND_MS = 1_000;

/** Budgets of so many seconds can be saved up by requests. */
const SAVED_SECONDS_MAX = 100;

/** The budget of one connection. */
export class FloodGuard {
  readonly #clock: Http2Clock;
  readonly #perSecond: number;
  #left: number;
  #refilledAt: number;

  /** A full budget. */
  constructor(clock: Http2Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#refilledAt = clock.now();
  }

  /** Requests were sent: each allows a few frames more, for the next second or so. */
  allow(requests: number): void {
    const grown = this.#left + requests * IDLE_FRAMES_PER_REQUEST;
    this.#left = Math.min(grown, this.#perSecond * SAVED_SECONDS_MAX);
  }

  /**
   * Counts a frame.
   *
   * @throws {Http2Error} ENHANCE_YOUR_CALM when the budget is used up.
   */
  count(): void {
    if (--this.#left >= 0) return;
    const now = this.#clock.now();
    if (now - this.#refilledAt < SECOND_MS) {
      throw new Http2Error(ERROR_CODE.enhanceYourCalm, "The peer floods the connection");
    }
    this.#refilledAt = now;
    this.#left = this.#perSecond - 1;
  }
}
