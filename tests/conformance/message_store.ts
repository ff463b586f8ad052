/**
 * What every message store must do, as one suite that runs over each of them.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import type { PushMessage } from "../../actors/push/ports.ts";
import {
  ALICE,
  BOB,
  channelOf,
  MAIL,
  NEWS,
  type StoreFixture,
  type StoreSettings,
  uaidOf,
  USER_LIFETIME_SECONDS,
  WallClock,
  World,
} from "./store_world.ts";

/**
 * Runs the whole suite over one kind of store; every test opens a new, empty one. A store that several
 * nodes write to answers `behind` for a sort key which another has overtaken.
 */
export function messageStoreSuite(
  name: string,
  open: (settings: StoreSettings) => Promise<StoreFixture>,
  writers: "one" | "several" = "one",
): void {
  const test: Test = (criterion, run) =>
    Deno.test(`${name} ${criterion}`, async () => {
      const clock = new WallClock();
      const settings = { clock, userLifetimeSeconds: USER_LIFETIME_SECONDS };
      await using world = new World(clock, await open(settings));
      await run(world);
    });
  userTests(test);
  channelTests(test);
  messageTests(test);
  topicTests(test);
  limitTests(test);
  sweepTests(test);
  sortKeyTests(test);
  if (writers === "one") oneWriterTests(test);
  raceTests(test);
}

/** Declares one test of the suite. */
type Test = (criterion: string, run: (world: World) => Promise<void>) => void;

function userTests(test: Test): void {
  test("user() does not know a stranger", async ({ store }) => {
    assertEquals(await store.user(ALICE), undefined);
  });

  test("saveUser() creates, then refreshes connectedAt and keeps the channels", async (world) => {
    await world.subscribe();
    const connectedAt = world.clock.nowMs + 5;
    await world.store.saveUser({ uaid: ALICE, connectedAt });
    assertEquals(await world.store.user(ALICE), { uaid: ALICE, connectedAt });
    assertEquals(await world.store.subscription(ALICE, NEWS), "subscribed");
  });

  test("refreshUser() keeps a user agent alive, and makes none", async (world) => {
    await world.subscribe();
    world.clock.nowMs += USER_LIFETIME_SECONDS * 1000 - 1;
    const user = { uaid: ALICE, connectedAt: world.clock.nowMs };
    assertEquals(await world.store.refreshUser(user), true);
    assertEquals(await world.store.refreshUser({ ...user, uaid: BOB }), false);
    assertEquals(await world.store.user(BOB), undefined);
    world.clock.nowMs += USER_LIFETIME_SECONDS * 1000 - 1;
    assertEquals(await world.store.user(ALICE), user);
    assertEquals(await world.store.subscription(ALICE, NEWS), "subscribed");
    world.clock.nowMs += 1;
    assertEquals(await world.store.refreshUser(user), false);
    assertEquals(await world.store.user(ALICE), undefined);
  });

  test("removeUser() takes channels and messages along, and no one else's", async (world) => {
    await world.subscribe();
    await world.subscribe(BOB);
    await world.save(1);
    await world.save(2, { uaid: BOB });
    await world.store.removeUser(ALICE);
    assertEquals(await world.store.user(ALICE), undefined);
    assertEquals(await world.store.subscription(ALICE, NEWS), "no_user");
    await world.store.saveUser({ uaid: ALICE, connectedAt: world.clock.nowMs });
    assertEquals(await world.store.subscription(ALICE, NEWS), "no_channel");
    assertEquals(await world.keys(), []);
    assertEquals(await world.keys({ uaid: BOB }), [2]);
  });

  test("removeUser() of a stranger is fine", async ({ store }) => {
    await store.removeUser(ALICE);
  });

  test("a user agent lapses at the end of its lifetime, not before", async (world) => {
    await world.subscribe();
    await world.save(1, { expiresAt: world.clock.seconds + 2 * USER_LIFETIME_SECONDS });
    world.clock.nowMs += USER_LIFETIME_SECONDS * 1000 - 1;
    assertEquals(await world.store.subscription(ALICE, NEWS), "subscribed");
    world.clock.nowMs += 1;
    assertEquals(await world.store.user(ALICE), undefined);
    assertEquals(await world.store.subscription(ALICE, NEWS), "no_user");
    assertEquals(await world.store.addChannel(ALICE, MAIL, 10), "no_user");
    assertEquals(await world.store.removeChannel(ALICE, NEWS), false);
    assertEquals(await world.save(2), "no_user");
    assertEquals(await world.keys(), []);
  });

  test("saveUser() of one who has lapsed starts anew", async (world) => {
    await world.subscribe();
    await world.save(1, { expiresAt: world.clock.seconds + 2 * USER_LIFETIME_SECONDS });
    world.clock.nowMs += USER_LIFETIME_SECONDS * 1000;
    await world.store.saveUser({ uaid: ALICE, connectedAt: world.clock.nowMs });
    assertEquals(await world.store.subscription(ALICE, NEWS), "no_channel");
    assertEquals(await world.keys(), []);
  });
}

