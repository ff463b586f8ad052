/** The pipeline as a program has it: what its service is asked for reaches its actors. */

import { assert, assertEquals } from "@std/assert";
import type { SendBlock, Verdict } from "../../actors/push/delivery/ports.ts";
import type { Queue } from "../../actors/push/delivery/store.ts";
import { World } from "../../actors/testing/mod.ts";
import { Pipeline } from "../../program/pipeline.ts";
import { MemoryDeliveryStore } from "../../transports/memory/memory_delivery_store.ts";
import { plantedCredentials } from "../support/api_fixtures.ts";
import { notingGateway } from "../support/delivery_world.ts";

Deno.test("Pipeline goes on with an app that was paused for dead devices when a person resumed it", async () => {
  const world = new World({ wallNow: Date.now() });
  const { clock, system } = world;
  const store = new MemoryDeliveryStore({ clock });
  const blocks: SendBlock[] = [];
  const dead: Verdict = {
    kind: "token_invalid",
    status: 400,
    reason: "BadDeviceToken",
    doubtful: true,
  };
  const gateways = { apns: notingGateway(dead, blocks) };
  await using pipeline = new Pipeline({ store, system, gateways });
  await using _ = world;
  await pipeline.start();
  const { service } = pipeline;
  await service.putApp("shop", plantedCredentials().body);
  const tokens = Array.from({ length: 100 }, (_, index) => ({
    platform: "apns",
    token: index.toString(16).padStart(64, "0"),
  }));
  const made = await service.submit({ app: "shop", content: { title: "Hi" }, to: { tokens } });
  assert(made.kind === "ok", JSON.stringify(made));
  await world.advance(60_000);
  assertEquals((await store.notification(made.value.id))?.counts.pending, 100);
  assertEquals(await service.resumeApp("shop", {}), { kind: "ok", value: ["apns"] });
  await world.advance(60_000);
  assertEquals((await store.notification(made.value.id))?.counts.tokenInvalid, 100);
  assertEquals(blocks.length, 2);
});

Deno.test("Pipeline claims batches from a queue of one's own", async () => {
  const world = new World({ wallNow: Date.now() });
  const { clock, system } = world;
  const store = new MemoryDeliveryStore({ clock });
  const blocks: SendBlock[] = [];
  const gateways = { fcm: notingGateway({ kind: "delivered" }, blocks) };
  let open = false;
  const queue: Queue = {
    claim: (request) =>
      open ? store.claim(request) : Promise.resolve({ batches: [], dueAt: undefined }),
    renew: (leases, until) => store.renew(leases, until),
    release: (lease, notBefore) => store.release(lease, notBefore),
    abandon: (node, now) => store.abandon(node, now),
  };
  await using pipeline = new Pipeline({ store, queue, system, gateways });
  await using _ = world;
  await pipeline.start();
  await store.saveApp("shop", {}, clock.wallNow());
  const to = { tokens: [{ platform: "fcm", token: "one" }] };
  const made = await pipeline.service.submit({ app: "shop", content: { title: "Hi" }, to });
  assert(made.kind === "ok", JSON.stringify(made));
  await world.advance(5_000);
  assertEquals(blocks.length, 0);
  open = true;
  await world.advance(5_000);
  assertEquals((await store.notification(made.value.id))?.counts.delivered, 1);
});

Deno.test("Pipeline shows what all nodes of the store deliver, each once, also where none is delivered", async () => {
  const world = new World({ wallNow: Date.now() });
  const { clock, system } = world;
  let away = false;
  const store = new MemoryDeliveryStore({
    clock,
    fault: ({ name }) => away && name === "talliesAfter" ? "io" : undefined,
  });
  const gateways = { fcm: notingGateway({ kind: "delivered" }, []) };
  await using delivering = new Pipeline({ store, system, gateways, allNodes: true });
  await using watching = new Pipeline({ store, system });
  await using _ = world;
  await delivering.start();
  await watching.watch();
  const delivered = new Map([delivering, watching].map((pipeline) => {
    const bars = new Map<number, number>();
    pipeline.feed.subscribe((published) => {
      for (const { second, platforms } of published) bars.set(second, platforms.fcm.delivered);
    });
    return [pipeline, bars];
  }));
  const seen = () =>
    [...delivered.values()].map((bars) => bars.values().reduce((a, b) => a + b, 0));
  await store.saveApp("shop", {}, clock.wallNow());
  const send = async (count: number) => {
    const tokens = Array.from(
      { length: count },
      (_, token) => ({ platform: "fcm", token: `t${token}` }),
    );
    const made = await watching.service.submit({
      app: "shop",
      content: { title: "Hi" },
      to: { tokens },
    });
    assert(made.kind === "ok", JSON.stringify(made));
    await world.advance(10_000);
  };
  await send(3);
  assertEquals(seen(), [3, 3]);
  away = true;
  await send(2);
  assertEquals(seen(), [3, 3]);
  away = false;
  await world.advance(3_000);
  assertEquals(seen(), [5, 5]);
});
