/**
 * Bars as a picture of characters: a column a second, the newest at the right, platforms upon each other.
 *
 * Invariants: no line is wider and no picture higher than it may be; a second in which anything ended shows;
 * division lines stand exactly at their values, since they part the rows evenly; every colour ends on
 * its line. Everything here is a function of what it is given, so that whole pictures stand in tests.
 * Why eighths: the block elements of Unicode (U+2581 to U+2588) divide a cell's height into eight. Where two
 * platforms meet in a cell, the upper one is its background; without colours each has a glyph of its own.
 *
 * @module
 */

import { type BarWindow, endedOn } from "./bar_window.ts";
import { BAR_SECONDS_MAX, CHART_NOTES_MAX } from "./limits.ts";
import { grouped, showSpan } from "./shown_number.ts";
import { cut, escapeInvisible } from "./visible_text.ts";

/** How the picture is to look. */
export interface ChartStyle {
  /** Columns it may have. */
  readonly columns: number;
  /** Lines it may have, notes included. */
  readonly rows: number;
  /** Whether the terminal shows colours. */
  readonly colour: boolean;
  /** The time of a second since 1970, as people read it: `14:03:22`. */
  readonly clock: (second: number) => string;
}

/**
 * The platforms from the axis upwards: their colours of 256, those of the monitor's page as near as there are
 * such that show on light and on dark, and their glyphs where there are no colours.
 */
const PLATFORMS = [
  { name: "apns", colour: 32, glyph: "█" },
  { name: "fcm", colour: 166, glyph: "▒" },
  { name: "webpush", colour: 29, glyph: "░" },
] as const;

/** Blocks by the eighths of a cell they fill. */
const BLOCKS = " ▁▂▃▄▅▆▇█";

/** Eighths of a cell. */
const EIGHTHS = 8;

/** The upper edge of a row. */
const LINE = { glyph: "▔", style: "2" } as const;

/** The most division lines above the axis. */
const LINES_MAX = 5;

/** Seconds over which the present rate is taken. */
const RATE_SECONDS = 10;

/** Between two parts of the legend. */
const GAP = "   ";

/** A cell; `style` is what ECMA-48 SGR selects, nothing when empty. */
interface Cell {
  readonly glyph: string;
  readonly style: string;
}

const EMPTY: Cell = { glyph: " ", style: "" };

/** The picture of the newest seconds, with notes below; none before the first bar. */
export function chartLines(
  window: BarWindow,
  notes: readonly string[],
  style: ChartStyle,
): readonly string[] {
  const { newest } = window;
  const { columns, clock } = style;
  if (newest === undefined) return [];
  const width = Math.max(1, Math.min(columns, BAR_SECONDS_MAX));
  const first = newest - width + 1;
  const parts = Array.from(
    { length: width },
    (_, place) => PLATFORMS.map(({ name }) => endedOn(window.at(first + place), name)),
  );
  const below = [
    axis(clock(first), clock(newest), width),
    ...legend(parts, style),
    ...shownNotes(notes, columns),
  ];
  const rows = Math.max(1, style.rows - below.length - 1);
  const highest = Math.max(...parts.map(sum));
  const { line, lines } = divisions(highest, Math.min(LINES_MAX, rows));
  const label = `a line every ${grouped(line)}`;
  const title = `deliveries a second, ${label}`;
  const picture = drawn(parts, { rows, line, lines, colour: style.colour });
  return [title.length > columns ? label.slice(0, columns) : title, ...picture, ...below].slice(
    0,
    Math.max(1, style.rows),
  );
}

/**
 * Division lines that fit the highest bar: at 1, 2 or 5 times a power of ten, at most so many, the highest at or
 * just above it. So the scale changes seldom, and not with each bar.
 */
export function divisions(
  highest: number,
  linesMax: number,
): { readonly line: number; readonly lines: number } {
  const rough = Math.max(1, highest / linesMax);
  const power = 10 ** Math.floor(Math.log10(rough));
  const line = ([1, 2, 5].find((times) => times * power >= rough) ?? 10) * power;
  return { line, lines: Math.max(1, Math.ceil(highest / line)) };
}

/** How bars are drawn. */
interface Scale {
  readonly rows: number;
  readonly line: number;
  readonly lines: number;
  readonly colour: boolean;
}

/** The rows of bars, from above. Rows that the lines cannot part evenly stay empty. */
function drawn(
  parts: readonly (readonly number[])[],
  { rows, line, lines, colour }: Scale,
): readonly string[] {
  const apart = Math.floor(rows / lines);
  const used = apart * lines;
  const tops = parts.map((one) => topsOf(one, used * EIGHTHS / (line * lines)));
  return Array.from({ length: rows }, (_, from) => {
    const row = rows - 1 - from;
    const empty = row < used && (row + 1) % apart === 0 ? { ...LINE } : EMPTY;
    return painted(tops.map((one) => cellOf(one, row, colour) ?? empty), colour);
  });
}

