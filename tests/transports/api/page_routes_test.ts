/**
 * What a page asks for beside the rest: searches, reasons, previews, last outcomes, health.
 */

import { assert, assertEquals } from "@std/assert";
import type { CredentialReports } from "../../../actors/push/delivery/app_health.ts";
import type { Outcome } from "../../../actors/push/delivery/records.ts";
import { plantedCredentials } from "../../support/api_fixtures.ts";
import { ApiWorld, type ApiWorldOptions, NOW } from "../../support/api_world.ts";

const GOOD = { app: "shop", content: { title: "Hi" }, to: { all: true } };
const PREVIEW = "/v1/notifications/preview";
const AT = "2030-01-01T00:00:00.000Z";

/** The text of the page's worst dreams: markup, an override of the direction, control characters. */
const HOSTILE = `<script>alert(1)</script>"'&\u202e\u0000\u001b[31m\ud83d\ude00\u2028`;

async function shop(options: ApiWorldOptions = {}): Promise<ApiWorld> {
  const world = await ApiWorld.open(options);
  await world.ok("PUT", "/v1/apps/shop", { json: plantedCredentials().body });
  return world;
}

async function submit(world: ApiWorld, differences: Record<string, unknown> = {}): Promise<string> {
  const json = { ...GOOD, ...differences };
  return JSON.parse(await world.ok("POST", "/v1/notifications", { json })).id;
}

/** Ends of recipients: as many as there are outcomes, in one batch of the notification. */
async function end(world: ApiWorld, id: string, ends: readonly (readonly [Outcome, string])[]) {
  await world.store.expand(id, { limit: 1_000, batchMax: 1_000 });
  const { batches: [batch] } = await world.store.claim({
    ...{ node: "n", now: NOW, leaseMs: 1_000, batchesMax: 1, laneBatchesMax: 1, lanes: [] },
  });
  assert(batch !== undefined && batch.count === ends.length);
  const loaded = await world.store.load(batch.lease);
  assert(typeof loaded === "object");
  const outcomes = {
    ...{ delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 },
  };
  for (const [outcome] of ends) outcomes[outcome]++;
  const { recipients } = loaded;
  await world.store.commit({
    ...{ lease: batch.lease, notification: id, lane: { app: "shop", platform: "apns" }, outcomes },
    rows: ends.map(([outcome, reason], place) => ({
      number: recipients.numbers[place] ?? 0,
      address: recipients.addresses[place] ?? "",
      ...{ outcome, reason, status: outcome === "delivered" ? 200 : 410 },
      registeredBefore: undefined,
    })),
    ...{ remainders: [], attempts: 1, suspects: { marked: [], cleared: [] }, pause: undefined },
    at: NOW,
  });
}

Deno.test("GET /v1/notifications finds by id, title, body and topic, in either case, and by status", async () => {
  await using world = await shop();
  const said: readonly Readonly<Record<string, unknown>>[] = [
    { content: { title: "Winter SALE" } },
    { content: { title: "News", body: "the sale ends" } },
    { content: { data: { sale: "yes" } }, topic: "sale-2030" },
    { content: { title: "Größe (50 %)" }, sendAt: "2030-02-01T00:00:00Z" },
    { content: { apns: { payload: { aps: { alert: "sale" } } } } },
  ];
  const ids: string[] = [];
  for (const one of said) {
    ids.unshift(await submit(world, one));
    world.now += 1_000;
  }
  await world.ok("DELETE", `/v1/notifications/${ids[4]}`);
  const find = async (query: string) => {
    const page = JSON.parse(await world.ok("GET", `/v1/notifications?${query}`));
    return [
      page.notifications.map(({ id }: { readonly id: string }) => ids.indexOf(id)),
      page.next,
    ];
  };
  assertEquals(await find(""), [[0, 1, 2, 3, 4], null]);
  assertEquals(await find("search=sAlE"), [[2, 3, 4], null]);
  assertEquals(await find(`search=${encodeURIComponent("GRÖSSE")}`), [[], null]);
  assertEquals(await find(`search=${encodeURIComponent("GRÖßE (50 %)")}`), [[1], null]);
  assertEquals(await find("search=."), [[], null], "no pattern");
  assertEquals(await find(`search=${ids[1]?.slice(-12)}`), [[1], null]);
  assertEquals(await find("status=scheduled"), [[1], null]);
  assertEquals(await find("status=cancelled&search=sale"), [[4], null]);
  assertEquals(await find("app=shop&search=sale&limit=2"), [[2, 3], ids[3]]);
  assertEquals(await find(`app=shop&search=sale&limit=2&after=${ids[3]}`), [[4], null]);
  const titles = JSON.parse(await world.ok("GET", "/v1/notifications")).notifications
    .map(({ title }: { readonly title: string | null }) => title);
  assertEquals(titles, [null, "Größe (50 %)", null, "News", "Winter SALE"]);
});

