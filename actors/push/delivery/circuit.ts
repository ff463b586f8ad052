/**
 * A circuit breaker for one origin: while most requests fail for reasons of the origin, only a few
 * probes are sent, so that an outage is not answered with more load.
 *
 * Invariants: closed until enough recent answers are failures; open for a pause that doubles, with
 * jitter, while probes fail; half-open lets one probe through at a time, and its outcome decides.
 * Counts are halved when they reach the window, so old answers fade without a list of times.
 *
 * @module
 */

import {
  CIRCUIT_ANSWERS_MIN,
  CIRCUIT_MAX_MS,
  CIRCUIT_MIN_MS,
  CIRCUIT_SHARE,
  CIRCUIT_WINDOW,
  RETRY_JITTER,
} from "./limits.ts";
import type { Verdict } from "./ports.ts";

/** Whether a verdict speaks of the origin: no answer and server errors do, all else of the request. */
export function originFailed(verdict: Verdict): boolean {
  return verdict.kind === "retry" && (verdict.status === 0 || verdict.status >= 500);
}

/** What may be sent now. */
export type Permit =
  | { readonly kind: "free" }
  | { readonly kind: "probe" }
  | { readonly kind: "wait"; readonly ms: number };

/** The breaker of one origin. */
export class Circuit {
  #good = 0;
  #bad = 0;
  #pauseMs = 0;
  #openUntil = 0;
  #state: "closed" | "open" | "probing" = "closed";

  /** Whether requests flow freely. */
  get closed(): boolean {
    return this.#state === "closed";
  }

  /**
   * Asks whether to send. The answer `probe` is given once; until its outcome is recorded, others wait.
   *
   * @param now Monotonic time in milliseconds.
   */
  permit(now: number): Permit {
    if (this.#state === "closed") return { kind: "free" };
    if (this.#state === "open" && now >= this.#openUntil) {
      this.#state = "probing";
      return { kind: "probe" };
    }
    return { kind: "wait", ms: this.pauseMs(now) };
  }

  /** After how many milliseconds it is worth asking again, at least the first pause. */
  pauseMs(now: number): number {
    return Math.max(this.#openUntil - now, CIRCUIT_MIN_MS);
  }

  /**
   * Records what came of requests.
   *
   * @param good Answers, of whatever kind, that show the origin at work.
   * @param bad Failures of the origin: no answer, a 5xx, no connection. None of both: a probe was not sent.
   * @param now Monotonic time in milliseconds.
   * @param random A number in [0, 1), for jitter.
   */
  record(good: number, bad: number, now: number, random: number): void {
    if (good + bad === 0) {
      // A probe that was not sent says nothing: the next one may try.
      if (this.#state === "probing") this.#state = "open";
      return;
    }
    if (this.#state !== "closed") {
      if (good > bad) this.#close();
      else if (this.#state === "probing") this.#open(now, random);
      return;
    }
    this.#good += good;
    this.#bad += bad;
    const total = this.#good + this.#bad;
    if (total >= CIRCUIT_ANSWERS_MIN && this.#bad > total * CIRCUIT_SHARE) this.#open(now, random);
    else if (total >= CIRCUIT_WINDOW) {
      this.#good /= 2;
      this.#bad /= 2;
    }
  }

  /** Records that no connection could be opened: as good as an answer of the origin as a whole. */
  unreachable(now: number, random: number): void {
    if (this.#state !== "open") this.#open(now, random);
  }

  #open(now: number, random: number): void {
    this.#pauseMs = Math.min(Math.max(this.#pauseMs * 2, CIRCUIT_MIN_MS), CIRCUIT_MAX_MS);
    this.#openUntil = now + this.#pauseMs * (1 - RETRY_JITTER * random);
    this.#state = "open";
    this.#good = 0;
    this.#bad = 0;
  }

  #close(): void {
    this.#state = "closed";
    this.#pauseMs = 0;
    this.#good = 0;
    this.#bad = 0;
  }
}