/** Upper edges of a column's parts, in eighths of a row. */
function topsOf(parts: readonly number[], eighthsEach: number): readonly number[] {
  let below = 0;
  const tops = parts.map((part) => Math.round((below += part) * eighthsEach));
  if (below === 0 || (tops.at(-1) ?? 0) > 0) return tops;
  // Too little to fill an eighth shows as one, of the largest part.
  const largest = parts.indexOf(Math.max(...parts));
  return tops.map((_, place) => place >= largest ? 1 : 0);
}

/** What of a column stands in a row; `undefined` when nothing does. */
function cellOf(tops: readonly number[], row: number, colour: boolean): Cell | undefined {
  const base = row * EIGHTHS;
  const within = (top: number) => Math.min(EIGHTHS, Math.max(0, top - base));
  const shares = PLATFORMS.map((platform, place) => {
    return { ...platform, eighths: within(tops[place] ?? 0) - within(tops[place - 1] ?? 0) };
  });
  const filled = within(tops.at(-1) ?? 0);
  if (filled === 0) return undefined;
  const [most, next] = shares.toSorted((a, b) => b.eighths - a.eighths);
  if (most === undefined || next === undefined) return undefined;
  if (!colour) return plainCell(most.glyph, filled, row);
  const style = `38;5;${most.colour}`;
  if (filled < EIGHTHS || next.eighths === 0) return { glyph: BLOCKS[filled] ?? "", style };
  const [lower, upper] = shares.indexOf(most) < shares.indexOf(next) ? [most, next] : [next, most];
  const edge = Math.round(EIGHTHS * lower.eighths / (lower.eighths + upper.eighths));
  return { glyph: BLOCKS[edge] ?? "", style: `38;5;${lower.colour};48;5;${upper.colour}` };
}

/** Shades have no eighths: a cell that is less than half full shows at the axis only. */
function plainCell(glyph: string, filled: number, row: number): Cell | undefined {
  if (glyph === "█") return { glyph: BLOCKS[filled] ?? "", style: "" };
  return filled >= EIGHTHS / 2 || row === 0 ? { glyph, style: "" } : undefined;
}

/** Cells as a line: what looks alike is painted at once. */
function painted(cells: readonly Cell[], colour: boolean): string {
  let line = "";
  for (let at = 0; at < cells.length;) {
    const style = cells[at]?.style ?? "";
    let glyphs = "";
    while (at < cells.length && cells[at]?.style === style) glyphs += cells[at++]?.glyph ?? "";
    line += colour ? paint(style, glyphs) : glyphs;
  }
  return line.trimEnd();
}

function paint(style: string, text: string): string {
  return style === "" ? text : `\x1b[${style}m${text}\x1b[0m`;
}

/** The time at both ends; at the right one alone where there is no room. */
function axis(from: string, to: string, width: number): string {
  const room = width - from.length - to.length;
  return room > 0 ? `${from}${" ".repeat(room)}${to}` : to.slice(-width);
}

/** For each platform how many end a second, and how many ended in all that is shown; as many to a line as fit. */
function legend(
  parts: readonly (readonly number[])[],
  { columns, colour }: ChartStyle,
): readonly string[] {
  const recent = parts.slice(-RATE_SECONDS);
  const numbers = (of: (one: readonly number[]) => number) =>
    `${grouped(recent.reduce((all, one) => all + of(one), 0) / RATE_SECONDS)}/s, ` +
    `${grouped(parts.reduce((all, one) => all + of(one), 0))}`;
  const items = PLATFORMS.map(({ name, glyph, colour: code }, place) => {
    const text = `${name} ${numbers((one) => one[place] ?? 0)}`;
    return { glyph: colour ? "█" : glyph, code, text: ` ${text}`.slice(0, columns - 1) };
  });
  const all = `all ${numbers(sum)} in ${showSpan(parts.length * 1_000)}`.slice(0, columns);
  const shown = [
    ...items.map(({ glyph, code, text }) => ({
      length: text.length + 1,
      text: `${colour ? paint(`38;5;${code}`, glyph) : glyph}${text}`,
    })),
    { length: all.length, text: all },
  ];
  const lines: { length: number; text: string }[] = [];
  for (const { length, text } of shown) {
    const last = lines.at(-1);
    if (last === undefined || last.length + GAP.length + length > columns) {
      lines.push({ length, text });
    } else {
      last.length += GAP.length + length;
      last.text += `${GAP}${text}`;
    }
  }
  return lines.map(({ text }) => text);
}

function shownNotes(notes: readonly string[], columns: number): readonly string[] {
  const more = notes.length - CHART_NOTES_MAX;
  const shown = more > 0 ? [...notes.slice(0, CHART_NOTES_MAX - 1), `and ${more + 1} more`] : notes;
  return shown.map((note) => cut(escapeInvisible(note), columns));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
