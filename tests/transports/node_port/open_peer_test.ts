/** The client of a node port: against real ports, and against peers that are away, silent or strange. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ManualClock } from "../../../actors/runtime/clock.ts";
import {
  openPeer,
  type PeerClient,
  type PeerOptions,
} from "../../../transports/node_port/open_peer.ts";
import {
  PeerError,
  type PeerErrorCode,
  type PushMessage,
} from "../../../transports/node_port/ports.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { AWAY, HERE, messageOf, NEW_KEY, NodePortWorld, OLD_KEY } from "./node_port_world.ts";

function peerOf(url: string, options: Partial<PeerOptions> = {}): PeerClient {
  return openPeer({ url, secrets: [OLD_KEY], ...options });
}

async function assertPeerError(
  call: Promise<unknown>,
  code: PeerErrorCode,
  words: string,
): Promise<void> {
  const error = await assertRejects(() => call, PeerError, words);
  assertEquals(error.code, code);
  assert(!error.message.includes(OLD_KEY));
}

/** Every byte there is. */
const BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);

const SHAPES: Readonly<Record<string, Partial<PushMessage>>> = {
  "without content": {},
  "with a topic": { topic: "a-Z_9" },
  "for now or never": { ttlSeconds: 0, expiresAt: 1_700_000_000 },
  "for as long as possible": { ttlSeconds: 2_147_483_647, expiresAt: 3_847_483_647 },
  "with any bytes": { content: { body: BYTES, headers: { encoding: "aes128gcm" } } },
  "with one byte": { content: { body: BYTES.slice(0, 1), headers: { encoding: "aes128gcm" } } },
  "with the largest body": {
    content: { body: new Uint8Array(65_536).fill(7), headers: { encoding: "aes128gcm" } },
  },
  "in a view of a larger buffer": {
    content: { body: BYTES.subarray(10, 20), headers: { encoding: "aes128gcm" } },
  },
  "with the older headers": {
    content: {
      body: BYTES,
      headers: {
        encoding: "aesgcm",
        encryption: 'salt="a\\b";rs=4096',
        crypto_key: "dh=é€😀\u2028",
      },
    },
  },
  "with the longest headers": {
    content: {
      body: BYTES,
      headers: {
        encoding: "aesgcm",
        encryption: '"'.repeat(16_384),
        crypto_key: "é".repeat(16_384),
      },
    },
  },
  "with the largest key and the longest id": {
    sortKey: Number.MAX_SAFE_INTEGER,
    version: "~".repeat(512),
  },
};

Deno.test("PeerClient.push() hands every message over as it is", async (t) => {
  await using world = await NodePortWorld.open();
  await using peer = peerOf(world.url);
  for (const [name, changes] of Object.entries(SHAPES)) {
    await t.step(name, async () => {
      const message = messageOf(changes);
      assertEquals(await peer.push([message]), [true]);
      assertEquals(world.peer.messages.pop(), message);
    });
  }
  const all = Object.values(SHAPES).map((changes, place) =>
    messageOf({ ...changes, sortKey: place + 1 })
  );
  assertEquals(await peer.push(all), all.map(() => true));
  assertEquals(world.peer.messages, all);
});

Deno.test("PeerClient answers by place, and asks nothing for nothing", async () => {
  await using world = await NodePortWorld.open();
  await using peer = peerOf(world.url);
  const uaids = [HERE, AWAY, HERE];
  assertEquals(await peer.push(uaids.map((uaid) => messageOf({ uaid }))), [true, false, true]);
  assertEquals(await peer.notify(uaids), [true, false, true]);
  await peer.displace([{ uaid: HERE, session: "a:1" }, { uaid: AWAY, session: "2" }]);
  assertEquals(world.peer.displaced, [{ uaid: HERE, session: "a:1" }, {
    uaid: AWAY,
    session: "2",
  }]);
  const { length } = world.events;
  assertEquals([await peer.push([]), await peer.notify([])], [[], []]);
  await peer.displace([]);
  assertEquals(world.events.length, length);
});

Deno.test("PeerClient.push() hands 10,000 messages over in order, in bounded blocks", async () => {
  await using world = await NodePortWorld.open();
  await using peer = peerOf(world.url);
  const messages = Array.from({ length: 10_000 }, (_, place) =>
    messageOf({
      uaid: place % 7 === 0 ? AWAY : place.toString(16).padStart(32, "0"),
      sortKey: place + 1,
      content: {
        body: new Uint8Array(place % 300 + 1).fill(place),
        headers: { encoding: "aes128gcm" },
      },
    }));
  const there = await peer.push(messages);
  assertEquals(there, messages.map(({ uaid }) => uaid !== AWAY));
  assertEquals(world.peer.messages, messages);
  assert(world.peer.blocks.every((items) => items <= 1_000), `${world.peer.blocks}`);
  assertEquals(world.connections, 1);
});

