/**
 * Clock steps: the wall clock jumps by an hour or a day in either direction while devices are
 * connected. Order and deadlines must not follow it; only TTLs may.
 *
 * @module
 */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { SortKeys } from "../../../../actors/push/messages/sort_keys.ts";
import { PushWorld, versions } from "../../../support/push_world.ts";

const HOUR_MS = 3_600_000;
const STEPS_MS = [-24 * HOUR_MS, -HOUR_MS, HOUR_MS, 24 * HOUR_MS];

Deno.test("SortKeys.next() grows when the clock is set back, and after a restart in the past", () => {
  const now = 1_700_000_000_000;
  const keys = new SortKeys(0);
  let last = keys.next(now);
  for (const stepMs of [...STEPS_MS, 0, 0]) {
    const next = keys.next(now + stepMs);
    assertGreater(next, last);
    last = next;
  }
  const restarted = new SortKeys(last);
  assertGreater(restarted.next(now - 24 * HOUR_MS), last);
  assertEquals(restarted.next(now + 48 * HOUR_MS), (now + 48 * HOUR_MS) * 1_000);
});

for (const stepMs of STEPS_MS) {
  Deno.test(`a clock step of ${stepMs / HOUR_MS} h ends no session, fires no deadline and keeps the order`, async () => {
    await using push = await PushWorld.open();
    const { clock } = push.world;
    const { device, ...target } = await push.subscribe();
    const silent = push.connect();
    await push.post(target);
    clock.setWall(clock.wallNow() + stepMs);
    await push.world.settle();
    assertEquals([device.closedBy, silent.closedBy, device.pings], [undefined, undefined, 0]);
    await push.post(target);
    const sent = device.take("notification");
    assertEquals(sent.length, 2);
    // Acknowledged or not, the store has them in the order in which they were accepted.
    if (stepMs < 0) assertEquals(await push.waiting(target.uaid), versions(sent));
    device.ack(sent);
    await push.world.settle();
    assertEquals(await push.waiting(target.uaid), []);
    await push.world.advance(5_000);
    assertEquals(silent.closedBy, "1011 HandshakeTimeout");
    await push.world.advance(295_000);
    assertEquals([device.pings, device.closedBy], [1, undefined]);
    for (const event of push.events) {
      if (event.kind === "sent") assert(event.delayMs >= 0, `a delay of ${event.delayMs} ms`);
    }
  });
}
