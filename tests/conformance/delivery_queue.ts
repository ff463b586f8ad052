/**
 * What every delivery queue must do: claims and their fairness, leases, paces, pauses, results.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ClaimedBatch } from "../../actors/push/delivery/store.ts";
import {
  type DeliveryTest,
  type DeliveryWorld,
  deviceOf,
  LEASE_MS,
  NEWS,
  NONE,
} from "./delivery_world.ts";

/** Declares the tests of the queue. */
export function queueTests(test: DeliveryTest): void {
  leaseTests(test);
  abandonTests(test);
  fairnessTests(test);
  timeTests(test);
  pauseTests(test);
  resultTests(test);
}

/** One claimed batch of a new notification to so many tokens. */
async function claimOne(world: DeliveryWorld, count = 3): Promise<ClaimedBatch> {
  await world.populate(0);
  await world.submitTokens(count);
  const { batches: [batch] } = await world.claim();
  assert(batch !== undefined);
  return batch;
}

function leaseTests(test: DeliveryTest): void {
  test("claim() describes a batch, and starts its notification", async (world) => {
    await world.populate(0);
    const id = await world.submitTokens(3);
    assertEquals((await world.store.notification(id))?.startedAt, undefined);
    const { batches, dueAt } = await world.claim();
    assertEquals(batches.map(({ lease: _, ...rest }) => rest), [{
      app: NEWS,
      platform: "apns",
      notification: id,
      count: 3,
      attempt: 0,
      deliveries: 1,
    }]);
    assertEquals(dueAt, world.now + LEASE_MS);
    assertEquals((await world.store.notification(id))?.startedAt, world.now);
    assertEquals((await world.claim()).batches, []);
  });

  test("a lease that is not renewed ends, and its holder is too late", async (world) => {
    const batch = await claimOne(world);
    world.clock.nowMs += LEASE_MS - 1;
    assertEquals((await world.claim()).batches, []);
    world.clock.nowMs += 1;
    const { batches: [again] } = await world.claim();
    assert(again !== undefined);
    assertEquals([again.lease.batch, again.deliveries], [batch.lease.batch, 2]);
    assert(again.lease.token > batch.lease.token);
    assertEquals(await world.store.load(batch.lease), "stale");
    assertEquals(await world.commit(batch), { kind: "stale" });
    assertEquals(await world.store.renew([batch.lease, again.lease], world.now + 1), [false, true]);
    await world.store.release(batch.lease, world.now);
    assertEquals(await world.commit(again), { kind: "committed", notificationDone: true });
    assertEquals(await world.commit(again), { kind: "stale" });
  });

  test("of two results under the same lease at once, one counts", async (world) => {
    const batch = await claimOne(world);
    const outcomes = await Promise.all([world.commit(batch), world.commit(batch)]);
    assertEquals(outcomes.map(({ kind }) => kind).toSorted(), ["committed", "stale"]);
    const status = await world.store.notification(batch.notification);
    assertEquals([status?.state, status?.counts.delivered], ["done", batch.count]);
    assertEquals((await world.store.talliesAfter(0, 9)).length, 1);
  });

  test("renew() prolongs", async (world) => {
    const batch = await claimOne(world);
    assertEquals(await world.store.renew([batch.lease], world.now + 2 * LEASE_MS), [true]);
    world.clock.nowMs += LEASE_MS;
    assertEquals(await world.claim(), { batches: [], dueAt: world.now + LEASE_MS });
    assertEquals((await world.commit(batch)).kind, "committed");
  });

  test("opening it again ends the leases of the process before", async (world) => {
    const batch = await claimOne(world);
    await world.fixture.reopen();
    assertEquals(await world.commit(batch), { kind: "stale" });
    const { batches: [again] } = await world.claim();
    assertEquals([again?.lease.batch, again?.deliveries], [batch.lease.batch, 1]);
  });

  test("each tenth end of the process counts as a delivery of what was leased", async (world) => {
    await claimOne(world);
    const deliveries = [];
    for (let death = 1; death <= 21; death++) {
      await world.fixture.reopen();
      const { batches: [again] } = await world.claim();
      deliveries.push(again?.deliveries);
    }
    assertEquals(deliveries, [...Array(9).fill(1), ...Array(10).fill(2), 3, 3]);
  });

  test("release() hands back for later, and counts no delivery", async (world) => {
    const batch = await claimOne(world);
    await world.store.release(batch.lease, world.now + 70);
    assertEquals(await world.commit(batch), { kind: "stale" });
    assertEquals(await world.claim(), { batches: [], dueAt: world.now + 70 });
    world.clock.nowMs += 70;
    const { batches: [again] } = await world.claim();
    assertEquals(again?.deliveries, 1);
    assert((again?.lease.token ?? 0) > batch.lease.token);
  });

  test("load() says unreadable, and the batch can be settled all the same", async (world) => {
    await world.populate(2);
    const id = await world.submit();
    await world.expand(id);
    const { batches: [first] } = await world.claim();
    assert(first !== undefined);
    await world.fixture.corrupt(first.lease.batch);
    await world.store.release(first.lease, world.now);
    const { batches: [batch] } = await world.claim();
    assert(batch !== undefined);
    assertEquals(await world.store.load(batch.lease), "unreadable");
    await world.commit(batch, { outcomes: { ...NONE, failed: 2 } });
    assertEquals((await world.store.notification(id))?.counts.failed, 2);
  });

  test("lanes() counts what waits and what is leased", async (world) => {
    await world.populate(0);
    await world.submitTokens(3_000);
    await world.claim({ batchesMax: 1 });
    const lane = { app: NEWS, platform: "apns" } as const;
    assertEquals(await world.store.lanes(), [{ ...lane, waiting: 2, leased: 1, pause: undefined }]);
    await world.store.pause({ app: NEWS, platform: "fcm" }, "why", world.now);
    const pause = { platform: "fcm", reason: "why", since: world.now } as const;
    assertEquals((await world.store.lanes())[1], {
      app: NEWS,
      platform: "fcm",
      waiting: 0,
      leased: 0,
      pause,
    });
  });
}