function channelTests(test: Test): void {
  test("addChannel() needs a user agent", async ({ store }) => {
    assertEquals(await store.addChannel(ALICE, NEWS, 10), "no_user");
  });

  test("addChannel() again is fine, even at the limit", async (world) => {
    await world.subscribe();
    assertEquals(await world.store.addChannel(ALICE, NEWS, 1), "added");
  });

  test("addChannel() refuses the one that would be too many", async (world) => {
    await world.subscribe();
    assertEquals(await world.store.addChannel(ALICE, MAIL, 2), "added");
    assertEquals(await world.store.addChannel(ALICE, channelOf(3), 2), "over_limit");
    assertEquals(await world.store.subscription(ALICE, channelOf(3)), "no_channel");
    assertEquals(await world.store.addChannel(ALICE, channelOf(3), 0), "over_limit");
  });

  test("subscription() tells no user from no channel", async (world) => {
    await world.subscribe();
    assertEquals(await world.store.subscription(ALICE, NEWS), "subscribed");
    assertEquals(await world.store.subscription(ALICE, MAIL), "no_channel");
    assertEquals(await world.store.subscription(BOB, NEWS), "no_user");
  });

  test("removeChannel() says whether it existed", async (world) => {
    await world.subscribe();
    assertEquals(await world.store.removeChannel(ALICE, MAIL), false);
    assertEquals(await world.store.removeChannel(ALICE, NEWS), true);
    assertEquals(await world.store.removeChannel(ALICE, NEWS), false);
    assertEquals(await world.store.removeChannel(BOB, NEWS), false);
    assertEquals(await world.store.subscription(ALICE, NEWS), "no_channel");
  });

  test("removeChannel() takes its own waiting messages along", async (world) => {
    await world.subscribe();
    await world.subscribe(ALICE, MAIL);
    await world.subscribe(BOB);
    await world.save(1);
    await world.save(2, { topic: "t" });
    await world.save(3, { channelId: MAIL });
    await world.save(4, { uaid: BOB });
    await world.store.removeChannel(ALICE, NEWS);
    assertEquals(await world.keys(), [3]);
    assertEquals(await world.keys({ kind: "topic" }), []);
    assertEquals(await world.keys({ uaid: BOB }), [4]);
  });

  test("a channel is one user agent's only", async (world) => {
    await world.subscribe();
    await world.subscribe(BOB);
    await world.store.removeChannel(ALICE, NEWS);
    assertEquals(await world.store.subscription(BOB, NEWS), "subscribed");
  });
}

