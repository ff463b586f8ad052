/**
 * The client's side of RFC 9113, against a peer that does by hand what each section is about.
 */

import { assertEquals } from "@std/assert";
import { ManualClock } from "../../actors/runtime/clock.ts";
import {
  ANSWERED,
  ERROR_CODE,
  FLAG,
  FRAME,
  LOST,
  readUint31,
  SETTING,
  UNSENT,
  writeData,
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettings,
  writeWindowUpdate,
} from "../../transports/http2/mod.ts";
import { type Act, all, head, OK, openHead, raw } from "../transports/http2/acts.ts";
import { assertWorks, blockOf, HEAD, openPair } from "../transports/http2/scripted_peer.ts";

/** Answers that are good, whatever is around them. */
const ANSWERS:
  readonly (readonly [criterion: string, act: Act, status: number, body: string | undefined])[] = [
    ["a status alone (8.3.2)", head(OK), 200, undefined],
    [
      "a body in many frames, padded ones and empty ones among them (6.1)",
      all(
        openHead([":status", "400"]),
        raw(FRAME.data, 0, 1, [65]),
        raw(FRAME.data, FLAG.padded, 1, [2, 66, 0, 0]),
        raw(FRAME.data, 0, 1, []),
        raw(FRAME.data, FLAG.endStream, 1, [67]),
      ),
      400,
      "ABC",
    ],
    [
      "HEADERS with padding and priority (6.2)",
      raw(FRAME.headers, FLAG.endHeaders | FLAG.endStream | FLAG.padded | FLAG.priority, 1, [
        3,
        0,
        0,
        0,
        0,
        9,
        0x88,
        0,
        0,
        0,
      ]),
      200,
      undefined,
    ],
    [
      "PRIORITY, deprecated, before it (6.3)",
      all(raw(FRAME.priority, 0, 1, [0, 0, 0, 0, 9]), head(OK)),
      200,
      undefined,
    ],
    [
      "a header block in many frames (6.10)",
      all(
        raw(FRAME.headers, FLAG.endStream, 1, [0x48]),
        raw(FRAME.continuation, 0, 1, [0x03, 0x35]),
        raw(FRAME.continuation, 0, 1, []),
        raw(FRAME.continuation, FLAG.endHeaders, 1, [0x30, 0x33]),
      ),
      503,
      "",
    ],
    [
      "unknown frames with any flags and streams (5.5)",
      all(raw(0xfa, 0xff, 0, [1]), raw(0xfb, 0xff, 7, []), head(OK)),
      200,
      undefined,
    ],
    [
      "unknown settings (6.5.2)",
      all((out) => writeSettings(out, [[0xf0f0, 7]]), head(OK)),
      200,
      undefined,
    ],
    [
      "interim answers before it (8.1)",
      all(
        openHead([":status", "100"]),
        openHead([":status", "103"], ["link", "x"]),
        head([":status", "204"]),
      ),
      204,
      undefined,
    ],
    [
      "trailers behind it (8.1)",
      all(openHead([":status", "429"]), raw(FRAME.data, 0, 1, [65]), head(["grpc-status", "8"])),
      429,
      "A",
    ],
    [
      "a reset of NO_ERROR behind it (8.1)",
      all(head([":status", "413"]), (out) => writeRstStream(out, 1, 0)),
      413,
      "",
    ],
    [
      "a reset of NO_ERROR within its body (8.1)",
      all(openHead([":status", "413"]), (out) => writeRstStream(out, 1, 0)),
      413,
      "",
    ],
    [
      "the end of TCP within the body of a success",
      all(
        openHead([":status", "201"]),
        raw(FRAME.data, 0, 1, [65]),
        (out) => writeGoaway(out, 1, 0),
      ),
      201,
      undefined,
    ],
    [
      "a content-length of an answer without content (8.1.1)",
      head([":status", "304"], ["content-length", "99"]),
      304,
      "",
    ],
  ];

for (const [criterion, act, status, body] of ANSWERS) {
  Deno.test(`connectHttp2() takes ${criterion}`, async () => {
    await using pair = await openPair();
    const { client, peer } = pair;
    const exchange = client.exchange(blockOf(1));
    await peer.request();
    await peer.write((out) => act(out, peer));
    if (criterion.startsWith("the end of TCP")) peer[Symbol.dispose]();
    const { ends, statuses, details } = await exchange;
    assertEquals([[...ends], [...statuses]], [[ANSWERED], [status]]);
    const detail = details.get(0);
    assertEquals(detail === undefined ? undefined : new TextDecoder().decode(detail.body), body);
  });
}

