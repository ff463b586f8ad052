/**
 * What the queue of every delivery store must do that several nodes share: claims, leases, cancellation.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { ClaimedBatch } from "../../actors/push/delivery/store.ts";
import { ROUNDS, type SharedTest, upTo } from "./delivery_shared_world.ts";
import { type DeliveryWorld, deviceOf, LEASE_MS, NONE } from "./delivery_world.ts";

/** Declares the tests of the queue. */
export function sharedQueueTests(test: SharedTest): void {
  claimTests(test);
  leaseTests(test);
  cancelTests(test);
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

  test("of two results under the same lease at once, from both nodes, one counts", async (shared) => {
    const { world, nodes: [one] } = shared;
    await world.populate(0);
    for (const _ of upTo(ROUNDS)) {
      const batch = await claimOne(one);
      const before = (await world.store.talliesAfter(0, 1_000)).length;
      const remainders = [{ numbers: [1], attempt: 1, notBefore: world.now }];
      const outcomes = { ...NONE, delivered: 2 };
      const kinds = (await shared.both((node) => node.commit(batch, { outcomes, remainders })))
        .map(({ kind }) => kind);
      assertEquals(kinds.toSorted(), ["committed", "stale"]);
      const status = await world.store.notification(batch.notification);
      assertEquals([status?.counts.delivered, status?.counts.pending], [2, 1]);
      assertEquals((await world.store.talliesAfter(0, 1_000)).length, before + 1);
      const { batches } = await one.claim();
      assertEquals(batches.map(({ count }) => count), [1]);
      for (const rest of batches) assertEquals((await one.commit(rest)).kind, "committed");
    }
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
