/**
 * A real Firefox ESR on the service: what it says, what it gets, what it keeps over reconnects,
 * stops and `kill -9`, and that its service worker sees each message exactly once.
 *
 * One browser lives through all the steps, as a user's does; the last step checks that over the
 * whole life nothing was seen twice and nothing arrived that should not.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { secondsPass, within } from "../support/arrivals.ts";
import { PushClient } from "../support/push_client.ts";
import { newVapidKeys, opaqueBody, post, postText, sendByCurl } from "../support/sender.ts";
import type { WireMessage } from "../support/wire_log.ts";
import { FirefoxWorld, readSubscription, versionOf } from "./firefox_world.ts";

/** A scenario and what it is called. */
type Scenario = readonly [name: string, play: (world: FirefoxWorld) => Promise<void>];

/** Plaintext that makes a body of exactly 4,096 bytes: 86 of header, 16 of tag, 1 delimiter. */
const LARGEST_TEXT = 3_993;
/** After a Close the service ends TCP within a second; the rest is for a busy machine. */
const CLOSED_MS = 3_000;
/** Messages in the order test. */
const BURST = 40;

const SUBSCRIBING: readonly Scenario[] = [
  ["says hello and registers with its key", async (world) => {
    const { endpoint } = await world.subscribe();
    assertMatch(endpoint, /^http:\/\/127\.0\.0\.1:\d+\/wpush\/v2\/[\w-]{100,}$/);
    const [ask, answer] = ofType(world, "hello");
    assert(ask !== undefined && answer !== undefined);
    assertEquals(ask.body.has("uaid"), false);
    assertEquals([...answer.body.keys()].toSorted(), HELLO_KEYS);
    assertMatch(String(answer.body.get("uaid")), /^[0-9a-f]{32}$/);
    const [register, registered] = ofType(world, "register");
    assertMatch(String(register?.body.get("key")), /^[\w-]{87}=$/);
    assertEquals(registered?.body.get("status"), 200);
    assertEquals(registered?.body.get("pushEndpoint"), endpoint);
  }],
  ["gets a message in its worker and its page", async (world) => {
    const version = await world.deliver("first light");
    assertEquals(await world.ackCode(version), 100);
    await world.firefox.waitFor(`received.includes("first light")`, "the message");
  }],
  ["gets a message sent by curl", async (world) => {
    assertEquals(await sendByCurl(world.subscription, "by curl", { vapid: world.vapid }), 201);
    await world.seen("by curl");
  }],
  ["gets an empty message", async (world) => {
    const from = world.wire.size;
    assertEquals((await world.post(null)).status, 201);
    await world.page.seen.next(({ kind, text }) => kind === "push" && text === null, {
      what: "the worker to see a push without data",
    });
    const [notification] = world.notifications(from);
    assertEquals([...notification?.body.keys() ?? []].toSorted(), EMPTY_KEYS);
  }],
  ["gets the largest message of RFC 8291", async (world) => {
    const text = "x".repeat(LARGEST_TEXT);
    await world.deliver(text);
    const data = ofType(world, "notification").at(-1)?.body.get("data");
    assertEquals(Uint8Array.fromBase64(String(data), { alphabet: "base64url" }).length, 4_096);
  }],
  [`gets ${BURST} messages in the order of acceptance`, async (world) => {
    const from = world.wire.size;
    const versions: string[] = [];
    for (let i = 0; i < BURST; i++) versions.push(await world.accepted(`burst ${i}`));
    for (let i = 0; i < BURST; i++) await world.seen(`burst ${i}`);
    assertEquals(world.notifications(from).map((one) => one.body.get("version")), versions);
  }],
  ["acknowledges what it cannot decrypt, and does not get it again", async (world) => {
    const { endpoint } = world.subscription;
    const { vapid } = world;
    const version = versionOf(await post(endpoint, opaqueBody(120), { vapid }));
    assertEquals(await world.ackCode(version), 101);
    await reconnect(world);
    const from = world.wire.size;
    await world.deliver("after the undecryptable");
    assertEquals(world.notifications(from).length, 1);
  }],
  ["gets a message in the older encoding, aesgcm", async (world) => {
    assertEquals((await world.post("aesgcm", { encoding: "aesgcm" })).status, 201);
    await world.seen("aesgcm");
  }],
];

