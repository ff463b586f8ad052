/**
 * A device that does not read loses its connection, not its messages, and nobody else waits.
 *
 * @module
 */

import { assertEquals, assertLess } from "@std/assert";
import { PushClient } from "../support/push_client.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { Service } from "../support/service.ts";
import { WebSocketClient } from "../support/websocket_client.ts";

/** Bytes of each message, near the largest. */
const BODY_BYTES = 4_000;
/** Messages for now or never: more than the kernel's buffers and the send queue hold together. */
const FLOOD = 3_000;
/** Posts under way at a time. */
const WIDTH = 16;
/** Stored messages, posted before the flood. */
const STORED = 5;
/** What the flood may add to the service's memory: queues are bounded. */
const GROWTH_BYTES_MAX = 200 * 1_024 * 1_024;

Deno.test("A device that never reads is closed, keeps what was stored, and delays nobody", async () => {
  await using service = await Service.start();
  await using good = await PushClient.connect(service.deviceUrl);
  const { endpoint: goodEndpoint } = await good.register();

  const registered = await PushClient.connect(service.deviceUrl);
  const { uaid } = registered;
  const { endpoint } = await registered.register();
  await registered.close();

  const slow = await WebSocketClient.connect({ port: service.devicePort });
  await slow.sendJson({ messageType: "hello", use_webpush: true, uaid });
  await slow.text();
  const before = service.residentBytes();
  const stored: string[] = [];
  for (let i = 0; i < STORED; i++) {
    const answer = await post(endpoint, opaqueBody(BODY_BYTES, i), { ttlSeconds: 3_600 });
    assertEquals(answer.status, 201);
    stored.push(opaqueBody(BODY_BYTES, i).toBase64({ alphabet: "base64url", omitPadding: true }));
  }
  await flood(endpoint);
  assertLess(service.residentBytes() - before, GROWTH_BYTES_MAX);

  // The good device got its message while the other one was stuck.
  assertEquals((await post(goodEndpoint, opaqueBody(100))).status, 201);
  await good.notifications.next(() => true, { what: "the good device's message" });

  // The slow one finds TCP ended once it reads; what waited in buffers may come before.
  await slow.closed();
  slow.abort();
  await using back = await PushClient.connect(service.deviceUrl, { uaid });
  assertEquals(back.uaid, uaid);
  const came = await back.notifications.until(() => true, {
    what: "what was stored",
    count: STORED,
  });
  assertEquals(came.map((one) => one.data), stored);
});

/** Posts messages for now or never, some at a time. */
async function flood(endpoint: string): Promise<void> {
  const body = opaqueBody(BODY_BYTES);
  let left = FLOOD;
  await Promise.all(Array.from({ length: WIDTH }, async () => {
    while (left-- > 0) {
      assertEquals((await post(endpoint, body, { ttlSeconds: 0 })).status, 201);
    }
  }));
}
