/**
 * The half of autopush's integration suite that judges what senders write: VAPID in the older
 * dialect, the encryption headers, and what web pages need to be senders.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  AESGCM,
  arrived,
  assertEmpty,
  assertSeen,
  type AutopushWorld,
  ENCRYPTION,
  errnoOf,
  type Mirrored,
  onlyArrived,
  post,
  request,
  type Signed,
  someBody,
} from "./autopush_world.ts";

/** Size of the suite's big message in bytes: above the 4,096 of RFC 8030 section 7.2. */
const BIG_BYTES = 5_624;

/** Posts with a token and key made from good ones, to an endpoint that needs none. */
async function refusedVapid(
  world: AutopushWorld,
  spoil: (good: Signed) => Signed,
): Promise<void> {
  const { device, channel } = await world.subscribe();
  await using _device = device;
  const vapid = spoil(await (await world.signer()).sign());
  assertEquals(errnoOf(await post(channel, { body: someBody(), vapid, status: 401 })), 109);
  await onlyArrived(device, 0);
}

/** Tests of VAPID. */
export const VAPID: readonly Mirrored[] = [
  [
    "A signed message is delivered, without a trace of tracking (test_basic_delivery_with_vapid and _reliable)",
    async (world) => {
      const { device, channel } = await world.subscribe();
      await using _device = device;
      const body = someBody();
      await post(channel, { body, vapid: await (await world.signer()).sign() });
      assertSeen(await arrived(device), channel, body);
      const sent = device.messages.all.at(-1);
      assertEquals(
        [...sent?.keys() ?? []].sort(),
        ["channelID", "data", "headers", "messageType", "version"],
      );
    },
  ],
  [
    "A key that is no key is refused (test_basic_delivery_with_invalid_vapid)",
    (world) => refusedVapid(world, ({ token }) => ({ token, key: "invalid" })),
  ],
  [
    "A key in no alphabet is refused (test_basic_delivery_with_invalid_vapid_ckey)",
    (world) => refusedVapid(world, ({ token }) => ({ token, key: "invalid|" })),
  ],
  [
    "An expiry that is no number is refused (test_basic_delivery_with_invalid_vapid_exp)",
    async (world) => {
      const { device, channel } = await world.subscribe();
      await using _device = device;
      const vapid = await (await world.signer()).sign({ exp: "@" });
      assertEquals(errnoOf(await post(channel, { body: "x", vapid, status: 401 })), 109);
      await onlyArrived(device, 0);
    },
  ],
  [
    "A scheme without a token is refused (test_basic_delivery_with_invalid_vapid_auth)",
    (world) => refusedVapid(world, ({ key }) => ({ token: "", key })),
  ],
  [
    "A corrupted token is refused (test_basic_delivery_with_invalid_signature)",
    (world) => refusedVapid(world, ({ token, key }) => ({ token: `${token}abcdefghijk`, key })),
  ],
  ["A bound subscription takes its own key only (test_with_key)", async (world) => {
    const own = await world.signer();
    const { device, channel } = await world.subscribe(own.key);
    await using _device = device;
    assert(channel.endpoint.includes("/wpush/v2/"), channel.endpoint);
    const body = someBody();
    await post(channel, { body, vapid: await own.sign() });
    assertSeen(await arrived(device), channel, body);
    const stranger = await (await world.signer()).sign();
    await post(channel, { body, vapid: stranger, status: 401 });
    await post(channel, { body, status: 401 });
    await onlyArrived(device, 1);
  }],
  ["A token need not name its sender (test_empty_vapid)", async (world) => {
    const own = await world.signer();
    const { device, channel } = await world.subscribe(own.key);
    await using _device = device;
    const body = someBody();
    await post(channel, { body, vapid: await own.sign({}) });
    assertSeen(await arrived(device), channel, body);
  }],
];

/** Tests of bodies and their headers. */
export const BODIES: readonly Mirrored[] = [
  [
    "A body without its headers is refused (test_message_without_crypto_headers)",
    async (world) => {
      const { device, channel } = await world.subscribe();
      await using _device = device;
      const answer = await post(channel, { body: someBody(), headers: {}, status: 400 });
      assertEquals(errnoOf(answer), 110);
      await onlyArrived(device, 0);
    },
  ],
  [
    "An empty message has neither data nor headers (test_empty_message_without_crypto_headers)",
    async (world) => {
      const { device, channel } = await world.subscribe();
      await post(channel);
      const direct = await arrived(device);
      assertEmpty(direct, channel);
      device.ack([direct]);
      await onlyArrived(device, 1);
      await device.close();
      await post(channel);
      await using back = await world.connect(device.uaid);
      assertEmpty(await arrived(back), channel);
      await onlyArrived(back, 1);
    },
  ],
  [
    "Also when headers were sent (test_empty_message_with_crypto_headers)",
    async (world) => {
      const { device, channel } = await world.subscribe();
      for (const count of [1, 2]) {
        await post(channel, { headers: AESGCM });
        const direct = await arrived(device, count);
        assertEmpty(direct, channel);
        device.ack([direct]);
      }
      await onlyArrived(device, 2);
      await device.close();
      await post(channel, { headers: { Encryption: ENCRYPTION, "Content-Encoding": "bogus" } });
      await using back = await world.connect(device.uaid);
      assertEmpty(await arrived(back), channel);
    },
  ],
  ["A big message arrives whole (test_big_message)", async (world) => {
    const { device, channel } = await world.subscribe();
    await using _device = device;
    const body = "heliographs".repeat(BIG_BYTES).slice(0, BIG_BYTES);
    await post(channel, { body });
    assertSeen(await arrived(device), channel, body);
  }],
];

const ORIGIN = "https://sender.example";
const VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

/** Tests of what a web page is told (the CORS protocol of the Fetch standard). */
export const CORS: readonly Mirrored[] = [
  ["A page may ask what it may send", async (world) => {
    const { device, channel } = await world.subscribe();
    await using _device = device;
    const { status, headers, body } = await request(channel.endpoint, {
      method: "OPTIONS",
      headers: {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-encoding, ttl",
      },
    });
    assertEquals([status, body], [200, ""]);
    assertEquals(
      ["origin", "methods", "headers"].map((name) => headers.get(`access-control-allow-${name}`)),
      [ORIGIN, "DELETE, GET, POST, PUT", "content-encoding, ttl"],
    );
    assertEquals([headers.get("access-control-max-age"), headers.get("vary")], ["3600", VARY]);
    assertEquals((await request(channel.endpoint, { method: "OPTIONS" })).status, 405);
  }],
  ["A page may read every answer, errors included, and nobody else is told", async (world) => {
    const { device, channel } = await world.subscribe();
    await using _device = device;
    const location = (await post(channel, { ttlSeconds: 0 })).location;
    const wpush = new URL(".", channel.endpoint).href;
    const cases: readonly (readonly [method: string, url: string, status: number])[] = [
      ["POST", channel.endpoint, 400],
      ["POST", `${wpush}bogus`, 404],
      ["GET", channel.endpoint, 405],
      ["DELETE", location, 204],
      ["DELETE", `${location}x`, 400],
    ];
    for (const [method, url, status] of cases) {
      const asked = await request(url, { method, headers: { Origin: ORIGIN } });
      const seen = [asked.status, asked.headers.get("access-control-allow-origin")];
      assertEquals(seen, [status, ORIGIN], `${method} ${url}`);
      assertEquals(asked.headers.get("vary"), VARY);
      const other = await request(url, { method });
      assertEquals(other.headers.get("access-control-allow-origin"), null);
    }
  }],
];
