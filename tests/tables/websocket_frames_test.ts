/**
 * Bad WebSocket input at the device door: one row per mistake, the exact answer, the end of TCP,
 * and after each row a good device is still served.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DeviceDoor, turn } from "../support/device_door.ts";
import {
  closePayload,
  frameBytes,
  type FrameOptions,
  upgradeRequest,
  WebSocketClient,
} from "../support/websocket_client.ts";

/** Requests that are not an upgrade, and the answers. */
const REQUESTS: readonly (readonly [
  name: string,
  edit: (request: string) => string,
  status: number,
  words: string,
])[] = [
  [
    "no Sec-WebSocket-Key",
    (r) => r.replace(/Sec-WebSocket-Key: .*\r\n/, ""),
    400,
    "Sec-WebSocket-Key is missing",
  ],
  [
    "a key of 15 bytes",
    (r) => r.replace(/(Sec-WebSocket-Key: ).*/, "$1AAAAAAAAAAAAAAAAAAAA"),
    400,
    "Sec-WebSocket-Key must be 16 bytes in base64",
  ],
  [
    "a key with stray bits",
    (r) => r.replace(/(Sec-WebSocket-Key: ).*/, "$1dGhlIHNhbXBsZSBub25jZR=="),
    400,
    "Sec-WebSocket-Key must be 16 bytes in base64",
  ],
  [
    "two keys",
    (r) => r.replace(/(Sec-WebSocket-Key: .*\r\n)/, "$1$1"),
    400,
    "Sec-WebSocket-Key given twice",
  ],
  [
    "version 8",
    (r) => r.replace("Version: 13", "Version: 8"),
    426,
    "Sec-WebSocket-Version must be 13",
  ],
  [
    "no version",
    (r) => r.replace("Sec-WebSocket-Version: 13\r\n", ""),
    426,
    "Sec-WebSocket-Version must be 13",
  ],
  ["POST", (r) => r.replace("GET", "POST"), 400, "an upgrade to WebSocket is a GET"],
  [
    "HTTP/1.0",
    (r) => r.replace("HTTP/1.1", "HTTP/1.0"),
    400,
    "an upgrade to WebSocket needs HTTP/1.1",
  ],
  [
    "no Connection: Upgrade",
    (r) => r.replace("keep-alive, Upgrade", "keep-alive"),
    400,
    "Connection: Upgrade is missing",
  ],
  ["another path", (r) => r.replace("GET /", "GET /push"), 404, "devices connect at /"],
  ["bare LF", (r) => r.replaceAll("\r\n", "\n"), 400, "lines must end with CR LF"],
  [
    "a 17 KiB header",
    (r) => r.replace("Firefox", "x".repeat(17_000)),
    431,
    "head over 16384 bytes",
  ],
  [
    "101 header fields",
    (r) => r.replace("\r\n\r\n", `\r\n${"A: b\r\n".repeat(92)}\r\n`),
    431,
    "over 100 header fields",
  ],
];

for (const [name, edit, status, words] of REQUESTS) {
  Deno.test(`upgrade with ${name} => ${status} "${words}"`, async () => {
    await using door = new DeviceDoor();
    await using client = await WebSocketClient.open({ port: door.listener.port });
    await client.raw(edit(upgradeRequest({ port: door.listener.port })));
    const answer = await client.http();
    assertEquals(answer.status, status);
    assertEquals(JSON.parse(answer.body), { code: status, errno: 500, error: words });
    assertEquals(answer.headers.get("sec-websocket-version"), status === 426 ? "13" : undefined);
    assertEquals(door.owners.length, 0);
    await door.proveWell();
  });
}

