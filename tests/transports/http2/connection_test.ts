import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ManualClock } from "../../../actors/runtime/clock.ts";
import {
  ANSWERED,
  ERROR_CODE,
  FRAME,
  type HeaderField,
  LOST,
  type RequestBlock,
  SETTING,
  TIMED_OUT,
  UNSENT,
  writeData,
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettings,
  writeWindowUpdate,
} from "../../../transports/http2/mod.ts";
import { assertWorks, blockOf, counts, HEAD, openPair, settle } from "./scripted_peer.ts";

Deno.test("exchange() gives each answer to its request, in whatever order they come", async () => {
  await using pair = await openPair();
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(5));
  const requests = await peer.requests(5);
  assertEquals(client.inFlight, 5);
  for (const { streamId, fields } of requests.toReversed()) {
    const path = fields.find(({ name }) => name === ":path")?.value ?? "";
    await peer.answer(streamId, 400 + Number(path.slice(1)), `body of ${path}`);
  }
  const { ends, statuses, details, reason } = await exchange;
  assertEquals([...ends], new Array(5).fill(ANSWERED));
  assertEquals([...statuses], [400, 401, 402, 403, 404]);
  assertEquals(new TextDecoder().decode(details.get(3)?.body), "body of /3");
  assertEquals(details.get(3)?.headers, new Map());
  assertEquals([reason, client.inFlight], ["", 0]);
});

Deno.test("exchange() sends what differs from request to request, and leaves out what is undefined", async () => {
  await using pair = await openPair();
  const { client, peer } = pair;
  const block: RequestBlock = {
    head: HEAD,
    paths: ["/a", "/b"],
    fields: [{ name: "apns-id", values: ["1", undefined] }, { name: "ttl", values: ["", "9"] }],
    bodies: [new TextEncoder().encode("first"), new Uint8Array(0)],
  };
  const exchange = client.exchange(block);
  const [first, second] = await peer.requests(2);
  const own = HEAD.fields.map(({ name, value }) => ({ name, value }));
  assertEquals(first?.fields.slice(3), [
    { name: ":path", value: "/a" },
    ...own,
    { name: "apns-id", value: "1" },
    { name: "ttl", value: "" },
  ]);
  assertEquals(second?.fields.slice(3), [
    { name: ":path", value: "/b" },
    ...own,
    { name: "ttl", value: "9" },
  ]);
  assertEquals([first?.body.length, second?.body.length], [5, 0]);
  await peer.answer(1, 200);
  await peer.answer(3, 200);
  assertEquals(counts((await exchange).ends), { answered: 2 });
});

Deno.test("exchange() encodes heads rightly while others push them out of a small table", async () => {
  await using pair = await openPair({ settings: [[SETTING.headerTableSize, 160]] });
  const { client, peer } = pair;
  const heads = Array.from({ length: 4 }, (_, i) => ({
    method: "POST",
    authority: "push.example.net",
    fields: [
      { name: "x-topic", value: `topic-${i}`, indexing: "indexed" },
      { name: "x-kind", value: `kind-${i % 2}`, indexing: "indexed" },
      { name: "x-secret", value: `secret-${i}`, indexing: "literal" },
    ] satisfies readonly HeaderField[],
  }));
  for (const size of [160, 4_096, 0, 90, 4_096]) {
    await peer.write((out) => writeSettings(out, [[SETTING.headerTableSize, size]]));
    await peer.next(FRAME.settings);
    for (let turn = 0; turn < 12; turn++) {
      const head = heads[turn % 4 < 2 ? 0 : turn % 4] ?? HEAD;
      const exchange = client.exchange({ ...blockOf(3), head });
      for (const { fields, streamId } of await peer.requests(3)) {
        assertEquals(fields.slice(4), head.fields.map(({ name, value }) => ({ name, value })));
        await peer.answer(streamId, 200);
      }
      await exchange;
    }
  }
});

