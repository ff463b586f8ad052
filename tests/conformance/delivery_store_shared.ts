/**
 * What every delivery store must do that several nodes share, as one suite: two stores on the same data.
 * A race is run many times over, since most of them are decided the same way.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { DeviceRecord, Platform } from "../../actors/push/delivery/records.ts";
import type { ClaimedBatch, Tally } from "../../actors/push/delivery/store.ts";
import {
  type DeliverySettings,
  DeliveryWorld,
  deviceOf,
  idOf,
  LEASE_MS,
  NEWS,
  NONE,
  type SharedDeliveryFixture,
  type Store,
} from "./delivery_world.ts";
import { WallClock } from "./store_world.ts";

/** How often a race is run. */
const ROUNDS = 12;

/** Two nodes on the same data. */
class SharedDeliveryWorld implements AsyncDisposable {
  readonly #fixture: SharedDeliveryFixture;
  readonly clock: WallClock;
  /** The nodes, each with what the tests of one store have. */
  readonly nodes: readonly [DeliveryWorld, DeliveryWorld];

  constructor(clock: WallClock, fixture: SharedDeliveryFixture) {
    this.clock = clock;
    this.#fixture = fixture;
    const worldOf = (store: Store) =>
      new DeliveryWorld(clock, {
        store,
        reopen: () => Promise.reject(new Error("not with two stores")),
        corrupt: () => Promise.reject(new Error("not with two stores")),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    this.nodes = [worldOf(fixture.one), worldOf(fixture.other)];
  }

  /** The world of the first node, for what is done before a race and looked at after it. */
  get world(): DeliveryWorld {
    return this.nodes[0];
  }

  /** Both nodes do something at the same time. */
  both<T>(work: (node: DeliveryWorld, place: 0 | 1) => Promise<T>): Promise<readonly [T, T]> {
    return Promise.all([work(this.nodes[0], 0), work(this.nodes[1], 1)]);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#fixture[Symbol.asyncDispose]();
  }
}

/** Declares one test of the suite. */
type SharedTest = (
  criterion: string,
  run: (shared: SharedDeliveryWorld) => Promise<void>,
) => void;

/** Runs the suite over one kind of store; every test opens two on new, empty data. */
export function sharedDeliveryStoreSuite(
  name: string,
  open: (settings: DeliverySettings) => Promise<SharedDeliveryFixture>,
): void {
  const test: SharedTest = (criterion, run) =>
    Deno.test(`${name}, shared: ${criterion}`, async () => {
      const clock = new WallClock();
      await using shared = new SharedDeliveryWorld(clock, await open({ clock }));
      await run(shared);
    });
  appTests(test);
  deviceTests(test);
  submissionTests(test);
  expansionTests(test);
  claimTests(test);
  leaseTests(test);
  cancelTests(test);
  logTests(test);
}

/** The numbers from 1 to this one. */
function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

function appTests(test: SharedTest): void {
  test("saveApp() by two nodes gives two versions", async (shared) => {
    for (const name of upTo(ROUNDS).map((round) => `app-${round}`)) {
      const apps = await shared.both((node) => node.store.saveApp(name, {}, node.now));
      assertEquals(apps.map(({ version }) => version).toSorted(), [1, 2]);
      assertEquals((await shared.world.store.app(name))?.version, 2);
    }
  });

  test("removeApp() and submit() at once: one of them comes first", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    for (const round of upTo(2 * ROUNDS)) {
      const app = `app-${round}`;
      await world.store.saveApp(app, {}, world.now);
      const submission = {
        notification: world.notification({ app }),
        audience: { kind: "all" },
        idempotencyKey: undefined,
        digest: "d",
      } as const;
      const [submitted, removed] = await Promise.all([
        one.store.submit(submission),
        other.store.removeApp(app),
      ]);
      assertEquals(removed, submitted.kind === "accepted" ? "busy" : "removed");
      assertEquals(submitted.kind, removed === "busy" ? "accepted" : "no_app");
    }
  });

  test("pause() and resume() hold for the other node", async ({ world, nodes: [one, other] }) => {
    await world.populate(0);
    await world.submitTokens(1);
    const lane = { app: NEWS, platform: "apns" } as const;
    await one.store.pause(lane, "why", world.now);
    assertEquals((await other.claim()).batches, []);
    assertEquals(await other.store.resume(lane), true);
    assertEquals(await one.store.resume(lane), false);
    assertEquals((await one.claim()).batches.length, 1);
  });
}

function deviceTests(test: SharedTest): void {
  test("saveDevices() of the same ids by two nodes keeps each once, as one of them said", async (shared) => {
    const { world } = shared;
    await world.populate(0);
    for (const round of upTo(ROUNDS)) {
      const numbers = upTo(200).map((number) => number + round * 100);
      const answers = await shared.both((node, place) => {
        const side = place === 0 ? "left" : "right";
        const records = numbers.map((number) =>
          node.record(number, { address: `${side}-${round}-${number}`, tags: [side, "both"] })
        );
        return node.store.saveDevices(place === 0 ? records : records.toReversed(), node.now);
      });
      assertEquals(answers, [{ noApp: [], taken: [] }, { noApp: [], taken: [] }]);
    }
    const page = { app: NEWS, after: undefined, limit: 5_000 } as const;
    const devices = await world.store.devices(page);
    const last = 200 + ROUNDS * 100;
    assertEquals(devices.map(({ id }) => id), upTo(last).slice(100).map(deviceOf));
    for (const { tags, address } of devices) assertEquals(tags[0], address.split("-")[0]);
    for (const side of ["left", "right"]) {
      const tagged = await world.store.devices({ ...page, tag: side });
      assertEquals(tagged, devices.filter(({ tags }) => tags[0] === side));
    }
    const id = await world.submit({ kind: "tags", tags: ["left", "both", "right"] });
    assertEquals(await world.expand(id), devices.length);
  });

  test("saveDevices() of two apps: an id belongs to the one that came first", async (shared) => {
    const { world } = shared;
    const apps = [NEWS, "other"] as const;
    for (const app of apps) await world.store.saveApp(app, {}, world.now);
    for (const round of upTo(ROUNDS)) {
      const numbers = upTo(20).map((number) => number + round * 20);
      const answers = await shared.both((node, place) => {
        const records = numbers.map((number) => node.record(number, { app: apps[place] }));
        return node.store.saveDevices(place === 0 ? records : records.toReversed(), node.now);
      });
      const lost = [
        answers[0].taken.map((place) => numbers[place]),
        answers[1].taken.map((place) => numbers.toReversed()[place]),
      ];
      assertEquals(lost.flat().toSorted((a, b) => (a ?? 0) - (b ?? 0)), [...numbers]);
      for (const [place, app] of apps.entries()) {
        for (const number of lost[1 - place] ?? []) {
          assertEquals((await world.store.device(deviceOf(number ?? 0)))?.app, app);
        }
      }
    }
  });

  test("saveDevices(), removeDevice() and results of the same devices do not block each other", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    await world.populate(300);
    const ids = upTo(300);
    for (const round of upTo(ROUNDS)) {
      const id = await world.submit();
      await world.expand(id, 1_000, 150);
      const { batches } = await one.claim();
      const records: readonly DeviceRecord[] = ids.map((number) =>
        world.record(number, { tags: [`${round}`], platform: number % 7 === 0 ? "fcm" : "apns" })
      ).toReversed();
      const marks = await Promise.all(batches.map(async ({ lease }) => {
        const loaded = await one.store.load(lease);
        return typeof loaded === "string" ? [] : loaded.recipients.numbers.toReversed();
      }));
      const [, , ...outcomes] = await Promise.all([
        other.store.saveDevices(records, other.now),
        other.store.removeDevice(deviceOf(round)),
        ...batches.map((batch, index) =>
          one.commit(batch, { suspects: { marked: marks[index] ?? [], cleared: [] } })
        ),
      ]);
      assertEquals(outcomes.map(({ kind }) => kind), batches.map(() => "committed"));
    }
  });
}

