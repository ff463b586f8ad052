import { assert, assertEquals, assertMatch } from "@std/assert";
import { Apns } from "../../../transports/provider_stand_in/apns.ts";
import { makeAccounts } from "../../../transports/provider_stand_in/accounts.ts";
import { KIND } from "../../../transports/provider_stand_in/behaviour.ts";
import type { Answer, Peer } from "../../../transports/provider_stand_in/service.ts";
import { World } from "../../../transports/provider_stand_in/world.ts";
import { apnsAuthorization, MADE, NOWHERE } from "../../support/stand_in.ts";

const TOKEN = await apnsAuthorization();
const TOPIC = MADE.accounts.apns.topic;
const DEVICE = "ab".repeat(32);
const PAYLOAD = '{"aps":{"alert":"hello"}}';

/** What a request has that differs from a good one; `null` leaves a header out. */
interface Difference {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly twice?: string;
  readonly payload?: string;
}

function open(): Apns {
  return new Apns(new World("apns", 1), MADE.accounts.apns);
}

function ask(apns: Apns, difference: Difference = {}, peer: Peer = stranger()): Answer {
  const { method = "POST", path = `/3/device/${DEVICE}`, headers = {}, payload = PAYLOAD } =
    difference;
  const good = { "authorization": TOKEN, "apns-topic": TOPIC, "apns-push-type": "alert" };
  const fields = Object.entries({ ...good, ...headers })
    .flatMap(([name, value]) => value === null ? [] : [{ name, value }]);
  if (difference.twice !== undefined) fields.push({ name: difference.twice, value: "5" });
  return apns.answer(
    { method, path, fields, body: new TextEncoder().encode(payload) },
    peer,
  );
}

function stranger(): Peer {
  return { authenticated: false, issuedAtSeconds: undefined };
}

function said({ reply, body = reply.body }: Answer): string {
  const text = new TextDecoder().decode(body);
  return text === "" ? `${reply.status}` : `${reply.status} ${JSON.parse(text).reason}`;
}

const otherAccounts = makeAccounts().credentials(NOWHERE).apns;
const otherKey = "key" in otherAccounts ? otherAccounts.key : "";

const TABLE: readonly (readonly [string, Difference, string])[] = [
  ["a good request", {}, "200"],
  ["no token", { headers: { authorization: null } }, "403 MissingProviderToken"],
  ["another scheme", { headers: { authorization: "basic x" } }, "403 MissingProviderToken"],
  ["no JWT", { headers: { authorization: "bearer x" } }, "403 InvalidProviderToken"],
  ...await tokens([
    ["another key's id", { keyId: "ANOTHER001" }, "403 InvalidProviderToken"],
    ["another team", { teamId: "ANOTHERTEA" }, "403 InvalidProviderToken"],
    ["another key", { key: otherKey }, "403 InvalidProviderToken"],
    ["an old token", { ageSeconds: 3_700 }, "403 ExpiredProviderToken"],
    ["a token of 59 minutes", { ageSeconds: 3_540 }, "200"],
  ]),
  ["another path", { path: "/3/devices/ab" }, "404 BadPath"],
  ["GET", { method: "GET" }, "405 MethodNotAllowed"],
  ["no device", { path: "/3/device/" }, "400 MissingDeviceToken"],
  ["no hexadecimal", { path: "/3/device/xyz0" }, "400 BadDeviceToken"],
  ["half a byte", { path: "/3/device/abc" }, "400 BadDeviceToken"],
  ["no topic", { headers: { "apns-topic": null } }, "400 MissingTopic"],
  ["another topic", { headers: { "apns-topic": "org.example" } }, "400 TopicDisallowed"],
  ["a topic without its suffix", { headers: { "apns-push-type": "voip" } }, "400 TopicDisallowed"],
  [
    "a topic with its suffix",
    { headers: { "apns-push-type": "voip", "apns-topic": `${TOPIC}.voip` } },
    "200",
  ],
  ["an unknown push type", { headers: { "apns-push-type": "loud" } }, "400 InvalidPushType"],
  ["no push type", { headers: { "apns-push-type": null } }, "200"],
  ["priority 7", { headers: { "apns-priority": "7" } }, "400 BadPriority"],
  ["priority 1", { headers: { "apns-priority": "1" } }, "200"],
  [
    "an urgent background push",
    { headers: { "apns-push-type": "background", "apns-priority": "10" } },
    "400 BadPriority",
  ],
  ["a bad id", { headers: { "apns-id": "1" } }, "400 BadMessageId"],
  ["a bad expiration", { headers: { "apns-expiration": "soon" } }, "400 BadExpirationDate"],
  ["a long collapse id", { headers: { "apns-collapse-id": "c".repeat(65) } }, "400 BadCollapseId"],
  ["a collapse id of 64", { headers: { "apns-collapse-id": "c".repeat(64) } }, "200"],
  ["a header twice", { twice: "apns-topic" }, "400 DuplicateHeaders"],
  ["no payload", { payload: "" }, "400 PayloadEmpty"],
  ["no JSON", { payload: "{" }, "400 BadPayload"],
  ["4,096 bytes", { payload: ofBytes(4_096) }, "200"],
  ["4,097 bytes", { payload: ofBytes(4_097) }, "413 PayloadTooLarge"],
  [
    "5,120 bytes of a call",
    {
      payload: ofBytes(5_120),
      headers: { "apns-push-type": "voip", "apns-topic": `${TOPIC}.voip` },
    },
    "200",
  ],
];

