/** The node port against good and bad requests: exact answers, and what its peer was asked. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { messageJson } from "../../../transports/node_port/messages.ts";
import { serveNodePort } from "../../../transports/node_port/serve_node_port.ts";
import { RawClient } from "../http_door/raw_client.ts";
import {
  AWAY,
  HERE,
  messageOf,
  NEW_KEY,
  NodePortWorld,
  RecordingPeer,
  TOKEN,
} from "./node_port_world.ts";

const GOOD = messageJson(messageOf());
const DASHED = "01234567-89ab-cdef-0123-456789abcdef";

Deno.test('PUT "/push/{uaid}" hands a message over as autopush does', async (t) => {
  await using world = await NodePortWorld.open();
  const autopush = {
    channelID: "00000000-0000-4000-8000-000000000001",
    version: "gAAAAABversion==",
    ttl: 60,
    topic: null,
    timestamp: 1_700_000_000,
    data: "3q2-7w",
    headers: { encoding: "aes128gcm" },
    reliability_id: "ignored",
    reliable_state: "ignored",
    sort_key: 1_700_000_000_000_000,
  };
  const content = {
    body: new Uint8Array([0xde, 0xad, 0xbe, 0xef]),
    headers: { encoding: "aes128gcm" },
  } as const;
  for (const uaid of [HERE, DASHED]) {
    await t.step(uaid, async () => {
      const { status, body } = await world.ask("PUT", `/push/${uaid}`, autopush);
      assertEquals([status, body], [200, ""]);
      assertEquals(world.peer.messages.at(-1), messageOf({ content }));
    });
  }
  const { status, body } = await world.ask("PUT", `/push/${AWAY}`, autopush);
  assertEquals([status, body], [404, ""]);
  assertEquals(world.events.at(-1), { kind: "taken", what: "push", items: 1, there: 0 });
});

Deno.test('PUT "/notif/{uaid}" has the session look into the store', async () => {
  await using world = await NodePortWorld.open();
  assertEquals((await world.ask("PUT", `/notif/${DASHED}`, "")).status, 200);
  assertEquals((await world.ask("PUT", `/notif/${AWAY}`, "")).status, 404);
  assertEquals(world.peer.notified, [HERE, AWAY]);
});

Deno.test('POST "/push", "/notif" and "/displace" take blocks', async () => {
  await using world = await NodePortWorld.open();
  const messages = [messageOf(), messageOf({ uaid: AWAY, sortKey: 2 }), messageOf({ sortKey: 3 })];
  const pushed = await world.ask("POST", "/push", messages.map(messageJson));
  assertEquals([pushed.status, pushed.body], [200, "[true,false,true]"]);
  assertEquals(world.peer.messages, messages);
  const notified = await world.ask("POST", "/notif", [AWAY, HERE]);
  assertEquals([notified.status, notified.body], [200, "[false,true]"]);
  const displaced = await world.ask("POST", "/displace", [{ uaid: HERE, session: "17" }]);
  assertEquals([displaced.status, displaced.body], [204, ""]);
  assertEquals(world.peer.displaced, [{ uaid: HERE, session: "17" }]);
  assertEquals(world.events, [
    { kind: "taken", what: "push", items: 3, there: 2 },
    { kind: "taken", what: "notif", items: 2, there: 1 },
    { kind: "taken", what: "displace", items: 1, there: 1 },
  ]);
});

Deno.test('GET "/status" needs no token and tells the version', async () => {
  await using world = await NodePortWorld.open();
  const { status, body } = await world.ask("GET", "/status", "", "");
  assertEquals([status, body], [200, '{"status":"OK","version":"1.2.3"}']);
});

interface Row {
  readonly name: string;
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly status: number;
  readonly words: string;
}

function changed(changes: Readonly<Record<string, unknown>>): readonly unknown[] {
  return [GOOD, { ...GOOD, ...changes }];
}

function field(name: string, value: unknown, words: string): Row {
  const shown = Deno.inspect(value, { strAbbreviateSize: 20 });
  return {
    name: `${name} = ${shown}`,
    path: "/push",
    body: changed({ [name]: value }),
    status: 400,
    words: `messages[1].${name}${words}`,
  };
}

const WITH_BODY = { data: "AAAA" };

const BAD: readonly Row[] = [
  { name: "no JSON", path: "/push", body: "[{", status: 400, words: "body: expected JSON" },
  { name: "no body", path: "/push", body: "", status: 400, words: "body: expected JSON" },
  {
    name: "not UTF-8",
    path: "/push",
    body: '["\xff"]',
    status: 400,
    words: "body: expected JSON",
  },
  {
    name: "an object for a block",
    path: "/push",
    body: GOOD,
    status: 400,
    words: "messages: expected an array, found an object",
  },
  {
    name: "a message that is an array",
    path: "/push",
    body: [[]],
    status: 400,
    words: "messages[0]: expected an object, found an array",
  },
  {
    name: "1,001 UAIDs",
    path: "/notif",
    body: Array.from({ length: 1_001 }, () => HERE),
    status: 400,
    words: "uaids: expected at most 1000 items, found 1001",
  },
  field("uaid", HERE.toUpperCase(), ": expected 32 lower-case hexadecimal digits"),
  field("uaid", DASHED, ": expected 32 lower-case hexadecimal digits"),
  field("uaid", undefined, ": expected 32 lower-case hexadecimal digits, found nothing"),
  field("channelID", HERE, ": expected a lower-case UUID with dashes"),
  field("version", "", ": expected 1 to 512 printable ASCII characters"),
  field("version", "v".repeat(513), ": expected 1 to 512 printable ASCII characters"),
  field("version", "vérsion", ": expected 1 to 512 printable ASCII characters"),
  field("ttl", -1, ": expected a whole number from 0 to 2147483647, found -1"),
  field("ttl", 1.5, ": expected a whole number from 0 to 2147483647, found 1.5"),
  field("ttl", "60", ': expected a whole number from 0 to 2147483647, found \\"60\\"'),
  field("topic", "", ": expected null or 1 to 32 characters"),
  field("topic", "t".repeat(33), ": expected null or 1 to 32 characters"),
  field("topic", "a b", ": expected null or 1 to 32 characters"),
  field("timestamp", undefined, ": expected a whole number from 0 to"),
  field("timestamp", Number.MAX_SAFE_INTEGER, ": expected a whole number from 0 to"),
  field(
    "sort_key",
    undefined,
    ": expected a whole number from 1 to 9007199254740991, found nothing",
  ),
  field("sort_key", 0, ": expected a whole number from 1 to"),
  field("sort_key", 2 ** 53, ": expected a whole number from 1 to"),
  field("data", "", ": expected 1 to 65536 bytes in URL-safe base64, found 0 characters"),
  field("data", 7, ": expected 1 to 65536 bytes in URL-safe base64, found 7"),
  field("data", "a+b/", ": expected 1 to 65536 bytes in URL-safe base64, found 4 characters"),
  field("data", "A".repeat(87_383), ": expected 1 to 65536 bytes in URL-safe base64"),
  {
    name: "data without headers",
    path: "/push",
    body: changed(WITH_BODY),
    status: 400,
    words: "messages[1].headers: expected an object, found nothing",
  },
  {
    name: "an unknown encoding",
    path: "/push",
    body: changed({ ...WITH_BODY, headers: { encoding: "gzip" } }),
    status: 400,
    words: 'messages[1].headers.encoding: expected \\"aes128gcm\\" or \\"aesgcm\\"',
  },
  {
    name: "an empty Encryption",
    path: "/push",
    body: changed({ ...WITH_BODY, headers: { encoding: "aesgcm", encryption: "" } }),
    status: 400,
    words: "messages[1].headers.encryption: expected 1 to 16384 characters",
  },
  {
    name: "a Crypto-Key that is too long",
    path: "/push",
    body: changed({
      ...WITH_BODY,
      headers: { encoding: "aesgcm", crypto_key: "k".repeat(16_385) },
    }),
    status: 400,
    words: "messages[1].headers.crypto_key: expected 1 to 16384 characters",
  },
  {
    name: "a session without a name",
    path: "/displace",
    body: [{ uaid: HERE, session: "" }],
    status: 400,
    words: "sessions[0].session: expected 1 to 128 printable characters",
  },
  {
    name: "a session without a user agent",
    path: "/displace",
    body: [{ session: "1" }],
    status: 400,
    words: "sessions[0].uaid: expected 32 lower-case",
  },
  {
    name: "a message without sort_key, as another server sends it",
    method: "PUT",
    path: `/push/${HERE}`,
    body: { ...GOOD, sort_key: undefined },
    status: 400,
    words: "body.sort_key: expected a whole number",
  },
  {
    name: "a UAID in a path that is none",
    method: "PUT",
    path: "/push/zzz",
    body: GOOD,
    status: 400,
    words: 'uaid: expected a UUID, with dashes or without, found \\"zzz\\"',
  },
  { name: "an unknown path", path: "/pull", status: 404, words: "no such resource" },
  { name: "a query", path: "/push?x=1", status: 404, words: "no such resource" },
  { name: "GET of a block", method: "GET", path: "/push", status: 405, words: "takes POST" },
  { name: "POST for one", method: "POST", path: `/notif/${HERE}`, status: 405, words: "takes PUT" },
  { name: "PUT of status", method: "PUT", path: "/status", status: 405, words: "takes GET, HEAD" },
];

Deno.test("serveNodePort() refuses bad requests as a whole and says why", async (t) => {
  await using world = await NodePortWorld.open();
  for (const { name, method = "POST", path, body = "", status, words } of BAD) {
    await t.step(name, async () => {
      const answer = await world.ask(method, path, body);
      assertEquals(answer.status, status);
      assertStringIncludes(answer.body, words);
    });
  }
  assertEquals([world.peer.messages, world.peer.notified, world.peer.displaced], [[], [], []]);
  assertEquals(world.events.length, BAD.length);
  assertEquals((await world.ask("POST", "/push", [GOOD])).status, 200);
});

Deno.test("serveNodePort() answers 401 to all but the tokens of its keys, before the body", async () => {
  await using world = await NodePortWorld.open({ secrets: [NEW_KEY] });
  for (const token of ["", TOKEN, "x".repeat(43)]) {
    for (const [method, path] of [["POST", "/push"], ["PUT", `/notif/${HERE}`]] as const) {
      const answer = await world.ask(method, path, "no JSON", token);
      assertEquals(answer.status, 401);
      assertEquals(answer.headers["www-authenticate"], "Bearer");
      assertEquals(world.events.at(-1), { kind: "refused", status: 401, reason: "unauthorized" });
    }
  }
  assertEquals(world.peer.notified, []);
});

Deno.test("serveNodePort() bounds a body, declared or not", async () => {
  await using world = await NodePortWorld.open({ limits: { requestBytesMax: 40 } });
  const fitting = JSON.stringify([HERE]).padEnd(40);
  assertEquals((await world.ask("POST", "/notif", fitting)).status, 200);
  const declared = await world.ask("POST", "/notif", fitting + " ");
  assertEquals(declared.status, 413);
  assertStringIncludes(declared.body, "body: expected at most 40 bytes, found 41");
  using client = await RawClient.open(world.port);
  const head = `POST /notif HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n`;
  await client.write(`${head}Transfer-Encoding: chunked\r\n\r\n29\r\n${fitting} \r\n0\r\n\r\n`);
  const chunked = await client.read();
  assertEquals(chunked.status, 413);
  assertStringIncludes(chunked.body, "found more");
});

Deno.test("serveNodePort() answers 503 while other bodies take all the room", async () => {
  const body = JSON.stringify([HERE]);
  const limits = { requestBytesMax: 40, bodiesBytesMax: 40 };
  await using world = await NodePortWorld.open({ limits });
  using slow = await RawClient.open(world.port);
  const head = `POST /notif HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n`;
  await slow.write(`${head}Expect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`);
  assertEquals((await slow.read()).status, 100); // Its room is taken now.
  const refused = await world.ask("POST", "/notif", body);
  assertEquals([refused.status, refused.headers["retry-after"]], [503, "1"]);
  await slow.write(body);
  assertEquals((await slow.read()).status, 200);
  assertEquals((await world.ask("POST", "/notif", body)).status, 200);
});

Deno.test("serveNodePort() cuts a client that does not send its body", async () => {
  await using world = await NodePortWorld.open({ limits: { requestMs: 60 } });
  using client = await RawClient.open(world.port);
  const head = `POST /notif HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n`;
  await client.write(`${head}Content-Length: 100\r\n\r\n[`);
  const { status, body, ended } = await client.read();
  assertEquals([status, ended], [408, true]);
  assertEquals(body, '{"code":408,"message":"the request did not arrive completely in time"}');
});

Deno.test("serveNodePort() answers 503 when its peer rejects", async (t) => {
  await using world = await NodePortWorld.open();
  world.peer.failure = new Error("the secret reason");
  for (
    const [path, body] of [
      ["/push", [GOOD]],
      ["/notif", [HERE]],
      ["/displace", [{ uaid: HERE, session: "1" }]],
    ] as const
  ) {
    await t.step(path, async () => {
      const answer = await world.ask("POST", path, body);
      assertEquals([answer.status, answer.headers["retry-after"]], [503, "1"]);
      assertEquals(answer.body, '{"code":503,"message":"this node cannot do it now"}');
      assertEquals(world.events.at(-2), { kind: "failed", error: world.peer.failure });
    });
  }
});

Deno.test("serveNodePort() answers 500 when its peer answers for another number of items", async () => {
  const peer = new RecordingPeer();
  peer.notify = () => Promise.resolve([]);
  await using world = await NodePortWorld.open({ peer });
  assertEquals((await world.ask("POST", "/notif", [HERE])).status, 500);
});

Deno.test("serveNodePort() answers to the names it is told", async () => {
  await using world = await NodePortWorld.open({ allowedHosts: ["node-1.internal"] });
  for (const [host, expected] of [["node-1.internal:8084", 200], ["other", 421]] as const) {
    using client = await RawClient.open(world.port);
    await client.write(`GET /status HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    assertEquals((await client.read()).status, expected);
  }
});

Deno.test("serveNodePort() throws for a port in use and for keys that are none", async () => {
  await using world = await NodePortWorld.open();
  const options = { hostname: "127.0.0.1", version: "1", peer: new RecordingPeer() };
  const taken = await serveNodePort({ ...options, port: world.port, secrets: [NEW_KEY] })
    .catch((error) => error);
  assertEquals(taken.code, "EADDRINUSE");
  await assertRejects(
    () => serveNodePort({ ...options, port: 0, secrets: [] }),
    TypeError,
  );
});
