import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { OUTCOMES } from "../../../actors/push/delivery/records.ts";
import { plantedCredentials, subscriptionJson } from "../../support/api_fixtures.ts";
import { ApiWorld, NOW } from "../../support/api_world.ts";

const GOOD = { app: "shop", content: { title: "Hi" }, to: { all: true } };
const ID = "00000000-0000-4000-8000-000000000001";

/** The health of credentials that were not used. */
const UNKNOWN = { certificateExpiresAt: null, token: null, failure: null };

async function shop(): Promise<ApiWorld> {
  const world = await ApiWorld.open();
  await world.ok("PUT", "/v1/apps/shop", { json: plantedCredentials().body });
  return world;
}

Deno.test("the document has valid schemas, distinct operations, and every route of the pipeline", async () => {
  await using world = await ApiWorld.open({
    events: { subscribe: () => () => {}, bars: () => Promise.resolve(undefined) },
  });
  const { validator } = world;
  assertEquals(validator.wrongSchemas(), []);
  const operations = Object.entries(validator.document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation }))
  );
  const ids = operations.map(({ operation }) => JSON.stringify(operation).slice(0, 60));
  assertEquals(new Set(ids).size, ids.length);
  assertEquals(operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`).toSorted(), [
    "DELETE /v1/apps/{app}",
    "DELETE /v1/devices/{id}",
    "DELETE /v1/notifications/{id}",
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    "GET /v1/apps",
    "GET /v1/apps/{app}",
    "GET /v1/bars",
    "GET /v1/dead-letters",
    "GET /v1/devices",
    "GET /v1/devices/export",
    "GET /v1/devices/{id}",
    "GET /v1/events",
    "GET /v1/notifications",
    "GET /v1/notifications/{id}",
    "GET /v1/notifications/{id}/deliveries",
    "GET /v1/notifications/{id}/reasons",
    "GET /v1/status",
    "GET /v1/tree",
    "POST /v1/apps/{app}/resume",
    "POST /v1/devices",
    "POST /v1/notifications",
    "POST /v1/notifications/preview",
    "POST /v1/notifications/{id}/close",
    "POST /v1/notifications/{id}/recipients",
    "PUT /v1/apps/{app}",
    "PUT /v1/devices/{id}",
  ]);
});

Deno.test("every route of the pipeline refuses a token without its scope, and none, before anything else", async () => {
  await using world = await ApiWorld.open({
    events: { subscribe: () => () => {}, bars: () => Promise.resolve(undefined) },
  });
  const needs = /`(read|send|admin)`/;
  let judged = 0;
  for (const [path, methods] of Object.entries(world.validator.document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const scope = needs.exec(JSON.stringify(operation))?.[1];
      if (scope === undefined) continue;
      judged++;
      const target = path.replaceAll(/\{\w+\}/g, "x");
      const other = scope === "read" ? "send-token" : "read-token";
      const refused = await world.call(method.toUpperCase(), target, { token: other });
      assertEquals(refused.status, 403, target);
      assertStringIncludes(refused.text, `needs scope ${scope}`);
      const without = await world.call(method.toUpperCase(), target, { token: undefined });
      assertEquals(without.status, 401, target);
    }
  }
  assertEquals(judged, 25);
});

Deno.test("an app's secrets never come out of any answer", async () => {
  await using world = await shop();
  const { body, secrets, vapidPublicKey } = plantedCredentials();
  const app = JSON.parse(await world.ok("GET", "/v1/apps/shop"));
  assertEquals(app, {
    name: "shop",
    version: 1,
    apns: { kind: "key", keyId: "ABC123DEFG", teamId: "DEF123GHIJ", topic: "com.example.shop" },
    fcm: { project: "shop-1", clientEmail: "push@shop-1.iam.gserviceaccount.com" },
    webpush: { vapidPublicKey, subject: "mailto:push@example.org" },
    pauses: [],
    health: { apns: UNKNOWN, fcm: UNKNOWN, webpush: UNKNOWN },
  });
  assertEquals(JSON.parse(await world.ok("GET", "/v1/apps")), { apps: [app] });
  // Secrets in wrong places, which problems must not repeat.
  const { key = "" } = body.apns;
  const wrong = [
    { ...body, apns: { ...body.apns, keyId: key } },
    { ...body, apns: { ...body.apns, key: body.fcm.serviceAccount["private_key"] } },
    { ...body, webpush: { ...body.webpush, subject: body.webpush["vapidPrivateKey"] } },
    { ...body, fcm: { serviceAccount: { private_key: key } } },
    { apns: { certificate: key, certificateKey: key, topic: key } },
    { apns: key, fcm: key, webpush: body.webpush["vapidPrivateKey"] },
  ];
  for (const [index, credentials] of wrong.entries()) {
    const { status, text } = await world.call("PUT", "/v1/apps/shop", { json: credentials });
    assertEquals(status, 422, `${index}: ${text}`);
  }
  await world.ok("POST", "/v1/notifications", { json: GOOD });
  await world.ok("GET", `/v1/notifications/${ID}`);
  await world.ok("GET", "/v1/status");
  const said = world.answered.join("\n");
  for (const secret of secrets) assert(!said.includes(secret));
});

Deno.test("an app is saved, resumed and removed, and not removed while it sends", async () => {
  await using world = await shop();
  await world.store.pause({ app: "shop", platform: "fcm" }, "401 from Google", NOW);
  const paused = [{
    platform: "fcm",
    reason: "401 from Google",
    since: "2030-01-01T00:00:00.000Z",
  }];
  assertEquals(JSON.parse(await world.ok("GET", "/v1/apps/shop")).pauses, paused);
  const woken = world.woken;
  const resume = "/v1/apps/shop/resume";
  assertEquals(await world.ok("POST", `${resume}?platform=apns`), '{"resumed":[]}\n');
  assertEquals(await world.ok("POST", resume), '{"resumed":["fcm"]}\n');
  assertEquals(world.woken, woken + 2);
  await world.ok("POST", "/v1/notifications", { json: GOOD });
  assertEquals((await world.call("DELETE", "/v1/apps/shop")).status, 409);
  await world.ok("DELETE", `/v1/notifications/${ID}`);
  const removed = await world.call("DELETE", "/v1/apps/shop");
  assertEquals([removed.status, removed.text], [200, '{"removed":"shop"}\n']);
  for (const method of ["GET", "DELETE"]) {
    assertEquals((await world.call(method, "/v1/apps/shop")).status, 404);
  }
});

Deno.test("a device is registered, listed, exported, imported again and removed", async () => {
  await using world = await shop();
  const subscription = subscriptionJson();
  const devices = {
    a: { app: "shop", platform: "apns", token: "aa11", user: "u1", tags: ["news", "vip"] },
    b: { app: "shop", platform: "webpush", subscription },
    "c%2Fd e": { app: "shop", platform: "fcm", token: "t", tags: ["news"] },
  };
  for (const [id, json] of Object.entries(devices)) {
    const { status } = await world.call("PUT", `/v1/devices/${id}`, { json, token: "send-token" });
    assertEquals(status, id.startsWith("c") ? 422 : 200, "an id is visible ASCII");
  }
  await world.ok("PUT", "/v1/devices/c%2Fd", { json: devices["c%2Fd e"] });
  const seen = JSON.parse(await world.ok("GET", "/v1/devices/b", { token: "read-token" }));
  assertEquals(seen, {
    id: "b",
    app: "shop",
    platform: "webpush",
    address: subscription.endpoint,
    user: null,
    tags: [],
    state: "active",
    registeredAt: "2030-01-01T00:00:00.000Z",
    reason: null,
    lastOutcome: null,
  });
  const list = async (query: string) => {
    const page = JSON.parse(await world.ok("GET", `/v1/devices?app=shop${query}`));
    return [page.devices.map(({ id }: { readonly id: string }) => id), page.next];
  };
  assertEquals(await list(""), [["a", "b", "c/d"], null]);
  assertEquals(await list("&limit=2"), [["a", "b"], "b"]);
  assertEquals(await list("&limit=2&after=b"), [["c/d"], null]);
  assertEquals(await list("&tag=news"), [["a", "c/d"], null]);
  assertEquals(await list("&user=u1&state=active"), [["a"], null]);
  assertEquals(await list("&state=invalid"), [[], null]);
  const exported = await world.ok("GET", "/v1/devices/export?app=shop");
  const { endpoint, keys } = subscription;
  assertEquals(exported.trim().split("\n").map((line) => JSON.parse(line)), [
    { id: "a", app: "shop", platform: "apns", token: "aa11", user: "u1", tags: ["news", "vip"] },
    { id: "b", app: "shop", platform: "webpush", subscription: { endpoint, keys } },
    { id: "c/d", app: "shop", platform: "fcm", token: "t", tags: ["news"] },
  ]);
  assertEquals(await world.ok("DELETE", "/v1/devices/a"), '{"removed":"a"}\n');
  assertEquals((await world.call("GET", "/v1/devices/a")).status, 404);
  assertEquals((await world.call("DELETE", "/v1/devices/a")).status, 404);
  const type = "application/x-ndjson";
  const again = await world.ok("POST", "/v1/devices", { body: exported, type });
  assertEquals(again, '{"imported":3,"failed":0,"done":true}\n');
  assertEquals(await world.ok("GET", "/v1/devices/export?app=shop"), exported);
});

Deno.test("a device's id belongs to the app that has it", async () => {
  await using world = await shop();
  await world.ok("PUT", "/v1/apps/other", { json: plantedCredentials().body });
  const device = { platform: "apns", token: "aa11" };
  await world.ok("PUT", "/v1/devices/a", { json: { ...device, app: "shop" } });
  const taken = await world.call("PUT", "/v1/devices/a", { json: { ...device, app: "other" } });
  assertEquals(taken.status, 409);
  assertEquals(JSON.parse(await world.ok("GET", "/v1/devices/a")).app, "shop");
  assertEquals((await world.call("GET", "/v1/devices?app=nobody")).status, 404);
  assertEquals((await world.call("GET", "/v1/devices/export?app=nobody")).status, 404);
});

Deno.test("a notification is accepted once for each key, shown, listed and cancelled", async () => {
  await using world = await shop();
  const send = (json: unknown) =>
    world.call("POST", "/v1/notifications", { json, headers: { "idempotency-key": "k-1" } });
  const first = await send(GOOD);
  assertEquals([first.status, JSON.parse(first.text)], [202, { id: ID, repeated: false }]);
  assertEquals(first.headers.get("location"), `/v1/notifications/${ID}`);
  assertEquals([world.woken, world.submitted], [2, ["shop"]]);
  const { app, content, to } = GOOD;
  const reordered = await send({ to, content, app });
  assertEquals([reordered.status, JSON.parse(reordered.text)], [202, { id: ID, repeated: true }]);
  assertEquals((await send({ ...GOOD, ttl: 1 })).status, 409);
  assertEquals([world.woken, world.submitted], [2, ["shop"]]);
  const shown = JSON.parse(await world.ok("GET", `/v1/notifications/${ID}`));
  assertEquals(shown.content, { title: "Hi" });
  const { content: _, ...view } = shown;
  const listed = JSON.parse(await world.ok("GET", "/v1/notifications?app=shop&limit=1"));
  assertEquals(listed, { notifications: [view], next: ID });
  const cancelled = JSON.parse(await world.ok("DELETE", `/v1/notifications/${ID}`));
  assertEquals(cancelled.status, "cancelled");
  assertEquals((await world.call("DELETE", `/v1/notifications/${ID}`)).status, 409);
  for (
    const [method, rest] of [["GET", ""], ["DELETE", ""], ["GET", "/deliveries"], [
      "POST",
      "/close",
    ]] as const
  ) {
    assertEquals((await world.call(method, `/v1/notifications/nobody${rest}`)).status, 404);
  }
});

Deno.test("an open notification takes recipients until it is closed", async () => {
  await using world = await shop();
  await world.ok("POST", "/v1/notifications", { json: { ...GOOD, to: { open: true } } });
  const path = `/v1/notifications/${ID}`;
  const type = "application/x-ndjson";
  const rows = [
    { platform: "apns", token: "aa11" },
    { platform: "apns" },
    { platform: "webpush", subscription: subscriptionJson() },
    { platform: "webpush", subscription: subscriptionJson({ auth: "" }) },
  ];
  const body = rows.map((row) => JSON.stringify(row)).join("\n");
  const lines = (await world.ok("POST", `${path}/recipients`, { body, type })).trim().split("\n");
  assertEquals(lines.map((line) => JSON.parse(line)), [
    { line: 2, problems: [{ path: "token", message: "missing" }] },
    {
      line: 4,
      problems: [{ path: "subscription.keys.auth", message: "16 bytes expected, 0 found" }],
    },
    { imported: 2, failed: 2, done: true },
  ]);
  const woken = world.woken;
  const closed = JSON.parse(await world.ok("POST", `${path}/close`));
  assertEquals([closed.status, closed.counts.total, world.woken], ["sending", 2, woken + 1]);
  assertEquals((await world.call("POST", `${path}/close`)).status, 409);
  assertEquals((await world.call("POST", `${path}/recipients`, { body, type })).status, 409);
  const nobody = "/v1/notifications/nobody/recipients";
  assertEquals((await world.call("POST", nobody, { body, type })).status, 404);
});

Deno.test("deliveries come in pages in the order of recording", async () => {
  await using world = await shop();
  const tokens = ["a", "b", "c"].map((token) => ({ platform: "apns", token }));
  await world.ok("POST", "/v1/notifications", { json: { ...GOOD, to: { tokens }, record: "all" } });
  await world.store.expand(ID, { limit: 1_000, batchMax: 1_000 });
  const lanes = JSON.parse(await world.ok("GET", "/v1/status"));
  assertEquals(lanes.queue, { waiting: 1, leased: 0 });
  assertEquals(lanes.lanes.length, 1);
  const claimed = await world.store.claim({
    ...{ node: "n", now: NOW, leaseMs: 1_000, batchesMax: 1, laneBatchesMax: 1, lanes: [] },
  });
  const [batch] = claimed.batches;
  assert(batch !== undefined);
  const none = { delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 };
  const rows = (["delivered", "rejected", "delivered"] as const).map((outcome, number) => ({
    ...{ number, address: tokens[number]?.token ?? "", outcome, status: 200, reason: "" },
    registeredBefore: undefined,
  }));
  await world.store.commit({
    lease: batch.lease,
    notification: ID,
    lane: { app: "shop", platform: "apns" },
    outcomes: { ...none, delivered: 2, rejected: 1 },
    rows,
    remainders: [],
    attempts: 1,
    suspects: { marked: [], cleared: [] },
    pause: undefined,
    at: NOW,
  });
  const list = async (query: string) => {
    const page = JSON.parse(await world.ok("GET", `/v1/notifications/${ID}/deliveries${query}`));
    return page.deliveries.map(({ number }: { readonly number: number }) => number);
  };
  assertEquals(await list(""), [0, 1, 2]);
  assertEquals(await list("?outcome=delivered"), [0, 2]);
  const first = JSON.parse(await world.ok("GET", `/v1/notifications/${ID}/deliveries?limit=2`));
  assertEquals(await list(`?limit=2&after=${first.next}`), [2]);
  assertEquals(first.deliveries[1], {
    ...{ position: first.next, number: 1, device: null, platform: "apns", address: "b" },
    ...{
      outcome: "rejected",
      status: 200,
      reason: "",
      attempts: 1,
      at: "2030-01-01T00:00:00.000Z",
    },
  });
  for (const outcome of OUTCOMES) await list(`?outcome=${outcome}`);
  const done = JSON.parse(await world.ok("GET", `/v1/notifications/${ID}`));
  assertEquals([done.status, done.sendingDone, done.counts.delivered], ["done", true, 2]);
});

Deno.test("dead letters are listed, newest first", async () => {
  await using world = await shop();
  for (const id of ["1", "2"]) {
    await world.store.bury({ source: "queue", id, reason: "not JSON", body: "{", at: NOW });
  }
  const { deadLetters } = JSON.parse(await world.ok("GET", "/v1/dead-letters?limit=1"));
  assertEquals(deadLetters, [{
    ...{ source: "queue", id: "2", reason: "not JSON", body: "{" },
    at: "2030-01-01T00:00:00.000Z",
  }]);
});

Deno.test("a store that is away is 503 with Retry-After, and told to the door's owner", async () => {
  let away = false;
  await using world = await ApiWorld.open({ store: { fault: () => away ? "io" : undefined } });
  await world.ok("PUT", "/v1/apps/shop", { json: plantedCredentials().body });
  away = true;
  const { status, headers, text } = await world.call("POST", "/v1/notifications", { json: GOOD });
  assertEquals([status, headers.get("retry-after")], [503, "1"]);
  assertStringIncludes(text, "the store is not available now");
  assertEquals(world.failures, ["handler_failed"]);
  away = false;
  await world.ok("POST", "/v1/notifications", { json: GOOD });
});
