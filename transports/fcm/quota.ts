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
  /** After how long it is worth asking for the others. */
  readonly afterMs: number;
}

/** The quota of one project. */
export class Quota {
  readonly #perMs: number;
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
  }

  /** Takes turns for at most `count` messages. */
  take(count: number, now: number): Turns {
    // A clock that was put back must not make anybody wait for the time it lost.
    this.#heldUntil = Math.min(this.#heldUntil, now + RETRY_AFTER_MS_MAX);
    if (this.#heldUntil > now) return { granted: 0, waitMs: 0, afterMs: this.#heldUntil - now };
    const owedMsMax = QUOTA_BURST_MS + QUOTA_WAIT_MS_MAX;
    const owedMs = Math.min(Math.max(this.#paidAt - now, 0), owedMsMax);
    // A rate so low that a burst is less than one message still sends one at a time.
    const room = Math.max((owedMsMax - owedMs) * this.#perMs, owedMs === 0 ? 1 : 0);
    const granted = Math.min(count, Math.floor(room + 1e-6));
    const paidMs = owedMs + granted / this.#perMs;
    this.#paidAt = now + paidMs;
    return {
      granted,
      waitMs: Math.min(Math.max(paidMs - QUOTA_BURST_MS, 0), QUOTA_WAIT_MS_MAX),
      afterMs: Math.max(paidMs - QUOTA_BURST_MS, 0),
    };
  }

  /** Google wants nothing of this project until then. */
  hold(until: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, until);
  }
}
