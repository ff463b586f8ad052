/** The whole pipeline in a world: what goes in at one end, what is stored at the other. */

import { assert, assertEquals } from "@std/assert";
import type { DeliveryEvent, SendBlock, Verdict } from "../../../../actors/push/delivery/ports.ts";
import type { Counts } from "../../../../actors/push/delivery/records.ts";
import { DeliveryWorld, notingGateway } from "../../../support/delivery_world.ts";

const NONE: Counts = {
  total: 0,
  delivered: 0,
  tokenInvalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
  pending: 0,
  retries: 0,
};

const BUSY: Verdict = { kind: "retry", status: 503, reason: "busy", scope: "recipient" };
const DEAD: Verdict = {
  kind: "token_invalid",
  status: 410,
  reason: "Unregistered",
  doubtful: false,
};

function kinds(world: DeliveryWorld, kind: DeliveryEvent["kind"]): readonly DeliveryEvent[] {
  return world.events.filter((event) => event.kind === kind);
}

Deno.test("pipeline delivers a notification to all devices of all platforms, one request each", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(2_500);
  await pipeline.devices(1_200, { platform: "fcm" });
  await pipeline.devices(300, { platform: "webpush" });
  const id = await pipeline.send();
  await pipeline.world.advance(1_000);
  const status = await pipeline.status(id);
  assertEquals(status.counts, { ...NONE, total: 4_000, delivered: 4_000 });
  assertEquals(status.state, "done");
  assertEquals(status.sendingDone, true);
  assertEquals(status.platforms.fcm, { ...NONE, total: 1_200, delivered: 1_200 });
  assertEquals(pipeline.requests, 4_000);
});

Deno.test("pipeline tries again what a provider was too busy for, after a while", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(100);
  pipeline.script.answer = (_, nth) => nth <= 3 ? { ...BUSY, status: 429 } : { kind: "delivered" };
  const id = await pipeline.send();
  await pipeline.world.advance(500);
  assertEquals((await pipeline.status(id)).counts, {
    ...NONE,
    total: 100,
    pending: 100,
    retries: 100,
  });
  await pipeline.world.advance(60_000);
  assertEquals((await pipeline.status(id)).counts, {
    ...NONE,
    total: 100,
    delivered: 100,
    retries: 300,
  });
  assertEquals(pipeline.requests, 400);
});

Deno.test("pipeline takes dead devices out of the next audience", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(100);
  pipeline.script.answer = (address) => address.endsWith("7") ? DEAD : { kind: "delivered" };
  const first = await pipeline.send();
  await pipeline.world.advance(5_000);
  const second = await pipeline.send();
  await pipeline.world.advance(5_000);
  assertEquals((await pipeline.status(first)).counts, {
    ...NONE,
    total: 100,
    delivered: 90,
    tokenInvalid: 10,
  });
  assertEquals((await pipeline.status(second)).counts, { ...NONE, total: 90, delivered: 90 });
});

Deno.test("pipeline keeps a device that registered again after the provider lost it", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(1);
  const registered = pipeline.world.clock.wallNow();
  pipeline.script.answer = () => ({ ...DEAD, invalidSince: registered - 1 });
  const id = await pipeline.send();
  await pipeline.world.advance(5_000);
  assertEquals((await pipeline.status(id)).counts.tokenInvalid, 1);
  assertEquals((await pipeline.store.device("shop-apns-0"))?.state, "active");
});

Deno.test("pipeline pauses an app whose devices would all be dead, and keeps them", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(3_000);
  pipeline.script.answer = () => ({
    kind: "token_invalid",
    status: 400,
    reason: "BadDeviceToken",
    doubtful: true,
  });
  const id = await pipeline.send();
  await pipeline.world.advance(60_000);
  assertEquals((await pipeline.status(id)).counts.tokenInvalid, 0);
  assertEquals((await pipeline.status(id)).counts.pending, 3_000);
  const [lane] = await pipeline.store.lanes();
  assertEquals(lane?.pause?.reason.includes("400 BadDeviceToken"), true);
  // The key was wrong: with a better one everybody gets it.
  pipeline.script.answer = () => ({ kind: "delivered" });
  await pipeline.app();
  await pipeline.world.advance(60_000);
  assertEquals((await pipeline.status(id)).counts, {
    ...NONE,
    total: 3_000,
    delivered: 3_000,
    retries: 3_000,
  });
});

