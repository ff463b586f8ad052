// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/**
 * Bars as the view of deliveries keeps and sums them. Pure: no clock, no page.
 *
 * Invariants: a picture is so many steps of one length that end with the newest one the node has told of;
 * the axis is made of the node's seconds, and the browser's clock has no part in it. A step without a bar
 * is one in which nothing ended. At most a span of seconds is kept.
 *
 * @module
 */

import { OUTCOMES, PLATFORMS } from "./format.js";

/**
 * @typedef {import("./format.js").Platform} Platform
 * @typedef {import("./format.js").Outcome} Outcome
 *
 * What ended on one platform in one step; `retries` did not end.
 * @typedef {Readonly<Record<Outcome | "retries", number>>} Counts
 *
 * One step, named by the second since 1970 with which it begins.
 * @typedef {{ readonly second: number, readonly platforms: Readonly<Record<Platform, Counts>> }} Bar
 *
 * @typedef {"ten_minutes" | "hour" | "day"} Span
 *
 * What the chart shows: steps of `step` seconds from `from` to `to`, which is not in it.
 * @typedef {{
 *   readonly span: Span,
 *   readonly step: number,
 *   readonly from: number,
 *   readonly to: number,
 *   readonly bars: readonly (Bar | undefined)[],
 * }} Picture
 *
 * What `GET /v1/bars` answers.
 * @typedef {{
 *   readonly span: Span,
 *   readonly step: number,
 *   readonly from: number,
 *   readonly to: number,
 *   readonly bars: readonly Bar[],
 * }} BarsAnswer
 *
 * By what bars are divided into parts.
 * @typedef {"platform" | "outcome"} Stacking
 *
 * Parts of bars: for each its upper edge in every step, counted from the axis; the last one is the total.
 * @typedef {{ readonly names: readonly (Platform | Outcome)[], readonly tops: readonly Float64Array[] }} Stack
 */

/** Seconds that the node's monitor has, and as many are kept here. */
export const LIVE_SECONDS = 600;

/** Seconds over which the present rate is taken. */
const RATE_SECONDS = 10;

/**
 * Seconds before the newest one that are asked for again when the stream was lost: results that come late
 * are counted in the second of their own.
 */
const OVERLAP_SECONDS = 10;

const COLUMNS = /** @type {const} */ ([...OUTCOMES, "retries"]);

/** Nothing, on a platform. @type {Counts} */
const NOTHING = {
  delivered: 0,
  token_invalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
  retries: 0,
};

/** The seconds of the last ten minutes, as they come in. */
export class LiveBars {
  /** @type {Map<number, Bar>} */
  #bars = new Map();
  /** @type {number | undefined} */
  #newest;

  /** The newest second the node told of; it may not be over. @returns {number | undefined} */
  get newest() {
    return this.#newest;
  }

  /** From which second on to ask when the stream begins (again); all there is, the first time. @returns {number} */
  get since() {
    return this.#newest === undefined ? 0 : this.#newest - OVERLAP_SECONDS;
  }

