/**
 * RFC 6455, the server's side, in the order of the document: its own examples and its MUSTs.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { DeviceDoor, until } from "../support/device_door.ts";
import { closePayload, upgradeRequest, WebSocketClient } from "../support/websocket_client.ts";
import { acceptKey } from "../../transports/device_socket/upgrade.ts";
import { writeFrame, writeTextFrame } from "../../transports/device_socket/frames.ts";

Deno.test('the key "dGhlIHNhbXBsZSBub25jZQ==" is answered as in the example (RFC 6455 1.3)', () => {
  assertEquals(acceptKey("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

Deno.test("field names, tokens and their lists ignore case (RFC 6455 4.2.1)", async () => {
  await using door = new DeviceDoor();
  await using client = await WebSocketClient.open({ port: door.listener.port });
  const request = upgradeRequest({ port: door.listener.port })
    .replace("Upgrade: websocket", "UPGRADE: h2c, WebSocket")
    .replace("Connection: keep-alive, Upgrade", "connection: UPGRADE")
    .replace("Sec-WebSocket-Key", "sec-websocket-key");
  await client.raw(request);
  assertEquals((await client.httpHead()).status, 101);
});

Deno.test("an unsupported version is answered with the supported one (RFC 6455 4.4)", async () => {
  await using door = new DeviceDoor();
  await using client = await WebSocketClient.open({ port: door.listener.port });
  await client.raw(upgradeRequest({
    port: door.listener.port,
    headers: { "Sec-WebSocket-Version": "25" },
  }));
  const { status, headers } = await client.http();
  assertEquals([status, headers.get("sec-websocket-version")], [426, "13"]);
});

Deno.test("an unmasked frame closes the connection (RFC 6455 5.1)", async () => {
  await using door = new DeviceDoor();
  await using device = await door.connect();
  await device.raw(new Uint8Array([0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]));
  assertEquals((await device.closed())?.code, 1002);
});

Deno.test("a payload of 0, 125, 126, 65,535 and 65,536 bytes is read (RFC 6455 5.2)", async () => {
  await using door = new DeviceDoor();
  await using device = await door.connect();
  for (const length of [0, 125, 126, 65_535, 65_536]) {
    await device.send("x".repeat(length));
    assertEquals(await device.text(), `echo:${"x".repeat(length)}`);
  }
});

Deno.test("control frames may stand between fragments (RFC 6455 5.4)", async () => {
  await using door = new DeviceDoor();
  await using device = await door.connect();
  await device.frame({ opcode: 1, payload: "Hel", fin: false });
  await device.frame({ opcode: 9, payload: "now" });
  await device.frame({ opcode: 0, payload: "lo" });
  assertEquals(await device.receive(), { kind: "pong", payload: new TextEncoder().encode("now") });
  assertEquals(await device.text(), "echo:Hello");
});

Deno.test("a Close is answered with its code, then TCP ends (RFC 6455 5.5.1)", async () => {
  for (const code of [1000, 1001, 1014, 3000, 4999]) {
    await using door = new DeviceDoor();
    await using device = await door.greet();
    await device.sendClose(code, "done");
    assertEquals(await device.closed(), { code, reason: "done" });
  }
});

Deno.test("a Close without a code is answered without one (RFC 6455 5.5.1)", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  await device.frame({ opcode: 8 });
  assertEquals(await device.closed(), { code: 1005, reason: "" });
  assertEquals<unknown>(door.owner.ends, [{ kind: "device_closed", code: 1005, reason: "" }]);
});

Deno.test("a Ping is answered with its payload (RFC 6455 5.5.2)", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  for (const length of [0, 1, 125]) {
    const payload = crypto.getRandomValues(new Uint8Array(length));
    await device.ping(payload);
    assertEquals(await device.receive(), { kind: "pong", payload });
  }
});

Deno.test("an unsolicited Pong is not answered (RFC 6455 5.5.3)", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  await device.pong("unasked");
  await until(() => door.owner.pongs === 1);
  await device.send("next");
  assertEquals(await device.text(), "echo:next");
});

const EXAMPLES: readonly (readonly [name: string, bytes: readonly number[]])[] = [
  ["a masked text", [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]],
  ["a fragmented text, masked with zeros", [
    ...[0x01, 0x83, 0, 0, 0, 0, 0x48, 0x65, 0x6c],
    ...[0x80, 0x82, 0, 0, 0, 0, 0x6c, 0x6f],
  ]],
];

for (const [name, bytes] of EXAMPLES) {
  Deno.test(`the example of ${name} says Hello (RFC 6455 5.7)`, async () => {
    await using door = new DeviceDoor();
    await using device = await door.connect();
    await device.raw(new Uint8Array(bytes));
    assertEquals(await device.text(), "echo:Hello");
  });
}

Deno.test("the examples of unmasked frames are written so (RFC 6455 5.7)", () => {
  const hello = [0x48, 0x65, 0x6c, 0x6c, 0x6f];
  assertEquals([...writeTextFrame("Hello")], [0x81, 0x05, ...hello]);
  assertEquals([...writeFrame("ping", new Uint8Array(hello))], [0x89, 0x05, ...hello]);
  const head = (length: number) => [...writeFrame("binary", new Uint8Array(length))].slice(0, 10);
  assertEquals(head(256).slice(0, 4), [0x82, 0x7e, 0x01, 0x00]);
  assertEquals(head(65_536), [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
});

Deno.test("the server ends TCP first, after both Closes (RFC 6455 7.1.1)", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  door.owner.socket.close(1001, "");
  assertEquals(await device.receive(), { kind: "close", code: 1001, reason: "" });
  await device.sendClose(1001);
  assertEquals(await device.receive(), { kind: "end" });
});

Deno.test("codes that must not be on the wire are a protocol error (RFC 6455 7.4)", async () => {
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535]) {
    await using door = new DeviceDoor();
    await using device = await door.greet();
    await device.frame({ opcode: 8, payload: closePayload(code) });
    assertEquals((await device.closed())?.code, 1002, `for ${code}`);
  }
});

Deno.test("a text that is not UTF-8 closes with 1007 (RFC 6455 8.1)", async () => {
  const bad = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]];
  for (const bytes of bad) {
    await using door = new DeviceDoor();
    await using device = await door.connect();
    await device.frame({ opcode: 1, payload: new Uint8Array(bytes) });
    assertEquals((await device.closed())?.code, 1007);
  }
});

Deno.test("no extension is ever accepted (RFC 6455 9.1)", async () => {
  await using door = new DeviceDoor();
  await using client = await WebSocketClient.open({ port: door.listener.port });
  await client.raw(upgradeRequest({
    port: door.listener.port,
    headers: { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" },
  }));
  const { status, headers } = await client.httpHead();
  assertEquals([status, headers.has("sec-websocket-extensions")], [101, false]);
});
