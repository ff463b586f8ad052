/**
 * What RFC 9113 forbids a server to do, and how the client ends it: the stream or the connection.
 */

import { assertEquals } from "@std/assert";
import {
  BAD_ANSWER,
  type ByteBuffer,
  ERROR_CODE,
  FLAG,
  FRAME,
  LOST,
  SETTING,
  writePing,
  writeSettings,
  writeWindowUpdate,
} from "../../transports/http2/mod.ts";
import { type Act, all, head, OK, openHead, raw } from "../transports/http2/acts.ts";
import { assertWorks, blockOf, openPair } from "../transports/http2/scripted_peer.ts";

const { protocolError, frameSizeError, flowControlError, compressionError, cancel } = ERROR_CODE;

/** Ends the connection (section 5.4.1). */
const CONNECTION_ERRORS: readonly (readonly [criterion: string, act: Act, code: number])[] = [
  [
    "a frame over the allowed size (4.2)",
    raw(FRAME.data, 0, 1, new Array(16_385).fill(0)),
    frameSizeError,
  ],
  [
    "a header block that cannot be decoded (4.3)",
    raw(FRAME.headers, FLAG.endHeaders, 1, [0x80]),
    compressionError,
  ],
  [
    "HEADERS of a stream that was not opened (5.1)",
    (out, peer) => peer.writeHeaders(out, 3, [OK], true),
    protocolError,
  ],
  [
    "HEADERS of a stream of the server's (5.1.1)",
    (out, peer) => peer.writeHeaders(out, 2, [OK], true),
    protocolError,
  ],
  ["DATA of a stream that was not opened (5.1)", raw(FRAME.data, 0, 3, [1]), protocolError],
  [
    "RST_STREAM of a stream that was not opened (5.1)",
    raw(FRAME.rstStream, 0, 3, [0, 0, 0, 0]),
    protocolError,
  ],
  [
    "WINDOW_UPDATE of a stream that was not opened (5.1)",
    (out) => writeWindowUpdate(out, 3, 1),
    protocolError,
  ],
  ["DATA of the connection (6.1)", raw(FRAME.data, 0, 0, [1]), protocolError],
  ["padding as long as its frame (6.1)", raw(FRAME.data, FLAG.padded, 1, [2, 0]), protocolError],
  [
    "a padded frame without its pad length (6.1)",
    raw(FRAME.data, FLAG.padded, 1, []),
    frameSizeError,
  ],
  [
    "HEADERS of the connection (6.2)",
    raw(FRAME.headers, FLAG.endHeaders, 0, [0x88]),
    protocolError,
  ],
  [
    "HEADERS too short for its priority (6.2)",
    raw(FRAME.headers, FLAG.endHeaders | FLAG.priority, 1, [0x88]),
    frameSizeError,
  ],
  ["PRIORITY of the connection (6.3)", raw(FRAME.priority, 0, 0, [0, 0, 0, 0, 0]), protocolError],
  ["PRIORITY of a wrong size (6.3)", raw(FRAME.priority, 0, 1, [0]), frameSizeError],
  ["RST_STREAM of the connection (6.4)", raw(FRAME.rstStream, 0, 0, [0, 0, 0, 0]), protocolError],
  ["RST_STREAM of a wrong size (6.4)", raw(FRAME.rstStream, 0, 1, [0]), frameSizeError],
  ["SETTINGS of a stream (6.5)", raw(FRAME.settings, 0, 1, []), protocolError],
  ["SETTINGS of a wrong size (6.5)", raw(FRAME.settings, 0, 0, [0]), frameSizeError],
  [
    "an acknowledgement with a payload (6.5)",
    raw(FRAME.settings, FLAG.ack, 0, [0, 1, 0, 0, 0, 0]),
    frameSizeError,
  ],
  [
    "SETTINGS that allow pushes (6.5.2)",
    (out) => writeSettings(out, [[SETTING.enablePush, 1]]),
    protocolError,
  ],
  [
    "too large an initial window (6.5.2)",
    (out) => writeSettings(out, [[SETTING.initialWindowSize, 2 ** 31]]),
    flowControlError,
  ],
  [
    "too small a frame size (6.5.2)",
    (out) => writeSettings(out, [[SETTING.maxFrameSize, 16_383]]),
    protocolError,
  ],
  [
    "too large a frame size (6.5.2)",
    (out) => writeSettings(out, [[SETTING.maxFrameSize, 2 ** 24]]),
    protocolError,
  ],
  [
    "a push, which was not allowed (6.6, 8.4)",
    raw(FRAME.pushPromise, FLAG.endHeaders, 1, [0, 0, 0, 2, 0x82]),
    protocolError,
  ],
  ["PING of a stream (6.7)", raw(FRAME.ping, 0, 1, [0, 0, 0, 0, 0, 0, 0, 0]), protocolError],
  ["PING of a wrong size (6.7)", raw(FRAME.ping, 0, 0, [0]), frameSizeError],
  ["GOAWAY of a stream (6.8)", raw(FRAME.goaway, 0, 1, [0, 0, 0, 0, 0, 0, 0, 0]), protocolError],
  ["GOAWAY of a wrong size (6.8)", raw(FRAME.goaway, 0, 0, [0]), frameSizeError],
  ["WINDOW_UPDATE of a wrong size (6.9)", raw(FRAME.windowUpdate, 0, 0, [0]), frameSizeError],
  [
    "WINDOW_UPDATE of nothing for the connection (6.9)",
    (out) => writeWindowUpdate(out, 0, 0),
    protocolError,
  ],
  [
    "too large a window of the connection (6.9.1)",
    (out) => writeWindowUpdate(out, 0, 2 ** 31 - 1),
    flowControlError,
  ],
  [
    "settings that make a window too large (6.9.2)",
    all(
      (out) => writeWindowUpdate(out, 1, 2 ** 31 - 1 - 65_535),
      (out) => writeSettings(out, [[SETTING.initialWindowSize, 65_541]]),
    ),
    flowControlError,
  ],
  [
    "CONTINUATION without its HEADERS (6.10)",
    raw(FRAME.continuation, FLAG.endHeaders, 1, [0x88]),
    protocolError,
  ],
  [
    "a header block that is interrupted (6.10)",
    all(raw(FRAME.headers, 0, 1, [0x88]), (out) => writePing(out, new Uint8Array(8), false)),
    protocolError,
  ],
  [
    "CONTINUATION of another stream (6.10)",
    all(raw(FRAME.headers, 0, 1, [0x88]), raw(FRAME.continuation, FLAG.endHeaders, 3, [])),
    protocolError,
  ],
  [
    "a flood of CONTINUATION (10.5)",
    all(raw(FRAME.headers, 0, 1, [0x88]), ...new Array(20).fill(raw(FRAME.continuation, 0, 1, []))),
    ERROR_CODE.enhanceYourCalm,
  ],
  [
    "a header block without end (10.5.1)",
    all(
      raw(FRAME.headers, 0, 1, new Array(16_000).fill(0x88)),
      ...new Array(3).fill(raw(FRAME.continuation, 0, 1, new Array(16_000).fill(0x88))),
    ),
    ERROR_CODE.enhanceYourCalm,
  ],
  [
    "a flood of PING (10.5)",
    all(...new Array(1_100).fill(raw(FRAME.ping, FLAG.ack, 0, new Array(8).fill(0)))),
    ERROR_CODE.enhanceYourCalm,
  ],
  [
    "a flood of SETTINGS (10.5)",
    all(...new Array(600).fill((out: ByteBuffer) => writeSettings(out, [[99, 1]]))),
    ERROR_CODE.enhanceYourCalm,
  ],
  [
    "a flood of interim answers (10.5)",
    all(...new Array(1_100).fill(openHead([":status", "103"]))),
    ERROR_CODE.enhanceYourCalm,
  ],
  [
    "a flood of unknown frames (10.5)",
    all(...new Array(1_100).fill(raw(0x77, 0, 0, []))),
    ERROR_CODE.enhanceYourCalm,
  ],
];

