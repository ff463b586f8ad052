/**
 * What every delivery store must do for sinks beside rows: the log of tallies, how far each sink has
 * come in its log, and the lease on it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { SinkLog } from "../../actors/push/delivery/store.ts";
import { type DeliveryTest, type DeliveryWorld, LEASE_MS, NEWS, NONE } from "./delivery_world.ts";

/** Delivers a notification to three tokens with one failure recorded; gives back its id. */
async function failOne(world: DeliveryWorld): Promise<string> {
  const id = await world.submitTokens(3);
  const { batches: [batch] } = await world.claim();
  assert(batch !== undefined);
  const row = { number: 3, address: "token-3", outcome: "rejected", status: 400 } as const;
  await world.commit(batch, {
    outcomes: { ...NONE, delivered: 2, rejected: 1 },
    rows: [{ ...row, reason: "r", registeredBefore: undefined }],
  });
  return id;
}

/** The position of the newest entry of a log. */
async function newestOf({ store }: DeliveryWorld, log: SinkLog): Promise<number> {
  const entries = log === "rows" ? await store.rowsAfter(0, 99) : await store.talliesAfter(0, 99);
  return entries.at(-1)?.position ?? 0;
}

/** Declares the tests of tallies, sinks' positions and their leases. */
export function sinkTests(test: DeliveryTest): void {
  tallyTests(test);
  positionTests(test);
  leaseTests(test);
}

function tallyTests(test: DeliveryTest): void {
  test("talliesAfter() gives what each commit counted, in the order of recording", async (world) => {
    await world.populate(6, ["apns", "fcm"]);
    const id = await world.submit();
    await world.expand(id);
    const { batches: [one, two] } = await world.claim();
    assert(one !== undefined && two !== undefined);
    const outcomes = { ...NONE, delivered: 1, token_invalid: 1, expired: 1 };
    await world.commit(one, { outcomes });
    world.clock.nowMs += 5;
    const committed = { ...NONE, rejected: 1 };
    const loaded = await world.store.load(two.lease);
    assert(typeof loaded === "object");
    const [first = 0, second = 0] = loaded.recipients.numbers;
    await world.commit(two, {
      outcomes: committed,
      remainders: [
        { numbers: [first], attempt: 1, notBefore: world.now },
        { numbers: [second], attempt: 0, notBefore: world.now },
      ],
    });
    const tallies = await world.store.talliesAfter(0, 9);
    const [before, after] = tallies.map(({ position }) => position);
    assert(before !== undefined && after !== undefined && before < after);
    assertEquals(tallies, [
      {
        position: before,
        notification: id,
        app: NEWS,
        platform: one.platform,
        at: world.now - 5,
        outcomes,
        retries: 0,
      },
      {
        position: after,
        notification: id,
        app: NEWS,
        platform: two.platform,
        at: world.now,
        outcomes: committed,
        retries: 1,
      },
    ]);
    assertEquals(await world.store.talliesAfter(before, 9), tallies.slice(1));
    assertEquals(await world.store.talliesAfter(0, 1), tallies.slice(0, 1));
    assertEquals(await world.store.talliesAfter(after, 9), []);
  });

  test("talliesAfter() has one for a commit in which nothing ended, and none for a stale one", async (world) => {
    await world.populate(0);
    await world.submitTokens(2);
    const { batches: [batch] } = await world.claim();
    assert(batch !== undefined);
    const again = { numbers: [1, 2], attempt: 1, notBefore: world.now };
    await world.commit(batch, { outcomes: NONE, remainders: [again] });
    assertEquals(await world.commit(batch), { kind: "stale" });
    const counted = (await world.store.talliesAfter(0, 9))
      .map(({ outcomes, retries }) => ({ outcomes, retries }));
    assertEquals(counted, [{ outcomes: NONE, retries: 2 }]);
  });

  test("talliesAfter() counts what a cancelled notification drops, as the notification does", async (world) => {
    await world.populate(0);
    const id = await world.submitTokens(3);
    const { batches: [batch] } = await world.claim();
    assert(batch !== undefined);
    await world.store.cancel(id, world.now);
    await world.commit(batch, {
      outcomes: { ...NONE, delivered: 1 },
      remainders: [{ numbers: [2, 3], attempt: 1, notBefore: world.now }],
    });
    const [tally] = await world.store.talliesAfter(0, 9);
    assertEquals(tally?.outcomes, { ...NONE, delivered: 1, cancelled: 2 });
    const counts = (await world.store.notification(id))?.counts;
    assertEquals(
      [counts?.delivered, counts?.cancelled, counts?.retries],
      [1, 2, tally?.retries],
    );
  });

  test("sweep() removes tallies from before, of unfinished notifications too", async (world) => {
    await world.populate(0);
    const old = await failOne(world);
    await world.submitTokens(2_000);
    const { batches: [batch, waiting] } = await world.claim();
    assert(batch !== undefined && waiting !== undefined);
    await world.commit(batch);
    await world.store.release(waiting.lease, world.now + 1_000_000);
    world.clock.nowMs += 10;
    const fresh = await failOne(world);
    const newest = await newestOf(world, "tallies");
    assertEquals(await world.store.sweep(world.now - 10, 100), 0);
    assertEquals((await world.store.talliesAfter(0, 9)).length, 3);
    while (await world.store.sweep(world.now, 1) > 0);
    const left = (await world.store.talliesAfter(0, 9)).map(({ notification }) => notification);
    assertEquals(left, [fresh]);
    assertEquals(await world.store.notification(old), undefined);
    world.clock.nowMs += 1;
    while (await world.store.sweep(world.now, 100) > 0);
    assertEquals(await world.store.talliesAfter(0, 9), []);
    await world.fixture.reopen();
    await failOne(world);
    assert(await newestOf(world, "tallies") > newest, "a position was given twice");
  });
}

