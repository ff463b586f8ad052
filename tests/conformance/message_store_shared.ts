/**
 * What every message store must do that several nodes share, as one suite: two stores on the same data.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { NodeRecord, PushMessage, SaveOutcome, Whereabouts } from "../../actors/push/ports.ts";
import { factsOf } from "../support/node_facts.ts";
import {
  ALICE,
  BOB,
  channelOf,
  MAIL,
  NEWS,
  type SharedFixture,
  type SharedStore,
  type StoreSettings,
  uaidOf,
  USER_LIFETIME_SECONDS,
  WallClock,
  World,
} from "./store_world.ts";

/** Two nodes' stores on the same data, with what the tests of one store have. */
class SharedWorld implements AsyncDisposable {
  readonly #fixture: SharedFixture;
  readonly clock: WallClock;
  readonly world: World;

  constructor(clock: WallClock, fixture: SharedFixture) {
    this.clock = clock;
    this.#fixture = fixture;
    this.world = new World(clock, {
      store: fixture.one,
      reopen: () => Promise.reject(new Error("not with two stores")),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  }

  get one(): SharedStore {
    return this.#fixture.one;
  }

  get other(): SharedStore {
    return this.#fixture.other;
  }

  save(store: SharedStore, sortKey: number, differences: Partial<PushMessage> = {}) {
    return store.saveMessage(this.world.message(sortKey, differences), 10_000);
  }

  /** Saves as the endpoint does: with a larger key when another node was ahead. */
  async saveBehind(store: SharedStore, sortKey: number): Promise<number> {
    for (let key = sortKey;;) {
      const outcome: SaveOutcome = await this.save(store, key);
      if (outcome === "stored") return key;
      assert(typeof outcome === "object", `unexpected outcome ${outcome}`);
      assert(outcome.behind >= key, "behind a smaller one");
      key = outcome.behind + 1;
    }
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#fixture[Symbol.asyncDispose]();
  }
}

/** Declares one test of the suite. */
type Test = (criterion: string, run: (world: SharedWorld) => Promise<void>) => void;

/** Runs the whole suite over one kind of store; every test opens two on new, empty data. */
export function sharedMessageStoreSuite(
  name: string,
  open: (settings: StoreSettings) => Promise<SharedFixture>,
): void {
  const test: Test = (criterion, run) =>
    Deno.test(`two of ${name}: ${criterion}`, async () => {
      const clock = new WallClock();
      const settings = { clock, userLifetimeSeconds: USER_LIFETIME_SECONDS };
      await using world = new SharedWorld(clock, await open(settings));
      await run(world);
    });
  behindTests(test);
  presenceTests(test);
  gapTests(test);
  raceTests(test);
  directoryTests(test);
}

function behindTests(test: Test): void {
  test("what one writes the other reads", async ({ one, other, world }) => {
    await world.subscribe();
    await world.save(1);
    assertEquals(await other.subscription(ALICE, NEWS), "subscribed");
    assertEquals(await other.lastSortKey(), 1);
    await other.removeMessages(ALICE, [1]);
    assertEquals(await world.keys(), []);
    await other.removeUser(ALICE);
    assertEquals(await one.user(ALICE), undefined);
  });

  test("saveMessage() refuses a key that is not larger than all before", async (shared) => {
    const { one, other, world } = shared;
    await world.subscribe();
    await world.subscribe(BOB);
    assertEquals(await shared.save(one, 20), "stored");
    assertEquals(await shared.save(other, 19), { behind: 20 });
    assertEquals(await shared.save(other, 20), { behind: 20 });
    assertEquals(await shared.save(other, 20, { uaid: BOB }), "stored", "another user agent's");
    assertEquals(await shared.save(other, 21, { topic: "t" }), "stored");
    assertEquals(await shared.save(one, 21), { behind: 21 }, "both kinds count");
    assertEquals(await world.keys(), [20]);
  });

  test("saveMessage() gives a user agent no key twice, though its message is gone", async (shared) => {
    const { one, other, world } = shared;
    await world.subscribe();
    assertEquals(await shared.save(one, 20), "stored");
    assertEquals(await shared.save(one, 22, { topic: "t" }), "stored");
    await other.removeMessages(ALICE, [20, 22]);
    assertEquals(await shared.save(other, 22), { behind: 22 });
    assertEquals(await shared.save(one, 23), "stored");
    assertEquals(await world.keys(), [23]);
  });

  test("a message that is refused replaces nothing", async (shared) => {
    const { one, other, world } = shared;
    await world.subscribe();
    await shared.save(one, 5, { topic: "t" });
    assertEquals(await shared.save(other, 4, { topic: "t" }), { behind: 5 });
    assertEquals(await world.keys({ kind: "topic" }), [5]);
    assertEquals(await shared.save(other, 6, { topic: "t" }), "stored");
    assertEquals(await world.keys({ kind: "topic" }), [6]);
  });

  test("messages of both, many at once, wait in one order and none is lost", async (shared) => {
    const { one, other, world } = shared;
    await world.subscribe();
    const saves = Array.from(
      { length: 60 },
      (_, index) => shared.saveBehind(index % 2 === 0 ? one : other, 1_000 - index),
    );
    const keys = await Promise.all(saves);
    assertEquals(new Set(keys).size, 60);
    assertEquals(await world.keys(), keys.toSorted((a, b) => a - b));
    assertEquals(await other.lastSortKey(), Math.max(...keys));
  });
}

const HERE: Whereabouts = { node: "a", session: "1" };
const THERE: Whereabouts = { node: "b", session: "2" };
const BACK: Whereabouts = { node: "a", session: "3" };

function presenceTests(test: Test): void {
  test("arrive() answers where the user agent was", async ({ one, other, world }) => {
    await world.subscribe();
    assertEquals(await one.arrive(ALICE, HERE), undefined);
    assertEquals(await other.arrive(ALICE, THERE), HERE);
    assertEquals(await one.arrive(ALICE, BACK), THERE);
    assertEquals(await one.whereabouts([ALICE]), [BACK]);
  });

  test("depart() forgets the session that left, and no later one", async ({ one, other, world }) => {
    await world.subscribe();
    await one.arrive(ALICE, HERE);
    await other.arrive(ALICE, THERE);
    await one.depart(ALICE, HERE);
    assertEquals(await one.whereabouts([ALICE]), [THERE]);
    await one.arrive(ALICE, BACK);
    await one.depart(ALICE, HERE);
    await other.depart(ALICE, THERE);
    assertEquals(await other.whereabouts([ALICE]), [BACK], "back on the same node");
    await other.depart(ALICE, BACK);
    assertEquals(await one.whereabouts([ALICE]), [undefined]);
    assertEquals(await one.arrive(ALICE, HERE), undefined);
  });

  test("whereabouts() answers by place, also of strangers and twice", async ({ one, other, world }) => {
    await world.subscribe();
    await world.subscribe(BOB);
    await one.arrive(ALICE, HERE);
    await other.arrive(BOB, THERE);
    const asked = [uaidOf(1), BOB, ALICE, BOB];
    assertEquals(await one.whereabouts(asked), [undefined, THERE, HERE, THERE]);
    assertEquals(await one.whereabouts([]), []);
  });

  test("arrive() and depart() of a stranger are fine", async ({ one, other }) => {
    await other.depart(ALICE, HERE);
    await one.arrive(ALICE, HERE);
    await other.depart(ALICE, HERE);
    assertEquals(await one.whereabouts([ALICE]), [undefined]);
    assertEquals(await one.user(ALICE), undefined, "it makes no user agent");
  });

  test("of many arrivals at once each but the first displaces exactly one", async (shared) => {
    const { one, other, world } = shared;
    await world.subscribe();
    const sessions = Array.from({ length: 40 }, (_, index) => ({ node: "n", session: `${index}` }));
    const displaced = await Promise.all(
      sessions.map((at, index) => (index % 2 === 0 ? one : other).arrive(ALICE, at)),
    );
    const [last] = await one.whereabouts([ALICE]);
    const seen = [...displaced, last].map((at) => at?.session ?? "nowhere").toSorted();
    assertEquals(seen, [...sessions.map(({ session }) => session), "nowhere"].toSorted());
  });
}

function gapTests(test: Test): void {
  test("a message is read after the arrival or sees it: never neither", async (shared) => {
    const { one, other, world } = shared;
    await world.subscribe();
    for (let key = 1; key <= 60; key++) {
      const at = { node: "b", session: `${key}` };
      const device = async () => {
        await other.arrive(ALICE, at);
        const nowSeconds = shared.clock.seconds;
        const page = await other.messages({ uaid: ALICE, kind: "plain", limit: 10, nowSeconds });
        return page.map(({ sortKey }) => sortKey);
      };
      const endpoint = async () => {
        await waitTurns(key % 12);
        assertEquals(await shared.save(one, key), "stored");
        return (await one.whereabouts([ALICE]))[0];
      };
      const [read, seen] = await Promise.all([device(), endpoint()]);
      assert(
        read.includes(key) || seen?.session === at.session,
        `message ${key} was neither read nor told`,
      );
      await one.removeMessages(ALICE, [key]);
      await other.depart(ALICE, at);
    }
  });
}

/** Lets other work go first, so that the two sides meet at different moments. */
async function waitTurns(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
}

function raceTests(test: Test): void {
  test("a user agent removed among saves of both is gone with all of them", async (shared) => {
    const { one, other, world } = shared;
    for (let round = 1; round <= 5; round++) {
      await world.subscribe();
      const saves = Array.from(
        { length: 40 },
        (_, index) => shared.save(index % 2 === 0 ? one : other, round * 100 + index),
      );
      await Promise.all([...saves, other.removeUser(ALICE)]);
      assertEquals(await one.user(ALICE), undefined);
      assertEquals(await shared.save(one, round * 100 + 50), "no_user");
      await world.subscribe();
      assertEquals(await world.keys(), [], `round ${round}`);
      await one.removeUser(ALICE);
    }
  });

  test("a channel removed among saves of both is gone with its messages", async (shared) => {
    const { one, other, world } = shared;
    await world.subscribe(ALICE, MAIL);
    for (let round = 1; round <= 5; round++) {
      await world.subscribe();
      const saves = Array.from(
        { length: 40 },
        (_, index) => shared.save(index % 2 === 0 ? one : other, round * 100 + index),
      );
      const [removed] = await Promise.all([other.removeChannel(ALICE, NEWS), ...saves]);
      assertEquals(removed, true);
      assertEquals(await shared.save(one, round * 100 + 50), "no_channel");
      assertEquals(await world.keys(), [], `round ${round}`);
    }
  });

  test("addChannel() of both at the limit adds no more than allowed", async (shared) => {
    const { one, other, world } = shared;
    await one.saveUser({ uaid: ALICE, connectedAt: shared.clock.nowMs });
    const outcomes = await Promise.all(
      Array.from(
        { length: 20 },
        (_, index) => (index % 2 === 0 ? one : other).addChannel(ALICE, channelOf(index), 7),
      ),
    );
    assertEquals(outcomes.filter((outcome) => outcome === "added").length, 7);
    assertEquals(outcomes.filter((outcome) => outcome === "over_limit").length, 13);
    let subscribed = 0;
    for (let index = 0; index < 20; index++) {
      if (await world.store.subscription(ALICE, channelOf(index)) === "subscribed") subscribed++;
    }
    assertEquals(subscribed, 7);
  });

  test("the limit of waiting messages holds for both together", async (shared) => {
    const { one, other, world } = shared;
    await world.subscribe();
    const offer = async (store: SharedStore, start: number): Promise<SaveOutcome> => {
      for (let key = start;;) {
        const outcome = await store.saveMessage(world.message(key), 9);
        if (typeof outcome !== "object") return outcome;
        key = outcome.behind + 1;
      }
    };
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, index) => offer(index % 2 === 0 ? one : other, index + 1)),
    );
    assertEquals(outcomes.filter((outcome) => outcome === "stored").length, 10);
    assertEquals((await world.keys()).length, 10);
  });

  test("sweep() of both at once removes each row once", async (shared) => {
    const { one, other, world, clock } = shared;
    for (let user = 1; user <= 9; user++) {
      await world.subscribe(uaidOf(user));
      for (let key = 1; key <= 5; key++) await world.save(key, { uaid: uaidOf(user) });
    }
    const later = clock.seconds + 60;
    let swept = 0;
    for (let round = 0; swept < 45 && round < 50; round++) {
      const [first, second] = await Promise.all([one.sweep(later, 7), other.sweep(later, 7)]);
      swept += first + second;
    }
    assertEquals(swept, 45);
    assertEquals(await one.sweep(later, 7), 0);
    assertEquals(await world.keys({ uaid: uaidOf(3), nowSeconds: 0 }), []);
  });

  test("sweep() beside posts neither loses nor removes what lives", async (shared) => {
    const { one, other, world, clock } = shared;
    await world.subscribe();
    for (let key = 1; key <= 30; key++) {
      await shared.save(one, key, { expiresAt: clock.seconds + (key % 2) });
    }
    const sweeping = Array.from({ length: 10 }, () => other.sweep(clock.seconds, 3));
    const saves = Array.from({ length: 30 }, (_, index) => shared.save(one, 100 + index));
    assert((await Promise.all(saves)).every((outcome) => outcome === "stored"));
    await Promise.all(sweeping);
    const odd = Array.from({ length: 15 }, (_, index) => 2 * index + 1);
    const kept = [...odd, ...Array.from({ length: 30 }, (_, index) => 100 + index)];
    assertEquals(await world.keys(), kept);
  });
}

