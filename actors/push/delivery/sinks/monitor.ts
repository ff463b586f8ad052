/**
 * The live monitor: how many recipients ended how in each of the last ten minutes' seconds.
 *
 * Invariants: a bar is a second of the wall clock, and a result counts in the second of its `at`;
 * one that is said to come from the future counts now, one older than ten minutes not at all. When
 * the wall clock is set back, the seconds that have become future ones are forgotten, so that they do
 * not come back when the clock reaches them again. A second in which nothing ended has a bar of
 * zeros. What is here is for eyes: it is lost with the actor, and exact counts are in the store.
 *
 * Why a ring of counters: it costs the same for one batch a minute as for a thousand a second.
 *
 * @module
 */

import type { Actor, Context } from "../../../runtime/actor.ts";
import type { DeliveryEvent } from "../ports.ts";
import { type Outcome, OUTCOMES, type Platform, PLATFORMS } from "../records.ts";
import {
  MONITOR_LISTENERS_MAX,
  MONITOR_MAILBOX,
  MONITOR_SECONDS,
  MONITOR_TICK_MS,
} from "./limits.ts";

/** The result of a batch, as the pipeline reports it. */
export type Settled = Extract<DeliveryEvent, { readonly kind: "settled" }>;

/** What ended on one platform in one second. */
export interface PlatformBar extends Readonly<Record<Outcome, number>> {
  /** Requests that are to be sent again. */
  readonly retries: number;
}

/** One second. */
export interface Bar {
  /** The second, of those since 1970. */
  readonly second: number;
  /** What ended in it. */
  readonly platforms: Readonly<Record<Platform, PlatformBar>>;
}

/**
 * Takes bars, oldest first: the second that has just ended, and earlier ones to which something was
 * added; a bar replaces the one of the same second. Must return at once and never throw.
 */
export type BarListener = (bars: readonly Bar[]) => void;

/** What the monitor understands. */
export interface MonitorProtocol {
  /** A batch has its result. */
  settled(event: Settled): void;
  /** A second is over. */
  tick(): void;
  /** The bars of this second and all after it up to the present one, at most ten minutes; zeros included. */
  bars(since: number): readonly Bar[];
}

/** What the monitor works on. */
export interface MonitorArgs {
  /** Whom to tell. */
  readonly feed: BarFeed;
}

/** What the monitor remembers. */
export interface MonitorState extends MonitorArgs {
  /** A slot for each second, at the second modulo their number. */
  readonly ring: readonly Slot[];
  /** Seconds to which something was added since they were last published. */
  readonly changed: Set<number>;
  /** The newest second published. */
  published: number;
}

/** A second's counters: for each platform its outcomes, then its retries. */
export interface Slot {
  /** The second it is of; -1 when it is of none. */
  second: number;
  /** Column by column. */
  readonly counts: Float64Array;
}

const COLUMNS = OUTCOMES.length + 1;

/** Where pages subscribe to the bars; made before the monitor and outliving its crashes. */
export class BarFeed {
  readonly #listeners = new Set<{ readonly listener: BarListener }>();

