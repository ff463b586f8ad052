import { assertEquals } from "@std/assert";
import { StreamLimit } from "../../../transports/provider_stand_in/stream_limit.ts";

Deno.test("StreamLimit holds nothing against a client that has not read the first SETTINGS (RFC 9113 6.5.2)", () => {
  const limit = new StreamLimit(1);
  assertEquals([limit.announced, limit.enforced], [1, Infinity]);
  limit.acknowledged();
  assertEquals([limit.announced, limit.enforced], [1, 1]);
});

Deno.test("StreamLimit enforces the most generous limit that the client may still know (RFC 9113 6.5.3)", () => {
  const limit = new StreamLimit(500);
  limit.acknowledged();
  limit.announce(1);
  assertEquals([limit.announced, limit.enforced], [1, 500]);
  limit.announce(1_000);
  assertEquals([limit.announced, limit.enforced], [1_000, 1_000]);
  limit.acknowledged();
  assertEquals(limit.enforced, 1_000);
  limit.acknowledged();
  assertEquals([limit.announced, limit.enforced], [1_000, 1_000]);
});

Deno.test("StreamLimit.acknowledged() for nothing changes nothing", () => {
  const limit = new StreamLimit(3);
  limit.acknowledged();
  limit.acknowledged();
  assertEquals([limit.announced, limit.enforced], [3, 3]);
});
