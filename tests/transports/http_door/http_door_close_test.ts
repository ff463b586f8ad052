/**
 * How many connections a door keeps, and how it closes.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { answer, type DoorEvent } from "../../../transports/http_door/http_door.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { assertServes, GOOD, H, openDoor } from "./echo_door.ts";
import { RawClient } from "./raw_client.ts";

/** Longer than any test runs: what ends in time did not wait for it. */
const NEVER_MS = 3_600_000;

Deno.test("HttpDoor closes connections above its limit and serves the ones below", async () => {
  await using door = await openDoor({ connectionsMax: 2 });
  {
    using first = await RawClient.open(door.port);
    using second = await RawClient.open(door.port);
    for (const client of [first, second]) {
      await client.write(GOOD);
      assertEquals((await client.read()).status, 200);
    }
    using third = await RawClient.open(door.port);
    assertEquals((await third.read()).ended, true);
  }
});

Deno.test("HttpDoor cuts an address that has too many connections, until it has fewer", async () => {
  const refused = Promise.withResolvers<DoorEvent>();
  await using door = await openDoor({ connectionsPerAddressMax: 1, onEvent: refused.resolve });
  const first = await RawClient.open(door.port);
  await first.write(GOOD);
  assertEquals((await first.read()).status, 200);
  using second = await RawClient.open(door.port);
  assertEquals((await second.read()).ended, true);
  assertEquals(await refused.promise, { kind: "connection_refused" });
  await first.write(`GET /last HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
  assertEquals((await first.read()).ended, true);
  first[Symbol.dispose]();
  await assertServes(door);
});

Deno.test("HttpDoor.close() does not wait for a TLS handshake that never ends", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { certFile, keyFile, caPem } = await makeCertificates(folder);
    const tls = { cert: await Deno.readTextFile(certFile), key: await Deno.readTextFile(keyFile) };
    const door = await openDoor({ tls, timeouts: { headersMs: NEVER_MS, requestMs: NEVER_MS } });
    using client = await RawClient.open(door.port);
    await client.write("\x16\x03\x01");
    // Connections are accepted in order: when the second one is served, the first one is in.
    const options = { hostname: "localhost", port: door.port, caCerts: [caPem] };
    using good = await Deno.connectTls(options);
    assertEquals((await good.handshake()).alpnProtocol, null);
    assertEquals(await door.close(0), { cutRequests: 0 });
    assertEquals((await client.read()).ended, true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("HttpDoor cuts a TLS handshake that never ends", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { certFile, keyFile } = await makeCertificates(folder);
    const tls = { cert: await Deno.readTextFile(certFile), key: await Deno.readTextFile(keyFile) };
    await using door = await openDoor({ tls, timeouts: { headersMs: 60 } });
    using client = await RawClient.open(door.port);
    await client.write("\x16\x03\x01");
    assertEquals(await client.read(), { status: 0, headers: {}, body: "", ended: true });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("HttpDoor.close() lets requests in work finish and takes no new ones", async () => {
  const started = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const door = await openDoor({
    handle: async (_request, response) => {
      started.resolve();
      await released.promise;
      answer(response, 201, {}, "done");
    },
  });
  using idle = await RawClient.open(door.port);
  using client = await RawClient.open(door.port);
  await client.write(GOOD);
  await started.promise;
  const closed = door.close(NEVER_MS);
  assertEquals((await idle.read()).ended, true);
  released.resolve();
  const found = await client.read();
  assertEquals([found.status, found.body, found.ended], [201, "done", true]);
  assertEquals(await closed, { cutRequests: 0 });
  assertEquals(door.connections, 0);
});

Deno.test("HttpDoor.close() serves what a connection in work still asks for, then ends it", async () => {
  const started = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let served = 0;
  const door = await openDoor({
    handle: async (request, response) => {
      if (++served === 1) started.resolve();
      if (request.url === "/second") released.resolve();
      await released.promise;
      answer(response, 200, {}, request.url ?? "");
    },
  });
  using client = await RawClient.open(door.port);
  await client.write(`GET /first HTTP/1.1\r\n${H}\r\n`);
  await started.promise;
  const closed = door.close(NEVER_MS);
  await client.write(`GET /second HTTP/1.1\r\n${H}\r\n`);
  assertEquals((await client.read()).body, "/first");
  assertEquals(await closed, { cutRequests: 0 });
});

Deno.test("HttpDoor.close() ends a connection after an answer that was begun before", async () => {
  const released = Promise.withResolvers<void>();
  const door = await openDoor({
    handle: async (_request, response) => {
      response.writeHead(200, { "Content-Length": "4" });
      response.write("be");
      await released.promise;
      response.end("gu");
    },
  });
  using client = await RawClient.open(door.port);
  await client.write(GOOD);
  const found = client.read();
  // The head is here when the door has sent it, and says that the connection stays.
  await client.headRead;
  const closed = door.close(NEVER_MS);
  released.resolve();
  assertEquals((await found).body, "begu");
  assertEquals(await closed, { cutRequests: 0 });
});

Deno.test("HttpDoor.close() cuts what is not finished at its deadline and counts it", async () => {
  const started = Promise.withResolvers<void>();
  const door = await openDoor({ handle: () => started.resolve() });
  using client = await RawClient.open(door.port);
  await client.write(GOOD);
  await started.promise;
  assertEquals(await door.close(1), { cutRequests: 1 });
  assertEquals((await client.read()).ended, true);
});

Deno.test("openHttpDoor() rejects with EADDRINUSE for a port in use", async () => {
  await using door = await openDoor();
  const error = await openDoor({ port: door.port }).catch((error) => error);
  assertEquals(error.code, "EADDRINUSE");
});

Deno.test("openHttpDoor() shares a port with reusePort", async () => {
  await using door = await openDoor({ reusePort: true });
  await using twin = await openDoor({ port: door.port, reusePort: true });
  assertEquals(twin.port, door.port);
});
