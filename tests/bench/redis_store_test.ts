/** The bench of the store in Redis in its smallest size, so that it does not rot. */

import { assertEquals } from "@std/assert";
import { measureRedisStore } from "../../bench/redis_store_bench.ts";

Deno.test("measureRedisStore() measures every rate", async () => {
  const rates = await measureRedisStore("always", { forMs: 5, inFlight: [4] });
  assertEquals(rates.map(({ what, count }) => [what, count > 0]), [
    ["save", true],
    ["save, then remove", true],
    ["read a subscription", true],
    ["read a user agent", true],
    ["read a page of 10", true],
  ]);
});
