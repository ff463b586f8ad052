/** The bench of copying a store in its smallest size, so that it does not rot. */

import { assertEquals, assertGreater } from "@std/assert";
import { measureStoreCopy } from "../../bench/store_copy.ts";

Deno.test("measureStoreCopy() copies all that it filled the store with", async () => {
  const { rows, tookMs } = await measureStoreCopy({ devices: 30, messages: 20 });
  // User agents, channels, messages; the app, its devices, their tags, and tags of devices; how far
  // the history has come.
  assertEquals(rows, 2 + 2 + 20 + 1 + 30 + 11 + 20 + 1);
  assertGreater(tookMs, 0);
});