function abandonTests(test: DeliveryTest): void {
  test("abandon() ends the leases of a node, and of no other", async (world) => {
    await world.populate(0);
    await world.submitTokens(3_000);
    const { batches: [one, two] } = await world.claim({ node: "dead", batchesMax: 2 });
    const { batches: [other] } = await world.claim({ node: "alive" });
    assert(one !== undefined && two !== undefined && other !== undefined);
    world.clock.nowMs += 7;
    assertEquals(await world.store.abandon("dead", world.now), 2);
    assertEquals(await world.store.abandon("dead", world.now), 0);
    assertEquals(await world.store.load(one.lease), "stale");
    assertEquals(await world.commit(two), { kind: "stale" });
    assertEquals(await world.store.renew([one.lease, other.lease], world.now + LEASE_MS), [
      false,
      true,
    ]);
    const { batches } = await world.claim();
    assertEquals(
      batches.map(({ lease, deliveries }) => [lease.batch, deliveries]).toSorted(),
      [[one.lease.batch, 1], [two.lease.batch, 1]].toSorted(),
    );
    assert(batches.every(({ lease }) => lease.token > one.lease.token));
    for (const batch of [...batches, other]) {
      assertEquals((await world.commit(batch)).kind, "committed");
    }
  });

  test("each tenth abandon() counts as a delivery of what was leased", async (world) => {
    await claimOne(world);
    const deliveries = [];
    for (let death = 1; death <= 21; death++) {
      assertEquals(await world.store.abandon("node", world.now), 1);
      const { batches: [again] } = await world.claim();
      deliveries.push(again?.deliveries);
    }
    assertEquals(deliveries, [...Array(9).fill(1), ...Array(10).fill(2), 3, 3]);
  });

  test("abandon() ends what was cancelled meanwhile", async (world) => {
    const batch = await claimOne(world, 3);
    await world.store.cancel(batch.notification, world.now);
    assertEquals(await world.store.abandon("node", world.now), 1);
    const status = await world.store.notification(batch.notification);
    assertEquals(
      [status?.state, status?.counts.cancelled, status?.finishedAt],
      ["cancelled", 3, world.now],
    );
    assertEquals((await world.claim()).batches, []);
  });
}

