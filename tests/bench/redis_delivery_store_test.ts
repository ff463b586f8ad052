/** The bench of the delivery store in Redis in its smallest size, so that it does not rot. */

import { assert, assertEquals } from "@std/assert";
import { measureRedisDeliveryStore } from "../../bench/redis_delivery_store.ts";

Deno.test("measureRedisDeliveryStore() measures every part, and Redis beside", async () => {
  const { parts, redisSeconds, bytesEach } = await measureRedisDeliveryStore("always", 300);
  assertEquals(parts.map(({ count }) => count), [300, 30, 300, 300, 150, 150, 300, 300]);
  assert(redisSeconds > 0 && bytesEach > 0);
});
