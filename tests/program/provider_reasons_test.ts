import { assertEquals } from "@std/assert";
import { PROVIDER_REASONS } from "../../program/provider_reasons.ts";

Deno.test("PROVIDER_REASONS has what each provider documents, and nothing of the others", () => {
  const { apns, fcm, webpush } = PROVIDER_REASONS;
  assertEquals([apns.has("Unregistered"), apns.has("UNREGISTERED")], [true, false]);
  assertEquals([fcm.has("Unregistered"), fcm.has("UNREGISTERED")], [false, true]);
  assertEquals(webpush.size, 0);
});