/** How a reset without an answer ends a request (sections 7 and 8.7). */
const RESETS: readonly (readonly [code: keyof typeof ERROR_CODE, end: number])[] = [
  ["noError", LOST],
  ["refusedStream", UNSENT],
  ["internalError", LOST],
  ["enhanceYourCalm", LOST],
  ["http11Required", LOST],
];

for (const [name, end] of RESETS) {
  Deno.test(`connectHttp2() ends a request that is reset with ${name} as ${end} (RFC 9113 8.7)`, async () => {
    await using pair = await openPair();
    const { client, peer } = pair;
    const exchange = client.exchange(blockOf(1));
    await peer.request();
    await peer.write((out) => writeRstStream(out, 1, ERROR_CODE[name]));
    assertEquals([...(await exchange).ends], [end]);
    await assertWorks(pair);
  });
}

Deno.test("connectHttp2() sends its preface and settings first (RFC 9113 3.4, 6.5.2)", async () => {
  await using pair = await openPair({ limits: { bodyBytesMax: 1_000, headerListBytesMax: 2_000 } });
  assertEquals(Object.fromEntries(pair.settings), {
    [SETTING.enablePush]: 0,
    [SETTING.initialWindowSize]: 17_384,
    [SETTING.maxHeaderListSize]: 2_000,
  });
  const exchange = pair.client.exchange(blockOf(1));
  const { fields, body } = await pair.peer.request();
  assertEquals(fields, [
    { name: ":method", value: "POST" },
    { name: ":scheme", value: "http" },
    { name: ":authority", value: HEAD.authority },
    { name: ":path", value: "/0" },
    ...HEAD.fields.map(({ name, value }) => ({ name, value })),
  ]);
  assertEquals(new TextDecoder().decode(body), "hello");
  await pair.peer.answer(1, 200);
  await exchange;
});

Deno.test("connectHttp2() answers PING with the same bytes (RFC 9113 6.7)", async () => {
  await using pair = await openPair();
  const opaque = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  await pair.peer.write((out) => writePing(out, opaque, false));
  const { flags, payload } = await pair.peer.next(FRAME.ping);
  assertEquals([flags, payload], [FLAG.ack, opaque]);
});

Deno.test("connectHttp2() gives the connection's window back, again and again (RFC 9113 6.9)", async () => {
  await using pair = await openPair();
  const { client, peer } = pair;
  let given = 4_194_304;
  let used = 0;
  for (let round = 0; round < 3; round++) {
    const exchange = client.exchange(blockOf(40));
    for (const { streamId } of await peer.requests(40)) {
      await peer.write((out) => {
        peer.writeHeaders(out, streamId, [OK], false);
        for (let part = 0; part < 6; part++) {
          writeData(out, streamId, new Uint8Array(10_000), part === 5);
        }
      });
      used += 60_000;
    }
    // 40 bodies of 60,000 bytes are more than half of the window.
    const { streamId, payload } = await peer.next(FRAME.windowUpdate);
    assertEquals(streamId, 0);
    given += readUint31(payload, 0);
    assertEquals(new Set((await exchange).statuses), new Set([200]));
    assertEquals(given - used >= 2_097_152 && given - used <= 4_194_304, true);
  }
});

Deno.test("connectHttp2() takes the window updates and resets that go with many requests (RFC 9113 10.5)", async () => {
  await using pair = await openPair({ clock: new ManualClock() });
  const { client, peer } = pair;
  for (let round = 0; round < 3; round++) {
    const exchange = client.exchange(blockOf(100));
    for (const { streamId } of await peer.requests(100)) {
      await peer.write((out) => {
        for (let i = 0; i < 6; i++) writeWindowUpdate(out, streamId, 1);
        peer.writeAnswer(out, streamId, 200);
        writeRstStream(out, streamId, ERROR_CODE.noError);
      });
    }
    assertEquals(new Set((await exchange).statuses), new Set([200]));
  }
  assertEquals(client.inFlight, 0);
  await assertWorks(pair);
});
