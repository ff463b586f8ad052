/**
 * The pace of one project: how many messages it may send now, and when the next ones.
 *
 * Google counts messages by the minute; they are spread over it. A turn is a place in virtual time: each
 * message moves the end of the queue by its share of a minute. Invariants: what is granted never
 * exceeds the rate by more than a burst; nobody waits longer than `QUOTA_WAIT_MS_MAX`, however the
 * clock is put.
 *
 * @module
 */

import { RETRY_AFTER_MS_MAX } from "../provider/retry_after.ts";
import { QUOTA_BURST_MS, QUOTA_WAIT_MS_MAX } from "./limits.ts";

/** Turns for messages. */
export interface Turns {
  /** How many may be sent. */
  readonly granted: number;
  /** After how long they may be. */
  readonly waitMs: number;
  /** After how long the others may ask, to be sent at once. */
  readonly afterMs: number;
}

/** The quota of one project. */
export class Quota {
  readonly #perMs: number;
  /** What may go at once, in time; at a low rate one message is more than a burst. */
  readonly #burstMs: number;
  /** When what was granted will have been paid for. */
  #paidAt = 0;
  /** Until when Google wants nothing. */
  #heldUntil = 0;

  /**
   * Makes a quota nothing of which is used.
   *
   * @param messagesPerMinute At least 1.
   */
  constructor(messagesPerMinute: number) {
    this.#perMs = messagesPerMinute / 60_000;
    this.#burstMs = Math.max(QUOTA_BURST_MS, 1 / this.#perMs);
  }

  /** Takes turns for at most `count` messages. */
  take(count: number, now: number): Turns {
    // A clock that was put back must not make anybody wait for the time it lost.
    this.#heldUntil = Math.min(this.#heldUntil, now + RETRY_AFTER_MS_MAX);
    if (this.#heldUntil > now) return { granted: 0, waitMs: 0, afterMs: this.#heldUntil - now };
    const owedMsMax = this.#burstMs + QUOTA_WAIT_MS_MAX;
    const owedMs = Math.min(Math.max(this.#paidAt - now, 0), owedMsMax);
    // Less than a millionth of a message is an error of rounding.
    const granted = Math.min(count, Math.floor((owedMsMax - owedMs) * this.#perMs + 1e-6));
    const paidMs = owedMs + granted / this.#perMs;
    this.#paidAt = now + paidMs;
    const waitMs = Math.max(paidMs - this.#burstMs, 0);
    return { granted, waitMs, afterMs: waitMs };
  }

  /** Google wants nothing of this project until then. */
  hold(until: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, until);
  }
}