Deno.test("PeerClient splits blocks of large messages by their bytes", async () => {
  await using world = await NodePortWorld.open();
  await using peer = peerOf(world.url);
  const content = { body: new Uint8Array(65_536), headers: { encoding: "aes128gcm" } } as const;
  const messages = Array.from(
    { length: 100 },
    (_, place) => messageOf({ sortKey: place + 1, content }),
  );
  assertEquals((await peer.push(messages)).length, 100);
  assertEquals(world.peer.messages.length, 100);
  assert(world.peer.blocks.every((items) => items <= 6), `${world.peer.blocks}`);
});

Deno.test("PeerClient splits what has no size by its number", async () => {
  await using world = await NodePortWorld.open();
  await using peer = peerOf(world.url);
  assertEquals((await peer.notify(Array.from({ length: 2_001 }, () => HERE))).length, 2_001);
  await peer.displace(Array.from({ length: 1_001 }, () => ({ uaid: HERE, session: "1" })));
  assertEquals(world.events.map((event) => event.kind === "taken" ? event.items : event), [
    1_000,
    1_000,
    1,
    1_000,
    1,
  ]);
});

interface Rotation {
  readonly name: string;
  readonly server: readonly string[];
  readonly client: readonly string[];
  /** Requests refused by the first call. */
  readonly refused: number;
}

const ROTATIONS: readonly Rotation[] = [
  { name: "both have the old key", server: [OLD_KEY], client: [OLD_KEY], refused: 0 },
  {
    name: "the client has the new one, too",
    server: [OLD_KEY],
    client: [NEW_KEY, OLD_KEY],
    refused: 0,
  },
  { name: "both have both", server: [NEW_KEY, OLD_KEY], client: [NEW_KEY, OLD_KEY], refused: 0 },
  {
    name: "the server forgot the old one",
    server: [NEW_KEY],
    client: [NEW_KEY, OLD_KEY],
    refused: 1,
  },
  {
    name: "the client forgot the old one",
    server: [NEW_KEY, OLD_KEY],
    client: [NEW_KEY],
    refused: 0,
  },
];

for (const { name, server, client, refused } of ROTATIONS) {
  Deno.test(`PeerClient is let in while keys are rotated: ${name}`, async () => {
    await using world = await NodePortWorld.open({ secrets: server });
    await using peer = peerOf(world.url, { secrets: client });
    const refusals = () => world.events.filter(({ kind }) => kind === "refused").length;
    assertEquals(await peer.push([messageOf()]), [true]);
    assertEquals(refusals(), refused);
    assertEquals(await peer.notify([HERE]), [true]); // It remembers which key fits.
    assertEquals(refusals(), refused);
    assertEquals(world.peer.messages.length, 1);
  });
}

Deno.test('PeerClient rejects with "unauthorized" when no key is shared', async () => {
  await using world = await NodePortWorld.open({ secrets: [NEW_KEY] });
  await using peer = peerOf(world.url, { secrets: [OLD_KEY, OLD_KEY] });
  const words = `Cannot reach node "${world.url}": the node accepts none of our keys`;
  await assertPeerError(peer.push([messageOf()]), "unauthorized", words);
  assertEquals(world.peer.messages, []);
});

Deno.test('PeerClient rejects with "unreachable" while nobody listens, and goes on afterwards', async () => {
  const first = await NodePortWorld.open();
  await using peer = peerOf(first.url);
  await peer.notify([HERE]);
  const { port } = first;
  await first[Symbol.asyncDispose]();
  await assertPeerError(peer.notify([HERE]), "unreachable", "ECONNREFUSED");
  await using second = await NodePortWorld.open({ port });
  assertEquals(await peer.notify([HERE]), [true]);
  assertEquals(second.peer.notified, [HERE]);
});

Deno.test('PeerClient rejects with "timeout" when its peer accepts and never answers', async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const clock = new ManualClock();
  await using peer = peerOf(`http://127.0.0.1:${silent.addr.port}`, { clock, callMs: 500 });
  // More than it has connections: the others wait, and are given up as well.
  const calls = Array.from({ length: 5 }, () => peer.notify([HERE]));
  const ended = Promise.all(calls.map((call) => assertPeerError(call, "timeout", "within 500 ms")));
  using _one = await silent.accept();
  using _two = await silent.accept();
  clock.advance(499);
  clock.advance(1);
  await ended;
  assertEquals(clock.armed, 0);
  const { port } = silent.addr;
  silent.close();
  await using _world = await NodePortWorld.open({ port });
  assertEquals(await peer.notify([HERE]), [true]);
});

