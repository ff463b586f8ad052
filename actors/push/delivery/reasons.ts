/**
 * Why recipients of a notification were not reached, counted by what the provider said.
 *
 * A store keeps rows, no such counts: a campaign of millions may have as many failures, so they are
 * counted while somebody looks. Invariants: rows of a notification only come behind those there are, so
 * counting goes on where it stopped and each row counts once; callers of the same moment share one
 * count. What is remembered is bounded: notifications, and reasons of each; the notification that nobody
 * asked for longest is forgotten and would be counted anew.
 *
 * Recipients that were cancelled before their batch was claimed have no rows: they are in the
 * notification's counts alone.
 *
 * @module
 */

import { PAGE_MAX } from "./input_limits.ts";
import { REASON_COUNTS_MAX, REASON_ROWS_MAX, REASONS_MAX } from "./limits.ts";
import type { DeliveryRow, Outcome, Platform } from "./records.ts";
import type { DeliveryStore } from "./store.ts";

/** The reason of those that share a line because there are too many reasons. */
export const OTHER_REASONS = "other reasons";

/** How many ended so. */
export interface ReasonView {
  /** The platform. */
  readonly platform: Platform;
  /** How they ended; never `delivered`. */
  readonly outcome: Outcome;
  /** The provider's status, 0 when there was none. */
  readonly status: number;
  /** The provider's reason, or ours, or {@link OTHER_REASONS}. */
  readonly reason: string;
  /** How many. */
  readonly count: number;
}

/** Why recipients were not reached, as far as it is counted. */
export interface ReasonsView {
  /** The largest first. */
  readonly reasons: readonly ReasonView[];
  /** Recipients that are in them: the sum. */
  readonly counted: number;
  /** Whether all rows are counted that were kept when the call read the last of them: what was swept before is not. */
  readonly complete: boolean;
}

/** What rows are read from, and what is waited for between two pages. */
export interface ReasonParts {
  /** Where the rows are. */
  readonly store: Pick<DeliveryStore, "deliveries">;
  /** Lets the event loop turn: a store may answer without waiting for anything. */
  readonly breathe: () => Promise<void>;
}

/** What is remembered of a notification. */
interface Progress {
  position: number;
  counted: number;
  readonly lines: Map<string, { readonly view: Omit<ReasonView, "count">; count: number }>;
  underWay: Promise<ReasonsView> | undefined;
}

/** Counts reasons; see the module. */
export class ReasonCounts {
  readonly #parts: ReasonParts;
  readonly #notifications = new Map<string, Progress>();

  /** Counts nothing until somebody asks. */
  constructor(parts: ReasonParts) {
    this.#parts = parts;
  }

  /** Counts on, by at most 20,000 rows, and tells what there is; rejects when the store does, and loses nothing by it. */
  of(notification: string): Promise<ReasonsView> {
    const progress = this.#notifications.get(notification) ??
      { position: 0, counted: 0, lines: new Map(), underWay: undefined };
    this.#notifications.delete(notification);
    this.#notifications.set(notification, progress);
    if (this.#notifications.size > REASON_COUNTS_MAX) {
      for (const oldest of this.#notifications.keys()) {
        this.#notifications.delete(oldest);
        break;
      }
    }
    progress.underWay ??= this.#goOn(notification, progress).finally(() => {
      progress.underWay = undefined;
    });
    return progress.underWay;
  }

  async #goOn(notification: string, progress: Progress): Promise<ReasonsView> {
    const { store, breathe } = this.#parts;
    for (let read = 0; read < REASON_ROWS_MAX; read += PAGE_MAX) {
      if (read > 0) await breathe();
      const page = { notification, after: progress.position, limit: PAGE_MAX };
      const rows = await store.deliveries(page);
      for (const row of rows) count(progress, row);
      if (rows.length < PAGE_MAX) return viewOf(progress, true);
    }
    return viewOf(progress, false);
  }
}

function count(progress: Progress, row: DeliveryRow): void {
  progress.position = row.position;
  if (row.outcome === "delivered") return;
  progress.counted++;
  const { platform, outcome, status, reason } = row;
  const key = `${platform} ${outcome} ${status} ${reason}`;
  const line = progress.lines.get(key);
  if (line !== undefined) line.count++;
  // Some platforms and outcomes: their common lines are a few beyond the bound.
  else if (progress.lines.size >= REASONS_MAX) {
    const view = { platform, outcome, status: 0, reason: OTHER_REASONS };
    const others = `${platform} ${outcome}`;
    progress.lines.set(others, { view, count: (progress.lines.get(others)?.count ?? 0) + 1 });
  } else progress.lines.set(key, { view: { platform, outcome, status, reason }, count: 1 });
}

function viewOf({ counted, lines }: Progress, complete: boolean): ReasonsView {
  const reasons = [...lines.values()]
    .map(({ view, count }) => ({ ...view, count }))
    .sort((a, b) => b.count - a.count);
  return { reasons, counted, complete };
}
