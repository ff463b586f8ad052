/** The bench of the Web Push sender in its smallest size, so that it does not rot. */

import { assertEquals, assertGreater } from "@std/assert";
import { measureSteps, measureWebPushSenders } from "../../bench/webpush.ts";
import { nodeCrypto } from "../../transports/webpush/node_crypto.ts";

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

Deno.test("measureSteps() measures each step", () => {
  for (const [what, micros] of measureSteps(nodeCrypto, 2)) assertGreater(micros, 0, what);
});