function submissionTests(test: SharedTest): void {
  test("submit() with one key by two nodes is accepted once", async (shared) => {
    const { world } = shared;
    await world.populate(0);
    const recipients = [{ platform: "fcm", address: "t", keys: undefined }] as const;
    for (const round of upTo(2 * ROUNDS)) {
      const answers = await shared.both((node, place) =>
        node.store.submit({
          notification: node.notification({ id: idOf(2 * round + place) }),
          audience: { kind: "direct", recipients },
          idempotencyKey: `key-${round}`,
          digest: "d",
        })
      );
      assertEquals(answers.map(({ kind }) => kind).toSorted(), ["accepted", "repeated"]);
      const [id, same] = answers.map((answer) => "id" in answer ? answer.id : undefined);
      assertEquals(id, same);
    }
    const submitted = await world.store.notifications({ after: undefined, limit: 1_000 });
    assertEquals(submitted.length, 2 * ROUNDS);
    assertEquals(submitted.reduce((sum, { counts }) => sum + counts.total, 0), 2 * ROUNDS);
  });

  test("submit() of one notification by two nodes counts once", async (shared) => {
    const { world } = shared;
    await world.populate(0);
    const recipients = [{ platform: "fcm", address: "t", keys: undefined }] as const;
    for (const round of upTo(2 * ROUNDS)) {
      const notification = world.notification({ id: idOf(round) });
      const answers = await shared.both(({ store }) =>
        store.submit({
          notification,
          audience: { kind: "direct", recipients },
          idempotencyKey: undefined,
          digest: "d",
        })
      );
      const accepted = { kind: "accepted", id: notification.id } as const;
      assertEquals(answers, [accepted, accepted]);
      assertEquals((await world.store.notification(notification.id))?.counts.total, 1);
    }
  });

  test("addRecipients() and closeNotification() at once: what was added is sent", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    await world.populate(0);
    const recipients = [{ platform: "apns", address: "t", keys: undefined }] as const;
    for (const _ of upTo(ROUNDS)) {
      const id = await world.submit({ kind: "open" });
      const [closed, ...added] = await Promise.all([
        other.store.closeNotification(id),
        ...upTo(5).map((number) =>
          (number % 2 === 0 ? one : other).store.addRecipients(id, recipients)
        ),
      ]);
      assertEquals(closed, "closed");
      await world.deliverAll();
      const status = await world.store.notification(id);
      const expected = added.filter((answer) => answer === "added").length;
      assertEquals([status?.state, status?.counts.delivered], ["done", expected]);
    }
  });
}

