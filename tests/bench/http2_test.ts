import { assertEquals, assertGreater } from "@std/assert";
import { measureHttp2 } from "../../bench/http2.ts";

Deno.test("measureHttp2() has every request of both clients answered by every server", async () => {
  const readings = await measureHttp2({ requests: 200, rounds: 1 });
  assertEquals(readings.map(({ answered }) => answered), [400, 400, 400, 400]);
  for (const { ours, h2load } of readings) assertGreater(Math.min(ours, h2load), 0);
});