Deno.test("exchange() cuts a header block over the peer's frame size into CONTINUATION", async () => {
  await using pair = await openPair();
  const { client, peer } = pair;
  const long = {
    name: "x-long",
    value: "é".length === 1 ? "~".repeat(40_000) : "",
    indexing: "literal",
  } as const;
  const exchange = client.exchange({ ...blockOf(1), head: { ...HEAD, fields: [long] } });
  const { fields } = await peer.request();
  assertEquals(fields.at(-1)?.value.length, 40_000);
  await peer.answer(1, 200);
  assertEquals([...(await exchange).statuses], [200]);
});

Deno.test("exchange() resolves at once for a block of nothing", async () => {
  await using pair = await openPair();
  assertEquals((await pair.client.exchange(blockOf(0))).ends.length, 0);
});

for (
  const [criterion, wrong, text] of [
    ["a path with a space", { paths: ["/a b"] }, `"path" with "/a b"`],
    ["a path without its slash", { paths: ["a"] }, `"path" with "a"`],
    ["an upper-case name", { fields: [{ name: "TTL", values: ["1"] }] }, `"field name" with "TTL"`],
    ["a value with a line break", { fields: [{ name: "ttl", values: ["1\r\nx: y"] }] }, `"ttl"`],
    ["a field of the connection", { fields: [{ name: "upgrade", values: ["x"] }] }, `"upgrade"`],
    ["a column too short", { fields: [{ name: "ttl", values: [] }] }, "1 requests with 0"],
    ["too few bodies", { bodies: [] }, "1 requests with 0 of bodies"],
    ["a method with a space", { head: { ...HEAD, method: "A B" } }, `"method" with "A B"`],
    ["an empty authority", { head: { ...HEAD, authority: "" } }, `"authority"`],
    [
      "a secret that is not ASCII",
      {
        head: { ...HEAD, fields: [{ name: "authorization", value: "sécret", indexing: "never" }] },
      },
      `Cannot send "authorization": its value is not ASCII`,
    ],
    [
      "te other than trailers",
      { head: { ...HEAD, fields: [{ name: "te", value: "gzip", indexing: "literal" }] } },
      `"te"`,
    ],
  ] satisfies readonly (readonly [string, Partial<RequestBlock>, string])[]
) {
  Deno.test(`exchange() refuses ${criterion} and sends nothing`, async () => {
    await using pair = await openPair();
    await assertRejects(() => pair.client.exchange({ ...blockOf(1), ...wrong }), TypeError, text);
    assertEquals(pair.client.inFlight, 0);
    await assertWorks(pair);
  });
}

Deno.test("exchange() keeps to the streams the peer allows, as it changes its mind", async () => {
  await using pair = await openPair({ settings: [[SETTING.maxConcurrentStreams, 1]] });
  const { client, peer } = pair;
  assertEquals(client.streamsMax, 1);
  const exchange = client.exchange(blockOf(30));
  await peer.request();
  await settle(peer);
  // Nothing came between the request and the answer to the PING. Now 10 at once, then 2.
  await peer.write((out) => writeSettings(out, [[SETTING.maxConcurrentStreams, 10]]));
  const opened = await peer.requests(9);
  assertEquals(client.streamsMax, 10);
  await peer.write((out) => writeSettings(out, [[SETTING.maxConcurrentStreams, 2]]));
  const open = [1, ...opened.map(({ streamId }) => streamId)];
  for (const id of open.splice(0, 8)) {
    await peer.answer(id, 200);
    await settle(peer);
  }
  for (let begun = 10; open.length > 0;) {
    await peer.answer(open.shift() ?? 0, 200);
    if (begun++ < 30) open.push((await peer.request()).streamId);
    await settle(peer);
  }
  assertEquals(counts((await exchange).ends), { answered: 30 });
});

Deno.test("exchange() keeps to its own limit of streams where the peer allows more", async () => {
  await using pair = await openPair({ limits: { streamsMax: 3 } });
  const { client, peer } = pair;
  assertEquals(client.streamsMax, 3);
  const exchange = client.exchange(blockOf(4));
  await peer.requests(3);
  await settle(peer);
  await peer.answer(3, 200);
  assertEquals((await peer.request()).streamId, 7);
  for (const id of [1, 5, 7]) await peer.answer(id, 200);
  assertEquals(counts((await exchange).ends), { answered: 4 });
});