function messageTests(test: Test): void {
  test("saveMessage() needs user agent and channel", async (world) => {
    assertEquals(await world.save(1), "no_user");
    await world.subscribe();
    assertEquals(await world.save(1, { channelId: MAIL }), "no_channel");
    assertEquals(await world.keys(), []);
  });

  test("messages() gives back what was saved, whatever it has", async (world) => {
    await world.subscribe();
    const body = Uint8Array.from({ length: 4096 }, (_, index) => index % 251);
    const contents: readonly PushMessage["content"][] = [
      undefined,
      { body: new Uint8Array([0]), headers: { encoding: "aes128gcm" } },
      { body, headers: { encoding: "aesgcm", encryption: "salt=s", crypto_key: "dh=d" } },
      { body: body.subarray(7, 9), headers: { encoding: "aesgcm", encryption: "salt=é" } },
    ];
    const saved = contents.map((content, index) =>
      world.message(index + 1, { content, version: `ünï-${index}`, ttlSeconds: index })
    );
    for (const message of saved) {
      assertEquals(await world.store.saveMessage(message, 1_000), "stored");
    }
    assertEquals(await world.page(), saved);
    await world.fixture.reopen();
    assertEquals(await world.page(), saved);
  });

  test("messages() pages kinds apart and users apart", async (world) => {
    await world.subscribe();
    await world.subscribe(BOB);
    await world.save(1);
    await world.save(2, { topic: "a" });
    await world.save(3, { topic: "b" });
    await world.save(4, { uaid: BOB, topic: "a" });
    assertEquals(await world.keys(), [1]);
    assertEquals(await world.keys({ kind: "topic" }), [2, 3]);
    assertEquals(await world.keys({ uaid: BOB, kind: "topic" }), [4]);
    assertEquals(await world.keys({ uaid: uaidOf(1) }), []);
  });

  test("messages() leaves out what has expired: dead when now >= expiresAt", async (world) => {
    await world.subscribe();
    const now = world.clock.seconds;
    for (const key of [1, 2, 3]) await world.save(key, { expiresAt: now + key });
    assertEquals(await world.keys({ nowSeconds: now }), [1, 2, 3]);
    assertEquals(await world.keys({ nowSeconds: now + 1 }), [2, 3]);
    assertEquals(await world.keys({ nowSeconds: now + 3 }), []);
    assertEquals(await world.keys({ nowSeconds: now + 1, limit: 1 }), [2]);
  });

  test("removeMessages() removes these, and only the user agent's own", async (world) => {
    await world.subscribe();
    await world.subscribe(BOB);
    for (const key of [1, 2, 3]) await world.save(key);
    await world.save(4, { uaid: BOB });
    await world.store.removeMessages(ALICE, [1, 3, 4, 99]);
    assertEquals(await world.keys(), [2]);
    assertEquals(await world.keys({ uaid: BOB }), [4]);
    await world.store.removeMessages(ALICE, []);
    await world.store.removeMessages(uaidOf(1), [2]);
    assertEquals(await world.keys(), [2]);
  });

  test("ping() resolves on an open store", ({ store }) => store.ping());
}

function topicTests(test: Test): void {
  test("saveMessage() replaces the waiting message of the same topic (RFC 8030 5.4)", async (world) => {
    await world.subscribe();
    await world.save(1, { topic: "t" });
    await world.save(2, { topic: "u" });
    await world.save(3, { topic: "t", content: undefined });
    const page = await world.page({ kind: "topic" });
    assertEquals(page.map(({ sortKey, version }) => [sortKey, version]), [[2, "v2"], [3, "v3"]]);
    assertEquals(page[1]?.content, undefined);
  });

  test("a topic is one channel's and one user agent's only", async (world) => {
    await world.subscribe();
    await world.subscribe(ALICE, MAIL);
    await world.subscribe(BOB);
    await world.save(1, { topic: "t" });
    await world.save(2, { topic: "t", channelId: MAIL });
    await world.save(3, { topic: "t", uaid: BOB });
    assertEquals(await world.keys({ kind: "topic" }), [1, 2]);
    assertEquals(await world.keys({ kind: "topic", uaid: BOB }), [3]);
  });

  test("removing a replaced message does not remove its successor", async (world) => {
    await world.subscribe();
    await world.save(1, { topic: "t" });
    await world.save(2, { topic: "t" });
    await world.store.removeMessages(ALICE, [1]);
    assertEquals(await world.keys({ kind: "topic" }), [2]);
  });

  test("an expired message is replaced like any other", async (world) => {
    await world.subscribe();
    await world.save(1, { topic: "t", expiresAt: world.clock.seconds - 1 });
    assertEquals(await world.save(2, { topic: "t" }), "stored");
    assertEquals(await world.keys({ kind: "topic" }), [2]);
  });

  test("topics that differ in case or accent differ", async (world) => {
    await world.subscribe();
    for (const [index, topic] of ["a", "A", "ä", ""].entries()) {
      await world.save(index + 1, { topic });
    }
    assertEquals(await world.keys({ kind: "topic" }), [1, 2, 3, 4]);
  });
}