function expansionTests(test: SharedTest): void {
  const platforms: readonly Platform[] = ["apns", "fcm", "webpush"];

  test("expand() of one notification by two nodes finds each recipient once", async (shared) => {
    const { world } = shared;
    await world.populate(600, platforms);
    for (const _ of upTo(4)) {
      const id = await world.submit();
      const added = await shared.both((node) => node.expand(id, 50, 20));
      assertEquals(added[0] + added[1], 600);
      const numbers: number[] = [];
      for (let { batches } = await world.claim(); batches.length > 0;) {
        for (const batch of batches) {
          const loaded = await world.store.load(batch.lease);
          assert(typeof loaded === "object");
          numbers.push(...loaded.recipients.numbers);
          await world.commit(batch);
        }
        ({ batches } = await world.claim());
      }
      assertEquals(new Set(numbers).size, 600);
      const status = await world.store.notification(id);
      assertEquals([status?.state, status?.counts.delivered, numbers.length], ["done", 600, 600]);
    }
  });

  test("expand() while the other node claims and records ends with exact counts", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    await world.populate(600, platforms);
    const id = await world.submit();
    const work = async () => {
      while (!(await other.store.notification(id))?.sendingDone) await other.deliverAll();
    };
    const [added] = await Promise.all([one.expand(id, 30, 10), work()]);
    const status = await world.store.notification(id);
    assertEquals([added, status?.state, status?.counts.delivered], [600, "done", 600]);
  });
}