Deno.test("GET /v1/notifications reads 5,000 notifications at most, lets the loop turn, and says where to go on", async () => {
  await using world = await shop();
  const first = await submit(world, { content: { title: "needle" } });
  for (let i = 0; i < 5_003; i++) {
    assertEquals((await world.service.submit({ ...GOOD, to: { open: true } })).kind, "ok");
  }
  const find = async (query: string) =>
    JSON.parse(await world.ok("GET", `/v1/notifications?search=NEEDLE${query}`));
  const before = world.breaths;
  const none = await find("");
  assertEquals([none.notifications, world.breaths - before], [[], 49]);
  const rest = await find(`&after=${none.next}`);
  assertEquals(rest.notifications.map(({ id }: { readonly id: string }) => id), [first]);
  assertEquals(rest.next, null);
});

Deno.test("GET /v1/notifications/{id}/reasons counts what was not delivered", async () => {
  await using world = await shop();
  const tokens = ["a", "b", "c", "d"].map((token) => ({ platform: "apns", token }));
  const id = await submit(world, { to: { tokens }, record: "all" });
  const ask = async () => JSON.parse(await world.ok("GET", `/v1/notifications/${id}/reasons`));
  assertEquals(await ask(), { reasons: [], counted: 0, complete: true });
  await end(world, id, [
    ["delivered", ""],
    ["token_invalid", HOSTILE],
    ["rejected", "BadTopic"],
    ["token_invalid", HOSTILE],
  ]);
  assertEquals(await ask(), {
    reasons: [
      { platform: "apns", outcome: "token_invalid", status: 410, reason: HOSTILE, count: 2 },
      { platform: "apns", outcome: "rejected", status: 410, reason: "BadTopic", count: 1 },
    ],
    counted: 3,
    complete: true,
  });
});

Deno.test("POST /v1/notifications/preview shows what would be sent on each platform, and keeps nothing", async () => {
  await using world = await shop();
  const { woken } = world;
  const json = {
    ...GOOD,
    content: { title: "Hi", body: "there", data: { n: 1 } },
    ...{ ttl: 60, urgency: "high", topic: "news" },
  };
  const preview = JSON.parse(await world.ok("POST", PREVIEW, { json, token: "send-token" }));
  assertEquals(preview, {
    platforms: {
      apns: {
        headers: {
          "apns-topic": "com.example.shop",
          "apns-push-type": "alert",
          "apns-priority": "10",
          "apns-expiration": `${NOW / 1_000 + 60}`,
          "apns-collapse-id": "news",
        },
        payload: { n: 1, aps: { alert: { title: "Hi", body: "there" } } },
        bytes: 53,
        bytesMax: 4_096,
      },
      fcm: {
        message: {
          notification: { title: "Hi", body: "there" },
          data: { n: "1" },
          android: { ttl: "60s", priority: "HIGH", collapse_key: "news" },
        },
        bytes: 18,
        bytesMax: 4_096,
      },
      webpush: {
        headers: { ttl: "60", urgency: "high", topic: "news" },
        payload: '{"title":"Hi","body":"there","data":{"n":1}}',
        bytes: 44,
        bytesMax: 3_993,
      },
    },
    problems: [],
  });
  const list = JSON.parse(await world.ok("GET", "/v1/notifications"));
  assertEquals([list.notifications, world.woken, world.submitted], [[], woken, []]);
});

interface PreviewRow {
  readonly what: string;
  /** Credentials of the app; all when absent. */
  readonly only?: readonly ("apns" | "fcm" | "webpush")[];
  readonly json: Readonly<Record<string, unknown>>;
  /** Platforms that have a preview. */
  readonly shown: readonly string[];
  readonly problems: readonly string[];
}

const ALL = ["apns", "fcm", "webpush"] as const;