Deno.test("pipeline goes on with a braked app that a person resumed", async () => {
  await using pipeline = await DeliveryWorld.open();
  const { service } = pipeline;
  await pipeline.app();
  await pipeline.devices(3_000);
  pipeline.script.answer = () => ({
    kind: "token_invalid",
    status: 400,
    reason: "BadDeviceToken",
    doubtful: true,
  });
  const id = await pipeline.send();
  await pipeline.world.advance(60_000);
  assertEquals((await pipeline.status(id)).counts.pending, 3_000);
  assertEquals(await service.resumeApp("shop", {}), { kind: "ok", value: ["apns"] });
  await pipeline.world.advance(60_000);
  assertEquals((await pipeline.status(id)).counts, {
    ...NONE,
    total: 3_000,
    tokenInvalid: 3_000,
    retries: 3_000,
  });
});

Deno.test("pipeline does not pause new credentials for what was said of the old ones", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(1_000);
  pipeline.script.latencyMs = 1_000;
  const versions: number[] = [];
  const { apns } = pipeline.providers;
  const prepare = apns.prepare.bind(apns);
  apns.prepare = (app, notification) => {
    versions.push(app.version);
    pipeline.script.answer = () =>
      app.version === 1
        ? { kind: "pause", status: 403, reason: "InvalidProviderToken" }
        : { kind: "delivered" };
    return prepare(app, notification);
  };
  const id = await pipeline.send();
  await pipeline.world.advance(500);
  await pipeline.app();
  await pipeline.world.advance(10_000);
  assertEquals(versions, [1, 2]);
  assertEquals((await pipeline.status(id)).counts.delivered, 1_000);
  assertEquals(kinds(pipeline, "paused"), []);
});

Deno.test("pipeline counts as retries requests that were repeated, not recipients that were handed back", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(500);
  pipeline.script.reachable = false;
  const id = await pipeline.send();
  await pipeline.world.advance(10_000);
  assertEquals((await pipeline.status(id)).counts, { ...NONE, total: 500, pending: 500 });
  pipeline.script.reachable = true;
  pipeline.script.answer = (_, nth) => nth === 1 ? { ...BUSY, status: 429 } : { kind: "delivered" };
  await pipeline.world.advance(60_000);
  const { counts } = await pipeline.status(id);
  assertEquals(counts, { ...NONE, total: 500, delivered: 500, retries: 500 });
  const settled = pipeline.events.reduce(
    (sum, event) => event.kind === "settled" ? sum + event.retries : sum,
    0,
  );
  assertEquals([pipeline.requests, settled], [1_000, 500]);
});

Deno.test("pipeline pauses a refused app's lane, not the others", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(10);
  await pipeline.devices(10, { platform: "fcm" });
  pipeline.providers.apns.refusal = { kind: "pause", status: 403, reason: "InvalidProviderToken" };
  const id = await pipeline.send();
  await pipeline.world.advance(30_000);
  const { counts } = await pipeline.status(id);
  assertEquals([counts.delivered, counts.pending], [10, 10]);
  const paused = kinds(pipeline, "paused");
  assertEquals(paused, [
    { kind: "paused", app: "shop", platform: "apns", reason: "403 InvalidProviderToken" },
  ]);
});

Deno.test("pipeline sends again, elsewhere, what a connection that went away had not processed", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(5_000);
  pipeline.script.goawayShare = 0.3;
  const id = await pipeline.send();
  await pipeline.world.advance(60_000);
  const { counts } = await pipeline.status(id);
  assertEquals(counts, { ...NONE, total: 5_000, delivered: 5_000, retries: counts.retries });
  assertEquals(pipeline.requests, 5_000);
});

Deno.test("pipeline leaves a provider that cannot be reached alone, and is back soon after it", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(10_000);
  pipeline.script.reachable = false;
  const id = await pipeline.send();
  await pipeline.world.advance(300_000);
  const failures = kinds(pipeline, "connect_failed").length;
  assert(failures >= 10 && failures <= 60, `${failures} attempts in five minutes`);
  pipeline.script.reachable = true;
  await pipeline.world.advance(45_000);
  assertEquals((await pipeline.status(id)).counts.delivered, 10_000);
});

