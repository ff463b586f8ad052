import { assert, assertEquals } from "@std/assert";
import { DeliveryService } from "../../../../actors/push/delivery/delivery_service.ts";
import type { Bar, PlatformBar } from "../../../../actors/push/delivery/sinks/monitor.ts";
import { MemoryDeliveryStore } from "../../../../transports/memory/memory_delivery_store.ts";
import { realPlatforms } from "../../../support/api_world.ts";
import { plantedCredentials, subscriptionJson } from "../../../support/api_fixtures.ts";

const NOW = Date.UTC(2030, 0, 1);

class World implements AsyncDisposable {
  readonly store = new MemoryDeliveryStore({ clock: { wallNow: () => NOW } });
  woken = 0;
  readonly resumed: string[] = [];
  readonly events: string[] = [];
  bars: (since: number) => Promise<readonly Bar[]> = () => Promise.resolve([]);
  readonly service = new DeliveryService({
    store: this.store,
    ...realPlatforms(),
    breathe: () => Promise.resolve(),
    wallNow: () => NOW,
    newId: () => crypto.randomUUID(),
    wake: () => this.woken++,
    resumed: ({ app, platform }) => this.resumed.push(`${app} ${platform}`),
    observer: { record: ({ kind }) => this.events.push(kind) },
    bars: (since) => this.bars(since),
    node: { id: "n", version: "1.0.0", startedAt: new Date(NOW).toISOString() },
  });

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
  }
}

Deno.test("DeliveryService.importDevices() takes good rows and tells the others by line", async () => {
  await using world = new World();
  await world.service.putApp("shop", plantedCredentials().body);
  await world.service.putApp("other", plantedCredentials().body);
  await world.service.putDevice("taken", { app: "other", platform: "fcm", token: "t" });
  const common = { app: "shop", platform: "apns", token: "aa" };
  const imported = await world.service.importDevices([
    { line: 1, value: { ...common, id: "a" } },
    { line: 2, value: { ...common, id: "b", app: "nobody" } },
    { line: 4, value: { ...common, id: "taken" } },
    { line: 5, value: null },
    { line: 6, value: { ...common, id: "c", tags: ["x", "x"] } },
  ]);
  assertEquals(imported, {
    imported: 2,
    failed: [
      { line: 2, problems: [{ path: "app", message: 'there is no app "nobody"' }] },
      { line: 4, problems: [{ path: "id", message: "is taken by a device of another app" }] },
      { line: 5, problems: [{ path: "", message: "must be an object, found null" }] },
    ],
  });
  assertEquals((await world.store.device("c"))?.tags, ["x"]);
});

Deno.test("DeliveryService.exportDevices() goes through all pages, leaves invalid devices out, and gives keys back", async () => {
  await using world = new World();
  await world.service.putApp("shop", plantedCredentials().body);
  const subscription = subscriptionJson();
  const id = (number: number) => `d${String(number).padStart(5, "0")}`;
  for (let first = 0; first < 2_500; first += 500) {
    await world.service.importDevices(Array.from({ length: 500 }, (_, index) => ({
      line: index,
      value: { id: id(first + index), app: "shop", platform: "webpush", subscription },
    })));
  }
  await world.store.invalidate([{
    ...{ position: 1, notification: "n", app: "shop", number: 0, device: id(7) },
    ...{ platform: "webpush", address: subscription.endpoint, outcome: "token_invalid" },
    ...{ status: 410, reason: "gone", attempts: 1, at: NOW, registeredBefore: undefined },
  }]);
  const reply = await world.service.exportDevices({ app: "shop" });
  assert(reply.kind === "ok");
  const parts = await Array.fromAsync(reply.value);
  assertEquals(parts.map((part) => part.length), [1_000, 1_000, 499]);
  const { endpoint, keys } = subscription;
  assertEquals(parts[2]?.at(-1), {
    ...{ id: id(2_499), app: "shop", platform: "webpush" },
    subscription: { endpoint, keys },
  });
});

