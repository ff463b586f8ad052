/**
 * The last ten minutes of bars, as they come in.
 *
 * Invariants: the axis is made of the node's seconds, and this machine's clock has no part in it; a second
 * without a bar is one in which nothing ended; at most ten minutes are kept.
 *
 * @module
 */

import { BAR_SECONDS_MAX } from "./limits.ts";

/** What ended on one platform in one second; `retries` did not end. */
export interface BarCounts {
  /** Accepted by the provider. */
  readonly delivered: number;
  /** Dead addresses. */
  readonly token_invalid: number;
  /** Refused for what was sent. */
  readonly rejected: number;
  /** Not sent in time. */
  readonly expired: number;
  /** Given up. */
  readonly failed: number;
  /** Not sent because somebody cancelled. */
  readonly cancelled: number;
  /** Requests that are to be sent again. */
  readonly retries: number;
}

/** One second. */
export interface SecondBar {
  /** The second, of those since 1970. */
  readonly second: number;
  /** What ended in it, by platform. */
  readonly platforms: Readonly<Record<string, BarCounts>>;
}

/** Seconds before the newest one that are asked for again: a result counts in the second of its own, and may come late. */
const OVERLAP_SECONDS = 10;

/** The bars; see the module. */
export class BarWindow {
  readonly #bars = new Map<number, SecondBar>();
  #newest: number | undefined;

  /** The newest second the node told of, which may not be over; `undefined` before the first. */
  get newest(): number | undefined {
    return this.#newest;
  }

  /** The second with which to begin when the node is asked again. */
  get since(): number {
    return Math.max(0, (this.#newest ?? 0) - OVERLAP_SECONDS);
  }

  /** The bar of a second; `undefined` when nothing is known to have ended in it. */
  at(second: number): SecondBar | undefined {
    return this.#bars.get(second);
  }

  /** Time has come to this second, whether anything ended in it or not. */
  moveTo(second: number): void {
    if (this.#newest !== undefined && second <= this.#newest) return;
    this.#newest = second;
    for (const kept of this.#bars.keys()) {
      if (kept <= second - BAR_SECONDS_MAX) this.#bars.delete(kept);
    }
  }

  /**
   * Takes a bar in place of the one of its second, and says whether it is news. In one life of a node the
   * counts of a second only grow: one that knows less of it began later, and takes nothing away.
   */
  take(bar: SecondBar): boolean {
    const { second } = bar;
    if (this.#newest !== undefined && second <= this.#newest - BAR_SECONDS_MAX) {
      // The node's clock was set back: what is here is of a future that will come again.
      this.#bars.clear();
      this.#newest = undefined;
    }
    const known = this.#bars.get(second);
    if (known !== undefined && everything(known) >= everything(bar)) return false;
    this.#bars.set(second, bar);
    this.moveTo(second);
    return true;
  }
}

/** Recipients that ended on a platform, whichever way. */
export function endedOn(bar: SecondBar | undefined, platform: string): number {
  const counts = bar?.platforms[platform];
  return counts === undefined ? 0 : ended(counts);
}

function ended(counts: BarCounts): number {
  const { delivered, token_invalid, rejected, expired, failed, cancelled } = counts;
  return delivered + token_invalid + rejected + expired + failed + cancelled;
}

function everything({ platforms }: SecondBar): number {
  return Object.values(platforms).reduce((sum, one) => sum + ended(one) + one.retries, 0);
}
