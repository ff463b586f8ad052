/**
 * Points as InfluxDB's line protocol writes them
 * (https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/).
 *
 * Invariants: a point is one line, whatever its names hold; an integer field is written as one each
 * time, since a field keeps the type that it first had; tags are in the order of their keys, which is
 * what InfluxDB advises.
 *
 * A comma, a space and an equals sign are escaped by a backslash. A backslash itself and control
 * characters cannot be carried safely (one at a tag's end would escape what follows it), so each of
 * them becomes an underscore; so does a hash sign that would make the line a comment.
 *
 * @module
 */

import { NAME_CHARS_MAX } from "./limits.ts";

/** A field: what a point is about. */
export type FieldValue =
  /** A whole number, up to 2^53. */
  | { readonly kind: "integer"; readonly value: number }
  /** Any finite number. */
  | { readonly kind: "float"; readonly value: number };

/** One point. */
export interface Point {
  /** What was measured. */
  readonly measurement: string;
  /** What it is found by, cut to 1,024 characters each; an empty one is left out, as the protocol has none. */
  readonly tags: Readonly<Record<string, string>>;
  /** The numbers, at least one. */
  readonly fields: Readonly<Record<string, FieldValue>>;
  /** When, in nanoseconds since 1970, as digits: they are more than a number holds. */
  readonly timeNs: string;
}

/** A field that is a whole number. */
export function integer(value: number): FieldValue {
  return { kind: "integer", value };
}

/** A field that is any number. */
export function float(value: number): FieldValue {
  return { kind: "float", value };
}

/**
 * The line of a point, without a line break.
 *
 * @throws {RangeError} When it has no field, or a field or time that the protocol cannot carry.
 */
export function pointLine({ measurement, tags, fields, timeNs }: Point): string {
  const series = [
    escaped(measurement.replace(/^#/, "_"), /[, ]/g),
    ...Object.entries(tags).sort(([a], [b]) => a < b ? -1 : 1)
      .filter(([, value]) => value !== "")
      .map(([key, value]) => `${escaped(key, /[,= ]/g)}=${escaped(value, /[,= ]/g)}`),
  ];
  const values = Object.entries(fields).map(([key, value]) =>
    `${escaped(key, /[,= ]/g)}=${fieldText(key, value)}`
  );
  if (values.length === 0) throw new RangeError(`A point of "${measurement}" has no field`);
  if (!/^\d{1,19}$/.test(timeNs)) throw new RangeError(`"${timeNs}" is no time in nanoseconds`);
  return `${series.join(",")} ${values.join(",")} ${timeNs}`;
}

function escaped(text: string, special: RegExp): string {
  return text.slice(0, NAME_CHARS_MAX)
    // deno-lint-ignore no-control-regex -- control characters are what is looked for
    .replaceAll(/[\\\u0000-\u001f\u007f]/g, "_")
    .replaceAll(special, "\\$&");
}

function fieldText(key: string, { kind, value }: FieldValue): string {
  switch (kind) {
    case "integer":
      if (!Number.isSafeInteger(value)) {
        throw new RangeError(`Field "${key}" is ${value}, no integer`);
      }
      return `${value}i`;
    case "float":
      if (!Number.isFinite(value)) throw new RangeError(`Field "${key}" is ${value}, no number`);
      return `${value}`;
  }
}