Deno.test('PeerClient rejects with "overloaded" what is more than 64 calls at once', async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const peer = peerOf(`http://127.0.0.1:${silent.addr.port}`);
  const waiting = Array.from(
    { length: 64 },
    () => assertPeerError(peer.notify([HERE]), "closed", "the client was closed"),
  );
  await assertPeerError(peer.notify([HERE]), "overloaded", "64 calls are under way");
  await peer[Symbol.asyncDispose]();
  await Promise.all(waiting);
  await assertPeerError(peer.notify([HERE]), "closed", "the client was closed");
});

Deno.test('PeerClient rejects with "unavailable" what its peer cannot do now', async () => {
  await using world = await NodePortWorld.open();
  await using peer = peerOf(world.url);
  world.peer.failure = new Error("full");
  const words = '/push answered 503: "this node cannot do it now"';
  await assertPeerError(peer.push([messageOf()]), "unavailable", words);
  await assertPeerError(peer.displace([{ uaid: HERE, session: "1" }]), "unavailable", "503");
});

Deno.test('PeerClient rejects with "refused" what its peer finds fault with', async () => {
  await using world = await NodePortWorld.open();
  await using peer = peerOf(world.url);
  const words = '/push answered 400: "messages[1].version: expected';
  const messages = [messageOf(), messageOf({ version: "" })];
  await assertPeerError(peer.push(messages), "refused", words);
  assertEquals(world.peer.messages, []);
});

interface StrangeAnswer {
  readonly name: string;
  readonly status: number;
  readonly body: string;
  readonly words: string;
}

const STRANGE: readonly StrangeAnswer[] = [
  { name: "no JSON", status: 200, body: "<html>", words: "/notif answered without 1 booleans" },
  { name: "no array", status: 200, body: "true", words: "/notif answered without 1 booleans" },
  {
    name: "too many",
    status: 200,
    body: "[true,true]",
    words: "/notif answered without 1 booleans",
  },
  { name: "no booleans", status: 200, body: "[1]", words: "/notif answered without 1 booleans" },
  { name: "a redirect", status: 302, body: "", words: "/notif answered 302" },
  {
    name: "a long answer",
    status: 200,
    body: " ".repeat(16_385),
    words: "the answer broke off or is too long",
  },
];

for (const { name, status, body, words } of STRANGE) {
  Deno.test(`PeerClient rejects with "bad_answer": ${name}`, async () => {
    const server = createServer((_request, response) => {
      response.writeHead(status, { "Location": "http://127.0.0.1:1/" }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    {
      await using peer = peerOf(`http://127.0.0.1:${port}`);
      await assertPeerError(peer.notify([HERE]), "bad_answer", words);
    }
    await new Promise((resolve) => server.close(resolve));
  });
}

Deno.test("PeerClient rejects when the connection breaks in the middle of an answer", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using peer = peerOf(`http://127.0.0.1:${server.addr.port}`);
  const call = assertPeerError(peer.notify([HERE]), "bad_answer", "broke off");
  {
    using connection = await server.accept();
    await connection.read(new Uint8Array(4_096));
    const head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n[tr";
    await connection.write(new TextEncoder().encode(head));
  }
  await call;
});

Deno.test("PeerClient reaches a node over TLS, when its certificate is trusted", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { certFile, keyFile, caPem } = await makeCertificates(folder);
    const tls = { cert: await Deno.readTextFile(certFile), key: await Deno.readTextFile(keyFile) };
    await using world = await NodePortWorld.open({ tls });
    const url = `https://localhost:${world.port}`;
    await using trusting = peerOf(url, { caCerts: [caPem] });
    assertEquals(await trusting.push([messageOf()]), [true]);
    await using wary = peerOf(url);
    await assertPeerError(wary.push([messageOf()]), "unreachable", "Cannot reach node");
    assertEquals(world.peer.messages.length, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const BAD_URLS = [
  "",
  "node-1:8084",
  "ftp://node-1",
  "http://user:hunter2@node-1",
  "http://node-1/path",
  "http://node-1/?hunter2",
  "http://node-1/#hunter2",
] as const;

for (const url of BAD_URLS) {
  Deno.test(`openPeer() refuses ${Deno.inspect(url)} and does not repeat it`, () => {
    const { message } = assertThrows(() => peerOf(url), TypeError);
    assertEquals(
      message,
      "Cannot use the URL of a node: expected http(s)://host[:port] and no more",
    );
  });
}
