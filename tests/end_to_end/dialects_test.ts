/**
 * The three clients that speak the device protocol, each in its own dialect: Firefox, KUnifiedPush
 * and autopush-manager. One door serves them all.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Dialect, PushClient } from "../support/push_client.ts";
import { newVapidKeys, opaqueBody, post } from "../support/sender.ts";
import { Service } from "../support/service.ts";

const DIALECTS: readonly Dialect[] = ["firefox", "kunifiedpush", "autopush_manager"];

Deno.test("Each dialect subscribes, receives, acknowledges, returns and unsubscribes", async (t) => {
  await using service = await Service.start();
  for (const dialect of DIALECTS) {
    await t.step(dialect, () => live(service, dialect));
  }
});

async function live(service: Service, dialect: Dialect): Promise<void> {
  const { deviceUrl } = service;
  const vapid = newVapidKeys();
  const device = await PushClient.connect(deviceUrl, { dialect });
  const { uaid } = device;
  const bound = await device.register({ key: vapid.publicKey });
  const open = await device.register();
  assertEquals([bound.status, open.status], [200, 200]);
  assert(bound.endpoint.includes("/wpush/v2/") && open.endpoint.includes("/wpush/v1/"));
  await device.ping();

  // Connected: both subscriptions deliver, in order, and the bound one only to its key.
  assertEquals((await post(bound.endpoint, opaqueBody(100, 1))).status, 401);
  assertEquals((await post(bound.endpoint, opaqueBody(100, 2), { vapid })).status, 201);
  assertEquals((await post(open.endpoint, undefined)).status, 201);
  const [first, second] = await device.notifications.until(() => true, { what: "both", count: 2 });
  assertEquals([first?.channelId, second?.channelId], [bound.channelId, open.channelId]);
  assertEquals(first?.headers?.get("encoding"), "aes128gcm");
  assertEquals([second?.data, second?.headers], [undefined, undefined]);
  await acknowledged(device, 2);
  await device.close();

  // Away, and back: what was acknowledged stays away, what was stored comes once.
  const stored = await post(open.endpoint, opaqueBody(100, 3), { ttlSeconds: 3_600 });
  assertEquals([stored.status, stored.headers.get("ttl")], [201, "3600"]);
  await using back = await PushClient.connect(deviceUrl, { dialect, uaid });
  assertEquals(back.uaid, uaid);
  const [waiting] = await back.notifications.until(() => true, { what: "the stored message" });
  assertEquals(waiting?.data, text(opaqueBody(100, 3)));
  await acknowledged(back, 1);
  assertEquals(await back.unregister(open.channelId), 200);
  const gone = await post(open.endpoint, opaqueBody(100, 4));
  assertEquals([gone.status, gone.headers.get("cache-control")], [410, "max-age=86400"]);
  assertEquals(back.notifications.size, 1);
}

/** Waits until so many acknowledgements were sent and received, also from a client that batches. */
async function acknowledged(device: PushClient, count: number): Promise<void> {
  await device.acks.until(() => true, { what: "the acknowledgements to be sent", count });
  await device.unregister(crypto.randomUUID());
}

function text(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
