/**
 * The verifier of VAPID tokens: what it remembers, what it does not, and that both are bounded.
 *
 * @module
 */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { VERIFIED_TOKENS_MAX } from "../../../transports/push_endpoint/limits.ts";
import { VapidVerifier, type Verdict } from "../../../transports/push_endpoint/vapid.ts";
import { NOW_SECONDS, Sender } from "../../support/endpoint_world.ts";

const ORIGIN = "https://push.example";
const sender = new Sender();

function standing(): { now: number; wallNow(): number } {
  return {
    now: NOW_SECONDS * 1_000,
    wallNow(): number {
      return this.now;
    },
  };
}

function credentials(exp = NOW_SECONDS + 100) {
  const token = sender.token({ aud: ORIGIN, exp });
  return { draft: "02", token, key: sender.key } as const;
}

function outcome(verdict: Verdict): string {
  return verdict.ok ? verdict.remembered ? "remembered" : "verified" : verdict.fault;
}

Deno.test("VapidVerifier.verify() answers a token it knows at once", async () => {
  const verifier = new VapidVerifier(() => ORIGIN, standing());
  const given = credentials();
  const first = verifier.verify(given);
  assert(first instanceof Promise);
  assertEquals(outcome(await first), "verified");
  const second = verifier.verify(given);
  assert(!(second instanceof Promise));
  assertEquals(outcome(second), "remembered");
  assertEquals(second.ok && second.keyHash, sender.keyHash);
});

Deno.test("VapidVerifier.verify() shares one verification among requests of the same moment", async () => {
  const verifier = new VapidVerifier(() => ORIGIN, standing());
  const given = credentials();
  const first = verifier.verify(given);
  assertStrictEquals(verifier.verify({ ...given }), first);
  assertEquals(outcome(await first), "verified");
});

Deno.test("VapidVerifier.verify() does not take a known token under another key", async () => {
  const verifier = new VapidVerifier(() => ORIGIN, standing());
  const given = credentials();
  await verifier.verify(given);
  const other = await verifier.verify({ ...given, key: new Sender().key });
  assertEquals(outcome(other), "invalid_signature");
});

Deno.test("VapidVerifier.verify() forgets a token that expired, whichever way the clock goes", async () => {
  const clock = standing();
  const verifier = new VapidVerifier(() => ORIGIN, clock);
  const given = credentials();
  await verifier.verify(given);
  clock.now += 161_000;
  assertEquals(outcome(await verifier.verify(given)), "expired");
  clock.now -= 161_000;
  assertEquals(outcome(await verifier.verify(given)), "verified");
  clock.now -= 86_400_000;
  assertEquals(outcome(await verifier.verify(given)), "invalid_expiry");
});

Deno.test("VapidVerifier.verify() remembers no failure", async () => {
  const verifier = new VapidVerifier(() => ORIGIN, standing());
  const given = { ...credentials(), token: "a.b.c" };
  for (let count = 0; count < 2; count++) {
    const verdict = verifier.verify(given);
    assert(verdict instanceof Promise);
    assertEquals(outcome(await verdict), "invalid_vapid");
  }
});

Deno.test("VapidVerifier.verify() takes a million-character token apart for nothing", async () => {
  const verifier = new VapidVerifier(() => ORIGIN, standing());
  const given = { ...credentials(), token: "a".repeat(1_000_000) };
  assertEquals(outcome(await verifier.verify(given)), "token_too_long");
  assert(VERIFIED_TOKENS_MAX <= 10_000);
});