Deno.test("exchange() keeps to the windows of stream and connection, and sends on when they open", async () => {
  await using pair = await openPair({ settings: [[SETTING.initialWindowSize, 10]] });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(1, "x".repeat(70_000)));
  await peer.next(FRAME.headers);
  assertEquals((await peer.next(FRAME.data)).payload.length, 10);
  await settle(peer);
  await peer.write((out) => writeWindowUpdate(out, 1, 5));
  assertEquals((await peer.next(FRAME.data)).payload.length, 5);
  // The window of streams shrinks below what is used, and opens again (section 6.9.2).
  await peer.write((out) => writeSettings(out, [[SETTING.initialWindowSize, 0]]));
  await peer.next(FRAME.settings);
  await peer.write((out) => writeWindowUpdate(out, 1, 10));
  await settle(peer);
  await peer.write((out) => writeSettings(out, [[SETTING.initialWindowSize, 1_000_000]]));
  await peer.next(FRAME.settings);
  // Now the connection's window of 65,535 is the limit, in frames of the default size.
  let received = 15;
  while (received < 65_535) received += (await peer.next(FRAME.data)).payload.length;
  assertEquals(received, 65_535);
  await settle(peer);
  await peer.write((out) => writeWindowUpdate(out, 0, 1_000_000));
  assertEquals((await peer.next(FRAME.data)).payload.length, 70_000 - 65_535);
  await peer.answer(1, 200);
  assertEquals([...(await exchange).statuses], [200]);
  // The next request is sent once, whatever waited before it.
  const next = client.exchange(blockOf(1));
  await peer.next(FRAME.headers);
  await peer.next(FRAME.data);
  await settle(peer);
  await peer.answer(3, 200);
  await next;
});

Deno.test("exchange() uses larger frames where the peer takes them", async () => {
  await using pair = await openPair({ settings: [[SETTING.maxFrameSize, 32_768]] });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(1, "x".repeat(40_000)));
  await peer.next(FRAME.headers);
  assertEquals((await peer.next(FRAME.data)).payload.length, 32_768);
  assertEquals((await peer.next(FRAME.data)).payload.length, 7_232);
  await peer.answer(1, 200);
  await exchange;
});

Deno.test("exchange() takes an early answer and stops sending the body (RFC 9113 8.1)", async () => {
  await using pair = await openPair({ settings: [[SETTING.initialWindowSize, 10]] });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(1, "x".repeat(100)));
  await peer.next(FRAME.headers);
  await peer.next(FRAME.data);
  await peer.write((out) => {
    peer.writeAnswer(out, 1, 413);
    writeRstStream(out, 1, ERROR_CODE.noError);
    writeWindowUpdate(out, 1, 1_000);
  });
  assertEquals([...(await exchange).statuses], [413]);
  assertEquals(await peer.reset(), { code: ERROR_CODE.cancel, streamId: 1 });
  await settle(peer);
});

Deno.test("exchange() keeps the beginning of a body, reads more, and resets one that is too large", async () => {
  await using pair = await openPair({ limits: { bodyBytesMax: 10_000, bodyKeptBytesMax: 100 } });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(3));
  await peer.requests(3);
  await peer.answer(1, 500, "a".repeat(10_000));
  await peer.answer(3, 500, "b".repeat(10_001));
  await peer.answer(5, 200, "c".repeat(9_000));
  assertEquals(await peer.reset(), { code: ERROR_CODE.cancel, streamId: 3 });
  const { ends, statuses, details, reason } = await exchange;
  assertEquals(counts(ends), { answered: 2, badAnswer: 1 });
  assertEquals([...statuses], [500, 0, 200]);
  assertEquals([...details.keys()], [0]);
  assertEquals(details.get(0)?.body.length, 100);
  assertStringIncludes(reason, "too large a body");
});

