import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { makeCertificates } from "../../support/certificates.ts";
import { DeviceDoor, Owner, turn, until } from "../../support/device_door.ts";
import { frameBytes, upgradeRequest, WebSocketClient } from "../../support/websocket_client.ts";
import { listenDevices } from "../../../transports/device_socket/listener.ts";

async function ask(door: DeviceDoor, request: string) {
  await using client = await WebSocketClient.open({ port: door.listener.port });
  await client.raw(request);
  return await client.http();
}

Deno.test("listenDevices() upgrades a device and carries text both ways", async () => {
  await using door = new DeviceDoor();
  await using device = await door.connect();
  await device.send("hello");
  assertEquals(await device.text(), "echo:hello");
  await device.send("é".repeat(10_000));
  assertEquals(await device.text(), `echo:${"é".repeat(10_000)}`);
  assertEquals(door.listener.connections, 1);
  await device.sendClose(1000, "bye");
  assertEquals(await device.closed(), { code: 1000, reason: "bye" });
  assertEquals(door.owner.ends, [{ kind: "device_closed", code: 1000, reason: "bye" }]);
});

Deno.test("listenDevices() tells the owner who asks, with long values cut", async () => {
  await using door = new DeviceDoor();
  await using _device = await door.connect({
    path: "/?from=test",
    headers: { "User-Agent": "x".repeat(1_000), "Origin": undefined },
  });
  assertEquals(door.owner.upgrade, {
    path: "/",
    userAgent: "x".repeat(256),
    origin: "",
    remoteAddress: "127.0.0.1",
  });
});

Deno.test("listenDevices() neither echoes a sub-protocol nor takes an extension", async () => {
  await using door = new DeviceDoor();
  await using client = await WebSocketClient.open({ port: door.listener.port });
  await client.raw(upgradeRequest({ port: door.listener.port }));
  const { status, headers } = await client.httpHead();
  assertEquals([status, ...headers.keys()], [
    101,
    "upgrade",
    "connection",
    "sec-websocket-accept",
  ]);
});

Deno.test("listenDevices() hears a message sent together with the request", async () => {
  await using door = new DeviceDoor();
  await using client = await WebSocketClient.open({ port: door.listener.port });
  const request = new TextEncoder().encode(upgradeRequest({ port: door.listener.port }));
  const frame = frameBytes({ opcode: 1, payload: "hi" });
  await client.raw(new Uint8Array([...request, ...frame]));
  assertEquals((await client.httpHead()).status, 101);
  assertEquals(await client.text(), "echo:hi");
});