Deno.test("pipeline sends a failing provider a tenth of its load, and all of it half a minute after", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(50_000);
  pipeline.script.answer = () => BUSY;
  const id = await pipeline.send({ ratePerSecond: 500 });
  await pipeline.world.advance(60_000);
  const during = pipeline.requests;
  assert(during < 3_000, `${during} requests of 30,000 in a minute`);
  pipeline.script.answer = () => ({ kind: "delivered" });
  await pipeline.world.advance(30_000);
  const { delivered } = (await pipeline.status(id)).counts;
  assert(delivered > 5_000, `${delivered} delivered half a minute later`);
});

Deno.test("pipeline hands back what waits for a connection when its provider turns out to fail", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(16_000);
  pipeline.script.answer = () => BUSY;
  const id = await pipeline.send();
  await pipeline.world.advance(900);
  assertEquals(pipeline.requests, 2_000); // What the first connection was given before it answered.
  assertEquals((await pipeline.status(id)).counts.pending, 16_000);
});

Deno.test("pipeline gives up at the notification's expiry", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(10);
  pipeline.script.reachable = false;
  const now = pipeline.world.clock.wallNow();
  const id = await pipeline.send({ ttlSeconds: 60, expiresAt: now + 60_000 });
  await pipeline.world.advance(90_000);
  const status = await pipeline.status(id);
  assertEquals(status.counts, { ...NONE, total: 10, expired: 10, retries: status.counts.retries });
  assertEquals(status.state, "done");
});

Deno.test("pipeline expires what waits in a paused lane", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(10);
  const now = pipeline.world.clock.wallNow();
  await pipeline.store.pause({ app: "shop", platform: "apns" }, "by hand", now);
  const id = await pipeline.send({ ttlSeconds: 60, expiresAt: now + 60_000 });
  await pipeline.world.advance(30_000);
  assertEquals((await pipeline.status(id)).counts.pending, 10);
  await pipeline.world.advance(40_000);
  assertEquals((await pipeline.status(id)).counts, { ...NONE, total: 10, expired: 10 });
  assertEquals(pipeline.requests, 0);
});

Deno.test("pipeline waits for a scheduled notification's time", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(10);
  const sendAt = pipeline.world.clock.wallNow() + 3_600_000;
  const id = await pipeline.send({ sendAt });
  await pipeline.world.advance(3_599_000);
  assertEquals((await pipeline.status(id)).state, "scheduled");
  assertEquals(pipeline.requests, 0);
  await pipeline.world.advance(3_000);
  assertEquals((await pipeline.status(id)).counts.delivered, 10);
});

Deno.test("pipeline keeps to a notification's rate", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(1_000);
  const id = await pipeline.send({ ratePerSecond: 100 });
  await pipeline.world.advance(5_000);
  const { delivered } = (await pipeline.status(id)).counts;
  assert(delivered >= 400 && delivered <= 550, `${delivered} in five seconds`);
  await pipeline.world.advance(7_000);
  assertEquals((await pipeline.status(id)).counts.delivered, 1_000);
});

Deno.test("pipeline does not let a slow provider hold up the others", async () => {
  await using pipeline = await DeliveryWorld.open({ batchesMax: 64 });
  await pipeline.app();
  await pipeline.devices(100_000);
  await pipeline.devices(20_000, { platform: "fcm" });
  pipeline.providers.apns.script.latencyMs = 10;
  const slow = { ...pipeline.script, latencyMs: 30_000 };
  Object.assign(pipeline.providers.apns, { script: slow });
  const id = await pipeline.send();
  await pipeline.world.advance(2_000);
  const { platforms } = await pipeline.status(id);
  assertEquals(platforms.fcm?.delivered, 20_000);
  assertEquals(platforms.apns?.delivered, 0);
});

Deno.test("pipeline sends a small notification while a large one is under way", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(100_000);
  pipeline.script.latencyMs = 1_000;
  const large = await pipeline.send();
  await pipeline.world.advance(1_000);
  const small = await pipeline.send({}, { kind: "devices", devices: ["shop-apns-3"] });
  await pipeline.world.advance(3_000);
  assertEquals((await pipeline.status(small)).counts.delivered, 1);
  assertEquals((await pipeline.status(large)).sendingDone, false);
});