function fairnessTests(test: DeliveryTest): void {
  test("claim() takes lanes in turn", async (world) => {
    for (const app of ["a", "b", "c"]) {
      await world.store.saveApp(app, {}, world.now);
      await world.submitTokens(app === "a" ? 9_000 : 2_000, { app });
    }
    const apps = async (batchesMax: number) =>
      (await world.claim({ batchesMax })).batches.map(({ app }) => app).join("");
    assertEquals(await apps(4), "abca");
    assertEquals(await apps(1), "b");
    assertEquals(await apps(3), "caa");
  });

  test("claim() leaves a lane its share, and takes nothing of a held one", async (world) => {
    for (const app of ["a", "b", "c"]) {
      await world.store.saveApp(app, {}, world.now);
      await world.submitTokens(9_000, { app });
    }
    const { batches } = await world.claim({
      batchesMax: 9,
      laneBatchesMax: 3,
      lanes: [
        { app: "a", platform: "apns", inFlight: 2, held: false },
        { app: "b", platform: "apns", inFlight: 0, held: true },
      ],
    });
    assertEquals(batches.map(({ app }) => app).join(""), "accc");
  });

  test("a small notification does not wait behind a large one", async (world) => {
    await world.populate(0);
    await world.submitTokens(10_000);
    await world.claim({ batchesMax: 4 });
    const small = await world.submitTokens(2);
    const { batches } = await world.claim({ batchesMax: 2 });
    assertEquals(batches.map(({ notification }) => notification).includes(small), true);
  });

  test("notifications of a lane take turns", async (world) => {
    await world.populate(0);
    const ids = [await world.submitTokens(5_000), await world.submitTokens(5_000)];
    const { batches } = await world.claim({ batchesMax: 6 });
    const taken = batches.map(({ notification }) => ids.indexOf(notification));
    assertEquals(taken, [0, 1, 0, 1, 0, 1]);
  });
}

