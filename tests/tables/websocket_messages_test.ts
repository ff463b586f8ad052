/**
 * What a device may send that it should not, over a real socket to the real service: the exact
 * answer to each message, and after each that others do not notice.
 *
 * Codes and reasons are autopush's, whose clients exist; a message without a type is malformed
 * (`Json`), one in the wrong place ends the session (`SM`).
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertObjectMatch } from "@std/assert";
import { PushClient } from "../support/push_client.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { Service } from "../support/service.ts";
import { WebSocketClient } from "../support/websocket_client.ts";

const CHANNEL = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const UAID = "00112233445566778899aabbccddeeff";
const HELLO = `{"messageType":"hello","use_webpush":true}`;
/** The base point of P-256, uncompressed, as an application server's key. */
const KEY =
  "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";
/** Channels of one user agent at most. */
const CHANNELS_MAX = 2_000;

/** Fields an answer must have. */
type Fields = Readonly<Record<string, unknown>>;

/** One row: what is sent, what comes back. */
interface Row {
  readonly title: string;
  /** Sent one after the other; a greeted session has said hello before. */
  readonly sends: readonly string[];
  /** Answers in order: fields of a JSON message, or the whole text. */
  readonly answers?: readonly (Fields | string)[];
  /** The Close that ends the session; without one it stays open. */
  readonly close?: readonly [code: number, reason: string];
}

const JSON_CLOSE = [1011, "Json"] as const;
const SM_CLOSE = [1011, "SM"] as const;

/** Messages of a session that has not said hello. */
const UNGREETED: readonly Row[] = [
  ...[`nope`, `[]`, `7`, `null`, `"text"`, `{"x":1}`, `{"messageType":"greet"}`, ``].map((
    text,
  ) => ({
    title: `${text || "an empty text"} first`,
    sends: [text],
    close: JSON_CLOSE,
  })),
  ...[`{}`, register(CHANNEL), `{"messageType":"unregister","channelID":"${CHANNEL}"}`].map(
    (text) => ({ title: `${text.slice(0, 30)} before hello`, sends: [text], close: SM_CLOSE }),
  ),
  ...[`"not-hex"`, `""`, `null`, `"${UAID}"`, `"${"a".repeat(5_000)}"`, `"${CHANNEL}"`].map(
    (uaid) => ({
      title: `hello with a uaid nobody has: ${uaid.slice(0, 40)}`,
      sends: [`{"messageType":"hello","uaid":${uaid}}`],
      answers: [{ messageType: "hello", status: 200, use_webpush: true, broadcasts: {} }],
    }),
  ),
  ...[`"uaid":7`, `"uaid":[]`, `"channelIDs":["x"]`, `"broadcasts":{"a":1}`, `"broadcasts":[]`].map(
    (field) => ({
      title: `hello with ${field}`,
      sends: [`{"messageType":"hello",${field}}`],
      close: JSON_CLOSE,
    }),
  ),
  {
    title: "hello with an unknown field of depth 1,000",
    sends: [`{"messageType":"hello","x":${"[".repeat(1_000)}${"]".repeat(1_000)}}`],
    answers: [{ messageType: "hello", status: 200 }],
  },
  {
    title: "hello hidden in __proto__",
    sends: [`{"__proto__":{"messageType":"hello"}}`],
    close: JSON_CLOSE,
  },
];