  /**
   * Calls this listener with bars once a second.
   *
   * @returns What ends the subscription; `undefined` when there are as many listeners as there may be.
   */
  subscribe(listener: BarListener): (() => void) | undefined {
    if (this.#listeners.size >= MONITOR_LISTENERS_MAX) return undefined;
    const entry = { listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Tells all listeners; for the monitor. */
  publish(bars: readonly Bar[]): void {
    for (const { listener } of this.#listeners) listener(bars);
  }
}

/** The monitor; see the module. */
export const monitor: Actor<MonitorProtocol, MonitorState, MonitorArgs> = {
  name: "monitor",
  mailbox: { capacity: MONITOR_MAILBOX, overflow: "drop_oldest" },
  init({ feed }, ctx) {
    armTick(ctx);
    const ring = Array.from({ length: MONITOR_SECONDS }, () => ({
      second: -1,
      counts: new Float64Array(PLATFORMS.length * COLUMNS),
    }));
    return { feed, ring, changed: new Set(), published: secondOf(ctx) - 1 };
  },
  on: {
    settled: (state, event, ctx) => add(state, event, secondOf(ctx)),
    tick(state, _, ctx) {
      publish(state, secondOf(ctx));
      armTick(ctx);
    },
    bars(state, since, ctx) {
      const now = secondOf(ctx);
      forgetFuture(state, now);
      return range(Math.max(Math.ceil(since), now - MONITOR_SECONDS + 1), now).map((second) =>
        barOf(state, second)
      );
    },
  },
};

function secondOf(ctx: Pick<Context<MonitorProtocol>, "wallNow">): number {
  return Math.floor(ctx.wallNow() / 1_000);
}

/** A tick comes just after a second of the wall clock has begun. */
function armTick(ctx: Context<MonitorProtocol>): void {
  const passedMs = ctx.wallNow() % MONITOR_TICK_MS;
  ctx.after(MONITOR_TICK_MS - passedMs, "tick");
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
}

function slotOf({ ring }: MonitorState, second: number): Slot {
  const slot = ring[second % MONITOR_SECONDS];
  if (slot === undefined) throw new RangeError(`No slot for the second ${second}`);
  return slot;
}

function add(state: MonitorState, event: Settled, now: number): void {
  const second = Math.min(Math.floor(event.at / 1_000), now);
  if (second <= now - MONITOR_SECONDS) return;
  const slot = slotOf(state, second);
  if (slot.second !== second) {
    slot.second = second;
    slot.counts.fill(0);
  }
  let column = PLATFORMS.indexOf(event.platform) * COLUMNS;
  for (const count of [...OUTCOMES.map((outcome) => event.outcomes[outcome]), event.retries]) {
    slot.counts[column] = (slot.counts[column] ?? 0) + count;
    column++;
  }
  state.changed.add(second);
}

/** Tells what is new: all seconds that ended since the last time, and earlier ones that changed. */
function publish(state: MonitorState, now: number): void {
  forgetFuture(state, now);
  const ended = now - 1;
  const first = Math.max(state.published + 1, now - MONITOR_SECONDS + 1);
  const late = [...state.changed].filter((second) =>
    second < first && second > now - MONITOR_SECONDS
  );
  const seconds = [...late.sort((a, b) => a - b), ...range(first, ended)];
  for (const second of state.changed) {
    if (second <= ended) state.changed.delete(second);
  }
  state.published = ended;
  if (seconds.length > 0) state.feed.publish(seconds.map((second) => barOf(state, second)));
}

/** After the wall clock was set back. */
function forgetFuture(state: MonitorState, now: number): void {
  for (const slot of state.ring) {
    if (slot.second > now) slot.second = -1;
  }
  for (const second of state.changed) {
    if (second > now) state.changed.delete(second);
  }
  // The second in which that happened has not been published yet.
  if (state.published >= now) state.published = now - 2;
}

function barOf(state: MonitorState, second: number): Bar {
  const { second: kept, counts } = slotOf(state, second);
  const at = (platform: Platform, column: number) =>
    kept === second ? counts[PLATFORMS.indexOf(platform) * COLUMNS + column] ?? 0 : 0;
  const bar = (platform: Platform): PlatformBar => ({
    delivered: at(platform, OUTCOMES.indexOf("delivered")),
    token_invalid: at(platform, OUTCOMES.indexOf("token_invalid")),
    rejected: at(platform, OUTCOMES.indexOf("rejected")),
    expired: at(platform, OUTCOMES.indexOf("expired")),
    failed: at(platform, OUTCOMES.indexOf("failed")),
    cancelled: at(platform, OUTCOMES.indexOf("cancelled")),
    retries: at(platform, OUTCOMES.length),
  });
  return { second, platforms: { apns: bar("apns"), fcm: bar("fcm"), webpush: bar("webpush") } };
}
