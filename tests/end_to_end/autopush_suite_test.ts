/**
 * Autopush's integration suite, mirrored: what it sees on the wire of autopush must be seen on the
 * wire of this service. The names in parentheses are the tests that are mirrored; the behaviour is
 * theirs, the code is not.
 *
 * One test differs on purpose (test_multiple_delivery_with_single_ack): here each acknowledged
 * message is deleted by itself. Not mirrored is what has no wire here: crash reports, reliability
 * milestones, and registration through the stub bridge.
 *
 * Real seconds pass once, for all messages whose TTL runs out.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { secondsPass } from "../support/arrivals.ts";
import { text } from "../support/push_client.ts";
import { ENGINES, startEngine } from "../support/shared_engine.ts";
import { WebSocketClient } from "../support/websocket_client.ts";
import { BROADCASTS, greet, NOT_FOUND, VERSIONS } from "./autopush_broadcasts.ts";
import { BODIES, CORS, VAPID } from "./autopush_sending.ts";
import {
  arrived,
  assertSeen,
  AutopushWorld,
  errnoOf,
  Megaphone,
  type Mirrored,
  onlyArrived,
  post,
  request,
  someBody,
} from "./autopush_world.ts";

/** Stored messages sent to a device before it is reset, as the suite sets it. */
const MESSAGE_LIMIT = 20;

const FLAGS = [
  ...["--message-limit", `${MESSAGE_LIMIT}`],
  ...["--ping-interval", "30s", "--ping-timeout", "10s"],
];

Deno.test("The service passes autopush's integration suite", async (t) => {
  await using world = await AutopushWorld.open(FLAGS);
  await suite(t, world);
});

for (const name of ENGINES) {
  Deno.test(`A node for devices and one for senders on ${name} pass autopush's integration suite`, async (t) => {
    await using engine = await startEngine(name);
    await using world = await AutopushWorld.openSplit(engine, FLAGS);
    await suite(t, world);
  });
}

async function suite(t: Deno.TestContext, world: AutopushWorld): Promise<void> {
  const tables = [HELLO, DELIVERY, TOPICS, VAPID, REPEATS, BODIES, ORDER, ENDINGS, CORS];
  for (const [name, run] of tables.flat()) await t.step(name, () => run(world));
  const lapsed = await postLapsing(world);
  await secondsPass(1.1); // All TTLs of 1 s are over, counted in whole seconds or not.
  for (const [name, run] of LAPSED) await t.step(name, () => run(world, lapsed));
}

Deno.test("The service passes autopush's tests of broadcasts", async (t) => {
  await using megaphone = Megaphone.open(VERSIONS);
  await using world = await AutopushWorld.open([
    ...["--ping-interval", "500ms", "--ping-timeout", "10s"],
    ...["--broadcast-url", megaphone.url, "--broadcast-interval", "1s"],
  ]);
  for (const [name, run] of BROADCASTS) await t.step(name, () => run(world, megaphone));
});

const HELLO: readonly Mirrored[] = [
  ["A hello is answered, with the promise of web push (test_hello_echo)", async (world) => {
    await using device = await world.connect();
    const [hello] = device.messages.all;
    assert(hello !== undefined);
    assertEquals([hello.get("status"), hello.get("use_webpush")], [200, true]);
    assertEquals(hello.get("broadcasts"), {});
    assert(/^[0-9a-f]{32}$/.test(device.uaid), device.uaid);
  }],
  ["A service without a source publishes no broadcast at all", async (world) => {
    const { device, told } = await greet(world, { "test/hello": "ver1" });
    await using _device = device;
    assertEquals(told, { errors: { "test/hello": NOT_FOUND } });
  }],
  ["An unknown UAID is replaced (test_hello_with_bad_prior_uaid)", async (world) => {
    const unknown = crypto.randomUUID().replaceAll("-", "");
    await using device = await world.connect(unknown);
    assertNotEquals(device.uaid, unknown);
  }],
  ["A ping is answered, a second one at once is fatal (test_can_moz_ping)", async (world) => {
    await using device = await world.connect();
    await device.ping();
    device.sendText("{}");
    assertEquals(await device.ended, { code: 1011, reason: "SM" });
    assertEquals(device.others.all, ["{}"]);
  }],
  ["A key that cannot be decoded is answered 400 (test_with_bad_key)", async (world) => {
    await using device = await world.connect();
    const { status, endpoint } = await device.register({ key: "af1883%&!@#*(" });
    assertEquals([status, endpoint], [400, "Failed to generate endpoint"]);
    assertEquals((await device.register()).status, 200);
  }],
  ["Nodes' own routes are not on the public ports (test_internal_endpoints)", async (world) => {
    await using device = await world.connect();
    for (const port of [world.service.devicePort, world.service.endpointPort]) {
      for (const name of ["notif", "push"]) {
        const url = `http://127.0.0.1:${port}/${name}/${device.uaid}`;
        assertEquals((await request(url, { method: "PUT" })).status, 404, url);
      }
    }
  }],
  ["A plain GET on the device port is answered (test_no_sentry_output)", async (world) => {
    const answer = await request(`http://127.0.0.1:${world.service.devicePort}/`, {});
    assertEquals(answer.status, 400);
    assertEquals(errnoOf(answer), 500);
  }],
  ["Bad data closes the connection (test_sentry_output_autoconnect)", async (world) => {
    const { devicePort: port } = world.service;
    await using bad = await WebSocketClient.connect({ port });
    await bad.send("bad data");
    assertEquals(await bad.closed(), { code: 1011, reason: "Json" });
    await using good = await world.connect();
    await good.ping();
  }],
];

