/** The traces of messages: from the push service on one side, from the device's session on the other. */

import { assertEquals } from "@std/assert";
import { PushWorld, type WorldDevice } from "../../../support/push_world.ts";

/** Acknowledges everything that came. */
async function acknowledge(world: PushWorld, device: WorldDevice): Promise<number> {
  const came = device.take("notification");
  device.ack(came);
  await world.world.settle();
  return came.length;
}

Deno.test("a message is traced from its acceptance to its acknowledgement, under one subject", async () => {
  await using world = await PushWorld.open();
  const { device, uaid, channelId } = await world.subscribe();
  await world.post({ uaid, channelId });
  assertEquals(world.traces.lines, ["accept > store", "accept > hand_over", "accept"]);
  assertEquals(await acknowledge(world, device), 1);
  assertEquals(world.traces.lines.slice(3), ["acknowledge"]);
  assertEquals([world.traces.subjects.size, world.traces.odd.size], [1, 0]);
});

Deno.test("a message for now or never has no step in the store", async () => {
  await using world = await PushWorld.open();
  const { uaid, channelId } = await world.subscribe();
  await world.post({ uaid, channelId }, { ttlSeconds: 0 });
  assertEquals(world.traces.lines, ["accept > hand_over", "accept"]);
});

Deno.test("a message that is refused says so, and is handed to nobody", async () => {
  await using world = await PushWorld.open({ messageLimit: 1 });
  const { uaid } = await world.subscribe();
  await world.post({ uaid, channelId: crypto.randomUUID() });
  assertEquals(world.traces.lines, ["accept > store", "accept failure=no_subscription"]);
});

Deno.test("messages acknowledged together are traced each", async () => {
  await using world = await PushWorld.open();
  const { device, uaid, channelId } = await world.subscribe();
  for (let count = 0; count < 3; count++) await world.post({ uaid, channelId });
  assertEquals(await acknowledge(world, device), 3);
  assertEquals(world.traces.lines.filter((line) => line === "acknowledge").length, 3);
  assertEquals([world.traces.subjects.size, world.traces.odd.size], [3, 0]);
});
