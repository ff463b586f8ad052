/** The bench of the delivery store in PostgreSQL in its smallest size, so that it does not rot. */

import { assertEquals } from "@std/assert";
import { measurePostgresDeliveryStore } from "../../bench/postgres_delivery_store.ts";

Deno.test("measurePostgresDeliveryStore() measures every part", async () => {
  const costs = await measurePostgresDeliveryStore(300);
  assertEquals(costs.map(({ count }) => count), [300, 30, 300, 300, 150, 150, 300, 300]);
});