const DELIVERY: readonly Mirrored[] = [
  ["A message reaches a connected device (test_basic_delivery)", async (world) => {
    const { device, channel } = await world.subscribe();
    await using _device = device;
    const body = someBody();
    await post(channel, { body });
    const seen = await arrived(device);
    assertSeen(seen, channel, body);
    assertEquals(seen.headers?.get("crypto_key"), "keyid=a1; dh=JcqK-OLkJZlJ3sJJWstJCA");
  }],
  ["A message with TTL 0 reaches a connected device (test_ttl_0_connected)", async (world) => {
    const { device, channel } = await world.subscribe();
    await using _device = device;
    const body = someBody();
    await post(channel, { body, ttlSeconds: 0 });
    assertSeen(await arrived(device), channel, body);
  }],
  [
    "A message with TTL 0 is dropped for an absent one (test_ttl_0_not_connected)",
    async (world) => {
      const { uaid, channel } = await world.subscribeAndLeave();
      await post(channel, { body: someBody(), ttlSeconds: 0 });
      await using back = await world.connect(uaid);
      await onlyArrived(back, 0);
    },
  ],
  ["A withdrawn message is not delivered (test_delete_saved_notification)", async (world) => {
    const { uaid, channel } = await world.subscribeAndLeave();
    const { location } = await post(channel, { body: someBody() });
    const deleted = await request(location, { method: "DELETE" });
    assertEquals([deleted.status, deleted.body], [204, ""]);
    await using back = await world.connect(uaid);
    await onlyArrived(back, 0);
    assertEquals((await request(location, { method: "DELETE" })).status, 204);
  }],
  ["A channel that was given up is gone (test_no_delivery_to_unregistered)", async (world) => {
    const { device, channel } = await world.subscribe();
    await using _device = device;
    await post(channel, { body: someBody() });
    device.ack([await arrived(device)]);
    assertEquals(await device.unregister(channel.channelId), 200);
    const gone = await post(channel, { body: someBody(), status: 410 });
    assertEquals(gone.headers.get("cache-control"), "max-age=86400");
    await onlyArrived(device, 1);
  }],
];

const TOPICS: readonly Mirrored[] = [
  [
    "A message with a topic reaches a connected device (test_topic_basic_delivery)",
    async (world) => {
      const { device, channel } = await world.subscribe();
      await using _device = device;
      const body = someBody();
      await post(channel, { body, topic: "Inbox" });
      assertSeen(await arrived(device), channel, body);
    },
  ],
  ["A topic replaces what waits (test_topic_replacement_delivery)", async (world) => {
    const { uaid, channel } = await world.subscribeAndLeave();
    const [first, second] = [someBody(), someBody()];
    await post(channel, { body: first, topic: "Inbox" });
    await post(channel, { body: second, topic: "Inbox" });
    await using back = await world.connect(uaid);
    assertSeen(await arrived(back), channel, second);
    await onlyArrived(back, 1);
  }],
  [
    "An acknowledged topic does not come again (test_topic_no_delivery_on_reconnect)",
    async (world) => {
      const { uaid, channel } = await world.subscribeAndLeave();
      const body = someBody();
      await post(channel, { body, topic: "Inbox" });
      const back = await world.connect(uaid);
      const seen = await arrived(back);
      assertSeen(seen, channel, body);
      back.ack([seen]);
      await onlyArrived(back, 1);
      await back.close();
      for (let times = 0; times < 2; times++) {
        await using again = await world.connect(uaid);
        await onlyArrived(again, 0);
      }
    },
  ],
];

