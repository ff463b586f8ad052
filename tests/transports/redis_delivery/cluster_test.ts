/** The delivery store in a cluster of three: its scripts reach all their keys, and other parts' keys are elsewhere. */

import { assert, assertEquals } from "@std/assert";
import { openRedisDeliveryStore } from "../../../transports/redis_delivery/redis_delivery_store.ts";
import { wholeHistory } from "../../conformance/delivery_history.ts";
import { DeliveryWorld, deviceOf, NEWS, NONE } from "../../conformance/delivery_world.ts";
import { WallClock } from "../../conformance/store_world.ts";
import { startRedisCluster } from "../../support/redis_server.ts";

Deno.test("RedisDeliveryStore takes a campaign through its life in a cluster", async () => {
  await using cluster = await startRedisCluster();
  const clock = new WallClock();
  await using store = await openRedisDeliveryStore({ url: cluster.freshUrl(), clock });
  const never = () => Promise.reject(new Error("not in this test"));
  await using world = new DeliveryWorld(clock, {
    store,
    reopen: never,
    corrupt: never,
    [Symbol.asyncDispose]: () => store.close(),
  });
  await world.populate(30, ["apns", "fcm", "webpush"]);
  const id = await world.submit();
  assertEquals(await world.expand(id, 12, 5), 30);
  const { batches } = await world.claim();
  for (const batch of batches) {
    const loaded = await store.load(batch.lease);
    assert(typeof loaded === "object");
    assertEquals((await store.campaign(batch.notification))?.app.name, NEWS);
    const rows = loaded.recipients.numbers.map((number, place) => ({
      number,
      address: loaded.recipients.addresses[place] ?? "",
      outcome: "rejected" as const,
      status: 400,
      reason: "no",
      registeredBefore: undefined,
    }));
    await world.commit(batch, { outcomes: { ...NONE, rejected: rows.length }, rows });
  }
  const status = await store.notification(id);
  assertEquals([status?.state, status?.counts.rejected], ["done", 30]);
  assertEquals((await store.rowsAfter(0, 99)).length, 30);
  const tallies = await store.talliesAfter(0, 99);
  assertEquals(tallies.reduce((sum, { outcomes }) => sum + outcomes.rejected, 0), 30);
  await store.addToHistory(tallies);
  const history = await wholeHistory(world);
  assertEquals(history.reduce((sum, { outcomes }) => sum + outcomes.rejected, 0), 30);
  const outcomes = await store.lastOutcomes([deviceOf(7), deviceOf(31)]);
  assertEquals(outcomes.map((row) => row?.device), [deviceOf(7), undefined]);
  clock.nowMs += 1;
  while (await store.sweep(clock.nowMs, 100) > 0);
  assertEquals(await store.notification(id), undefined);
});