/** A Ping, a binary message, … as what a device sends, and how it is closed. */
const FRAMES: readonly (readonly [
  name: string,
  frames: readonly (FrameOptions | Uint8Array)[],
  code: number,
  reason: string,
])[] = [
  [
    "an unmasked frame",
    [{ opcode: 1, payload: "{}", masked: false }],
    1002,
    "client frames must be masked",
  ],
  ["reserved bit 1", [{ opcode: 1, reserved: 4 }], 1002, "reserved bits must be 0"],
  ["reserved bit 2", [{ opcode: 1, reserved: 2 }], 1002, "reserved bits must be 0"],
  ["reserved bit 3", [{ opcode: 1, reserved: 1 }], 1002, "reserved bits must be 0"],
  ["opcode 3", [{ opcode: 3 }], 1002, "reserved opcode 3"],
  ["opcode 11", [{ opcode: 11 }], 1002, "reserved opcode 11"],
  [
    "a Ping of 126 bytes",
    [{ opcode: 9, payload: new Uint8Array(126) }],
    1002,
    "control frames carry at most 125 bytes",
  ],
  [
    "a fragmented Ping",
    [{ opcode: 9, fin: false }],
    1002,
    "control frames must not be fragmented",
  ],
  ["a continuation first", [{ opcode: 0 }], 1002, "continuation without a beginning"],
  [
    "text inside a fragmented message",
    [{ opcode: 1, payload: "a", fin: false }, { opcode: 1, payload: "b" }],
    1002,
    "new message inside a fragmented one",
  ],
  [
    "invalid UTF-8",
    [{ opcode: 1, payload: new Uint8Array([0xc3, 0x28]) }],
    1007,
    "text is not UTF-8",
  ],
  [
    "UTF-8 cut at the end of the last fragment",
    [{ opcode: 1, payload: "a", fin: false }, { opcode: 0, payload: new Uint8Array([0xc3]) }],
    1007,
    "text is not UTF-8",
  ],
  [
    "a surrogate in UTF-8",
    [{ opcode: 1, payload: new Uint8Array([0xed, 0xa0, 0x80]) }],
    1007,
    "text is not UTF-8",
  ],
  ["a binary message", [{ opcode: 2, payload: "{}" }], 1003, "text only"],
  [
    "65,537 bytes",
    [{ opcode: 1, payload: "x".repeat(65_537) }],
    1009,
    "message over 65536 bytes",
  ],
  [
    "a declared length of 2^62, nothing more",
    [new Uint8Array([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0])],
    1009,
    "message over 65536 bytes",
  ],
  [
    "65,537 bytes in two fragments",
    [{ opcode: 1, payload: "x".repeat(65_536), fin: false }, { opcode: 0, payload: "x" }],
    1009,
    "message over 65536 bytes",
  ],
  [
    "33 fragments",
    [
      { opcode: 1, payload: ".", fin: false },
      ...Array.from({ length: 32 }, () => ({ opcode: 0, payload: ".", fin: false })),
    ],
    1008,
    "more than 32 fragments",
  ],
  ["close code 1005", [{ opcode: 8, payload: closePayload(1005) }], 1002, "close code 1005 is not"],
  ["close code 999", [{ opcode: 8, payload: closePayload(999) }], 1002, "close code 999 is not"],
  ["close code 5000", [{ opcode: 8, payload: closePayload(5000) }], 1002, "close code 5000 is not"],
  [
    "a Close of one byte",
    [{ opcode: 8, payload: new Uint8Array([3]) }],
    1002,
    "close code of one byte",
  ],
  [
    "a Close whose reason is not UTF-8",
    [{ opcode: 8, payload: new Uint8Array([3, 232, 0xff]) }],
    1007,
    "close reason is not UTF-8",
  ],
];

for (const [name, frames, code, reason] of FRAMES) {
  Deno.test(`frames: ${name} => ${code} "${reason}"`, async () => {
    await using door = new DeviceDoor();
    await using device = await door.greet();
    for (const frame of frames) {
      await device.raw(frame instanceof Uint8Array ? frame : frameBytes(frame));
    }
    const close = await device.closed();
    assertEquals(close?.code, code);
    assertStringIncludes(close?.reason ?? "", reason);
    assertEquals(door.owner.texts, ["hello"]);
    assertEquals(door.owner.ends.map(({ kind }) => kind), ["server_closed"]);
    await door.proveWell();
  });
}

/** First frames that are not text. */
const FIRST: readonly (readonly [name: string, frame: FrameOptions])[] = [
  ["ping", { opcode: 9 }],
  ["pong", { opcode: 10 }],
  ["binary", { opcode: 2, payload: "{}" }],
  ["continuation", { opcode: 0, payload: "{}" }],
];

for (const [name, frame] of FIRST) {
  Deno.test(`frames: ${name} as the very first => 1003`, async () => {
    await using door = new DeviceDoor();
    await using device = await door.connect();
    await device.frame(frame);
    const reason = `the first frame must be text, not ${name}`;
    assertEquals(await device.closed(), { code: 1003, reason });
    await door.proveWell();
  });
}

Deno.test("frames: half of one, then silence => closed after 30 s, not before", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  await device.raw(frameBytes({ opcode: 1, payload: "half" }).subarray(0, 7));
  const [close, movedMs] = await door.advanceUntil(device.closed());
  assertEquals(close, { code: 1008, reason: "message not complete after 30000 ms" });
  assert(movedMs >= 30_000, `after ${movedMs} ms`);
  await door.proveWell();
});

Deno.test("closing: a device that never answers our Close => TCP ends within 1 s", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  door.owner.socket.close(1011, "SM");
  // Our half of TCP ends at once, which is what Firefox waits for.
  assertEquals(await device.closed(), { code: 1011, reason: "SM" });
  assertEquals(door.listener.connections, 1);
  door.clock.advance(999);
  assertEquals(door.listener.connections, 1);
  door.clock.advance(1);
  assertEquals(door.listener.connections, 0);
  await door.proveWell();
});

Deno.test("closing: a device that floods us after our Close => TCP ends within 1 s", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  door.owner.socket.close(1011, "SM");
  for (let i = 0; i < 20; i++) await device.send("x".repeat(10_000));
  for (let i = 0; i < 20; i++) await turn();
  assertEquals(door.owner.texts, ["hello"]);
  assertEquals(door.listener.connections, 1);
  door.clock.advance(1_000);
  assertEquals(door.listener.connections, 0);
  await door.proveWell();
});

Deno.test("sending: a device that never reads => 1008 at the queue's limit", async () => {
  await using door = new DeviceDoor();
  await using _device = await door.greet();
  const { socket, ends } = door.owner;
  while (socket.send("x".repeat(60_000)));
  await Promise.resolve();
  assertEquals<unknown>(ends, [{ kind: "server_closed", code: 1008, reason: "too slow" }]);
  await door.proveWell();
});