function limitTests(test: Test): void {
  test("saveMessage() refuses when more than waitingMax are waiting", async (world) => {
    await world.subscribe();
    const outcomes = [];
    for (const key of [1, 2, 3, 4]) {
      outcomes.push(await world.store.saveMessage(world.message(key), 2));
    }
    assertEquals(outcomes, ["stored", "stored", "stored", "over_limit"]);
    assertEquals(await world.keys(), [1, 2, 3]);
    await world.store.removeMessages(ALICE, [2]);
    assertEquals(await world.store.saveMessage(world.message(5), 2), "stored");
  });

  test("the limit counts both kinds and all channels of one user agent", async (world) => {
    await world.subscribe();
    await world.subscribe(ALICE, MAIL);
    await world.subscribe(BOB);
    await world.save(1, { topic: "t" });
    await world.save(2, { channelId: MAIL });
    assertEquals(await world.store.saveMessage(world.message(3), 1), "over_limit");
    assertEquals(await world.store.saveMessage(world.message(4, { uaid: BOB }), 0), "stored");
    assertEquals(await world.store.saveMessage(world.message(5, { uaid: BOB }), 0), "over_limit");
  });

  test("the limit does not count what has expired", async (world) => {
    await world.subscribe();
    for (const key of [1, 2, 3]) await world.save(key, { expiresAt: world.clock.seconds + key });
    world.clock.nowMs += 2_000;
    assertEquals(await world.store.saveMessage(world.message(4), 1), "stored");
    assertEquals(await world.store.saveMessage(world.message(5), 1), "over_limit");
    assertEquals(await world.keys(), [3, 4]);
  });

  test("a message over the limit replaces nothing", async (world) => {
    await world.subscribe();
    await world.save(1, { topic: "t" });
    await world.save(2);
    assertEquals(
      await world.store.saveMessage(world.message(3, { topic: "t" }), 1),
      "over_limit",
    );
    assertEquals(await world.keys({ kind: "topic" }), [1]);
  });
}

function sweepTests(test: Test): void {
  test("sweep() removes the expired, the oldest first, up to its limit", async (world) => {
    await world.subscribe();
    const now = world.clock.seconds;
    for (const key of [1, 2, 3, 4]) await world.save(key, { expiresAt: now + 5 - key });
    assertEquals(await world.store.sweep(now + 3, 2), 2);
    assertEquals(await world.keys({ nowSeconds: now }), [1, 2]);
    assertEquals(await world.store.sweep(now + 3, 2), 1);
    assertEquals(await world.store.sweep(now + 3, 2), 0);
    assertEquals(await world.keys({ nowSeconds: now }), [1]);
  });

  test("sweep() removes lapsed user agents with what is theirs", async (world) => {
    await world.subscribe();
    await world.save(1, { expiresAt: world.clock.seconds + 9 * USER_LIFETIME_SECONDS });
    const since = world.clock.nowMs;
    world.clock.nowMs += 1_000;
    await world.subscribe(BOB);
    const lapse = Math.floor(since / 1000) + USER_LIFETIME_SECONDS;
    assertEquals(await world.store.sweep(lapse - 1, 10), 0);
    assertEquals(await world.store.sweep(lapse, 10), 1);
    assertEquals(await world.store.user(ALICE), undefined);
    assertEquals(await world.store.subscription(BOB, NEWS), "subscribed");
    assertEquals(await world.store.sweep(lapse, 10), 0);
  });

  test("sweep() limits messages and user agents each", async (world) => {
    for (const digit of [1, 2, 3]) await world.subscribe(uaidOf(digit));
    for (const digit of [1, 2, 3]) await world.save(digit, { uaid: uaidOf(digit) });
    const now = world.clock.seconds + USER_LIFETIME_SECONDS;
    assertEquals(await world.store.sweep(now, 2), 4);
    assertEquals(await world.store.sweep(now, 2), 2);
  });
}