const NO_DELAY = { p50: 0, p99: 0, max: 0 };

function nodeOf(id: string, startedAt: number): NodeRecord {
  const keys = ["first", "second"];
  const roles = ["devices", "api"];
  return { id, url: `http://${id}:1`, roles, version: "1", keys, startedAt, facts: undefined };
}

function directoryTests(test: Test): void {
  test("nodes() has every node whose lease lasts, by its start", async ({ one, other }) => {
    const [a, b, c] = [nodeOf("a", 3), nodeOf("b", 1), { ...nodeOf("c", 2), url: undefined }];
    await one.renew(a, 60_000);
    await other.renew(b, 60_000);
    await other.renew(c, 60_000);
    assertEquals(await one.nodes(), { alive: [b, c, a], ended: [] });
    await other.renew({ ...c, roles: [] }, 60_000);
    assertEquals((await one.nodes()).alive[1], { ...c, roles: [] });
  });

  test("nodes() has what each node said of itself at its last renewal", async ({ one, other }) => {
    const [a, b] = [nodeOf("a", 1), nodeOf("b", 2)];
    const facts = factsOf({ rssBytes: 2 ** 45, cpuPercent: 0.1, loopDelayMs: NO_DELAY });
    await one.renew({ ...a, facts: factsOf({ batches: 7 }) }, 60_000);
    await one.renew({ ...a, facts }, 60_000);
    await other.renew({ ...b, facts }, 60_000);
    await other.renew(b, 60_000);
    assertEquals((await other.nodes()).alive, [{ ...a, facts }, b]);
  });

  test("leave() removes a node, and a stranger is fine", async ({ one, other }) => {
    await one.renew(nodeOf("a", 1), 60_000);
    await other.leave("a");
    await other.leave("a");
    assertEquals(await one.nodes(), { alive: [], ended: [] });
  });

  test("a lease ends by the store's clock, not by the callers'", async ({ one, other, clock }) => {
    await one.renew(nodeOf("a", 1), 60_000);
    await one.renew(nodeOf("b", 2), 1);
    clock.nowMs += 3_600_000;
    let found = await other.nodes();
    while (found.ended.length === 0) found = await other.nodes();
    assertEquals(found, { alive: [nodeOf("a", 1)], ended: ["b"] });
    await one.renew(nodeOf("b", 2), 60_000);
    assertEquals(await other.nodes(), { alive: [nodeOf("a", 1), nodeOf("b", 2)], ended: [] });
  });

  test("nodes() names at most a hundred whose lease has ended", async ({ one, other }) => {
    const ids = Array.from({ length: 120 }, (_, index) => `n${index}`);
    await Promise.all(ids.map((id, index) => one.renew(nodeOf(id, index), 1)));
    let found = await other.nodes();
    while (found.alive.length > 0) found = await other.nodes();
    assertEquals(new Set(found.ended).size, 100);
    await Promise.all(found.ended.map((id) => other.leave(id)));
    assertEquals((await one.nodes()).ended.length, 20);
  });
}
