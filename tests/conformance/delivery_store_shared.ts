/**
 * What every delivery store must do that several nodes share, as one suite: two stores on the same data.
 * A race is run many times over, since most of them are decided the same way.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { DeviceRecord, Platform } from "../../actors/push/delivery/records.ts";
import type { ClaimedBatch, Tally } from "../../actors/push/delivery/store.ts";
import { lastReasons, notify, SECOND, settle, tallyAt, wholeHistory } from "./delivery_history.ts";
import { sharedQueueTests } from "./delivery_shared_queue.ts";
import { ROUNDS, SharedDeliveryWorld, type SharedTest, upTo } from "./delivery_shared_world.ts";
import {
  type DeliverySettings,
  type DeliveryWorld,
  deviceOf,
  idOf,
  LEASE_MS,
  NEWS,
  NONE,
  type SharedDeliveryFixture,
} from "./delivery_world.ts";
import { WallClock } from "./store_world.ts";

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
  Deno.test(`${name}, shared: identity() is one for all nodes, and no other store's`, async () => {
    const clock = new WallClock();
    await using mine = await open({ clock });
    await using others = await open({ clock });
    const stores = [mine.one, mine.other, others.one, others.other];
    const [one, other, ...theirs] = await Promise.all(stores.map((store) => store.identity()));
    assertEquals(other, one);
    assertEquals(new Set([one, ...theirs]).size, 2);
  });
  appTests(test);
  deviceTests(test);
  submissionTests(test);
  expansionTests(test);
  sharedQueueTests(test);
  logTests(test);
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

  test("addToHistory() by two nodes that read the same counts each tally once", async (shared) => {
    const { world } = shared;
    world.clock.nowMs = SECOND * 1_000 + 600_000;
    const tallies = upTo(20 * ROUNDS).map((number) =>
      tallyAt(number, SECOND * 1_000 + number % 30 * 10_000)
    );
    for (const round of upTo(ROUNDS)) {
      // One of them is a page ahead, and has read on while the other one offers what it read.
      await shared.both(({ store }, place) =>
        store.addToHistory(tallies.slice(20 * (round - 1), 20 * round - 10 * place))
      );
    }
    await shared.both(({ store }) => store.addToHistory(tallies));
    const [whole, ...others] = await wholeHistory(world, 300);
    assertEquals([whole?.outcomes.delivered, others], [20 * ROUNDS, []]);
    assertEquals(await world.store.sinkPosition("history", "tallies"), 20 * ROUNDS);
  });

  test("lastOutcomes() while one node records and the other sweeps has the newest row, and then none", async (shared) => {
    const { world, nodes: [one, other] } = shared;
    const devices = upTo(40);
    await world.populate(40);
    const waiting = await world.submit({ kind: "all" }, { rows: "all" });
    await world.expand(waiting, 100, 20);
    const { batches: [older] } = await world.claim();
    await settle(world, older, { outcome: "rejected", status: 400, reason: "older" });
    for (const round of upTo(ROUNDS)) {
      world.clock.nowMs += 1;
      const { now } = world;
      await Promise.all([
        notify(one, devices, `${round}`),
        (async () => {
          while (await other.store.sweep(now, 7) > 0);
        })(),
      ]);
      assertEquals(await lastReasons(other, devices), devices.map(() => `${round}`));
    }
    world.clock.nowMs += 1;
    await shared.both(async ({ store, now }) => {
      while (await store.sweep(now, 7) > 0);
    });
    assertEquals((await world.store.rowsAfter(0, 99)).length, 20);
    assertEquals(await lastReasons(world, devices), devices.map(() => undefined));
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