const REFUSED: readonly Scenario[] = [
  ["gets nothing signed by a foreign key, or unsigned", async (world) => {
    const foreign = await world.post("foreign", { vapid: newVapidKeys() });
    const unsigned = await postText(world.subscription, "unsigned");
    for (const answer of [foreign, unsigned]) {
      assertEquals(answer.status, 401);
      assertEquals(errno(answer.body), 109);
    }
  }],
  ["gets nothing posted without TTL", async (world) => {
    const answer = await world.post("no TTL", { ttlSeconds: null });
    assertEquals([answer.status, errno(answer.body)], [400, 111]);
  }],
  ["gets nothing that is too large", async (world) => {
    const { endpoint } = world.subscription;
    const answer = await post(endpoint, opaqueBody(5_631), { vapid: world.vapid });
    assertEquals([answer.status, errno(answer.body)], [413, 104]);
    await world.deliver("after the refusals");
  }],
];

const RECONNECTING: readonly Scenario[] = [
  ["keeps its UAID and subscription over a reconnect", async (world) => {
    const uaid = uaidOf(world);
    const hello = await reconnect(world);
    assertEquals(hello.body.get("uaid"), uaid);
    await world.deliver("after a reconnect");
  }],
  ["gets what was stored while it was away, and nothing that lapsed", async (world) => {
    await world.away();
    const expired = await world.accepted("expired", { ttlSeconds: 1 });
    const now = await world.accepted("now or never", { ttlSeconds: 0 });
    const stored = [await world.accepted("stored 1"), await world.accepted("stored 2")];
    const replaced = await world.accepted("replaced", { topic: "news" });
    const replacement = await world.accepted("replacement", { topic: "news" });
    const withdrawn = await world.post("withdrawn");
    const gone = await fetch(withdrawn.location, { method: "DELETE" });
    await gone.body?.cancel();
    assertEquals(gone.status, 204);
    await secondsPass(2);
    const from = world.wire.size;
    await world.back();
    for (const text of ["stored 1", "stored 2", "replacement"]) await world.seen(text);
    const marker = await world.deliver("after the absence");
    const versions = world.notifications(from).map((one) => String(one.body.get("version")));
    assertEquals(versions.toSorted(), [...stored, replacement, marker].toSorted());
    assertEquals(versions.filter((one) => stored.includes(one)), stored);
    for (const lapsed of [expired, now, replaced, versionOf(withdrawn)]) {
      assertEquals(versions.includes(lapsed), false);
    }
  }],
  [
    "gets a message whose ack was lost again, with the same version, and not a third time",
    async (world) => {
      world.relay.swallow = "up";
      const version = await world.deliver("ack lost");
      assertEquals(await world.ackCode(version), 100);
      const from = world.wire.size;
      await world.away();
      world.relay.swallow = undefined;
      await world.back();
      assertEquals(await world.ackCode(version, from), 102);
      await world.deliver("between the reconnects");
      await reconnect(world);
      await world.deliver("after the lost ack");
      assertEquals(world.notifications().filter((one) => versionIn(one) === version).length, 2);
    },
  ],
  ["is closed on TCP when the same UAID connects elsewhere, and comes back", async (world) => {
    const [before] = world.relay.connections;
    assert(before !== undefined);
    const from = world.wire.size;
    const { deviceUrl } = world.service;
    await using twin = await PushClient.connect(deviceUrl, { uaid: uaidOf(world) });
    assertEquals(twin.uaid, uaidOf(world));
    const close = await world.wire.next((one) => one.type === "close", { what: "a Close", from });
    assertEquals([close.direction, close.text], ["down", "1011"]);
    // Firefox never answers a Close: the service has to end the stream by itself.
    await within(before.closed, CLOSED_MS, "the displaced connection to end");
    await world.wire.next((one) => one.type === "hello" && one.direction === "down", {
      what: "the browser to be back",
      from,
    });
    assertEquals((await twin.ended).code, 1011);
    await world.deliver("after the displacement");
  }],
];

const RESTARTING: readonly Scenario[] = [
  ["gets what was stored before a clean stop", async (world) => {
    await world.away();
    await world.accepted("over a clean stop");
    assertEquals((await world.service.stop()).code, 0);
    await world.service.startAgain();
    await world.back();
    await world.seen("over a clean stop");
  }],
  ["gets what was stored before kill -9, and an unacknowledged message again", async (world) => {
    world.relay.swallow = "up";
    const unacked = await world.deliver("unacked at the kill");
    await world.away();
    world.relay.swallow = undefined;
    await world.accepted("over kill -9");
    await world.accepted("now or never, before the kill", { ttlSeconds: 0 });
    await world.service.kill9();
    await world.service.startAgain();
    const from = world.wire.size;
    await world.back();
    await world.seen("over kill -9");
    assertEquals(await world.ackCode(unacked, from), 102);
    await world.deliver("after kill -9");
    assertEquals(world.notifications(from).length, 3);
  }],
  ["comes back by itself when the service was down", async (world) => {
    await world.service.kill9();
    const from = world.wire.size;
    await secondsPass(1);
    await world.service.startAgain();
    await world.wire.next((one) => one.type === "hello" && one.direction === "down", {
      what: "the browser to be back",
      from,
    });
    await world.deliver("after the downtime");
  }],
];