const PREVIEWS: readonly PreviewRow[] = [
  {
    what: "too long everywhere, each by its own measure",
    json: { content: { title: "", body: "x".repeat(4_100) } },
    shown: ALL,
    problems: [
      "apns: the payload has 4140 bytes, and at most 4096 are taken",
      "fcm: the payload has 4109 bytes, and at most 4096 are taken",
      "webpush: the payload has 4122 bytes, and at most 3993 are taken",
    ],
  },
  {
    what: "data alone",
    json: { content: { data: { n: "1" } } },
    shown: ALL,
    problems: [
      "apns: no title and no body: nothing is shown, the app is only woken",
      "fcm: no title and no body: nothing is shown, the app gets data alone",
      "webpush: no title and no body: the service worker gets data and nothing to show",
    ],
  },
  {
    what: "what a platform would refuse",
    json: {
      content: {
        title: "Hi",
        apns: { pushType: "background", aps: { sound: "a" } },
        fcm: { message: { topic: "all" } },
        webpush: { navigate: "nowhere" },
      },
    },
    shown: [],
    problems: [
      "apns: push type background with an alert, badge or sound",
      "fcm: fcm.message.topic: recipients are the target",
      'webpush: navigate must be a URL, found "nowhere"',
    ],
  },
  {
    what: "parts and recipients on platforms the app has not",
    only: ["webpush"],
    json: {
      content: { title: "Hi", fcm: { validateOnly: true } },
      to: { tokens: [{ platform: "apns", token: "aa" }, { platform: "apns", token: "bb" }] },
    },
    shown: ["webpush"],
    problems: [
      "apns: the app shop has no credentials for it: the recipients there, 2, cannot be sent to",
      "fcm: the app shop has no credentials for it: this part of the content is not used",
    ],
  },
];

for (const { what, only = ALL, json, shown, problems } of PREVIEWS) {
  Deno.test(`a preview of ${what} => ${problems.length} problems`, async () => {
    await using world = await ApiWorld.open();
    const { body } = plantedCredentials();
    const credentials = Object.fromEntries(only.map((platform) => [platform, body[platform]]));
    await world.ok("PUT", "/v1/apps/shop", { json: credentials });
    const preview = JSON.parse(await world.ok("POST", PREVIEW, { json: { ...GOOD, ...json } }));
    assertEquals(Object.keys(preview.platforms), shown);
    const told = preview.problems.map(
      ({ platform, message }: { readonly platform: string; readonly message: string }) =>
        `${platform}: ${message}`,
    );
    assertEquals(told, problems);
  });
}

Deno.test("a preview says that the credentials cannot be used any more", async () => {
  await using world = await shop();
  const app = await world.store.app("shop");
  assert(app !== undefined);
  const { webpush } = app.credentials;
  assert(webpush !== undefined);
  await world.store.saveApp("shop", { webpush: { ...webpush, subject: "nobody" } }, NOW);
  const { problems, platforms } = JSON.parse(await world.ok("POST", PREVIEW, { json: GOOD }));
  assertEquals([problems.length, Object.keys(platforms)], [1, ["webpush"]]);
  assert(problems[0].message.startsWith("the app's credentials cannot be used: subject: must be"));
});

Deno.test("GET /v1/devices finds ids by their beginning, with the other filters, page by page", async () => {
  await using world = await shop();
  await world.ok("PUT", "/v1/apps/other", { json: plantedCredentials().body });
  const ids = ["a", "ab", "ab!", "ab1", "ab2", "ab~", "ac", "!", "!!", "~~"];
  for (const [index, id] of ids.entries()) {
    const tags = index % 2 === 0 ? ["even"] : [];
    const json = { app: "shop", platform: "apns", token: "aa", tags };
    await world.ok("PUT", `/v1/devices/${encodeURIComponent(id)}`, { json });
  }
  await world.ok("PUT", "/v1/devices/ab3", { json: { app: "other", platform: "fcm", token: "t" } });
  const list = async (query: string) => {
    const page = JSON.parse(await world.ok("GET", `/v1/devices?app=shop&${query}`));
    return [page.devices.map(({ id }: { readonly id: string }) => id), page.next];
  };
  assertEquals(await list("idPrefix=ab"), [["ab", "ab!", "ab1", "ab2", "ab~"], null]);
  assertEquals(await list("idPrefix=ab&limit=2"), [["ab", "ab!"], "ab!"]);
  assertEquals(await list("idPrefix=ab&limit=2&after=ab!"), [["ab1", "ab2"], "ab2"]);
  assertEquals(await list("idPrefix=ab&limit=2&after=ab2"), [["ab~"], null]);
  assertEquals(await list("idPrefix=ab&after=a"), [["ab", "ab!", "ab1", "ab2", "ab~"], null]);
  assertEquals(await list("idPrefix=ab&after=b"), [[], null]);
  assertEquals(await list("idPrefix=ab&tag=even&limit=1"), [["ab!"], "ab!"]);
  assertEquals(await list("idPrefix=!"), [["!", "!!"], null]);
  assertEquals(await list("idPrefix=~"), [["~~"], null]);
  assertEquals(await list("idPrefix=b"), [[], null]);
});

