/**
 * A real Firefox over `wss:`, with senders that post to `https:` only: npm `web-push` as its users
 * call it, and `curl`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { makeCertificates } from "../support/certificates.ts";
import { Firefox } from "../support/firefox.ts";
import { PushPage } from "../support/push_page.ts";
import { newVapidKeys, sendByCurl, sendByWebPush } from "../support/sender.ts";
import { Service } from "../support/service.ts";
import { readSubscription } from "./firefox_world.ts";

Deno.test("A real Firefox over TLS gets messages from web-push and curl, each once", async () => {
  const folder = await Deno.makeTempDir({ prefix: "heliograph-tls-" });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => Deno.remove(folder, { recursive: true }));
  const certificates = await makeCertificates(folder);
  const { caFile, caPem } = certificates;
  await using service = await Service.start({ certificates });
  await using page = new PushPage();
  await using firefox = await Firefox.start({ pushUrl: service.deviceUrl, caFile });
  await firefox.navigate(page.url);
  const vapid = newVapidKeys();
  const key = JSON.stringify(vapid.publicKey);
  const subscription = readSubscription(await firefox.evaluate(`subscribe(${key})`));
  assert(subscription.endpoint.startsWith(`https://127.0.0.1:${service.endpointPort}/wpush/v2/`));

  const byLibrary = await sendByWebPush(subscription, "by web-push", { caPem, vapid });
  assertEquals(byLibrary.statusCode, 201);
  assertEquals(await sendByCurl(subscription, "by curl", { caFile, vapid }), 201);
  // A topic and a TTL as the library writes them.
  const options = { caPem, vapid, topic: "news", ttlSeconds: 3_600 };
  assertEquals((await sendByWebPush(subscription, "with a topic", options)).statusCode, 201);

  const texts = ["by web-push", "by curl", "with a topic"];
  const seen = await page.seen.until((one) => one.kind === "push", {
    what: "the worker to see all three",
    count: texts.length,
  });
  assertEquals(seen.map((one) => one.text).toSorted(), texts.toSorted());
});