function timeTests(test: DeliveryTest): void {
  test("claim() waits for sendAt, and says until when", async (world) => {
    await world.populate(0);
    const id = await world.submitTokens(1, { sendAt: world.now + 500 });
    assertEquals((await world.store.notification(id))?.state, "scheduled");
    assertEquals(await world.claim(), { batches: [], dueAt: world.now + 500 });
    world.clock.nowMs += 500;
    assertEquals((await world.claim()).batches.length, 1);
    assertEquals((await world.store.notification(id))?.state, "sending");
  });

  test("a remainder waits for its time, or for the end of its notification", async (world) => {
    await world.populate(0);
    const expiresAt = world.now + 1_000;
    const id = await world.submitTokens(5, { expiresAt });
    const { batches: [batch] } = await world.claim();
    assert(batch !== undefined);
    const outcome = await world.commit(batch, {
      outcomes: { ...NONE, delivered: 1 },
      remainders: [
        { numbers: [2, 4], attempt: 1, notBefore: world.now + 300 },
        { numbers: [1, 5], attempt: 0, notBefore: world.now + 9_000 },
      ],
    });
    assertEquals(outcome, { kind: "committed", notificationDone: false });
    const { counts, state } = await world.store.notification(id) ?? {};
    // Two of them have had a request, and two were handed back without.
    assertEquals([state, counts?.pending, counts?.retries], ["sending", 4, 2]);
    assertEquals(await world.claim(), { batches: [], dueAt: world.now + 300 });
    world.clock.nowMs += 300;
    const { batches: [retried], dueAt } = await world.claim();
    assertEquals([retried?.count, retried?.attempt, dueAt], [2, 1, expiresAt]);
    assert(retried !== undefined);
    const loaded = await world.store.load(retried.lease);
    assert(typeof loaded === "object");
    assertEquals(loaded.recipients.numbers, [2, 4]);
    assertEquals(loaded.recipients.addresses, ["token-2", "token-4"]);
    world.clock.nowMs = expiresAt;
    assertEquals((await world.claim()).batches.map(({ attempt }) => attempt), [0]);
  });

  test("a rated notification comes in small batches, at its pace", async (world) => {
    await world.populate(0);
    await world.submitTokens(100, { ratePerSecond: 100 });
    const first = await world.claim();
    assertEquals(first.batches.map(({ count }) => count), [25]);
    assertEquals(first.dueAt, world.now + 250);
    world.clock.nowMs += 249;
    assertEquals((await world.claim()).batches, []);
    await world.fixture.reopen();
    world.clock.nowMs += 1;
    assertEquals((await world.claim()).batches.length, 1);
    // Time that went unused is not made up for: a second never has more than its rate.
    world.clock.nowMs += 1_000;
    assertEquals((await world.claim()).batches.length, 1);
    assertEquals((await world.claim()).batches.length, 0);
  });

  test("the pace is the notification's, over all its platforms", async (world) => {
    await world.populate(30, ["apns", "fcm", "webpush"]);
    const id = await world.submit({ kind: "all" }, { ratePerSecond: 8 });
    await world.expand(id);
    let claimed = 0;
    for (let tick = 0; tick < 8; tick++) {
      claimed += (await world.claim()).batches.reduce((sum, { count }) => sum + count, 0);
      world.clock.nowMs += 125;
    }
    assertEquals(claimed, 8);
  });

  test("a very slow notification still moves", async (world) => {
    await world.populate(0);
    await world.submitTokens(2, { ratePerSecond: 0.5 });
    assertEquals((await world.claim()).batches.map(({ count }) => count), [1]);
    world.clock.nowMs += 2_000;
    assertEquals((await world.claim()).batches.map(({ count }) => count), [1]);
  });

  test("what has expired is not paced", async (world) => {
    await world.populate(0);
    const expiresAt = world.now + 100;
    await world.submitTokens(3, { ratePerSecond: 1, expiresAt });
    assertEquals((await world.claim()).dueAt, expiresAt);
    world.clock.nowMs = expiresAt;
    assertEquals((await world.claim()).batches.length, 2);
  });
}

function pauseTests(test: DeliveryTest): void {
  const lane = { app: NEWS, platform: "apns" } as const;

  test("claim() takes nothing of a paused lane until it is resumed", async (world) => {
    await world.populate(0);
    await world.submitTokens(1);
    await world.store.pause(lane, "why", world.now);
    assertEquals((await world.claim()).batches, []);
    await world.fixture.reopen();
    assertEquals((await world.claim()).batches, []);
    assertEquals(await world.store.resume(lane), true);
    assertEquals((await world.claim()).batches.length, 1);
  });

  test("what has expired is claimed from a held lane, and nothing else", async (world) => {
    await world.populate(0);
    const expiresAt = world.now + 100;
    await world.submitTokens(1, { expiresAt });
    await world.submitTokens(1, { expiresAt: expiresAt + 900 });
    const held = { lanes: [{ ...lane, inFlight: 0, held: true }] };
    assertEquals((await world.claim(held)).batches, []);
    world.clock.nowMs = expiresAt;
    assertEquals((await world.claim(held)).batches.length, 1);
    assertEquals((await world.claim(held)).batches, []);
    assertEquals((await world.claim()).batches.length, 1);
  });

  test("what has expired is claimed from a paused lane", async (world) => {
    await world.populate(0);
    const expiresAt = world.now + 100;
    await world.submitTokens(1, { expiresAt });
    await world.submitTokens(1, { expiresAt: expiresAt + 900 });
    await world.store.pause(lane, "why", world.now);
    assertEquals(await world.claim(), { batches: [], dueAt: expiresAt });
    world.clock.nowMs = expiresAt;
    const { batches, dueAt } = await world.claim();
    assertEquals(batches.length, 1);
    assertEquals(dueAt, expiresAt + 900);
  });

  test("commit() pauses its lane with the reason", async (world) => {
    const batch = await claimOne(world, 1);
    await world.commit(batch, { pause: "403 InvalidProviderToken" });
    const since = world.now;
    const pause = { platform: "apns", reason: "403 InvalidProviderToken", since } as const;
    assertEquals((await world.store.apps())[0]?.pauses, [pause]);
  });
}