Deno.test("devices have their last outcome, one by one and in lists, and none of another app's", async () => {
  await using world = await shop();
  await world.ok("PUT", "/v1/apps/other", { json: plantedCredentials().body });
  for (const id of ["a", "b"]) {
    const json = { app: "shop", platform: "apns", token: `${id}${id}` };
    await world.ok("PUT", `/v1/devices/${id}`, { json });
  }
  const first = await submit(world, { to: { devices: ["a", "b"] }, record: "all" });
  await end(world, first, [["delivered", ""], ["rejected", HOSTILE]]);
  const delivered = { notification: first, outcome: "delivered", status: 200, reason: "", at: AT };
  const refused = { ...delivered, outcome: "rejected", status: 410, reason: HOSTILE };
  const lastOf = async (id: string) =>
    JSON.parse(await world.ok("GET", `/v1/devices/${id}`)).lastOutcome;
  assertEquals([await lastOf("a"), await lastOf("b")], [delivered, refused]);
  const { devices } = JSON.parse(await world.ok("GET", "/v1/devices?app=shop"));
  assertEquals(
    devices.map(({ lastOutcome }: { readonly lastOutcome: unknown }) => lastOutcome),
    [delivered, refused],
  );
  const json = { app: "shop", platform: "apns", token: "aa" };
  assertEquals(JSON.parse(await world.ok("PUT", "/v1/devices/a", { json })).lastOutcome, delivered);
  await world.ok("DELETE", "/v1/devices/a");
  await world.ok("PUT", "/v1/devices/a", { json: { ...json, app: "other" } });
  assertEquals(await lastOf("a"), null);
});

Deno.test("apps have the health of their credentials, by platform, and nothing else of the reports", async () => {
  const hour = 3_600_000;
  const reports: CredentialReports = {
    certificateExpiry: () => NOW + 24 * hour,
    apns: () => undefined,
    fcm: () => ({
      token: { refreshedAt: NOW, expiresAt: NOW + hour },
      failure: { at: NOW - hour, reason: HOSTILE },
    }),
    webpush: () => ({ token: undefined, failure: undefined }),
  };
  await using world = await shop({ reports });
  const { health } = JSON.parse(await world.ok("GET", "/v1/apps/shop"));
  assertEquals(health, {
    apns: { certificateExpiresAt: "2030-01-02T00:00:00.000Z", token: null, failure: null },
    fcm: {
      certificateExpiresAt: null,
      token: { refreshedAt: AT, expiresAt: "2030-01-01T01:00:00.000Z" },
      failure: { at: "2029-12-31T23:00:00.000Z", reason: HOSTILE },
    },
    webpush: { certificateExpiresAt: null, token: null, failure: null },
  });
  assertEquals(JSON.parse(await world.ok("GET", "/v1/apps")).apps[0].health, health);
});

Deno.test("texts that nobody should trust come back as they are, as JSON", async () => {
  await using world = await shop();
  const content = { title: HOSTILE, body: HOSTILE, data: { [HOSTILE]: HOSTILE } };
  const json = { app: "shop", platform: "apns", token: "aa", tags: ["<b>&amp;\u202e"] };
  await world.ok("PUT", "/v1/devices/%3Cimg%3E", { json });
  const id = await submit(world, { content });
  const { headers, text } = await world.call("GET", `/v1/notifications/${id}`);
  assertEquals(headers.get("content-type"), "application/json");
  assertEquals(headers.get("x-content-type-options"), "nosniff");
  const found = JSON.parse(text);
  assertEquals([found.title, found.content], [HOSTILE, content]);
  const search = encodeURIComponent(HOSTILE.toUpperCase());
  const listed = JSON.parse(await world.ok("GET", `/v1/notifications?search=${search}`));
  assertEquals(listed.notifications[0]?.title, HOSTILE);
  const preview = JSON.parse(await world.ok("POST", PREVIEW, { json: { ...GOOD, content } }));
  assertEquals(preview.platforms.apns.payload.aps.alert.title, HOSTILE);
  const { devices } = JSON.parse(await world.ok("GET", "/v1/devices?app=shop&idPrefix=%3C"));
  assertEquals([devices[0].id, devices[0].tags], ["<img>", ["<b>&amp;\u202e"]]);
});