Deno.test("pipeline sends nothing more of a cancelled notification", async () => {
  await using pipeline = await DeliveryWorld.open({ batchesMax: 2 });
  await pipeline.app();
  await pipeline.devices(10_000);
  pipeline.script.latencyMs = 1_000;
  const id = await pipeline.send();
  await pipeline.world.advance(1_500);
  assertEquals(await pipeline.store.cancel(id, pipeline.world.clock.wallNow()), "cancelled");
  await pipeline.world.advance(10_000);
  const { counts, sendingDone } = await pipeline.status(id);
  assertEquals(sendingDone, true);
  assertEquals(counts.delivered + counts.cancelled, 10_000);
  assertEquals(counts.delivered, pipeline.requests);
  assert(counts.delivered < 6_000, `${counts.delivered} delivered`);
});

Deno.test("pipeline repeats no request for a crash of its guard", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  await pipeline.devices(5_000);
  pipeline.script.latencyMs = 1_000;
  const id = await pipeline.send();
  await pipeline.world.advance(500);
  const lane = Object.defineProperty({ app: "shop", platform: "apns" } as const, "app", {
    get: () => {
      throw new Error("broken on purpose");
    },
  });
  pipeline.refs.delivery.guard.trySend("trust", Object.freeze(lane));
  // Nobody waits for it either.
  await pipeline.world.advance(2_000);
  assertEquals((await pipeline.status(id)).counts.delivered, 5_000);
  assertEquals(pipeline.requests, 5_000);
});

Deno.test("pipeline goes on after its process was killed, and repeats only what was in flight", async () => {
  const first = await DeliveryWorld.open({ batchesMax: 4 });
  await first.app();
  await first.devices(20_000);
  first.script.latencyMs = 100;
  const id = await first.send();
  await first.world.advance(350);
  first.kill();
  const before = first.requests;
  await first[Symbol.asyncDispose]();
  await using second = await DeliveryWorld.open({ after: first });
  await second.world.advance(60_000);
  const { counts, state } = await second.status(id);
  assertEquals(counts, { ...NONE, total: 20_000, delivered: 20_000 });
  assertEquals(state, "done");
  const repeated = before + second.requests - 20_000;
  assert(repeated >= 0 && repeated <= 8_000, `${repeated} repeated`);
});

Deno.test("pipeline hands back what it has not sent when it stops", async () => {
  const first = await DeliveryWorld.open({ batchesMax: 4 });
  await first.app();
  await first.devices(20_000);
  first.script.latencyMs = 100;
  const id = await first.send();
  await first.world.advance(350);
  await first[Symbol.asyncDispose]();
  const before = first.requests;
  await using second = await DeliveryWorld.open({ after: first });
  await second.world.advance(10_000);
  assertEquals((await second.status(id)).counts.delivered, 20_000);
  assertEquals(before + second.requests, 20_000);
});

Deno.test("pipeline gives up a batch that was delivered five times without an end", async () => {
  const blocks: SendBlock[] = [];
  const poison = {
    send(block: SendBlock) {
      blocks.push(block);
      return Promise.reject(new Error("poison"));
    },
  };
  await using pipeline = await DeliveryWorld.open({ gateways: { apns: poison } });
  await pipeline.app();
  await pipeline.devices(10);
  const id = await pipeline.send();
  await pipeline.world.advance(600_000);
  assertEquals(blocks.length, 5);
  assertEquals((await pipeline.status(id)).counts, { ...NONE, total: 10, failed: 10 });
  const [letter] = await pipeline.store.deadLetters(1);
  assertEquals(letter?.reason, "gave up after 5 deliveries");
});

Deno.test("pipeline sends through a gateway of the library's user", async () => {
  const blocks: SendBlock[] = [];
  const gateways = { webpush: notingGateway({ kind: "delivered" }, blocks) };
  await using pipeline = await DeliveryWorld.open({ gateways });
  await pipeline.app();
  await pipeline.devices(10, { platform: "webpush" });
  const id = await pipeline.send();
  await pipeline.world.advance(1_000);
  assertEquals((await pipeline.status(id)).counts.delivered, 10);
  assertEquals(blocks.map(({ recipients }) => recipients.numbers.length), [10]);
});

Deno.test("pipeline finishes a notification without recipients", async () => {
  await using pipeline = await DeliveryWorld.open();
  await pipeline.app();
  const id = await pipeline.send();
  await pipeline.world.advance(1_000);
  const status = await pipeline.status(id);
  assertEquals(status.state, "done");
  assertEquals(status.counts, NONE);
});
