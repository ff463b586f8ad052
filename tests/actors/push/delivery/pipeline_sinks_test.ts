/** The whole pipeline in a world, and what its sinks are handed. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { TallySink } from "../../../../actors/push/delivery/ports.ts";
import type { DeliveryRow } from "../../../../actors/push/delivery/records.ts";
import { SINK_LOOK_MS } from "../../../../actors/push/delivery/sinks/limits.ts";
import type { Tally } from "../../../../actors/push/delivery/store.ts";
import { DeliveryWorld } from "../../../support/delivery_world.ts";

Deno.test("pipeline rows follow a sink that was away", async () => {
  const seen: DeliveryRow[] = [];
  let away = true;
  const sink = {
    name: "notes",
    rows: "all",
    record(rows: readonly DeliveryRow[]): Promise<void> {
      if (away) return Promise.reject(new Error("away"));
      seen.push(...rows);
      return Promise.resolve();
    },
  } as const;
  await using pipeline = await DeliveryWorld.open({ sinks: [sink] });
  await pipeline.app();
  await pipeline.devices(1_500);
  const id = await pipeline.send();
  await pipeline.world.advance(30_000);
  assertEquals((await pipeline.status(id)).counts.delivered, 1_500);
  assertEquals(seen.length, 0);
  away = false;
  await pipeline.world.advance(120_000);
  assertEquals(seen.length, 1_500);
  assertEquals(new Set(seen.map(({ number }) => number)).size, 1_500);
});

Deno.test("pipeline tells a sink that counts of each batch at once, with rows or without", async () => {
  const tallies: Tally[] = [];
  const sink: TallySink = {
    name: "counters",
    rows: "tallies",
    record(page) {
      tallies.push(...page);
      return Promise.resolve();
    },
  };
  await using pipeline = await DeliveryWorld.open({ sinks: [sink] });
  await pipeline.app();
  await pipeline.devices(2_500);
  const id = await pipeline.send();
  await pipeline.world.advance(SINK_LOOK_MS - 1);
  const { counts } = await pipeline.status(id);
  assertEquals(counts.delivered, 2_500);
  assertEquals(tallies.reduce((sum, { outcomes }) => sum + outcomes.delivered, 0), 2_500);
  assertEquals(tallies.map(({ position }) => position), [1, 2, 3]);
});

Deno.test("pipeline refuses a sink whose name is that of one that is built in", async () => {
  for (const name of ["bars", "feedback", "history"]) {
    const sink: TallySink = { name, rows: "tallies", record: () => Promise.resolve() };
    await assertRejects(() => DeliveryWorld.open({ sinks: [sink] }), Error, `"${name}"`);
  }
});

Deno.test("pipeline goes on while its history cannot be kept, and counts it all afterwards", async () => {
  let away = true;
  await using pipeline = await DeliveryWorld.open({
    fault: ({ name }) => away && name === "addToHistory" ? "io" : undefined,
  });
  await pipeline.app();
  await pipeline.devices(1_500);
  await pipeline.world.settle();
  const id = await pipeline.send();
  await pipeline.world.advance(90_000);
  assertEquals((await pipeline.status(id)).counts.delivered, 1_500);
  const failed = pipeline.events.filter(({ kind }) => kind === "sink_failed");
  assertEquals(new Set(failed.map((event) => "sink" in event && event.sink)), new Set(["history"]));
  assertEquals(await hourOf(pipeline), 0);
  away = false;
  await pipeline.world.advance(120_000);
  assertEquals(await hourOf(pipeline), 1_500);
});

/** How many were delivered in the bars of the last hour. */
async function hourOf({ service }: DeliveryWorld): Promise<number> {
  const reply = await service.bars({ span: "hour" });
  assert(reply.kind === "ok");
  return reply.value.bars.reduce((sum, { platforms }) => sum + platforms.apns.delivered, 0);
}
