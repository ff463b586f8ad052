/**
 * Memory stays bounded while providers do not answer, or slowly: a large campaign to each of them and an
 * import go on in a process with a small heap, which serves everything else meanwhile and ends the
 * campaigns when the providers are well again.
 *
 * `CAMPAIGN_RECIPIENTS=1000000 CAMPAIGN_STALL_MS=60000` make a longer run; above ten seconds the
 * connections that hang are given up, and their requests are made again.
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { CampaignService, numbersOf, sized, total, valueOf } from "../support/campaign_service.ts";
import { PushClient } from "../support/push_client.ts";
import { Relay } from "../support/relay.ts";
import { report } from "../support/seeded.ts";
import { opaqueBody, post } from "../support/sender.ts";

/** About what the campaigns' batches in flight take, and little more. */
const V8_FLAGS = "--max-semi-space-size=4,--max-old-space-size=160";
const PEAK_BYTES_MAX = 300 * 1_024 * 1_024;
const RECIPIENTS = sized("CAMPAIGN_RECIPIENTS", 20_000);
const STALL_MS = sized("CAMPAIGN_STALL_MS", 4_000);
/** Of the provider that is slow but answers. */
const SLOW_MS = 2_000;
/** How long a message of a push service or an answer of the API may take meanwhile, on a busy machine. */
const PROMPT_MS = 2_000;
/** Pauses and leases of what was given up have to pass, beside the work. */
const END_MS = 60_000 + 2 * RECIPIENTS / 1_000 * 150;

Deno.test("Providers that never answer, or slowly, cost a bounded amount of memory and nobody else's time", async () => {
  await using world = await CampaignService.open({ v8Flags: V8_FLAGS });
  const { standIn, service } = world;
  await using relay = Relay.open(Number(new URL(standIn.origins.apns).port));
  const silent = numbersOf("apns", RECIPIENTS);
  const slow = numbersOf("fcm", RECIPIENTS);
  await world.register("silent", silent, { apns: `https://localhost:${relay.port}` });
  await world.register("slow", slow);
  const idleBytes = service.residentBytes();
  await world.ended(await world.send("silent", { to: { devices: ["silent-0"] } }), PROMPT_MS * 5);
  relay.hold = "down";
  await standIn.behave({ latencyMs: SLOW_MS }, ["fcm"]);
  const ids = [await world.send("silent"), await world.send("slow")];
  const begun = performance.now();
  const importing = importMore(world);
  const { slowestMs, rounds } = await serveOthers(world, begun + STALL_MS);
  const stalled = await Promise.all(ids.map((id) => world.notification(id)));
  relay.hold = undefined;
  await standIn.behave({ latencyMs: 0 }, ["fcm"]);
  assertEquals(await importing, RECIPIENTS);
  const ended = await Promise.all(ids.map((id) => world.ended(id, END_MS)));
  const endedMs = performance.now() - begun - STALL_MS;
  const mebibytes = (bytes: number) => Math.round(bytes / 1_048_576);
  report(
    `${2 * RECIPIENTS} recipients, ${RECIPIENTS} imported, stalled for ${STALL_MS} ms: ` +
      `${mebibytes(idleBytes)} MiB before, ${mebibytes(service.peakBytes())} MiB at most; others ` +
      `waited ${Math.round(slowestMs)} ms at most in ${rounds} rounds; ended ${
        Math.round(endedMs)
      } ms later`,
  );
  assertEquals(stalled[0]?.counts.delivered, 0);
  for (const { counts } of ended) {
    assertEquals([counts.total, counts.delivered], [RECIPIENTS, RECIPIENTS]);
  }
  assertEquals(total(await standIn.seen(), (one) => one.accepted), 2 * RECIPIENTS);
  assertLess(service.peakBytes(), PEAK_BYTES_MAX);
  assert(!service.stderr.includes('"actor_crashed"'), service.stderr);
});

/** Imports as many devices as the campaigns have; how many were taken. */
async function importMore(world: CampaignService): Promise<number> {
  const rows = world.rows("slow", numbersOf("webpush", RECIPIENTS));
  const options = { app: "slow", format: "ndjson" } as const;
  return valueOf(await world.api.importDevices(rows, options, () => {})).imported;
}

/** Posts messages and asks the API until that time: the slowest of them. */
async function serveOthers(
  { service, api }: CampaignService,
  until: number,
): Promise<{ readonly slowestMs: number; readonly rounds: number }> {
  await using device = await PushClient.connect(service.deviceUrl);
  const { endpoint } = await device.register();
  let slowestMs = 0;
  let rounds = 0;
  for (; performance.now() < until; rounds++) {
    const began = performance.now();
    const from = device.notifications.size;
    assertEquals((await post(endpoint, opaqueBody(100))).status, 201);
    await device.notifications.next(() => true, { what: "a message", from, withinMs: PROMPT_MS });
    valueOf(await api.status());
    slowestMs = Math.max(slowestMs, performance.now() - began);
    assertLess(slowestMs, PROMPT_MS);
  }
  return { slowestMs, rounds };
}
