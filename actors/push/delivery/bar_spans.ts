/**
 * The bars of a span up to now: of the last ten minutes from the monitor, of an hour or a day from the
 * store's history.
 *
 * Invariants: a bar's second is the beginning of its step, steps begin where the time since 1970 is a
 * multiple of them, and the last one is the present one, which is not over yet. A step in which nothing
 * happened has no bar: a night without a campaign costs nothing.
 *
 * @module
 */

import * as v from "valibot";
import { fields, oneOf, type Read, readInput } from "./input.ts";
import type { Query } from "./page_input.ts";
import { type Outcome, OUTCOMES, type Platform } from "./records.ts";
import type { Bar, PlatformBar } from "./sinks/monitor.ts";
import type { HistorySlot } from "./store.ts";

/** How far back bars are asked for. */
export type BarSpan = "ten_minutes" | "hour" | "day";

/** The spans, from the shortest. */
const BAR_SPANS = ["ten_minutes", "hour", "day"] as const satisfies readonly BarSpan[];

/** The seconds of a span and of its steps: some hundreds of bars in each, a screen's width. */
const LENGTHS: Readonly<Record<BarSpan, { readonly seconds: number; readonly step: number }>> = {
  ten_minutes: { seconds: 600, step: 1 },
  hour: { seconds: 3_600, step: 10 },
  day: { seconds: 86_400, step: 300 },
};

/** Where a span lies, in seconds since 1970. */
export interface BarWindow {
  /** The span. */
  readonly span: BarSpan;
  /** Seconds of a bar. */
  readonly step: number;
  /** The first second. */
  readonly from: number;
  /** The first second after the present step. */
  readonly to: number;
}

/** Bars of a span. */
export interface BarsView extends BarWindow {
  /** Those in which something ended or was tried again, oldest first. */
  readonly bars: readonly Bar[];
}

const spanQuery = fields({ span: v.optional(oneOf(BAR_SPANS), "ten_minutes") });

/** Which span: the last ten minutes unless the query says another one. */
export function readBarSpan(query: Query): Read<{ readonly span: BarSpan }> {
  return readInput(spanQuery, query);
}

/** Where a span lies at this time, in milliseconds since 1970. */
export function barWindow(span: BarSpan, now: number): BarWindow {
  const { seconds, step } = LENGTHS[span];
  const to = (Math.floor(now / 1_000 / step) + 1) * step;
  return { span, step, from: to - seconds, to };
}

/** The monitor's bars within a window, without those of zeros. */
export function barsWithin({ from, to }: BarWindow, bars: readonly Bar[]): readonly Bar[] {
  return bars.filter(({ second, platforms }) =>
    second >= from && second < to && Object.values(platforms).some(hasContent)
  );
}

/** Slots of the history as bars. */
export function barsOfSlots(slots: readonly HistorySlot[]): readonly Bar[] {
  return [...Map.groupBy(slots, ({ second }) => second)].map(([second, ofSecond]) => {
    const bar = (platform: Platform): PlatformBar => {
      const slot = ofSecond.find((one) => one.platform === platform);
      return { ...slot?.outcomes ?? NOTHING, retries: slot?.retries ?? 0 };
    };
    return { second, platforms: { apns: bar("apns"), fcm: bar("fcm"), webpush: bar("webpush") } };
  });
}

const NOTHING: Readonly<Record<Outcome, number>> = {
  delivered: 0,
  token_invalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
};

function hasContent(bar: PlatformBar): boolean {
  return bar.retries > 0 || OUTCOMES.some((outcome) => bar[outcome] > 0);
}