const REPEATS: readonly Mirrored[] = [
  ["What is not acknowledged comes again (test_delivery_repeat_without_ack)", async (world) => {
    const { uaid, channel } = await world.subscribeAndLeave();
    const body = someBody();
    await post(channel, { body });
    const versions = new Set<string>();
    for (let times = 0; times < 2; times++) {
      await using back = await world.connect(uaid);
      assertEquals(back.uaid, uaid);
      const seen = await arrived(back);
      assertSeen(seen, channel, body);
      versions.add(seen.version);
    }
    assertEquals(versions.size, 1);
  }],
  [
    "Also when it had been delivered directly (test_repeat_delivery_with_disconnect_without_ack)",
    async (world) => {
      const { device, channel } = await world.subscribe();
      const body = someBody();
      await post(channel, { body });
      const { version } = await arrived(device);
      await device.close();
      await using back = await world.connect(device.uaid);
      const again = await arrived(back);
      assertSeen(again, channel, body);
      assertEquals(again.version, version);
    },
  ],
  ["Both of two come again (test_multiple_delivery_repeat_without_ack)", async (world) => {
    const { uaid, channel } = await world.subscribeAndLeave();
    const bodies = [someBody(), someBody()];
    for (const body of bodies) await post(channel, { body });
    for (let times = 0; times < 2; times++) {
      await using back = await world.connect(uaid);
      assertSeen(await arrived(back, 1), channel, bodies[0] ?? "");
      assertSeen(await arrived(back, 2), channel, bodies[1] ?? "");
    }
  }],
  [
    "Only the one not acknowledged comes again (unlike test_multiple_delivery_with_single_ack)",
    async (world) => {
      const { uaid, channel } = await world.subscribeAndLeave();
      const [first, second] = [someBody(), someBody()];
      await post(channel, { body: first });
      await post(channel, { body: second });
      const back = await world.connect(uaid);
      assertSeen(await arrived(back, 1), channel, first);
      assertSeen(await arrived(back, 2), channel, second);
      back.ack([await arrived(back, 1)]);
      await onlyArrived(back, 2);
      await back.close();
      // Autopush sends both again: it remembers whole batches only.
      const again = await world.connect(uaid);
      const left = await arrived(again);
      assertSeen(left, channel, second);
      again.ack([left]);
      await onlyArrived(again, 1);
      await again.close();
      await using last = await world.connect(uaid);
      await onlyArrived(last, 0);
    },
  ],
  [
    "Two acknowledged in reverse do not come again (test_multiple_delivery_with_multiple_ack)",
    async (world) => {
      const { uaid, channel } = await world.subscribeAndLeave();
      for (const body of [someBody(), someBody()]) await post(channel, { body });
      const back = await world.connect(uaid);
      back.ack([await arrived(back, 2), await arrived(back, 1)]);
      await onlyArrived(back, 2);
      await back.close();
      await using again = await world.connect(uaid);
      await onlyArrived(again, 0);
    },
  ],
];

const ENDINGS: readonly Mirrored[] = [
  ["Too many waiting messages reset the device (test_msg_limit)", async (world) => {
    const { uaid, channel } = await world.subscribeAndLeave();
    for (let sent = 0; sent <= MESSAGE_LIMIT; sent++) await post(channel, { body: `${sent}` });
    await using back = await world.connect(uaid);
    assertEquals(back.uaid, uaid);
    for (let count = 1; count <= MESSAGE_LIMIT; count++) {
      const seen = await arrived(back, count);
      assertSeen(seen, channel, `${count - 1}`);
      back.ack([seen]);
    }
    assertEquals(await back.ended, { code: 1000, reason: "SM" });
    assertEquals(back.notifications.all.length, MESSAGE_LIMIT);
    await using again = await world.connect(uaid);
    assertNotEquals(again.uaid, uaid);
    await post(channel, { body: someBody(), status: 410 });
  }],
];

