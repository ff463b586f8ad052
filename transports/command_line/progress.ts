/**
 * The progress of a notification as lines for a terminal: a bar, counts, rate and time left for each
 * platform.
 *
 * Invariants: every line has at most as many characters as the terminal has columns; what is shown
 * is what the last counts say, and rates come from counts alone. Everything here is a function of
 * what it is given, so that it can be shown in a test. No library fits: those which draw bars take the
 * clock, the signals and the terminal for themselves, and draw one bar, not a table.
 *
 * @module
 */

import { PROGRESS_SAMPLES_MAX } from "./limits.ts";
import { grouped, percent, showSpan } from "./shown_number.ts";
import { escapeInvisible } from "./visible_text.ts";

/** How many recipients stand where; `total` is the sum of all but `retries`. */
export interface ProgressCounts {
  /** Recipients found so far. */
  readonly total: number;
  /** Accepted by the provider. */
  readonly delivered: number;
  /** Their token is dead. */
  readonly tokenInvalid: number;
  /** Refused for what was sent. */
  readonly rejected: number;
  /** Not sent in time. */
  readonly expired: number;
  /** Given up. */
  readonly failed: number;
  /** Not sent because somebody cancelled. */
  readonly cancelled: number;
  /** Without an outcome yet. */
  readonly pending: number;
  /** Requests that had to be made again. */
  readonly retries: number;
}

/** A notification on its way. */
export interface Progress {
  /** Its id. */
  readonly id: string;
  /** Where it is: `sending`, for instance. */
  readonly status: string;
  /** All platforms together. */
  readonly counts: ProgressCounts;
  /** Each platform that has recipients. */
  readonly platforms: Readonly<Record<string, ProgressCounts>>;
}

/** How lines are to look. */
export interface LineStyle {
  /** Columns of the terminal. */
  readonly columns: number;
  /** Whether it shows colours. */
  readonly colour: boolean;
}

/** Recipients that did not get it and will not. */
export function unsuccessful(counts: ProgressCounts): number {
  const { tokenInvalid, rejected, expired, failed, cancelled } = counts;
  return tokenInvalid + rejected + expired + failed + cancelled;
}

/** Time over which a rate is taken: long enough to be steady, short enough to follow. */
const WINDOW_MS = 5_000;

/** How fast a number grows. */
export class RateMeter {
  readonly #samples: { readonly atMs: number; readonly value: number }[] = [];

  /** Notes the number at this time; times only grow. */
  add(atMs: number, value: number): void {
    this.#samples.push({ atMs, value });
    // The oldest one stays until the next one is old enough, so that the window is always full.
    while (
      this.#samples.length > PROGRESS_SAMPLES_MAX ||
      atMs - (this.#samples[1]?.atMs ?? atMs) >= WINDOW_MS
    ) this.#samples.shift();
  }

  /** Growth a second over the last five seconds; 0 before there are two samples. */
  perSecond(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
    return Math.max(0, (last.value - first.value) * 1_000 / (last.atMs - first.atMs));
  }
}

/** The meters of one notification: one for each platform and one for all. */
export class ProgressMeters {
  readonly #meters = new Map<string, RateMeter>();

  /** Notes the counts at this time. */
  add(atMs: number, { counts, platforms }: Progress): void {
    for (
      const [name, { total, pending }] of [...Object.entries(platforms), [ALL, counts] as const]
    ) {
      const meter = this.#meters.get(name) ?? new RateMeter();
      this.#meters.set(name, meter);
      meter.add(atMs, total - pending);
    }
  }

