/**
 * Typed access to the columns of a row. The tables are STRICT, so a column of another type than
 * asked for is a bug of this program and throws.
 *
 * @module
 */

import { invariant } from "./errors.ts";

/** A row as `node:sqlite` gives it: column name to value, `undefined` when there was none. */
export type Row = Record<string, unknown> | undefined;

/** The integer in this column. */
export function integerColumn(row: Row, column: string): number {
  const value = row?.[column];
  invariant(typeof value === "number" && Number.isSafeInteger(value), `"${column}" is no integer`);
  return value;
}

/** The text in this column. */
export function textColumn(row: Row, column: string): string {
  const value = row?.[column];
  invariant(typeof value === "string", `"${column}" is no text`);
  return value;
}

/** The text in this column, `undefined` for NULL. */
export function optionalTextColumn(row: Row, column: string): string | undefined {
  return row?.[column] === null ? undefined : textColumn(row, column);
}

/** The bytes in this column. */
export function bytesColumn(row: Row, column: string): Uint8Array {
  const value = row?.[column];
  invariant(value instanceof Uint8Array, `"${column}" is no blob`);
  return value;
}

/** The number in this column, `undefined` for NULL. */
export function optionalNumberColumn(row: Row, column: string): number | undefined {
  const value = row?.[column];
  if (value === null) return undefined;
  invariant(typeof value === "number", `"${column}" is no number`);
  return value;
}
