/**
 * Readings of `Retry-After` (RFC 9110 section 10.2.3), also of what is none.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { retryAfterMs } from "../../../transports/provider/retry_after.ts";

const NOW = Date.UTC(2026, 0, 1);

Deno.test("retryAfterMs() reads seconds and dates, within an hour", () => {
  const rows: readonly (readonly [string | undefined, number | undefined])[] = [
    [undefined, undefined],
    ["", undefined],
    ["banana", undefined],
    ["1.5", undefined],
    ["-5", 0],
    ["0", 0],
    [" 30 ", 30_000],
    ["3601", 3_600_000],
    ["9".repeat(400), 3_600_000],
    ["Thu, 01 Jan 2026 00:01:00 GMT", 60_000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["Fri, 31 Dec 9999 23:59:59 GMT", 3_600_000],
    ["Xyz, not a date", undefined],
  ];
  for (const [value, ms] of rows) assertEquals(retryAfterMs(value, NOW), ms, value);
});