/** Messages of a session that has said hello. */
const GREETED: readonly Row[] = [
  ...[`nope`, `[]`, `null`, `{"x":1}`, `{"messageType":"greet"}`, `{"messageType":7}`].map(
    (text) => ({ title: `${text} after hello`, sends: [text], close: JSON_CLOSE }),
  ),
  { title: "a second hello", sends: [HELLO], close: SM_CLOSE },
  {
    title: "an array of depth 1,000",
    sends: ["[".repeat(1_000) + "]".repeat(1_000)],
    close: JSON_CLOSE,
  },
  { title: "a message of 65,536 bytes", sends: [pingOf(65_536)], answers: ["{}"] },
  {
    title: "a message of 65,537 bytes",
    sends: [pingOf(65_537)],
    close: [1009, "Message too big"],
  },
  {
    title: "duplicate keys, of which the last counts",
    sends: [`{"messageType":"register","messageType":"ping"}`],
    answers: ["{}"],
  },
  { title: "register without channelID", sends: [`{"messageType":"register"}`], close: JSON_CLOSE },
  ...[`"any"`, `"${CHANNEL.toUpperCase()}"`, `"${CHANNEL.replaceAll("-", "")}"`, `""`].map(
    (channelId) => ({
      title: `register with channelID ${channelId}`,
      sends: [`{"messageType":"register","channelID":${channelId}}`],
      close: SM_CLOSE,
    }),
  ),
  ...[`"not base64!"`, `"ab+/"`, `"AA AA"`, `"AB"`].map((key) => ({
    title: `register with the key ${key}`,
    sends: [register(CHANNEL, key)],
    answers: [{ messageType: "register", channelID: CHANNEL, status: 400 }],
  })),
  ...[`"AAAA"`, `null`, `"${KEY}="`].map((key) => ({
    title: `register with the key ${key}, which decodes`,
    sends: [register(CHANNEL, key)],
    answers: [{ messageType: "register", channelID: CHANNEL, status: 200 }],
  })),
  { title: "register with a key of a number", sends: [register(CHANNEL, "1")], close: JSON_CLOSE },
  {
    title: "unregister of an unknown channel",
    sends: [`{"messageType":"unregister","channelID":"${CHANNEL}"}`],
    answers: [{ messageType: "unregister", channelID: CHANNEL, status: 200 }],
  },
  {
    title: "unregister of no UUID",
    sends: [`{"messageType":"unregister","channelID":"x"}`],
    close: JSON_CLOSE,
  },
  { title: "ack without updates", sends: [`{"messageType":"ack"}`], close: JSON_CLOSE },
  ...[`[]`, `[{"channelID":"${CHANNEL}","version":"unknown"}]`].map((updates) => ({
    title: `ack of ${updates}`,
    sends: [`{"messageType":"ack","updates":${updates}}`],
  })),
  ...[`"x"`, `1e400`, `-1`, `65536`, `1.5`].map((code) => ({
    title: `ack with the code ${code}`,
    sends: [
      `{"messageType":"ack","updates":[{"channelID":"${CHANNEL}","version":"v","code":${code}}]}`,
    ],
    close: JSON_CLOSE,
  })),
  {
    title: "ack of 10,000 updates",
    sends: [JSON.stringify({
      messageType: "ack",
      updates: Array(10_000).fill({ channelID: CHANNEL, version: "v" }),
    })],
    close: [1009, "Message too big"],
  },
  { title: "nack without version", sends: [`{"messageType":"nack"}`], close: JSON_CLOSE },
  { title: "nack of anything", sends: [`{"messageType":"nack","version":"v","code":302}`] },
  {
    title: "broadcast_subscribe to an unknown broadcast",
    sends: [`{"messageType":"broadcast_subscribe","broadcasts":{"a/b":"1"}}`],
    answers: [{
      messageType: "broadcast",
      broadcasts: { errors: { "a/b": "Broadcast not found" } },
    }],
  },
  {
    title: "broadcast_subscribe to a broadcast named __proto__",
    sends: [`{"messageType":"broadcast_subscribe","broadcasts":{"__proto__":"1"}}`],
    answers: [
      `{"messageType":"broadcast","broadcasts":{"errors":{"__proto__":"Broadcast not found"}}}`,
    ],
  },
  {
    title: "broadcast_subscribe without broadcasts",
    sends: [`{"messageType":"broadcast_subscribe"}`],
    close: JSON_CLOSE,
  },
  { title: "{} twice", sends: ["{}", "{}"], answers: ["{}"], close: SM_CLOSE },
  {
    title: "ping in words twice",
    sends: [`{"messageType":"ping"}`, `{"messageType":"ping"}`],
    answers: ["{}"],
    close: SM_CLOSE,
  },
];

Deno.test("What a device should not send", async (t) => {
  await using service = await Service.start();
  await using good = await PushClient.connect(service.deviceUrl);
  const { endpoint } = await good.register();
  const steps = [
    ...UNGREETED.map((row) => [row, false] as const),
    ...GREETED.map((row) => [row, true] as const),
  ];
  for (const [row, greeted] of steps) {
    await t.step(title(row), async () => {
      await play(service, row, greeted);
      await stillGood(good, endpoint);
    });
  }
  await t.step(
    "register of the same channel again, with the same and with another key",
    async () => {
      await registerAgain(service);
      await stillGood(good, endpoint);
    },
  );
  await t.step(`register of channel ${CHANNELS_MAX + 1} => 500`, async () => {
    await tooManyChannels(service);
    await stillGood(good, endpoint);
  });
  for (const code of [100, 101, 102, undefined, 7]) {
    await t.step(`ack with the code ${code} => the message does not come again`, async () => {
      await acknowledge(service, code);
      await stillGood(good, endpoint);
    });
  }
});