for (const [criterion, act, code] of CONNECTION_ERRORS) {
  Deno.test(`connectHttp2() ends a connection for ${criterion}`, async () => {
    await using pair = await openPair();
    const { client, peer } = pair;
    const exchange = client.exchange(blockOf(1));
    await peer.request();
    await peer.write((out) => act(out, peer));
    const goaway = await peer.goaway();
    assertEquals(goaway.code, code);
    assertEquals(await peer.ended(), true);
    const { ends, reason } = await exchange;
    assertEquals([...ends], [LOST]);
    assertEquals(reason, goaway.text);
    assertEquals(await client.ended, goaway.text);
    assertEquals(client.inFlight, 0);
  });
}

/** Ends a stream (section 5.4.2), and the connection goes on. */
const STREAM_ERRORS:
  readonly (readonly [criterion: string, act: Act, code: number, end: number])[] = [
    ["WINDOW_UPDATE of nothing (6.9)", (out) => writeWindowUpdate(out, 1, 0), protocolError, LOST],
    [
      "too large a window (6.9.1)",
      (out) => writeWindowUpdate(out, 1, 2 ** 31 - 1),
      flowControlError,
      LOST,
    ],
    [
      "an answer that begins with its body (8.1)",
      raw(FRAME.data, 0, 1, [1]),
      protocolError,
      BAD_ANSWER,
    ],
    ["an interim answer that ends (8.1)", head([":status", "103"]), protocolError, BAD_ANSWER],
    ["a second head (8.1)", all(openHead(OK), openHead(OK)), protocolError, BAD_ANSWER],
    [
      "trailers with a pseudo-header field (8.1)",
      all(openHead(OK), head(OK)),
      protocolError,
      BAD_ANSWER,
    ],
    [
      "an answer shorter than it said (8.1.1)",
      head([":status", "404"], ["content-length", "3"]),
      protocolError,
      BAD_ANSWER,
    ],
    [
      "an answer longer than it said (8.1.1)",
      all(openHead(OK, ["content-length", "1"]), raw(FRAME.data, FLAG.endStream, 1, [1, 2])),
      protocolError,
      BAD_ANSWER,
    ],
    [
      "a content-length that is no number (8.1.1)",
      head(OK, ["content-length", "-1"]),
      protocolError,
      BAD_ANSWER,
    ],
    ["an upper-case name (8.2.1)", head(OK, ["Server", "x"]), protocolError, BAD_ANSWER],
    ["an empty name (8.2.1)", head(OK, ["", "x"]), protocolError, BAD_ANSWER],
    [
      "a value with a line break (8.2.1)",
      head(OK, ["server", "a\r\nb: c"]),
      protocolError,
      BAD_ANSWER,
    ],
    ["a value that ends in a space (8.2.1)", head(OK, ["server", "a "]), protocolError, BAD_ANSWER],
    [
      "a field of the connection (8.2.2)",
      head(OK, ["connection", "close"]),
      protocolError,
      BAD_ANSWER,
    ],
    ["an answer without a status (8.3.2)", head(["server", "x"]), protocolError, BAD_ANSWER],
    [
      "an answer without fields (8.3.2)",
      raw(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, []),
      protocolError,
      BAD_ANSWER,
    ],
    ["a status of two digits (8.3.2)", head([":status", "20"]), protocolError, BAD_ANSWER],
    ["two statuses (8.3.2)", head(OK, OK), protocolError, BAD_ANSWER],
    [
      "a pseudo-header field behind others (8.3)",
      head(["server", "x"], OK),
      protocolError,
      BAD_ANSWER,
    ],
    [
      "a pseudo-header field of a request (8.3)",
      head(OK, [":path", "/"]),
      protocolError,
      BAD_ANSWER,
    ],
    ["a switch of protocols (8.6)", openHead([":status", "101"]), protocolError, BAD_ANSWER],
    [
      "too large a header list (10.5.1)",
      head(OK, ...new Array(400).fill(["a", "b".repeat(20)])),
      cancel,
      BAD_ANSWER,
    ],
  ];

for (const [criterion, act, code, end] of STREAM_ERRORS) {
  Deno.test(`connectHttp2() resets a stream for ${criterion}`, async () => {
    await using pair = await openPair();
    const { client, peer } = pair;
    const exchange = client.exchange(blockOf(1));
    await peer.request();
    await peer.write((out) => act(out, peer));
    assertEquals(await peer.reset(), { code, streamId: 1 });
    const { ends, statuses, details } = await exchange;
    assertEquals([[...ends], [...statuses], details.size], [[end], [0], 0]);
    await assertWorks(pair);
  });
}

Deno.test("connectHttp2() ends a connection for a flood of empty DATA, and keeps the status that came (10.5)", async () => {
  await using pair = await openPair();
  const { client, peer } = pair;
  const exchange = client.exchange(blockOf(1));
  await peer.request();
  const empty = new Array(1_100).fill(raw(FRAME.data, 0, 1, []));
  await peer.write((out) => all(openHead(OK), ...empty)(out, peer));
  assertEquals((await peer.goaway()).code, ERROR_CODE.enhanceYourCalm);
  assertEquals([...(await exchange).statuses], [200]);
});