Deno.test("exchange() keeps no more of the answers to a block than its limit", async () => {
  await using pair = await openPair({ limits: { detailBytesMax: 250 } });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(4));
  await peer.requests(4);
  // 100 bytes of body and a field of 5 and 32 each, then one without either.
  for (const id of [1, 3]) {
    await peer.write((out) => {
      peer.writeHeaders(out, id, [[":status", "500"], ["x-a", "id"]], false);
      writeData(out, id, new Uint8Array(100), true);
    });
  }
  await peer.answer(5, 410);
  await peer.answer(7, 200);
  const { ends, details, reason } = await exchange;
  assertEquals(counts(ends), { answered: 3, badAnswer: 1 });
  assertEquals([...details.keys()], [0, 2]);
  assertEquals(reason, "answers with too many bytes in one block");
});

Deno.test("exchange() puts aside what arrives for a stream that was reset, and keeps the header table", async () => {
  const clock = new ManualClock();
  await using pair = await openPair({ clock, limits: { pongTimeoutMs: 60_000 } });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(2));
  await peer.requests(2);
  clock.advance(10_000);
  await peer.answer(3, 200);
  await settle(peer);
  clock.advance(10_000);
  assertEquals(counts((await exchange).ends), { timedOut: 1, answered: 1 });
  await peer.reset();
  await peer.write((out) => {
    peer.writeHeaders(out, 1, [[":status", "299"], ["x-new", "entered"]], false);
    writeData(out, 1, new Uint8Array(100), true);
  });
  const next = client.exchange(blockOf(1));
  const { streamId } = await peer.request();
  await peer.write((out) =>
    peer.writeHeaders(out, streamId, [[":status", "404"], ["x-new", "entered"]], true)
  );
  assertEquals((await next).details.get(0)?.headers.get("x-new"), "entered");
});

Deno.test("exchange() refuses more requests than may wait", async () => {
  await using pair = await openPair({ limits: { requestsMax: 10 } });
  const { client, peer } = pair;
  const first = client.exchange(blockOf(8));
  const second = await client.exchange(blockOf(3));
  assertEquals(counts(second.ends), { unsent: 3 });
  assertEquals(second.reason, "more than 10 requests in the connection");
  for (const { streamId } of await peer.requests(8)) await peer.answer(streamId, 200);
  assertEquals(counts((await first).ends), { answered: 8 });
});

Deno.test("exchange() begins nothing late and gives up what is not answered in time", async () => {
  const clock = new ManualClock();
  await using pair = await openPair({
    clock,
    limits: { pongTimeoutMs: 60_000 },
    settings: [[SETTING.maxConcurrentStreams, 2]],
  });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(5));
  await peer.requests(2);
  await peer.write((out) => peer.writeHeaders(out, 3, [[":status", "201"]], false));
  await settle(peer);
  clock.advance(15_000);
  assertEquals(client.inFlight, 2);
  clock.advance(5_000);
  const { ends, statuses, reason } = await exchange;
  assertEquals([...ends], [TIMED_OUT, ANSWERED, UNSENT, UNSENT, UNSENT]);
  assertEquals([...statuses], [0, 201, 0, 0, 0]);
  assertEquals(reason, "not begun within 15000 ms");
  assertEquals((await peer.reset()).code, ERROR_CODE.cancel);
  assertEquals((await peer.reset()).code, ERROR_CODE.cancel);
});

Deno.test("GOAWAY ends what is above its last id unsent and waits for the rest (RFC 9113 6.8)", async () => {
  await using pair = await openPair({ settings: [[SETTING.maxConcurrentStreams, 4]] });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(6));
  await peer.requests(4);
  const debug = new TextEncoder().encode(`{"reason":"Shutdown"}\u0007`);
  await peer.write((out) => writeGoaway(out, 3, ERROR_CODE.noError, debug));
  assertEquals(await client.ended, `GOAWAY NO_ERROR: {"reason":"Shutdown"}?`);
  await peer.answer(3, 200);
  await peer.answer(1, 410);
  const { ends, reason } = await exchange;
  assertEquals([...ends], [ANSWERED, ANSWERED, UNSENT, UNSENT, UNSENT, UNSENT]);
  assertEquals(reason, await client.ended);
  assertEquals(counts((await client.exchange(blockOf(2))).ends), { unsent: 2 });
  assertEquals((await peer.goaway()).code, ERROR_CODE.noError);
  assertEquals(await peer.ended(), true);
});