/** Claims and records until nothing is left; gives back the leases it had, and how often it was told that a notification is done. */
async function drain(
  node: DeliveryWorld,
  name: string,
): Promise<{ readonly leases: readonly string[]; readonly done: number }> {
  const leases: string[] = [];
  let done = 0;
  while (true) {
    const { batches } = await node.claim({ node: name, batchesMax: 5 });
    if (batches.length === 0) return { leases, done };
    const outcomes = await Promise.all(batches.map((batch) => node.commit(batch)));
    for (const [index, { lease }] of batches.entries()) {
      leases.push(`${lease.batch}/${lease.token}`);
      const outcome = outcomes[index];
      assertEquals(outcome?.kind, "committed");
      if (outcome?.kind === "committed" && outcome.notificationDone) done++;
    }
  }
}

function claimTests(test: SharedTest): void {
  test("claim() by two nodes gives no batch twice, and leaves none", async (shared) => {
    const { world } = shared;
    for (const app of ["a", "b"]) await world.store.saveApp(app, {}, world.now);
    const ids: string[] = [];
    for (const count of [30, 1, 25, 40]) {
      ids.push(await world.submitTokens(count, { app: count % 2 === 0 ? "a" : "b" }));
    }
    const large = world.record(1, { app: "a" });
    await world.store.saveDevices(
      upTo(900).map((number) => ({ ...large, id: deviceOf(number), address: `${number}` })),
      world.now,
    );
    const id = await world.submit({ kind: "all" }, { app: "a" });
    await world.expand(id, 1_000, 10);
    const [one, other] = await shared.both((node, place) => drain(node, `node-${place}`));
    const leases = [...one.leases, ...other.leases];
    assertEquals(leases.length, 94);
    assertEquals(new Set(leases).size, 94);
    assertEquals(one.done + other.done, 5);
    for (const [index, expected] of [[0, 30], [1, 1], [2, 25], [3, 40]] as const) {
      const status = await world.store.notification(ids[index] ?? "");
      assertEquals([status?.state, status?.counts.delivered], ["done", expected]);
    }
    const status = await world.store.notification(id);
    assertEquals([status?.state, status?.counts.delivered], ["done", 900]);
    assertEquals(await world.store.lanes(), []);
  });

  test("a pace is the notification's, over all nodes", async (shared) => {
    const { world } = shared;
    await world.populate(0);
    await world.submitTokens(100, { ratePerSecond: 100 });
    for (const _ of upTo(4)) {
      const claimed = await shared.both((node) => node.claim());
      assertEquals(claimed.flatMap(({ batches }) => batches).length, 1);
      world.clock.nowMs += 250;
    }
    assertEquals((await world.claim()).batches, []);
  });

  test("lanes take turns over all nodes", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    for (const app of ["a", "b", "c"]) {
      await world.store.saveApp(app, {}, world.now);
      await world.submitTokens(4_000, { app });
    }
    const apps: string[] = [];
    for (const node of [one, other, one, other, one, other]) {
      apps.push(...(await node.claim({ batchesMax: 1 })).batches.map(({ app }) => app));
    }
    assertEquals(apps.join(""), "abcabc");
  });
}

/** A claimed batch of a new notification to so many tokens. */
async function claimOne(node: DeliveryWorld, count = 3): Promise<ClaimedBatch> {
  await node.submitTokens(count);
  const { batches: [batch] } = await node.claim({ node: "one" });
  assert(batch !== undefined);
  return batch;
}

