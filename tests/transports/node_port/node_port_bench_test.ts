/** The bench of the node port in its smallest size, so that it does not rot. */

import { assertEquals, assertGreater } from "@std/assert";
import { measureNodePort } from "../../../bench/node_port_bench.ts";

Deno.test("measureNodePort() measures every rate", async () => {
  const shapes = [{ items: 1, callers: 2 }, { items: 3, callers: 1 }];
  const rates = await measureNodePort({ forMs: 5, shapes });
  assertEquals(rates.map(({ items, callers }) => ({ items, callers })), shapes);
  for (const { items, count, perSecond, clientMicros, serverMicros } of rates) {
    assertEquals(count % items, 0);
    for (const number of [count, perSecond, clientMicros, serverMicros]) assertGreater(number, 0);
  }
});