function sortKeyTests(test: Test): void {
  test("lastSortKey() is 0 on a new store", async ({ store }) => {
    assertEquals(await store.lastSortKey(), 0);
  });

  test("lastSortKey() is the largest ever, after removal and reopening too", async (world) => {
    const large = Number.MAX_SAFE_INTEGER - 1;
    await world.subscribe();
    await world.save(large);
    await world.save(7);
    assertEquals(await world.store.lastSortKey(), large);
    await world.store.removeMessages(ALICE, [large, 7]);
    await world.store.removeUser(ALICE);
    assertEquals(await world.store.lastSortKey(), large);
    await world.fixture.reopen();
    assertEquals(await world.store.lastSortKey(), large);
  });

  test("lastSortKey() does not know of a message that was refused", async (world) => {
    await world.save(5);
    assertEquals(await world.store.lastSortKey(), 0);
  });
}

/** What holds where all sort keys come from one caller: they need no order. */
function oneWriterTests(test: Test): void {
  test("messages() reads in ascending sort key, whatever the order of saving", async (world) => {
    await world.subscribe();
    await world.subscribe(ALICE, MAIL);
    for (const key of [5, 2, 9, 7]) await world.save(key, { channelId: key > 5 ? MAIL : NEWS });
    assertEquals(await world.keys(), [2, 5, 7, 9]);
    assertEquals(await world.keys({ limit: 3 }), [2, 5, 7]);
    assertEquals(await world.keys({ limit: 0 }), []);
  });

  test("a sort key given twice breaks that call, and no other", async (world) => {
    await world.subscribe();
    await world.save(1, { topic: "t" });
    await world.save(2, { topic: "u" });
    const calls = [
      world.save(3),
      assertRejects(() => world.save(1, { topic: "u" })),
      world.save(4),
    ];
    const [before, , after] = await Promise.all(calls);
    assertEquals([before, after], ["stored", "stored"]);
    assertEquals(await world.keys({ kind: "topic" }), [1, 2], "nothing of the broken call stays");
    assertEquals(await world.keys(), [3, 4]);
  });
}

function raceTests(test: Test): void {
  test("everything answered is there after reopening", async (world) => {
    await world.subscribe();
    await world.save(1);
    await world.save(2, { topic: "t" });
    await world.store.removeMessages(ALICE, [1]);
    const user = await world.store.user(ALICE);
    await world.fixture.reopen();
    assertEquals(await world.store.user(ALICE), user);
    assertEquals(await world.store.subscription(ALICE, NEWS), "subscribed");
    assertEquals(await world.keys(), []);
    assertEquals(await world.keys({ kind: "topic" }), [2]);
  });

  test("a thousand saves at once are all stored, once", async (world) => {
    await world.subscribe();
    const keys = Array.from({ length: 1000 }, (_, index) => index + 1);
    const outcomes = await Promise.all(
      keys.map((key) => world.store.saveMessage(world.message(key), 1000)),
    );
    assertEquals([...new Set(outcomes)], ["stored"]);
    assertEquals(await world.keys(), keys);
  });

  test("writes take effect in the order of the calls", async (world) => {
    await world.subscribe();
    const first = world.save(1);
    const gone = world.store.removeChannel(ALICE, NEWS);
    const refused = world.save(2);
    const again = world.store.addChannel(ALICE, NEWS, 10);
    const second = world.save(3);
    assertEquals(
      await Promise.all([first, gone, refused, again, second]),
      ["stored", true, "no_channel", "added", "stored"],
    );
    assertEquals(await world.keys(), [3]);
  });

  test("a channel removed among many saves leaves only what came after", async (world) => {
    await world.subscribe();
    const calls: Promise<unknown>[] = [];
    for (let key = 1; key <= 300; key++) {
      calls.push(world.save(key, { topic: `t${key % 20}` }));
      if (key === 150) {
        calls.push(world.store.removeChannel(ALICE, NEWS));
        calls.push(world.store.addChannel(ALICE, NEWS, 10));
      }
    }
    await Promise.all(calls);
    const left = Array.from({ length: 20 }, (_, index) => 281 + index);
    assertEquals(await world.keys({ kind: "topic" }), left);
  });

  test("a user agent removed among many saves is gone with all of them", async (world) => {
    await world.subscribe();
    const saves = Array.from({ length: 200 }, (_, index) => world.save(index + 1));
    const removal = world.store.removeUser(ALICE);
    const late = world.save(201);
    await Promise.all([...saves, removal]);
    assertEquals(await late, "no_user");
    assertEquals(await world.store.user(ALICE), undefined);
    await world.subscribe();
    assertEquals(await world.keys(), []);
  });
}