const RESTARTING_FIREFOX: readonly Scenario[] = [
  ["keeps its subscription when it restarts, and gets what came meanwhile", async (world) => {
    const uaid = uaidOf(world);
    const { subscription } = world;
    await world.firefox.close();
    await world.accepted("while the browser was closed");
    const from = world.wire.size;
    await world.firefox.startAgain();
    await world.seen("while the browser was closed");
    const hello = world.wire.all.slice(from).find((one) => one.type === "hello");
    assertEquals(hello?.body.get("uaid"), uaid);
    await world.firefox.navigate(world.page.url);
    assertEquals(readSubscription(await world.firefox.evaluate("current()")), subscription);
    await world.deliver("after the browser's restart");
  }],
];

const UNSUBSCRIBING: readonly Scenario[] = [
  ["unsubscribes, after which its endpoint is gone", async (world) => {
    const { subscription } = world;
    const from = world.wire.size;
    assertEquals(await world.firefox.evaluate("unsubscribe()"), true);
    const answer = await world.wire.next(
      ({ type, direction }) => type === "unregister" && direction === "down",
      { what: "the answer to unregister", from },
    );
    assertEquals(answer.body.get("status"), 200);
    const gone = await postText(subscription, "to nobody", { vapid: world.vapid });
    assertEquals([gone.status, errno(gone.body)], [410, 106]);
    assertEquals(gone.headers.get("cache-control"), "max-age=86400");
  }],
  ["subscribes without a key and gets unsigned messages", async (world) => {
    const { endpoint } = await world.subscribe(null);
    assertMatch(endpoint, /\/wpush\/v1\/[\w-]{100,}$/);
    assertEquals((await postText(world.subscription, "no key")).status, 201);
    await world.seen("no key");
  }],
  ["is told to subscribe anew when the service lost its data", async (world) => {
    const uaid = uaidOf(world);
    assertEquals((await world.service.stop()).code, 0);
    for await (const entry of Deno.readDir(world.service.dataDir)) {
      await Deno.remove(`${world.service.dataDir}/${entry.name}`, { recursive: true });
    }
    const from = world.wire.size;
    await world.service.startAgain();
    await world.page.seen.next((one) => one.kind === "change", {
      what: "the worker to hear that its subscription is gone",
    });
    const hellos = world.wire.all.slice(from).filter((one) => one.type === "hello");
    assertEquals(hellos.find((one) => one.direction === "up")?.body.get("uaid"), uaid);
    assertNotEquals(hellos.find((one) => one.direction === "down")?.body.get("uaid"), uaid);
    readSubscription(await world.subscribe());
    await world.deliver("after a new start");
  }],
];

Deno.test("A real Firefox", async (t) => {
  await using world = await FirefoxWorld.open();
  const parts = [SUBSCRIBING, REFUSED, RECONNECTING, RESTARTING, RESTARTING_FIREFOX, UNSUBSCRIBING];
  for (const [name, play] of parts.flat()) {
    // Each step stands on those before it: after a failure the rest would only repeat it.
    if (!await t.step(name, () => play(world))) return;
  }
  await t.step("saw each message exactly once", () => world.assertExactlyOnce());
});

/** Keys of a hello's answer; the protocol has exactly these. */
const HELLO_KEYS = ["broadcasts", "messageType", "status", "uaid", "use_webpush"];
/** Keys of a notification without a body. */
const EMPTY_KEYS = ["channelID", "messageType", "version"];

function ofType(world: FirefoxWorld, type: string): readonly WireMessage[] {
  return world.wire.all.filter((one) => one.type === type);
}

function uaidOf(world: FirefoxWorld): string {
  const answers = ofType(world, "hello").filter((one) => one.direction === "down");
  return String(answers.at(-1)?.body.get("uaid"));
}

function versionIn(message: WireMessage): string {
  return String(message.body.get("version"));
}

async function reconnect(world: FirefoxWorld): Promise<WireMessage> {
  await world.away();
  return await world.back();
}

function errno(body: string): unknown {
  const value: unknown = JSON.parse(body);
  return typeof value === "object" && value !== null && "errno" in value ? value.errno : undefined;
}
