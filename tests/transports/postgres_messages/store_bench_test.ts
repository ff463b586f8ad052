/** The bench of the store in its smallest size, so that it does not rot. */

import { assertEquals, assertGreater } from "@std/assert";
import { measurePostgresStore } from "../../../bench/postgres_store_bench.ts";

Deno.test("measurePostgresStore() measures every rate", async () => {
  const rates = await measurePostgresStore({ forMs: 5, inFlight: [4] });
  assertEquals(rates.map(({ what, inFlight }) => `${what} ${inFlight}`), [
    "save 4",
    "save, then remove 4",
    "read a subscription 1",
    "read a user agent 1",
    "read a page of 10 1",
  ]);
  for (const { what, count } of rates) assertGreater(count, 0, what);
});
