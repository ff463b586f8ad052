/**
 * Rows of words in columns, for a terminal.
 *
 * @module
 */

import { cut, escapeInvisible } from "./visible_text.ts";

/** How a table is laid out. */
export interface TableOptions {
  /** Columns whose cells stand at the right, from 0. */
  readonly right?: readonly number[];
  /** Spaces in front of each row; 2 when absent. */
  readonly indent?: number;
}

/**
 * The rows in columns, two spaces apart, each line without spaces at its end and the last without a
 * line feed. Cells become visible text; the last column is as long as it needs to be.
 */
export function table(
  rows: readonly (readonly string[])[],
  { right = [], indent = 2 }: TableOptions = {},
): string {
  const cells = rows.map((row) => row.map(escapeInvisible));
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0))
  );
  const place = (cell: string, column: number) =>
    right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
  return cells.map((row) => `${" ".repeat(indent)}${row.map(place).join("  ")}`.trimEnd())
    .join("\n");
}

/** A cell of at most so many characters. */
export function cell(text: string | null | undefined, charsMax: number): string {
  return cut(text ?? "", charsMax);
}