Deno.test("GOAWAY in two steps ends in order (RFC 9113 6.8)", async () => {
  await using pair = await openPair();
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(3));
  await peer.requests(3);
  await peer.write((out) => writeGoaway(out, 2 ** 31 - 1, ERROR_CODE.noError));
  await client.ended;
  assertEquals(client.inFlight, 3);
  await peer.write((out) => writeGoaway(out, 3, ERROR_CODE.noError));
  for (const id of [1, 3]) await peer.answer(id, 200);
  assertEquals([...(await exchange).ends], [ANSWERED, ANSWERED, UNSENT]);
});

Deno.test("the end of TCP loses what was written and leaves the rest unsent", async () => {
  await using pair = await openPair({ settings: [[SETTING.maxConcurrentStreams, 2]] });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(5));
  await peer.requests(2);
  peer[Symbol.dispose]();
  const { ends, reason } = await exchange;
  assertEquals([...ends], [LOST, LOST, UNSENT, UNSENT, UNSENT]);
  assertEquals(await client.ended, reason);
});

Deno.test("a connection ends in order when its stream ids are used up (RFC 9113 5.1.1)", async () => {
  await using pair = await openPair({ limits: { streamIdMax: 5 } });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(5));
  await peer.requests(3);
  assertEquals(await client.ended, "the stream ids are used up");
  for (const id of [1, 3, 5]) await peer.answer(id, 200);
  assertEquals(counts((await exchange).ends), { answered: 3, unsent: 2 });
  assertEquals(await peer.ended(), true);
});

Deno.test("close() takes no more, finishes what has begun, gives back the rest and says good-bye", async () => {
  await using pair = await openPair({ settings: [[SETTING.maxConcurrentStreams, 1]] });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(3));
  await peer.request();
  const closed = client.close();
  assertEquals(await client.ended, "closed");
  assertEquals(counts((await client.exchange(blockOf(1))).ends), { unsent: 1 });
  await peer.answer(1, 200);
  assertEquals(counts((await exchange).ends), { answered: 1, unsent: 2 });
  assertEquals((await peer.goaway()).code, ERROR_CODE.noError);
  await closed;
  assertEquals(await peer.ended(), true);
});

Deno.test("an idle connection is tried with PING, and given up when nothing comes back", async () => {
  const clock = new ManualClock();
  await using pair = await openPair({ clock });
  const { client, peer } = pair;
  clock.advance(59_000);
  await settle(peer);
  clock.advance(60_000);
  const ping = await peer.next(FRAME.ping);
  assertEquals(ping.flags, 0);
  await peer.write((out) => writePing(out, ping.payload, true));
  await settle(peer);
  clock.advance(60_000);
  await peer.next(FRAME.ping);
  clock.advance(9_000);
  const exchange = client.exchange(blockOf(1));
  await peer.request();
  clock.advance(1_000);
  assertEquals(await client.ended, "the peer has not answered a PING for 10000 ms");
  assertEquals(counts((await exchange).ends), { lost: 1 });
  assertEquals(clock.armed, 0);
});

Deno.test("a peer that owes answers is tried after the pong timeout already", async () => {
  const clock = new ManualClock();
  await using pair = await openPair({ clock });
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(1));
  await peer.request();
  clock.advance(10_000);
  await peer.next(FRAME.ping);
  clock.advance(10_000);
  await client.ended;
  assertEquals((await exchange).ends.length, 1);
});

Deno.test("a peer that does not read is given up", async () => {
  const clock = new ManualClock();
  await using pair = await openPair({
    clock,
    settings: [[SETTING.initialWindowSize, 2 ** 30]],
  });
  const { client, peer } = pair;
  await peer.write((out) => writeWindowUpdate(out, 0, 2 ** 30));
  await settle(peer);
  // More than the buffers of a socket hold, so that the write stays under way.
  const exchange = client.exchange(blockOf(1, "x".repeat(50_000_000)));
  await peer.next(FRAME.headers);
  clock.advance(10_000);
  assertEquals(await client.ended, "the peer has not read for 10000 ms");
  assertEquals(counts((await exchange).ends), { lost: 1 });
});