  /** Recipients a second that got an outcome, of one platform or of all. */
  perSecond(platform: string = ALL): number {
    return this.#meters.get(platform)?.perSecond() ?? 0;
  }
}

/** The row of all platforms; platforms have lower-case names without spaces. */
const ALL = "all";

const HEADER = ["", "delivered", "dead", "failed", "of", "rate", "left"] as const;

/** Characters of a bar, at least and at most; without room for the least there is none. */
const BAR_MIN = 6;
const BAR_MAX = 40;

/** What stands for the time left when nobody knows it. */
const UNKNOWN = "–";

/** The live view: a line that says where it is, and a table with a row for each platform. */
export function progressLines(
  progress: Progress,
  meters: ProgressMeters,
  { columns, colour }: LineStyle,
): readonly string[] {
  const names = Object.keys(progress.platforms).toSorted();
  const rows = [
    ...names.map((name) => ({ name, counts: progress.platforms[name] ?? progress.counts })),
    ...(names.length === 1 ? [] : [{ name: ALL, counts: progress.counts }]),
  ];
  const cells = [
    HEADER,
    ...rows.map(({ name, counts }) => rowCells(name, counts, progress.status, meters)),
  ];
  const widths = HEADER.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const texts = cells.map((row) =>
    row.map((cell, at) => at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))
      .join("  ")
  );
  const room = columns - (texts[0]?.length ?? 0) - "  100%  ".length - 1;
  const barChars = room < BAR_MIN ? 0 : Math.min(BAR_MAX, room);
  const lines = texts.map((text, at) => {
    const counts = rows[at - 1]?.counts;
    return counts === undefined
      ? fit(text, columns)
      : barLine(text, counts, barChars, columns, colour);
  });
  return [fit(escapeInvisible(`${progress.id} ${progress.status}`), columns), ...lines];
}

function rowCells(
  name: string,
  counts: ProgressCounts,
  status: string,
  meters: ProgressMeters,
): readonly string[] {
  const rate = meters.perSecond(name);
  return [
    escapeInvisible(name),
    grouped(counts.delivered),
    grouped(counts.tokenInvalid),
    grouped(unsuccessful(counts) - counts.tokenInvalid),
    grouped(counts.total),
    `${grouped(rate)}/s`,
    timeLeft(counts.pending, rate, status),
  ];
}

/** Time until nobody is pending; unknown while recipients are still being found, or nothing moves. */
function timeLeft(pending: number, perSecond: number, status: string): string {
  if (status === "done" || status === "cancelled" || (status === "sending" && pending === 0)) {
    return "0s";
  }
  if (status !== "sending" || perSecond === 0) return UNKNOWN;
  return showSpan(pending * 1_000 / perSecond);
}

/** A row with its bar: what was delivered, what failed and what is left are drawn apart. */
function barLine(
  text: string,
  counts: ProgressCounts,
  barChars: number,
  columns: number,
  colour: boolean,
): string {
  const { total, pending } = counts;
  const share = `  ${`${percent(total - pending, total)}`.padStart(3)}%`;
  if (barChars === 0) return fit(text + share, columns);
  const paint = (code: number, part: string) =>
    colour && part !== "" ? `\x1b[${code}m${part}\x1b[0m` : part;
  const done = Math.floor(barChars * percent(total - pending, total) / 100);
  const wrong = Math.min(
    done,
    Math.ceil(done * unsuccessful(counts) / Math.max(1, total - pending)),
  );
  const bar = paint(32, "█".repeat(done - wrong)) + paint(31, "▓".repeat(wrong)) +
    paint(2, "░".repeat(barChars - done));
  return `${text}${share}  ${bar}`;
}

function fit(line: string, columns: number): string {
  return line.slice(0, columns).trimEnd();
}

/** The progress in one line, for a log or a pipe. */
export function progressLine(progress: Progress, meters: ProgressMeters): string {
  const { counts, status } = progress;
  const rate = meters.perSecond();
  const done = counts.total - counts.pending;
  return `${status}: ${grouped(done)} of ${grouped(counts.total)} (${
    percent(done, counts.total)
  }%), delivered ${grouped(counts.delivered)}, dead ${grouped(counts.tokenInvalid)}, ` +
    `failed ${grouped(unsuccessful(counts) - counts.tokenInvalid)}, ` +
    `${grouped(rate)}/s, left ${timeLeft(counts.pending, rate, status)}`;
}