const ANSWERS: readonly (readonly [request: string, status: number, body: RegExp])[] = [
  ["GET /status", 200, /^\{"status":"OK","version":"1"\}$/],
  ["GET /health", 200, /^\{"status":"OK"/],
  ["GET /__heartbeat__", 200, /^\{"status":"OK"/],
  ["GET /__lbheartbeat__", 200, /^$/],
  ["HEAD /status", 200, /^$/],
  ["GET /", 400, /^\{"code":400,"errno":500,"error":"devices connect here by WebSocket/],
  ["GET /wpush", 404, /"nothing at this path; devices connect at \/"/],
  ["POST /status", 405, /"only GET and HEAD are answered here"/],
];

for (const [request, status, body] of ANSWERS) {
  Deno.test(`listenDevices() answers ${request} with ${status}`, async () => {
    await using door = new DeviceDoor();
    const answer = await ask(door, `${request} HTTP/1.1\r\nHost: a\r\n\r\n`);
    assertEquals(answer.status, status);
    assertMatch(answer.body, body);
    assertEquals(answer.headers.get("connection"), "close");
    if (status === 405) assertEquals(answer.headers.get("allow"), "GET, HEAD");
    await door.proveWell();
  });
}

Deno.test("listenDevices() reads a request in any portions, up to the head's limit", async () => {
  await using door = new DeviceDoor();
  await using client = await WebSocketClient.open({ port: door.listener.port });
  const request = upgradeRequest({ port: door.listener.port, headers: { A: "b".repeat(15_000) } });
  for (let at = 0; at < request.length; at += 1_111) {
    await client.raw(request.slice(at, at + 1_111));
    await turn();
  }
  assertEquals((await client.httpHead()).status, 101);
  await client.send("x");
  assertEquals(await client.text(), "echo:x");
});

Deno.test("listenDevices() answers 408 after the head timeout, not before", async () => {
  await using door = new DeviceDoor();
  await using client = await WebSocketClient.open({ port: door.listener.port });
  await client.raw("GET / HTTP/1.1\r\nHost:");
  const [answer, movedMs] = await door.advanceUntil(client.http());
  assertEquals(answer.status, 408);
  assert(movedMs >= 10_000, `after ${movedMs} ms`);
  await door.proveWell();
});

Deno.test("listenDevices() ends a refused connection whose client never ends it", async () => {
  await using door = new DeviceDoor({ limits: { handshakesMax: 1 } });
  await using client = await WebSocketClient.open({ port: door.listener.port });
  await client.raw("nonsense\n");
  assertEquals((await client.http()).status, 400);
  // The only place for a handshake is taken until the refused connection has ended.
  const next = door.greet();
  const [device] = await door.advanceUntil(next);
  await device[Symbol.asyncDispose]();
});

Deno.test("listenDevices() waits with accepting at handshakesMax", async () => {
  await using door = new DeviceDoor({ limits: { handshakesMax: 1 } });
  const silent = await WebSocketClient.open({ port: door.listener.port });
  const waiting = door.greet();
  for (let i = 0; i < 20; i++) await turn();
  assertEquals(door.owners.length, 0);
  silent.abort();
  await using _device = await waiting;
  assertEquals(door.owners.length, 1);
});

Deno.test("listenDevices() answers 503 at connectionsMax, and status checks still", async () => {
  await using door = new DeviceDoor({ limits: { connectionsMax: 1 } });
  const device = await door.greet();
  const refused = await ask(door, upgradeRequest({ port: door.listener.port }));
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "60"]);
  assertMatch(refused.body, /all 1 connections are in use/);
  assertEquals((await ask(door, "GET /status HTTP/1.0\r\n\r\n")).status, 200);
  device.abort();
  await until(() => door.listener.connections === 0);
  await door.proveWell();
});

Deno.test("listenDevices() passes on the owner's refusal before the upgrade", async () => {
  await using door = new DeviceDoor({ open: () => ({ status: 503, reason: "draining" }) });
  const { status, body } = await ask(door, upgradeRequest({ port: door.listener.port }));
  assertEquals([status, body], [503, '{"code":503,"errno":500,"error":"draining"}']);
  assertEquals(door.events, [{ kind: "http_refused", status: 503, reason: "draining" }]);
});

Deno.test("listenDevices() keeps requests apart after it refused one", async () => {
  await using door: DeviceDoor = new DeviceDoor({
    open: (socket, upgrade) =>
      upgrade.userAgent === "no"
        ? { status: 429, reason: "not you" }
        : door.own(new Owner(socket, upgrade)),
  });
  const { port } = door.listener;
  const refused = await ask(door, upgradeRequest({ port, headers: { "User-Agent": "no" } }));
  assertEquals(refused.status, 429);
  const request = upgradeRequest({ port });
  await using first = await WebSocketClient.open({ port });
  await first.raw("GET /sta");
  await using second = await WebSocketClient.open({ port });
  await second.raw(request.slice(0, 30));
  for (let i = 0; i < 20; i++) await turn();
  await first.raw("tus HTTP/1.1\r\nHost: a\r\n\r\n");
  await second.raw(request.slice(30));
  assertEquals((await first.http()).status, 200);
  assertEquals((await second.httpHead()).status, 101);
});

Deno.test("listenDevices() answers 429 to an address at its limit", async () => {
  await using door = new DeviceDoor({
    limits: { connectionsPerAddressMax: 2 },
    unlimitedAddresses: [],
  });
  const device = await door.greet();
  await using _other = await door.greet();
  await using refused = await WebSocketClient.open({ port: door.listener.port });
  assertEquals((await refused.httpHead()).status, 429);
  device.abort();
  await until(() => door.listener.connections === 1);
  // A connection that was never upgraded gives its place back as well.
  assertEquals((await ask(door, "GET /status HTTP/1.0\r\n\r\n")).status, 200);
  for (let i = 0; i < 20; i++) await turn();
  await using _third = await door.greet();
});

Deno.test("listenDevices() answers 500 when open throws, without its words", async () => {
  const error = new Error("secret");
  await using door = new DeviceDoor({
    open() {
      throw error;
    },
  });
  const { status, body } = await ask(door, upgradeRequest({ port: door.listener.port }));
  assertEquals([status, body], [500, '{"code":500,"errno":500,"error":"internal error"}']);
  assertEquals(door.events[0], { kind: "owner_failed", error });
});

Deno.test("listenDevices() puts what open sends behind the 101", async () => {
  await using door: DeviceDoor = new DeviceDoor({
    open(socket, upgrade) {
      socket.send("first");
      socket.close(1013, "try again later");
      return door.own(new Owner(socket, upgrade));
    },
  });
  await using device = await door.connect();
  assertEquals(await device.text(), "first");
  assertEquals(await device.closed(), { code: 1013, reason: "try again later" });
  assertEquals(door.owner.ends.length, 1);
});

Deno.test("listenDevices() serves TLS, Close and TCP's end included", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { caPem, certFile, keyFile } = await makeCertificates(folder);
    const tls = { cert: Deno.readTextFileSync(certFile), key: Deno.readTextFileSync(keyFile) };
    await using door = new DeviceDoor({ tls });
    const options = { hostname: "localhost", tls: { caCerts: [caPem] } };
    await using device = await door.greet(options);
    door.owner.socket.send("x".repeat(200_000));
    door.owner.socket.close(1001, "bye");
    assertEquals((await device.text()).length, 200_000);
    assertEquals(await device.closed(), { code: 1001, reason: "bye" });
    // A plain request to the TLS port ends that connection and nothing else.
    await using plain = await WebSocketClient.open({ port: door.listener.port });
    await plain.raw("GET / HTTP/1.1\r\n\r\n");
    await plain.closeWrite();
    await plain.http();
    await using _well = await door.greet(options);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("listenDevices() throws for a port in use and for a bad key", async () => {
  await using door = new DeviceDoor();
  const options = {
    hostname: "127.0.0.1",
    status: () => "",
    open: () => ({ status: 503, reason: "" } as const),
  };
  assertThrows(
    () => listenDevices({ ...options, port: door.listener.port }),
    Deno.errors.AddrInUse,
  );
  assertThrows(() => listenDevices({ ...options, port: 0, tls: { cert: "", key: "" } }), Error);
});

Deno.test("DeviceListener.close() stops accepting and leaves the connected alone", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  door.listener.close();
  await device.send("still here");
  assertEquals(await device.text(), "echo:still here");
  const late = await door.connect().then(() => "connected", () => "refused");
  assertEquals(late, "refused");
});

Deno.test("DeviceListener.shutdown() closes everyone and ends TCP within a second", async () => {
  await using door = new DeviceDoor();
  await using device = await door.greet();
  await using deaf = await door.greet();
  await using silent = await WebSocketClient.open({ port: door.listener.port });
  await silent.raw("GET");
  const ended = door.listener.shutdown(1012, "restart");
  assertEquals(await device.closed(), { code: 1012, reason: "restart" });
  device.abort();
  // The other one neither answers nor ends its half: only time ends it.
  await until(() => door.listener.connections === 1);
  door.clock.advance(1_000);
  await ended;
  assertEquals(door.listener.connections, 0);
  assertEquals(door.clock.armed, 0);
  assertEquals(await deaf.closed(), { code: 1012, reason: "restart" });
  assertEquals((await silent.receive()).kind, "end");
});