Deno.test("DeliveryService wakes the pipeline for what it can work on, and for nothing else", async () => {
  await using world = new World();
  const { service } = world;
  const woken = async (work: Promise<unknown>) => {
    const before = world.woken;
    await work;
    return world.woken - before;
  };
  const body = { app: "shop", content: { title: "Hi" }, to: { open: true } };
  assertEquals(await woken(service.submit(body)), 0, "no app");
  assertEquals(await woken(service.putApp("shop", plantedCredentials().body)), 1);
  const made = await service.submit(body, "k");
  assert(made.kind === "ok");
  assertEquals(await woken(service.submit(body, "k")), 0, "repeated");
  const rows = [{ line: 1, value: { platform: "fcm", token: "t" } }];
  assertEquals(await woken(service.addRecipients(made.value.id, rows)), 0);
  assertEquals(await woken(service.close(made.value.id)), 1);
  assertEquals(await woken(service.close(made.value.id)), 0, "closed already");
  assertEquals(await woken(service.resumeApp("shop", {})), 1);
  assertEquals(world.events, ["submitted"]);
});

Deno.test("DeliveryService.resumeApp() tells the guard of the lanes that were paused, and of no other", async () => {
  await using world = new World();
  await world.service.putApp("shop", plantedCredentials().body);
  await world.store.pause({ app: "shop", platform: "fcm" }, "by hand", NOW);
  assertEquals(await world.service.resumeApp("shop", {}), { kind: "ok", value: ["fcm"] });
  assertEquals(world.resumed, ["shop fcm"]);
});

Deno.test("DeliveryService.putApp() compares a VAPID public key, and does not keep it", async () => {
  await using world = new World();
  const { body, vapidPublicKey } = plantedCredentials();
  const webpush = { ...body.webpush, vapidPublicKey };
  assertEquals((await world.service.putApp("shop", { webpush })).kind, "ok");
  const kept: unknown = (await world.store.app("shop"))?.credentials.webpush;
  assertEquals(kept, body.webpush);
  const other = `B${vapidPublicKey[1] === "B" ? "C" : "B"}${vapidPublicKey.slice(2)}`;
  const refused = await world.service.putApp("shop", {
    webpush: { ...webpush, vapidPublicKey: other },
  });
  assert(refused.kind === "invalid");
  assertEquals(refused.problems[0]?.path, "webpush.vapidPublicKey");
});

Deno.test("DeliveryService.putApp() tells the problems of all platforms at once", async () => {
  await using world = new World();
  const { body } = plantedCredentials();
  const { private_key: _, ...account } = body.fcm.serviceAccount;
  const refused = await world.service.putApp("shop", {
    apns: { ...body.apns, key: body.fcm.serviceAccount["private_key"] },
    fcm: { serviceAccount: account },
  });
  assert(refused.kind === "invalid");
  assertEquals(refused.problems.map(({ path }) => path.split(".")[0]), ["apns", "fcm"]);
});

Deno.test("DeliveryService.status() has the rates of the last ten whole seconds, and none when the monitor is silent", async () => {
  await using world = new World();
  const none: PlatformBar = {
    ...{ delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 },
    retries: 0,
  };
  const second = NOW / 1_000;
  const bar = (second: number, apns: Partial<PlatformBar>): Bar => ({
    second,
    platforms: { apns: { ...none, ...apns }, fcm: none, webpush: none },
  });
  const asked: number[] = [];
  world.bars = (since) => {
    asked.push(since);
    return Promise.resolve([
      bar(second - 11, { delivered: 5_000 }),
      bar(second - 10, { delivered: 1_000, token_invalid: 1 }),
      bar(second - 1, { delivered: 500, retries: 40 }),
      bar(second, { delivered: 7_000 }),
    ]);
  };
  const { rates } = await world.service.status();
  assertEquals(asked, [second - 10]);
  assertEquals([rates?.seconds, rates?.platforms.apns], [10, {
    ...{ delivered: 150, tokenInvalid: 0.1, rejected: 0, expired: 0, failed: 0, cancelled: 0 },
    retries: 4,
  }]);
  assertEquals(rates?.platforms.fcm.delivered, 0);
  world.bars = () => Promise.reject(new Error("The monitor crashed"));
  assertEquals((await world.service.status()).rates, null);
});

Deno.test("DeliveryService.putApp() tells each problem once", async () => {
  await using world = new World();
  const webpush = { vapidPrivateKey: "short!", subject: "mailto:ops@example.org" };
  const reply = await world.service.putApp("shop", { webpush });
  assertEquals(reply, {
    kind: "invalid",
    problems: [{
      path: "webpush.vapidPrivateKey",
      message: "must be a base64url private key of 43 characters, found text of 6 characters",
    }],
  });
});