function leaseTests(test: SharedTest): void {
  test("the lease of one node holds against the other, and can be renewed", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    await world.populate(0);
    const batch = await claimOne(one);
    assertEquals(await other.claim(), { batches: [], dueAt: world.now + LEASE_MS });
    world.clock.nowMs += LEASE_MS - 1;
    assertEquals(await one.store.renew([batch.lease], world.now + LEASE_MS), [true]);
    world.clock.nowMs += 1;
    assertEquals((await other.claim()).batches, []);
    assertEquals((await one.commit(batch)).kind, "committed");
  });

  test("a result after abandon() by the other node is stale", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    await world.populate(0);
    const batch = await claimOne(one);
    assertEquals(await other.store.abandon("one", world.now), 1);
    assertEquals(await one.commit(batch), { kind: "stale" });
    const { batches: [again] } = await other.claim({ node: "other" });
    assert(again !== undefined);
    assertEquals([again.lease.batch, again.deliveries], [batch.lease.batch, 1]);
    assertEquals(await one.commit(batch), { kind: "stale" });
    assertEquals(await one.store.renew([batch.lease], world.now + LEASE_MS), [false]);
    await one.store.release(batch.lease, world.now);
    assertEquals(await one.store.load(batch.lease), "stale");
    assertEquals((await other.commit(again)).kind, "committed");
    const status = await world.store.notification(batch.notification);
    assertEquals(status?.counts.delivered, 3);
  });

  for (
    const [title, end] of [
      ["abandon()", (node: DeliveryWorld) => node.store.abandon("one", node.now)],
      ["the end of its lease", (node: DeliveryWorld) => {
        node.clock.nowMs += LEASE_MS;
        return Promise.resolve(0);
      }],
    ] as const
  ) {
    test(`a result and ${title} at once: it is recorded once, or the batch is claimed again`, async (shared) => {
      const { world, nodes: [one, other] } = shared;
      await world.populate(0);
      for (const _ of upTo(2 * ROUNDS)) {
        const batch = await claimOne(one);
        const [outcome, { batches: [again] }] = await Promise.all([
          one.commit(batch),
          end(other).then(() => other.claim({ node: "other" })),
        ]);
        // A lease is passed over while its result is being recorded, and looked at again if it was not.
        const later = again ?? (await other.claim({ node: "other" })).batches[0];
        assertEquals(later === undefined, outcome.kind === "committed");
        if (later !== undefined) assertEquals((await other.commit(later)).kind, "committed");
        const status = await world.store.notification(batch.notification);
        assertEquals([status?.state, status?.counts.delivered], ["done", 3]);
      }
    });
  }

  test("the last two results at once: one of them ends the notification", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    await world.populate(0);
    for (const _ of upTo(2 * ROUNDS)) {
      const id = await world.submitTokens(2_000);
      const { batches: [first, second] } = await world.claim();
      assert(first !== undefined && second !== undefined);
      const outcomes = await Promise.all([one.commit(first), other.commit(second)]);
      const done = outcomes.filter((outcome) =>
        outcome.kind === "committed" && outcome.notificationDone
      );
      assertEquals(done.length, 1);
      assertEquals((await world.store.notification(id))?.counts.delivered, 2_000);
    }
  });
}

function cancelTests(test: SharedTest): void {
  test("cancel() and claim() at once: each batch is cancelled, or claimed and finished", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    await world.populate(0);
    for (const _ of upTo(ROUNDS)) {
      const id = await world.submitTokens(40, { ratePerSecond: 8 });
      const unrated = await world.submitTokens(5_000);
      const [, , { batches }] = await Promise.all([
        other.store.cancel(id, world.now),
        other.store.cancel(unrated, world.now),
        one.claim({ batchesMax: 3 }),
      ]);
      for (const batch of batches) assertEquals((await one.commit(batch)).kind, "committed");
      assertEquals((await world.claim()).batches, []);
      for (const [cancelled, total] of [[id, 40], [unrated, 5_000]] as const) {
        const status = await world.store.notification(cancelled);
        const sent = batches.filter(({ notification }) => notification === cancelled)
          .reduce((sum, { count }) => sum + count, 0);
        assertEquals([status?.state, status?.sendingDone], ["cancelled", true]);
        assertEquals([status?.counts.delivered, status?.counts.cancelled], [sent, total - sent]);
      }
    }
  });

  test("cancel() and release(), a result or an expansion at once leave nobody behind", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    await world.populate(40);
    for (const _ of upTo(ROUNDS)) {
      const id = await world.submit();
      await world.store.expand(id, { limit: 20, batchMax: 10 });
      const { batches: [released, recorded] } = await one.claim();
      assert(released !== undefined && recorded !== undefined);
      const remainders = [{ numbers: [11, 12, 13], attempt: 1, notBefore: world.now }];
      await Promise.all([
        one.store.release(released.lease, world.now),
        one.commit(recorded, { outcomes: { ...NONE, delivered: 7 }, remainders }),
        one.store.expand(id, { limit: 10, batchMax: 10 }),
        other.store.cancel(id, world.now),
      ]);
      assertEquals((await world.claim()).batches, []);
      const status = await world.store.notification(id);
      assertEquals([status?.state, status?.sendingDone], ["cancelled", true]);
      const { total = 0, delivered, cancelled, pending } = status?.counts ?? {};
      assertEquals([delivered, cancelled, pending], [7, total - 7, 0]);
    }
  });
}