function register(channelId: string, key = "null"): string {
  return `{"messageType":"register","channelID":"${channelId}","key":${key}}`;
}

/** A ping with a field nobody reads, of exactly this length. */
function pingOf(lengthBytes: number): string {
  const empty = `{"messageType":"ping","x":""}`;
  return empty.replace(`""`, `"${"x".repeat(lengthBytes - empty.length)}"`);
}

function title({ title, answers = [], close }: Row): string {
  const last = close === undefined ? "open" : `${close[0]} ${close[1]}`;
  return `${title} => ${[...answers.map((one) => JSON.stringify(one)), last].join(", ")}`;
}

async function play(service: Service, row: Row, greeted: boolean): Promise<void> {
  await using device = await WebSocketClient.connect({ port: service.devicePort });
  if (greeted) {
    await device.send(HELLO);
    await device.text();
  }
  for (const text of row.sends) await device.send(text);
  for (const expected of row.answers ?? []) {
    const text = await device.text();
    if (typeof expected === "string") assertEquals(text, expected);
    else assertFields(text, expected);
  }
  if (row.close !== undefined) {
    const [code, reason] = row.close;
    const close = await device.closed();
    assertEquals(close?.code, code, `reason ${close?.reason}`);
    if (code === 1011) assertEquals(close?.reason, reason);
    return;
  }
  // Nothing else was said, and the session goes on: an unknown channel can be given back.
  await device.send(`{"messageType":"unregister","channelID":"${CHANNEL}"}`);
  assertFields(await device.text(), { messageType: "unregister", status: 200 });
}

function assertFields(text: string, fields: Fields): void {
  const value: unknown = JSON.parse(text);
  assert(typeof value === "object" && value !== null, text);
  assertObjectMatch(value, { ...fields });
  if ("uaid" in value) assertMatch(String(value.uaid), /^[0-9a-f]{32}$/);
}

/** The device that was there all the time gets its messages. */
async function stillGood(good: PushClient, endpoint: string): Promise<void> {
  const from = good.notifications.size;
  assertEquals((await post(endpoint, opaqueBody(100))).status, 201);
  await good.notifications.next(() => true, { what: "the good device's message", from });
}

async function registerAgain(service: Service): Promise<void> {
  await using device = await PushClient.connect(service.deviceUrl);
  const first = await device.register();
  const { channelId } = first;
  const again = await device.register({ channelId });
  const bound = await device.register({ channelId, key: KEY });
  for (const { status } of [again, bound]) assertEquals(status, 200);
  for (const { endpoint } of [first, again]) {
    assertEquals((await post(endpoint, opaqueBody(100))).status, 201);
  }
  await device.notifications.until((one) => one.channelId === channelId, {
    what: "a message to each of the channel's endpoints",
    count: 2,
  });
}

async function tooManyChannels(service: Service): Promise<void> {
  await using device = await PushClient.connect(service.deviceUrl);
  const from = device.messages.size;
  for (let i = 0; i <= CHANNELS_MAX; i++) {
    device.send("register", { channelID: crypto.randomUUID() });
  }
  const answers = await device.messages.until((one) => one.get("messageType") === "register", {
    what: "an answer to each register",
    count: CHANNELS_MAX + 1,
    from,
    withinMs: 60_000,
  });
  assertEquals(answers.slice(0, -1).every((one) => one.get("status") === 200), true);
  assertEquals(answers.at(-1)?.get("status"), 500);
  assertEquals(answers.at(-1)?.get("pushEndpoint"), "");
}

async function acknowledge(service: Service, code: number | undefined): Promise<void> {
  const device = await PushClient.connect(service.deviceUrl, { autoAck: false });
  const { uaid } = device;
  const { endpoint } = await device.register();
  await post(endpoint, opaqueBody(100));
  const notification = await device.notifications.next(() => true, { what: "the message" });
  const { channelId, version } = notification;
  const update = { channelID: channelId, version, ...(code === undefined ? {} : { code }) };
  device.send("ack", { updates: [update] });
  await device.unregister(crypto.randomUUID()); // Handled in order: the ack was received.
  await device.close();
  await using back = await PushClient.connect(service.deviceUrl, { uaid });
  assertEquals(back.uaid, uaid);
  await post(endpoint, opaqueBody(101));
  await back.notifications.next(() => true, { what: "the marker" });
  const versions: readonly string[] = back.notifications.all.map((one) => one.version);
  assertEquals(versions.includes(version), false);
}
