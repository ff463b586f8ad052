/**
 * Voluntary Application Server Identification: what RFC 8292 asks of a push service, section by section.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { EndpointWorld, NOW_SECONDS, Sender } from "../support/endpoint_world.ts";

const TTL = "TTL: 60";
const sender = new Sender();

async function statusOf(world: EndpointWorld, ...headers: readonly string[]): Promise<number> {
  const path = world.path(sender.publicKey);
  return (await world.send({ path, headers: [TTL, ...headers] })).status;
}

Deno.test("accepts a token for its origin signed by the subscription's key (RFC 8292 2)", async () => {
  await using world = await EndpointWorld.open();
  assertEquals(await statusOf(world, sender.authorization(world)), 201);
});

Deno.test("knows its origin without the default port (RFC 8292 2, RFC 6454 6.1)", async () => {
  await using world = await EndpointWorld.open({ endpointUrl: "https://push.example:443/" });
  assertEquals(
    await statusOf(world, sender.authorization(world, { aud: "https://push.example" })),
    201,
  );
  const longer = { aud: "https://push.example:443" };
  assertEquals(await statusOf(world, sender.authorization(world, longer)), 401);
});

Deno.test("accepts exp up to exactly 24 hours ahead (RFC 8292 2)", async () => {
  await using world = await EndpointWorld.open();
  for (const [ahead, status] of [[0, 201], [86_399, 201], [86_400, 201], [86_401, 401]] as const) {
    const authorization = sender.authorization(world, { exp: NOW_SECONDS + ahead });
    assertEquals(await statusOf(world, authorization), status, `${ahead} s ahead`);
  }
});

Deno.test("accepts a token without sub (RFC 8292 2.1)", async () => {
  await using world = await EndpointWorld.open();
  assertEquals(await statusOf(world, sender.authorization(world, { sub: undefined })), 201);
});

Deno.test("ignores claims it does not know (RFC 8292 2.2, RFC 7519 4)", async () => {
  await using world = await EndpointWorld.open();
  const claims = { iat: NOW_SECONDS + 9_999, nbf: NOW_SECONDS + 9_999, jti: 7, "https://x": [] };
  assertEquals(await statusOf(world, sender.authorization(world, claims)), 201);
});

Deno.test("reads t and k in any order, case and spacing, with unknown items (RFC 8292 3)", async () => {
  await using world = await EndpointWorld.open();
  const token = sender.token(sender.claims(world));
  const key = sender.key;
  const standard = Buffer.from(sender.publicKey).toString("base64");
  const spellings = [
    `vapid t=${token}, k=${key}`,
    `vapid t=${token},k=${key}`,
    `vapid k=${key}, t=${token}`,
    `VAPID   t=${token} ,  k=${key}`,
    `vapid t="${token}", k="${key}"`,
    `vapid x=1, t=${token}, y, k=${key}`,
    `vapid t=${token}, k=${key}=`,
    `vapid t=${token}, k=${standard}`,
  ];
  for (const spelling of spellings) {
    assertEquals(await statusOf(world, `Authorization: ${spelling}`), 201, spelling);
  }
});

Deno.test("reads the older dialect with its key in Crypto-Key (draft-ietf-webpush-vapid-01 3)", async () => {
  await using world = await EndpointWorld.open();
  const token = sender.token(sender.claims(world));
  const keys = [
    `p256ecdsa=${sender.key}`,
    `dh=JcqK-OLkJZlJ3sJJWstJCA,p256ecdsa=${sender.key}`,
    `keyid="a1"; dh="JcqK-OLkJZlJ3sJJWstJCA";p256ecdsa="${sender.key}"`,
  ];
  for (const scheme of ["WebPush", "Bearer", "bearer"]) {
    for (const key of keys) {
      const lines = [`Authorization: ${scheme} ${token}`, `Crypto-Key: ${key}`];
      assertEquals(await statusOf(world, ...lines), 201, key);
    }
  }
});

Deno.test("answers 401 with a challenge when the subscription needs a key (RFC 8292 4.2)", async () => {
  await using world = await EndpointWorld.open();
  const found = await world.send({ path: world.path(sender.publicKey) });
  assertEquals([found.status, found.headers["www-authenticate"]], [401, "vapid"]);
});

Deno.test("answers 401 for another key than the subscription's (RFC 8292 4.2)", async () => {
  await using world = await EndpointWorld.open();
  const found = await world.send({
    path: world.path(sender.publicKey),
    headers: [TTL, new Sender().authorization(world)],
  });
  assertEquals(found.status, 401);
  assertStringIncludes(found.body, "VAPID public key mismatch");
});

Deno.test("refuses a token with any byte changed, remembered or not (RFC 8292 5)", async () => {
  await using world = await EndpointWorld.open();
  const token = sender.token(sender.claims(world));
  const good = `t=${token},k=${sender.key}`;
  assertEquals(await statusOf(world, `Authorization: vapid ${good}`), 201);
  const places = fc.integer({ min: 0, max: good.length - 1 }).filter((at) =>
    // The bytes of token and key, not those of the list around them.
    (at >= 2 && at < 2 + token.length) || at >= good.length - sender.key.length
  );
  const characters = fc.constantFrom(
    ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.,!~ "',
  );
  await fc.assert(
    fc.asyncProperty(places, characters, async (at, character) => {
      if (good[at] === character) return;
      const forged = good.slice(0, at) + character + good.slice(at + 1);
      assertEquals(await statusOf(world, `Authorization: vapid ${forged}`), 401, forged);
    }),
    { numRuns: 300, examples: [[good.length - 1, "A"], [1 + token.length, "A"]] },
  );
});

Deno.test("refuses every change of one bit in signature and key (RFC 8292 5)", async () => {
  await using world = await EndpointWorld.open();
  const token = sender.token(sender.claims(world));
  const [head, payload, signature = ""] = token.split(".");
  const flips = (bytes: Uint8Array) =>
    Array.from({ length: bytes.length }, (_, at) => {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      return flipped.toString("base64url");
    });
  for (const flipped of flips(Buffer.from(signature, "base64url"))) {
    const line = `Authorization: vapid t=${head}.${payload}.${flipped},k=${sender.key}`;
    assertEquals(await statusOf(world, line), 401, flipped);
  }
  for (const flipped of flips(sender.publicKey)) {
    assertEquals(
      await statusOf(world, `Authorization: vapid t=${token},k=${flipped}`),
      401,
      flipped,
    );
  }
});
