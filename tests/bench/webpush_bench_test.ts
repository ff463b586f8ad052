/** The bench of the Web Push sender in its smallest size, so that it does not rot. */

import { assertEquals, assertGreater } from "@std/assert";
import { measureWebPushSenders } from "../../bench/webpush.ts";

Deno.test("measureWebPushSenders() measures every rate", async () => {
  const rates = await measureWebPushSenders({ seconds: 1, forMs: 5, rounds: 1, recipients: 5 });
  assertEquals(rates.map(({ what }) => what), [
    "openssl speed ecdhp256",
    "inline, libcrypto",
    "npm web-push on Node",
    "inline, node:crypto",
    "one thread, libcrypto",
  ]);
  for (const { what, perSecond } of rates) assertGreater(perSecond, 0, what);
});
