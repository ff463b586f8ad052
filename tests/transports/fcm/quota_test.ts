/**
 * The pace of a project, in virtual time.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Quota } from "../../../transports/fcm/quota.ts";

const NOW = 1_000_000;
/** Ten messages a millisecond. */
const PER_MINUTE = 600_000;

Deno.test("Quota.take() grants a burst at once, then makes wait", () => {
  const quota = new Quota(PER_MINUTE);
  for (let block = 0; block < 10; block++) {
    assertEquals(quota.take(1_000, NOW), { granted: 1_000, waitMs: 0, afterMs: 0 });
  }
  assertEquals(quota.take(1_000, NOW), { granted: 1_000, waitMs: 100, afterMs: 100 });
  assertEquals(quota.take(1_000, NOW), { granted: 1_000, waitMs: 200, afterMs: 200 });
});

Deno.test("Quota.take() grants no more than fits the longest wait", () => {
  const quota = new Quota(PER_MINUTE);
  assertEquals(quota.take(100_000, NOW), { granted: 60_000, waitMs: 5_000, afterMs: 5_000 });
  assertEquals(quota.take(1, NOW), { granted: 0, waitMs: 5_000, afterMs: 5_000 });
  assertEquals(quota.take(1_000, NOW + 50), { granted: 500, waitMs: 5_000, afterMs: 5_000 });
});

Deno.test("Quota.take() keeps the rate, a burst aside, however it is asked", () => {
  for (const messagesPerMinute of [1, 7, 600, 60_000, PER_MINUTE]) {
    for (const [count, everyMs] of [[1, 7], [1_000, 40], [333, 1_000], [1_000, 90_000]] as const) {
      const quota = new Quota(messagesPerMinute);
      const sent: [atMs: number, count: number][] = [];
      for (let now = NOW; now < NOW + 600_000; now += everyMs) {
        const { granted, waitMs } = quota.take(count, now);
        assert(granted <= count && waitMs <= 5_000.001);
        if (granted > 0) sent.push([now + waitMs, granted]);
      }
      const total = sent.reduce((sum, [, granted]) => sum + granted, 0);
      const wanted = Math.ceil(600_000 / everyMs) * count;
      const allowed = (600_000 + 1_000 + 5_000) / 60_000 * messagesPerMinute + 1;
      assert(total <= allowed, `${total} > ${allowed}`);
      const fair = Math.min(wanted, Math.floor(600_000 / 60_000 * messagesPerMinute) - 1);
      // Whoever asks seldom cannot use the whole of a burst's worth of time.
      if (everyMs <= 1_000) assert(total >= fair, `${total} < ${fair}`);
    }
  }
});

Deno.test("Quota.take() grants at least one message to whoever is alone, at any rate", () => {
  const quota = new Quota(1);
  assertEquals(quota.take(3, NOW).granted, 1);
  assertEquals(quota.take(3, NOW + 59_000).granted, 1);
  assertEquals(quota.take(3, NOW + 59_001).granted, 0);
});

Deno.test("Quota.hold() grants nothing until then", () => {
  const quota = new Quota(PER_MINUTE);
  quota.hold(NOW + 60_000);
  quota.hold(NOW + 30_000);
  assertEquals(quota.take(10, NOW), { granted: 0, waitMs: 0, afterMs: 60_000 });
  assertEquals(quota.take(10, NOW + 59_999), { granted: 0, waitMs: 0, afterMs: 1 });
  assertEquals(quota.take(10, NOW + 60_000).granted, 10);
});

Deno.test("Quota.take() after the clock was put back waits no longer than it may", () => {
  const quota = new Quota(PER_MINUTE);
  quota.take(60_000, NOW);
  quota.hold(NOW + 60_000);
  const day = 86_400_000;
  assertEquals(quota.take(1, NOW - day).afterMs, 3_600_000);
  assertEquals(quota.take(1, NOW - day + 3_600_000).waitMs, 5_000);
});