async function tokens(
  rows: readonly (readonly [string, Parameters<typeof apnsAuthorization>[0], string])[],
): Promise<readonly (readonly [string, Difference, string])[]> {
  return await Promise.all(rows.map(async ([title, options, expected]) => {
    const authorization = await apnsAuthorization(options);
    return [title, { headers: { authorization } }, expected] as const;
  }));
}

function ofBytes(count: number): string {
  return `{"aps":"${"x".repeat(count - 10)}"}`;
}

for (const [title, difference, expected] of TABLE) {
  Deno.test(`Apns.answer() to ${title} is ${expected}`, () => {
    const apns = open();
    assertEquals(said(ask(apns, difference)), expected);
    const { requests, refused } = apns.world.seen();
    const reason = expected.split(" ")[1];
    assertEquals(requests, reason === undefined ? 1 : 0);
    assertEquals(refused, reason === undefined ? {} : { [reason]: 1 });
  });
}

const FATES = [
  ["dead", "410 Unregistered"],
  ["malformed", "400 BadDeviceToken"],
  ["refused", "400 BadCollapseId"],
  ["throttled", "429 TooManyRequests"],
  ["unavailable", "503 ServiceUnavailable"],
  ["failing", "500 InternalServerError"],
] as const;

for (const [fate, expected] of FATES) {
  Deno.test(`Apns.answer() for a ${fate} device is ${expected}`, () => {
    const apns = open();
    apns.world.behaviour = { ...KIND, shares: { [fate]: 1 } };
    assertEquals(said(ask(apns)), expected);
    assertEquals(apns.world.seen().fates[fate], 1);
  });
}

Deno.test("Apns.answer() says since when a dead device is gone, in milliseconds", () => {
  const apns = open();
  apns.world.behaviour = { ...KIND, shares: { dead: 1 } };
  const { timestamp } = JSON.parse(new TextDecoder().decode(ask(apns).body));
  assert(timestamp > 1_700_000_000_000 && timestamp <= Date.now());
});

Deno.test("Apns.answer() lets a throttled device accept in the end", () => {
  const apns = open();
  apns.world.behaviour = { ...KIND, shares: { throttled: 1 }, refusals: 2 };
  const answers = Array.from({ length: 4 }, () => said(ask(apns)));
  assertEquals(answers, ["429 TooManyRequests", "429 TooManyRequests", "200", "200"]);
  const { requests, deferred, accepted, acceptedAgain, recipients } = apns.world.seen();
  assertEquals({ requests, deferred, accepted, acceptedAgain, recipients }, {
    requests: 4,
    deferred: 2,
    accepted: 1,
    acceptedAgain: 1,
    recipients: 1,
  });
});

Deno.test("Apns.answer() echoes the id, and makes one when there is none", () => {
  const id = "00112233-4455-8677-8899-aabbccddeeff";
  assertEquals(ask(open(), { headers: { "apns-id": id } }).own, { name: "apns-id", value: id });
  assertMatch(ask(open()).own?.value ?? "", /^[0-9a-f-]{36}$/);
});

Deno.test("Apns.answer() takes no second token within 20 minutes on a connection", async () => {
  const apns = open();
  const peer = stranger();
  const sent = async (ageSeconds: number) => {
    const authorization = await apnsAuthorization({ ageSeconds });
    return said(ask(apns, { headers: { authorization } }, peer));
  };
  assertEquals(await sent(3_000), "200");
  assertEquals(await sent(2_000), "429 TooManyProviderTokenUpdates");
  assertEquals(await sent(1_000), "200");
});

Deno.test("Apns.answer() authenticates a connection with the first good token", () => {
  const peer = stranger();
  ask(open(), { headers: { authorization: "bearer x" } }, peer);
  assertEquals(peer.authenticated, false);
  ask(open(), { headers: { "apns-topic": null } }, peer);
  assertEquals(peer.authenticated, true);
});
