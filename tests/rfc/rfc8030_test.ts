/**
 * Generic Event Delivery Using HTTP Push: what RFC 8030 asks of a push service, section by section.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { EndpointWorld, OTHER_CHANNEL } from "../support/endpoint_world.ts";
import { RawClient } from "../transports/http_door/raw_client.ts";

const TTL = "TTL: 60";
const AES128GCM = [TTL, "Content-Encoding: aes128gcm"];

Deno.test("answers a push with 201 and the message's URL in Location (RFC 8030 5)", async () => {
  await using world = await EndpointWorld.open();
  const found = await world.send({ headers: AES128GCM, body: "ciphertext" });
  assertEquals(found.status, 201);
  assertMatch(found.headers["location"] ?? "", /^http:\/\/127\.0\.0\.1:\d+\/m\/[\w=-]+$/);
});

Deno.test("answers 201 only after the message was taken (RFC 8030 5)", async () => {
  await using world = await EndpointWorld.open();
  world.service.fault = "unavailable";
  assertEquals((await world.send()).status, 503);
  assertEquals(world.service.messages, []);
});

Deno.test("accepts Prefer: respond-async and answers without a receipt (RFC 8030 5.1)", async () => {
  await using world = await EndpointWorld.open();
  const found = await world.send({ headers: [TTL, "Prefer: respond-async"] });
  // RFC 7240 section 2 lets a server ignore a preference; a 202 would promise receipts.
  assertEquals([found.status, found.headers["link"]], [201, undefined]);
});

Deno.test("refuses a push without TTL with 400 (RFC 8030 5.2)", async () => {
  await using world = await EndpointWorld.open();
  assertEquals((await world.send({ headers: [] })).status, 400);
});

Deno.test("rejects a TTL that is not a number (RFC 8030 5.2)", async () => {
  await using world = await EndpointWorld.open();
  for (const ttl of ["soon", "1 2", "0x10", "∞"]) {
    assertEquals((await world.send({ headers: [`TTL: ${encodeURI(ttl)}`] })).status, 400, ttl);
  }
});

Deno.test("tells the TTL it keeps when that is less than was asked for (RFC 8030 5.2)", async () => {
  await using world = await EndpointWorld.open({ ttlSecondsMax: 100 });
  for (const [asked, kept] of [[0, "0"], [99, "99"], [100, "100"], [101, "100"]] as const) {
    assertEquals((await world.send({ headers: [`TTL: ${asked}`] })).headers["ttl"], kept);
  }
  assertEquals(world.service.messages.map(({ ttlSeconds }) => ttlSeconds), [0, 99, 100, 100]);
});

Deno.test("accepts every urgency (RFC 8030 5.3)", async () => {
  await using world = await EndpointWorld.open();
  for (const urgency of ["very-low", "low", "normal", "high"]) {
    assertEquals((await world.send({ headers: [TTL, `Urgency: ${urgency}`] })).status, 201);
  }
});

Deno.test("accepts topics of up to 32 base64url characters and no others (RFC 8030 5.4)", async () => {
  await using world = await EndpointWorld.open();
  const rows = [["a", 201], ["Az09-_", 201], ["a".repeat(32), 201], ["a".repeat(33), 400]] as const;
  for (const [topic, status] of [...rows, ["a+b", 400], ["a/b", 400], ["a.b", 400]] as const) {
    assertEquals((await world.send({ headers: [TTL, `Topic: ${topic}`] })).status, status, topic);
  }
  assertEquals(world.service.messages.map(({ topic }) => topic), ["a", "Az09-_", "a".repeat(32)]);
});

Deno.test("withdraws a message by DELETE on its URL with 204 (RFC 8030 6.4)", async () => {
  await using world = await EndpointWorld.open();
  const location = (await world.send()).headers["location"] ?? "";
  const path = location.slice(world.endpoint.url.length);
  assertEquals((await world.send({ method: "DELETE", path, headers: [] })).status, 204);
  assertEquals(world.service.withdrawn, [1]);
});

Deno.test("accepts bodies of 4096 bytes and answers 413 above its limit (RFC 8030 7.2)", async () => {
  await using world = await EndpointWorld.open({ payloadBytesMax: 4_096 });
  const post = (bytes: number) => world.send({ headers: AES128GCM, body: "x".repeat(bytes) });
  assertEquals((await post(4_096)).status, 201);
  assertEquals((await post(4_097)).status, 413);
});

Deno.test("answers 410 or 404 for a subscription that is gone or never was (RFC 8030 7.3)", async () => {
  await using world = await EndpointWorld.open();
  assertEquals((await world.send({ path: world.path(undefined, OTHER_CHANNEL) })).status, 410);
  assertEquals((await world.send({ path: "/wpush/v1/unknown" })).status, 404);
});

Deno.test("answers 429 with Retry-After above a rate (RFC 8030 8.4)", async () => {
  await using world = await EndpointWorld.open();
  world.service.fault = "over_limit";
  const found = await world.send();
  assertEquals(found.status, 429);
  assertMatch(found.headers["retry-after"] ?? "", /^\d+$/);
});

Deno.test("makes URLs that cannot be guessed: 128 random bits and a MAC (RFC 8030 8.3)", async () => {
  await using world = await EndpointWorld.open();
  const tokens = Array.from({ length: 50 }, () => world.path().slice("/wpush/v1/".length));
  assertEquals(new Set(tokens).size, tokens.length);
  // The IV and all that follows it differ; only version and time of issue are alike.
  const tails = new Set(tokens.map((token) => token.slice(12, 34)));
  assertEquals(tails.size, tokens.length);
});

Deno.test("keeps a connection for many pushes (RFC 8030 8, RFC 9112 9.3)", async () => {
  await using world = await EndpointWorld.open();
  using client = await RawClient.open(world.endpoint.port);
  for (let count = 1; count <= 20; count++) {
    const head = [`POST ${world.path()} HTTP/1.1`, "Host: localhost", ...AES128GCM];
    await client.write([...head, "Content-Length: 3", "", "abc"].join("\r\n"));
    const found = await client.read();
    assert(!found.ended);
    assertEquals([found.status, world.service.messages.length], [201, count]);
  }
});
