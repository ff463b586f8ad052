/** The bench of the store in its smallest size, so that it does not rot. */

import { assertEquals, assertGreater } from "@std/assert";
import { measureStore } from "../../../bench/store_bench.ts";
import { TemporaryFolder } from "./child_process.ts";

Deno.test("measureStore() measures every rate", async () => {
  await using folder = new TemporaryFolder();
  const rates = await measureStore({ folder: folder.path, forMs: 5, inFlight: [1, 4] });
  assertEquals(rates.map(({ what, inFlight }) => `${what} ${inFlight}`), [
    "save 1",
    "save 4",
    "save, then remove 1",
    "save, then remove 4",
    "read a subscription 1",
    "read a user agent 1",
    "read a page of 10 1",
  ]);
  for (const { what, count, perSecond } of rates) {
    assertGreater(count, 0, what);
    assertGreater(perSecond, 0, what);
  }
});