function positionTests(test: DeliveryTest): void {
  for (const log of ["rows", "tallies"] as const) {
    test(`sinkPosition() begins at the newest of the ${log}, and never goes back`, async (world) => {
      await world.populate(0);
      const { store } = world;
      // So that the two logs are not equally long.
      await world.submitTokens(1);
      await world.deliverAll();
      const begin = await newestOf(world, log);
      assertEquals(await store.sinkPosition("early", log), begin);
      await failOne(world);
      const newest = await newestOf(world, log);
      assert(newest > begin);
      assertEquals(await store.sinkPosition("late", log), newest);
      assertEquals(await store.sinkPosition("early", log), begin);
      await failOne(world);
      assertEquals(await store.sinkPosition("late", log), newest);
      await store.saveSinkPosition("early", newest);
      await store.saveSinkPosition("early", begin);
      await world.fixture.reopen();
      assertEquals(await world.store.sinkPosition("early", log), newest);
    });
  }
}

function leaseTests(test: DeliveryTest): void {
  const sink = { name: "webhook", log: "rows", leaseMs: LEASE_MS } as const;

  test("claimSink() gives one node the lease, with the position", async (world) => {
    await world.populate(0);
    await failOne(world);
    const newest = await newestOf(world, "rows");
    const claim = (node: string) => world.store.claimSink({ ...sink, node, now: world.now });
    assertEquals(await claim("a"), newest);
    assertEquals(await claim("b"), undefined);
    await world.store.saveSinkPosition("webhook", newest + 3);
    assertEquals(await claim("a"), newest + 3);
    const other = { ...sink, name: "other", log: "tallies", node: "b", now: world.now } as const;
    assertEquals(await world.store.claimSink(other), await newestOf(world, "tallies"));
  });

  test("claimSink() prolongs the lease of its holder; another takes it when it ended", async (world) => {
    const claim = (node: string) => world.store.claimSink({ ...sink, node, now: world.now });
    await claim("a");
    world.clock.nowMs += LEASE_MS - 1;
    assertEquals(await claim("b"), undefined);
    assertEquals(await claim("a"), 0);
    world.clock.nowMs += LEASE_MS - 1;
    assertEquals(await claim("b"), undefined);
    world.clock.nowMs += 1;
    assertEquals(await claim("b"), 0);
    assertEquals(await claim("a"), undefined);
  });

  test("claimSink() for no time gives up one's own lease, and no other's", async (world) => {
    const claim = (node: string, leaseMs: number) =>
      world.store.claimSink({ ...sink, node, leaseMs, now: world.now });
    assertEquals(await claim("a", LEASE_MS), 0);
    assertEquals(await claim("b", 0), undefined);
    assertEquals(await claim("b", LEASE_MS), undefined);
    assertEquals(await claim("a", 0), 0);
    assertEquals(await claim("b", LEASE_MS), 0);
  });

  test("abandon() ends a node's leases on sinks, and no other's", async (world) => {
    const claim = (name: string, node: string) =>
      world.store.claimSink({ ...sink, name, node, now: world.now });
    await claim("one", "a");
    await claim("two", "b");
    assertEquals(await world.store.abandon("a", world.now), 0);
    assertEquals([await claim("one", "c"), await claim("two", "c")], [0, undefined]);
  });

  test("claimSink() by several nodes at once gives it to one", async (world) => {
    const nodes = Array.from({ length: 8 }, (_, index) => `node-${index}`);
    const answers = await Promise.all(
      nodes.map((node) => world.store.claimSink({ ...sink, node, now: world.now })),
    );
    assertEquals(answers.filter((position) => position !== undefined), [0]);
  });
}
