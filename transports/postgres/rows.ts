/**
 * Typed access to the columns of a row. Whoever may write to the database may have changed a table, so
 * a column of another type than asked for is an error that names both.
 *
 * @module
 */

import { StoreError } from "./errors.ts";

/** A row as it was read: column name to value. */
export type Row = Readonly<Record<string, unknown>>;

/** What a value is called in an error, which does not repeat it. */
function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "NULL";
  if (value instanceof Uint8Array) return "bytes";
  return typeof value === "string" ? "text" : `of type ${typeof value}`;
}

/** Reads the columns of one table; each method throws a {@link StoreError} `"corrupt"` that names table and column. */
export class Columns {
  readonly #table: string;

  /** For rows of this table. */
  constructor(table: string) {
    this.#table = table;
  }

  /** An integer of at most 53 bits. */
  integer(row: Row | undefined, column: string): number {
    const value = row?.[column];
    if (typeof value === "number" && Number.isSafeInteger(value)) return value;
    return this.#wrong(column, value, "an integer below 2^53");
  }

  /** An integer of at most 53 bits, `undefined` for NULL. */
  optionalInteger(row: Row | undefined, column: string): number | undefined {
    return row?.[column] === null ? undefined : this.integer(row, column);
  }

  /** A finite number. */
  number(row: Row | undefined, column: string): number {
    const value = row?.[column];
    if (typeof value === "number" && Number.isFinite(value)) return value;
    return this.#wrong(column, value, "a number");
  }

  /** A finite number, `undefined` for NULL. */
  optionalNumber(row: Row | undefined, column: string): number | undefined {
    return row?.[column] === null ? undefined : this.number(row, column);
  }

  /** A text. */
  text(row: Row | undefined, column: string): string {
    const value = row?.[column];
    return typeof value === "string" ? value : this.#wrong(column, value, "text");
  }

  /** A text, `undefined` for NULL. */
  optionalText(row: Row | undefined, column: string): string | undefined {
    return row?.[column] === null ? undefined : this.text(row, column);
  }

  /** One of these texts. */
  oneOf<const T extends string>(row: Row | undefined, column: string, allowed: readonly T[]): T {
    const value = row?.[column];
    return allowed.find((text) => text === value) ??
      this.#wrong(column, value, `one of ${allowed.join(", ")}`);
  }

  /** A truth value. */
  boolean(row: Row | undefined, column: string): boolean {
    const value = row?.[column];
    return typeof value === "boolean" ? value : this.#wrong(column, value, "a boolean");
  }

  /** Bytes. */
  bytes(row: Row | undefined, column: string): Uint8Array {
    const value = row?.[column];
    return value instanceof Uint8Array ? value : this.#wrong(column, value, "bytes");
  }

  /** A list of texts, kept as JSON. */
  texts(row: Row | undefined, column: string): readonly string[] {
    const value = row?.[column];
    if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
    return this.#wrong(column, value, "a JSON list of texts");
  }

  /** Refuses this column for a reason that its type does not tell. */
  wrong(row: Row | undefined, column: string, expected: string): never {
    return this.#wrong(column, row?.[column], expected);
  }

  #wrong(column: string, value: unknown, expected: string): never {
    throw new StoreError(
      "corrupt",
      `Cannot read the table "${this.#table}": its column "${column}" is ${
        kindOf(value)
      }, expected ${expected}`,
    );
  }
}