/** What no test of the suite sees, but its servers' clients rely on: order and replacement. */
const ORDER: readonly Mirrored[] = [
  ["Topics come first, then the others in their order, page by page", async (world) => {
    const { uaid, channel } = await world.subscribeAndLeave();
    // One topic above a page of 11, and as many messages in all as the limit allows.
    const topics = Array.from({ length: 12 }, (_, index) => `topic-${index}`);
    const others = Array.from({ length: MESSAGE_LIMIT - topics.length }, (_, index) => `${index}`);
    for (const body of others) await post(channel, { body });
    for (const body of topics) await post(channel, { body, topic: body });
    await using back = await world.connect(uaid);
    for (const [index, body] of [...topics, ...others].entries()) {
      const seen = await arrived(back, index + 1);
      assertSeen(seen, channel, body);
      back.ack([seen]);
    }
    await onlyArrived(back, MESSAGE_LIMIT);
    await back.close();
    await using again = await world.connect(uaid);
    assertEquals(again.uaid, uaid);
  }],
  ["Messages that come while a device catches up do not count against it", async (world) => {
    const { uaid, channel } = await world.subscribeAndLeave();
    // Above a page, so the ones that come have to wait their turn; all together above the limit.
    const before = 11;
    const all = MESSAGE_LIMIT + 1;
    for (let sent = 0; sent < before; sent++) await post(channel, { body: `${sent}` });
    await using back = await world.connect(uaid);
    for (let sent = before; sent < all; sent++) await post(channel, { body: `${sent}` });
    for (let count = 1; count <= all; count++) {
      const seen = await arrived(back, count);
      assertSeen(seen, channel, `${count - 1}`);
      back.ack([seen]);
    }
    await onlyArrived(back, all);
  }],
  ["To acknowledge a replaced message leaves the newer one", async (world) => {
    const { device, channel } = await world.subscribe();
    const [older, newer] = [someBody(), someBody()];
    await post(channel, { body: older, topic: "Inbox" });
    await post(channel, { body: newer, topic: "Inbox" });
    assertSeen(await arrived(device, 2), channel, newer);
    device.ack([await arrived(device, 1)]);
    await onlyArrived(device, 2);
    await device.close();
    await using back = await world.connect(device.uaid);
    assertSeen(await arrived(back), channel, newer);
    await onlyArrived(back, 1);
  }],
];

/** Devices that left, each with messages whose TTL is about to run out. */
interface Lapsed {
  readonly topic: Absent;
  readonly single: Absent;
  readonly batch: Absent;
  readonly mixed: Absent;
}

type Absent = Awaited<ReturnType<AutopushWorld["subscribeAndLeave"]>>;

async function postLapsing(world: AutopushWorld): Promise<Lapsed> {
  const absent = () => world.subscribeAndLeave();
  const [topic, single, batch] = [await absent(), await absent(), await absent()];
  const mixed = await absent();
  await post(topic.channel, { body: "lapsed", ttlSeconds: 1, topic: "Inbox" });
  await post(single.channel, { body: "lapsed", ttlSeconds: 1 });
  for (let sent = 0; sent < 12; sent++) await post(batch.channel, { body: "x", ttlSeconds: 1 });
  await post(batch.channel, { body: "good" });
  for (let sent = 0; sent < 6; sent++) await post(mixed.channel, { body: `good ${sent}` });
  for (let sent = 0; sent < 6; sent++) await post(mixed.channel, { body: "x", ttlSeconds: 1 });
  await post(mixed.channel, { body: "good 6" });
  return { topic, single, batch, mixed };
}

const LAPSED: readonly (readonly [
  name: string,
  run: (world: AutopushWorld, lapsed: Lapsed) => Promise<void>,
])[] = [
  [
    "An expired topic is not delivered, a new one is (test_topic_expired)",
    async (world, lapsed) => {
      const { uaid, channel } = lapsed.topic;
      await using back = await world.connect(uaid);
      await onlyArrived(back, 0);
      const body = someBody();
      await post(channel, { body, topic: "Inbox" });
      assertSeen(await arrived(back), channel, body);
    },
  ],
  ["An expired message is not delivered (test_ttl_expired)", async (world, { single }) => {
    await using back = await world.connect(single.uaid);
    await onlyArrived(back, 0);
  }],
  [
    "Expired ones do not hide a good one (test_ttl_batch_expired_and_good_one)",
    async (world, { batch: { uaid, channel } }) => {
      await using back = await world.connect(uaid);
      assertSeen(await arrived(back), channel, "good");
      await onlyArrived(back, 1);
    },
  ],
  [
    "Nor when good ones come before them (test_ttl_batch_partly_expired_and_good_one)",
    async (world, { mixed: { uaid, channel } }) => {
      await using back = await world.connect(uaid);
      assertEquals(text(back.messages.all[0] ?? new Map(), "uaid"), uaid);
      for (let count = 1; count <= 7; count++) {
        const seen = await arrived(back, count);
        assertSeen(seen, channel, `good ${count - 1}`);
        back.ack([seen]);
      }
      await onlyArrived(back, 7);
    },
  ],
];
