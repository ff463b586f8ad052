/**
 * What ended when, over days: tallies folded into slots of ten seconds for each platform.
 *
 * Every store keeps such slots and adds to them; what they have in common is here, so that all of them
 * count the same. Invariant: a tally counts in one slot only, that of the time at which it was recorded,
 * and once: a store remembers the position of the last one it counted, beside the slots.
 *
 * @module
 */

import { platformNumber } from "./codes.ts";
import { HISTORY_MS, HISTORY_TALLIES_MAX } from "./limits.ts";
import { type HistorySlot, type HistorySpan, OUTCOMES, type Tally } from "./records.ts";

/** The sink under whose name the position of the last tally that was counted is remembered. */
export const HISTORY_SINK = "history";

/** The length of a slot: a day is 8,640 of them on a platform. */
export const HISTORY_SLOT_SECONDS = 10;

/** What a page of tallies adds to the history. */
export interface HistoryAddition {
  /** What to add, one for each second and platform; ascending, none of them empty. */
  readonly slots: readonly HistorySlot[];
  /** The position to remember. */
  readonly position: number;
}

/** The first second of which slots are kept at this time, in milliseconds since 1970. */
export function historyBegin(now: number): number {
  return slotSecond(now - HISTORY_MS);
}

/**
 * Folds a page of tallies into slots. Those at or before the position `after` have been counted, and
 * those from before {@link historyBegin} count no more.
 *
 * @throws When the page is too long or not in the order of positions: a bug of the caller.
 */
export function foldTallies(
  tallies: readonly Tally[],
  after: number,
  now: number,
): HistoryAddition {
  if (tallies.length > HISTORY_TALLIES_MAX) {
    throw new Error(`Invariant broken: ${tallies.length} tallies in a call`);
  }
  let position = -1;
  for (const tally of tallies) {
    if (tally.position <= position) {
      throw new Error(`Invariant broken: tally ${tally.position} follows ${position}`);
    }
    position = tally.position;
  }
  const begin = historyBegin(now);
  const parts = tallies
    .filter((tally) => tally.position > after)
    .map(({ at, platform, outcomes, retries }) => ({
      second: slotSecond(at),
      platform,
      outcomes,
      retries,
    }))
    .filter(({ second }) => second >= begin);
  return { slots: sumSlots(parts, HISTORY_SLOT_SECONDS), position: Math.max(position, after) };
}

/** Slots summed by steps of so many seconds: ascending by second and platform, without empty ones. */
export function sumSlots(
  slots: Iterable<HistorySlot>,
  stepSeconds: number,
): readonly HistorySlot[] {
  const sums = new Map<string, HistorySlot>();
  for (const { second, platform, outcomes, retries } of slots) {
    const begin = Math.floor(second / stepSeconds) * stepSeconds;
    const key = `${begin} ${platform}`;
    const sum = sums.get(key);
    sums.set(key, {
      second: begin,
      platform,
      outcomes: sum === undefined ? outcomes : sumOutcomes(sum.outcomes, outcomes),
      retries: (sum?.retries ?? 0) + retries,
    });
  }
  return [...sums.values()].filter(hasContent).sort((a, b) =>
    a.second - b.second || platformNumber(a.platform) - platformNumber(b.platform)
  );
}

/**
 * Throws unless a span can be read from slots: steps are whole slots, and it begins and ends with one.
 * Callers have seen to that.
 */
export function checkSpan({ from, to, stepSeconds }: HistorySpan): void {
  const whole = stepSeconds > 0 && stepSeconds % HISTORY_SLOT_SECONDS === 0;
  if (whole && from % stepSeconds === 0 && to % stepSeconds === 0) return;
  throw new Error(`Invariant broken: no whole steps of ${stepSeconds} s from ${from} to ${to}`);
}

function slotSecond(at: number): number {
  return Math.floor(at / (1_000 * HISTORY_SLOT_SECONDS)) * HISTORY_SLOT_SECONDS;
}

function hasContent({ outcomes, retries }: HistorySlot): boolean {
  return retries > 0 || OUTCOMES.some((outcome) => outcomes[outcome] > 0);
}

function sumOutcomes(
  a: HistorySlot["outcomes"],
  b: HistorySlot["outcomes"],
): HistorySlot["outcomes"] {
  return {
    delivered: a.delivered + b.delivered,
    token_invalid: a.token_invalid + b.token_invalid,
    rejected: a.rejected + b.rejected,
    expired: a.expired + b.expired,
    failed: a.failed + b.failed,
    cancelled: a.cancelled + b.cancelled,
  };
}
