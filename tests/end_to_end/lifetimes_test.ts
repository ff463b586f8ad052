/**
 * How connections end that nobody closes politely: silent devices, devices whose network is gone,
 * and everybody when the service stops.
 *
 * Real seconds pass here: the process under test has its own clock.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { within } from "../support/arrivals.ts";
import { PushClient } from "../support/push_client.ts";
import { Relay } from "../support/relay.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { Service } from "../support/service.ts";
import { WebSocketClient } from "../support/websocket_client.ts";

/** After a Close the service ends TCP within a second; the rest is for a busy machine. */
const CLOSED_MS = 5_000;
/** A person who asks again after a moment. */
const AGAIN_MS = 1_000;
const HELLO = `{"messageType":"hello","use_webpush":true}`;

Deno.test("A device that says nothing is closed after the hello timeout", async () => {
  await using service = await Service.start({ flags: ["--hello-timeout", "1s"] });
  await using silent = await WebSocketClient.connect({ port: service.devicePort });
  await using good = await PushClient.connect(service.deviceUrl);
  assertEquals(await silent.closed(), { code: 1011, reason: "HandshakeTimeout" });
  await good.ping();
});

Deno.test("A device is pinged, and closed when it does not answer", async () => {
  const flags = ["--ping-interval", "1s", "--ping-timeout", "1s"];
  await using service = await Service.start({ flags });
  await using deaf = await WebSocketClient.connect({ port: service.devicePort });
  await deaf.send(HELLO);
  await deaf.text();
  await using alive = await PushClient.connect(service.deviceUrl);
  const ping = await deaf.receive();
  assert(ping.kind === "ping" && ping.payload.length === 0, Deno.inspect(ping));
  assertEquals(await deaf.closed(), { code: 1011, reason: "PongTimeout" });
  await alive.ping();
});

Deno.test("A message to a device whose network is gone waits and comes again", async () => {
  const flags = ["--ping-interval", "1s", "--ping-timeout", "1s"];
  await using service = await Service.start({ flags });
  await using relay = Relay.open(service.devicePort);
  const lost = await PushClient.connect(`ws://127.0.0.1:${relay.port}/`);
  const { uaid } = lost;
  const { endpoint } = await lost.register();
  // Nothing is passed on any more, and nobody is told: a phone that lost its network.
  relay.swallow = "down";
  assertEquals((await post(endpoint, opaqueBody(100))).status, 201);
  // The missing Pong tells the service, whose end of TCP the relay passes on.
  await within(lost.ended, CLOSED_MS, "the service to give the connection up");
  await using back = await PushClient.connect(service.deviceUrl, { uaid });
  assertEquals(back.uaid, uaid);
  await back.notifications.next(() => true, { what: "the message that was lost on its way" });
});

Deno.test("SIGTERM closes devices with 1001, ends TCP though they do not answer, and exits 0", async () => {
  await using service = await Service.start();
  await using polite = await PushClient.connect(service.deviceUrl);
  await using mute = await WebSocketClient.connect({ port: service.devicePort });
  await mute.send(HELLO);
  await mute.text();
  service.signal("SIGTERM");
  assertEquals((await within(mute.closed(), CLOSED_MS, "TCP to end"))?.code, 1001);
  assertEquals((await within(polite.ended, CLOSED_MS, "the Close")).code, 1001);
  assertEquals(await service.ended(), { code: 0, signal: null });
  await assertRejects(() => PushClient.connect(service.deviceUrl));
});

Deno.test("SIGTERM lets a post that has begun finish, and keeps its message", async () => {
  await using service = await Service.start();
  const device = await PushClient.connect(service.deviceUrl);
  const { uaid } = device;
  const { endpoint } = await device.register();
  await using sender = await WebSocketClient.open({ port: service.endpointPort });
  const body = opaqueBody(100);
  const { host, pathname } = new URL(endpoint);
  const fields = ["TTL: 60", "Content-Encoding: aes128gcm", `Content-Length: ${body.length}`];
  await sender.raw(`POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${fields.join("\r\n")}\r\n\r\n`);
  await sender.raw(body.subarray(0, 50));
  // A request behind it on another connection was answered: the first half has arrived.
  assertEquals((await post(endpoint, undefined, { ttlSeconds: 0 })).status, 201);
  service.signal("SIGTERM");
  await device.ended; // The drain has begun.
  await sender.raw(body.subarray(50));
  assertEquals((await sender.http()).status, 201);
  assertEquals(await service.ended(), { code: 0, signal: null });
  await service.startAgain();
  await using back = await PushClient.connect(service.deviceUrl, { uaid });
  await back.notifications.next((one) => one.data !== undefined, { what: "the late message" });
});

Deno.test("A later signal ends the service at once, whatever still drains", async () => {
  await using service = await Service.start();
  await using device = await PushClient.connect(service.deviceUrl);
  const { endpoint } = await device.register();
  // Half a post keeps the drain waiting for the rest.
  await using conn = await WebSocketClient.open({ port: service.endpointPort });
  const head = "Host: 127.0.0.1\r\nTTL: 60\r\nContent-Length: 100";
  await conn.raw(`POST ${new URL(endpoint).pathname} HTTP/1.1\r\n${head}\r\n\r\nhalf`);
  assertEquals((await post(endpoint, undefined, { ttlSeconds: 0 })).status, 201); // It has arrived.
  service.signal("SIGTERM");
  await device.ended; // The drain has begun.
  await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  service.signal("SIGTERM");
  const { code } = await within(service.ended(), CLOSED_MS, "the later signal to end it");
  assertEquals(code, 130); // As a shell counts SIGINT.
});

Deno.test("Signals of the same moment, as a terminal and deno task give one Ctrl-C, are one", async () => {
  await using service = await Service.start();
  for (const signal of ["SIGINT", "SIGTERM", "SIGINT"] as const) service.signal(signal);
  assertEquals(await service.ended(), { code: 0, signal: null });
  assertStringIncludes(service.stderr, '"event":"stopped"');
});
