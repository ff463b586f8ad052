/**
 * Statements as values: a text with places and what goes there, never mixed.
 *
 * A statement is prepared once on each connection under its text, so texts must be constants of the
 * program: whatever comes from outside is a value. Values go as PostgreSQL's text format and are
 * typed by the place they go to; arrays are for `unnest` and `= ANY`. Results come back as numbers
 * (up to 64-bit integers, see `rows.ts`), texts, booleans, bytes, dates, and parsed JSON; arrays
 * do not come back: wrap them in `to_jsonb`.
 *
 * @module
 */

/** One value that is not a list. */
export type SqlScalar = string | number | bigint | boolean | Uint8Array | null;

/** What a place in a statement may be given: JSON goes as its text. */
export type SqlValue = SqlScalar | readonly SqlScalar[];

/** A statement and its values. */
export interface Statement {
  /** Its text, with `$1`, `$2`, … for the values. */
  readonly text: string;
  /** The values, in PostgreSQL's text format; `null` is NULL. */
  readonly values: readonly (string | null)[];
}

/** Texts by their template: made once for each place in the program. */
const texts = new WeakMap<TemplateStringsArray, string>();

/**
 * A statement written as a template; what is between `${` and `}` is always a value, never a text.
 *
 * @example
 * ```ts
 * const statement = sql`SELECT connected_at FROM users WHERE uaid = ${"ab"} AND 5 = ANY(${[5, 6]})`;
 * if (statement.text !== "SELECT connected_at FROM users WHERE uaid = $1 AND 5 = ANY($2)") {
 *   throw new Error("unexpected text");
 * }
 * ```
 */
export function sql(strings: TemplateStringsArray, ...values: readonly SqlValue[]): Statement {
  let text = texts.get(strings);
  if (text === undefined) {
    text = strings.reduce((before, after, index) => `${before}$${index}${after}`);
    texts.set(strings, text);
  }
  return { text, values: values.map(textOf) };
}

/** A statement of a constant text with `$1`, `$2`, … for these values. */
export function statement(text: string, values: readonly SqlValue[] = []): Statement {
  return { text, values: values.map(textOf) };
}

function textOf(value: SqlValue): string | null {
  return isList(value) ? `{${value.map(elementOf).join(",")}}` : scalarText(value);
}

/** `Array.isArray` does not know lists that may not be changed. */
function isList(value: SqlValue): value is readonly SqlScalar[] {
  return Array.isArray(value);
}

function scalarText(value: SqlScalar): string | null {
  if (value === null) return null;
  if (value instanceof Uint8Array) return `\\x${value.toHex()}`;
  return String(value);
}

function elementOf(value: SqlScalar): string {
  // Nothing in it needs escaping but its own beginning: bodies are long.
  if (value instanceof Uint8Array) return `"\\\\x${value.toHex()}"`;
  const text = scalarText(value);
  if (text === null) return "NULL";
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean"
    ? text
    : `"${text.replace(/["\\]/g, "\\$&")}"`;
}
