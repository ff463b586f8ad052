/**
 * Whether a parsed value is an object with names.
 *
 * @module
 */

/** Whether this is an object and no list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