  /**
   * Takes the answer with which the view begins.
   *
   * @param {BarsAnswer} answer
   * @returns {void}
   */
  begin({ to, bars }) {
    this.#moveTo(to - 1);
    const oldest = (this.#newest ?? 0) - LIVE_SECONDS;
    // The stream may have been faster, and its window is further on.
    for (const bar of bars) if (bar.second > oldest) this.take(bar);
  }

  /**
   * Takes a bar in place of the one of its second. In one life of a node a second's counts only grow: one that
   * knows less of it began later, and does not take away what was seen.
   *
   * @param {Bar} bar
   * @returns {void}
   */
  take(bar) {
    const { second } = bar;
    const newest = this.#newest ?? second;
    if (second <= newest - LIVE_SECONDS) {
      // The node's clock was set back: what is here is of a future that will come again.
      this.#bars.clear();
      this.#newest = second;
    }
    const known = this.#bars.get(second);
    if (known === undefined || everything(known) <= everything(bar)) this.#bars.set(second, bar);
    this.#moveTo(second);
  }

  /** The last ten minutes; `undefined` before the first bar. @returns {Picture | undefined} */
  picture() {
    if (this.#newest === undefined) return undefined;
    const to = this.#newest + 1;
    return pictureOf("ten_minutes", { step: 1, from: to - LIVE_SECONDS, to }, this.#bars);
  }

  /** What ends a second, over the last ten. @returns {number} */
  rate() {
    if (this.#newest === undefined) return 0;
    let sum = 0;
    for (let second = this.#newest; second > this.#newest - RATE_SECONDS; second--) {
      sum += ended(this.#bars.get(second));
    }
    return sum / RATE_SECONDS;
  }

  /** @param {number} second */
  #moveTo(second) {
    if (this.#newest !== undefined && second <= this.#newest) return;
    this.#newest = second;
    for (const kept of this.#bars.keys()) {
      if (kept <= second - LIVE_SECONDS) this.#bars.delete(kept);
    }
  }
}

/**
 * The picture of an answer.
 *
 * @param {BarsAnswer} answer
 * @returns {Picture}
 */
export function answeredPicture({ span, step, from, to, bars }) {
  return pictureOf(span, { step, from, to }, new Map(bars.map((bar) => [bar.second, bar])));
}

/**
 * @param {Span} span
 * @param {{ readonly step: number, readonly from: number, readonly to: number }} range
 * @param {ReadonlyMap<number, Bar>} bars
 * @returns {Picture}
 */
function pictureOf(span, { step, from, to }, bars) {
  const length = Math.max(0, Math.floor((to - from) / step));
  return {
    span,
    step,
    from,
    to,
    bars: Array.from({ length }, (_, place) => bars.get(from + place * step)),
  };
}

/**
 * The step in which a second is.
 *
 * @param {Picture} picture
 * @param {number} second
 * @returns {Bar} One of zeros where nothing ended.
 */
export function barAt({ bars, from, step }, second) {
  const place = Math.floor((second - from) / step);
  return bars[place] ??
    {
      second: from + place * step,
      platforms: { apns: NOTHING, fcm: NOTHING, webpush: NOTHING },
    };
}

/**
 * Puts the parts of bars upon each other.
 *
 * @param {Picture} picture
 * @param {Stacking} stacking
 * @returns {Stack}
 */
export function stacked({ bars }, stacking) {
  const names = stacking === "platform" ? PLATFORMS : OUTCOMES;
  const below = new Float64Array(bars.length);
  const tops = names.map((name) => {
    bars.forEach((bar, place) => {
      if (bar !== undefined) below[place] = (below[place] ?? 0) + partOf(bar, name);
    });
    return below.slice();
  });
  return { names, tops };
}

/**
 * What ended on a platform, or so.
 *
 * @param {Bar} bar
 * @param {Platform | Outcome} name
 * @returns {number}
 */
export function partOf({ platforms }, name) {
  switch (name) {
    case "apns":
    case "fcm":
    case "webpush":
      return sum(OUTCOMES, (outcome) => platforms[name][outcome]);
    default:
      return sum(PLATFORMS, (platform) => platforms[platform][name]);
  }
}

/**
 * All steps of a picture as if they were one.
 *
 * @param {Picture} picture
 * @returns {Bar}
 */
export function summed({ from, bars }) {
  /** @param {Platform} platform */
  const all = (platform) => {
    const counts = { ...NOTHING };
    for (const bar of bars) {
      for (const column of COLUMNS) counts[column] += bar?.platforms[platform][column] ?? 0;
    }
    return counts;
  };
  return {
    second: from,
    platforms: { apns: all("apns"), fcm: all("fcm"), webpush: all("webpush") },
  };
}

/**
 * Recipients that ended, whichever way.
 *
 * @param {Bar | undefined} bar
 * @returns {number}
 */
export function ended(bar) {
  return bar === undefined ? 0 : sum(PLATFORMS, (platform) => partOf(bar, platform));
}

/**
 * Requests that were to be sent again.
 *
 * @param {Bar} bar
 * @returns {number}
 */
export function retries({ platforms }) {
  return sum(PLATFORMS, (platform) => platforms[platform].retries);
}

/**
 * What could not be delivered, of what was to be: a cancelled recipient is neither.
 *
 * @param {Bar} bar
 * @returns {{ readonly failed: number, readonly tried: number }}
 */
export function failures(bar) {
  const tried = ended(bar) - partOf(bar, "cancelled");
  return { failed: tried - partOf(bar, "delivered"), tried };
}

/** @param {Bar} bar */
function everything(bar) {
  return ended(bar) + retries(bar);
}

/**
 * @template T
 * @param {readonly T[]} names
 * @param {(name: T) => number} of
 */
function sum(names, of) {
  return names.reduce((total, name) => total + of(name), 0);
}