function resultTests(test: DeliveryTest): void {
  test("commit() counts by platform, and ends the notification with its last batch", async (world) => {
    await world.populate(6, ["apns", "fcm"]);
    const id = await world.submit();
    await world.expand(id);
    const { batches: [one, two] } = await world.claim();
    assert(one !== undefined && two !== undefined);
    const outcomes = { ...NONE, delivered: 1, expired: 1, failed: 1 };
    assertEquals(await world.commit(one, { outcomes }), {
      kind: "committed",
      notificationDone: false,
    });
    const half = await world.store.notification(id);
    assertEquals([half?.sendingDone, half?.counts.pending], [false, 3]);
    world.clock.nowMs += 7;
    assertEquals(await world.commit(two), { kind: "committed", notificationDone: true });
    const status = await world.store.notification(id);
    const none = { tokenInvalid: 0, rejected: 0, cancelled: 0, pending: 0, retries: 0 };
    assertEquals(status?.platforms, {
      apns: { ...none, total: 3, delivered: 1, expired: 1, failed: 1 },
      fcm: { ...none, total: 3, delivered: 3, expired: 0, failed: 0 },
    });
    assertEquals(status?.counts, { ...none, total: 6, delivered: 4, expired: 1, failed: 1 });
    assertEquals([status?.state, status?.finishedAt], ["done", world.now]);
  });

  test("a notification whose batches end before its expansion is done with the last step", async (world) => {
    await world.populate(4);
    const id = await world.submit();
    await world.store.expand(id, { limit: 2, batchMax: 2 });
    await world.deliverAll();
    assertEquals((await world.store.notification(id))?.state, "expanding");
    await world.expand(id);
    await world.deliverAll();
    assertEquals((await world.store.notification(id))?.state, "done");
  });

  for (
    const [title, delivered, numbers] of [
      ["too few", 2, []],
      ["too many", 2, [1, 2]],
    ] as const
  ) {
    test(`commit() refuses ${title}, and records nothing of it`, async (world) => {
      const batch = await claimOne(world, 3);
      const result = {
        outcomes: { ...NONE, delivered },
        remainders: [{ numbers, attempt: 1, notBefore: 0 }],
        pause: "why",
      };
      await assertRejects(() => world.commit(batch, result), Error, "came to");
      const status = await world.store.notification(batch.notification);
      assertEquals([status?.counts.delivered, status?.counts.pending], [0, 3]);
      assertEquals((await world.store.apps())[0]?.pauses, []);
      assertEquals((await world.commit(batch)).kind, "committed");
    });
  }

  test("commit() refuses a result of another notification", async (world) => {
    const batch = await claimOne(world, 3);
    const other = await world.submitTokens(3);
    await assertRejects(() => world.commit(batch, { notification: other }), Error);
  });

  test("commit() marks suspects of its app, and clears them", async (world) => {
    await world.populate(3);
    await world.store.saveApp("other", {}, world.now);
    await world.store.saveDevices([world.record(9, { app: "other" })], world.now);
    const suspectsOf = async (app: string, marked: number[], cleared: number[]) => {
      const id = await world.submit({ kind: "all" }, { app });
      await world.expand(id);
      const { batches: [batch] } = await world.claim();
      assert(batch !== undefined);
      const loaded = await world.store.load(batch.lease);
      await world.commit(batch, { suspects: { marked, cleared } });
      return typeof loaded === "string" ? loaded : loaded.recipients.suspects;
    };
    assertEquals(await suspectsOf(NEWS, [2, 3, 4], []), []);
    assertEquals(await suspectsOf("other", [1], [3]), []);
    assertEquals(await suspectsOf(NEWS, [], [2]), [1, 2]);
    await world.store.removeDevice(deviceOf(2));
    assertEquals(await suspectsOf(NEWS, [], []), [1]);
    await world.store.saveDevices([world.record(3)], world.now);
    assertEquals(await suspectsOf(NEWS, [], []), []);
  });
}