/** Follows a log until it has so many entries, as a sink does; gives back all that it saw. */
async function follow<T extends { readonly position: number }>(
  read: (position: number, limit: number) => Promise<readonly T[]>,
  count: number,
): Promise<readonly T[]> {
  const seen: T[] = [];
  for (let position = 0; seen.length < count;) {
    const page = await read(position, 7);
    for (const entry of page) {
      assert(entry.position > position, `${entry.position} came after ${position}`);
      position = entry.position;
    }
    seen.push(...page);
  }
  return seen;
}

function logTests(test: SharedTest): void {
  test("whoever follows the logs while two nodes record misses nothing", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    await world.populate(400);
    const id = await world.submit({ kind: "all" }, { rows: "all" });
    await world.expand(id, 1_000, 4);
    const { batches } = await world.claim();
    const record = async (node: DeliveryWorld, mine: readonly ClaimedBatch[]) => {
      for (let next = 0; next < mine.length; next += 3) {
        await Promise.all(
          mine.slice(next, next + 3).map(async (batch) => {
            const loaded = await node.store.load(batch.lease);
            assert(typeof loaded === "object");
            const rows = loaded.recipients.numbers.map((number) => ({
              number,
              address: "a",
              outcome: "rejected",
              status: 400,
              reason: "r",
              registeredBefore: undefined,
            } as const));
            await node.commit(batch, { outcomes: { ...NONE, rejected: batch.count }, rows });
          }),
        );
      }
    };
    const [, , rows, tallies] = await Promise.all([
      record(one, batches.slice(0, 50)),
      record(other, batches.slice(50)),
      follow((position, limit) => one.store.rowsAfter(position, limit), 400),
      follow<Tally>((position, limit) => other.store.talliesAfter(position, limit), 100),
    ]);
    assertEquals(new Set(rows.map(({ number }) => number)).size, 400);
    assertEquals(tallies.reduce((sum, { outcomes }) => sum + outcomes.rejected, 0), 400);
    assertEquals(await world.store.rowsAfter(rows.at(-1)?.position ?? 0, 9), []);
    assertEquals(await world.store.talliesAfter(tallies.at(-1)?.position ?? 0, 9), []);
  });

  test("claimSink() by two nodes at once gives it to one", async (shared) => {
    for (const round of upTo(ROUNDS)) {
      const positions = await shared.both((node, place) =>
        node.store.claimSink({
          name: `sink-${round}`,
          log: "rows",
          node: `node-${place}`,
          now: node.now,
          leaseMs: LEASE_MS,
        })
      );
      assertEquals(positions.toSorted(), [0, undefined]);
    }
  });

  test("sweep() by two nodes at once removes everything", async (shared) => {
    const { world } = shared;
    await world.populate(0);
    for (const _ of upTo(30)) await world.submitTokens(2);
    await world.deliverAll();
    world.clock.nowMs += 1;
    await shared.both(async ({ store, now }) => {
      while (await store.sweep(now, 7) > 0);
    });
    while (await world.store.sweep(world.now, 7) > 0);
    assertEquals(await world.store.notifications({ after: undefined, limit: 9 }), []);
    assertEquals(await world.store.talliesAfter(0, 9), []);
  });
}
