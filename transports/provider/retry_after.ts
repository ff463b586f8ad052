/**
 * The `Retry-After` header (RFC 9110 section 10.2.3): seconds, or a date.
 *
 * @module
 */

/** Longest wait taken from a provider: beyond an hour it is a mistake, or a message nobody wants any more. */
export const RETRY_AFTER_MS_MAX = 3_600_000;

/**
 * How long to wait, from 0 to an hour; `undefined` for a value that is neither, which is to be ignored.
 *
 * @param value The header's value, if there was one.
 * @param now The wall clock in milliseconds, for dates.
 */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const ms = /^[-+]?\d+$/.test(text)
    ? Number(text) * 1000
    : /^[A-Za-z]{3,9}, /.test(text)
    ? Date.parse(text) - now
    : NaN;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX);
}
