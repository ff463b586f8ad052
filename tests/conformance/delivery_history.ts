/**
 * What every delivery store must do for the history of what ended, and for the last that is known of a
 * device.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { HistorySlot, Outcome, Platform } from "../../transports/delivery_store/records.ts";
import { HISTORY_MS } from "../../transports/delivery_store/limits.ts";
import type { ClaimedBatch, SettledDelivery, Tally } from "../../actors/push/delivery/store.ts";
import { type DeliveryTest, type DeliveryWorld, deviceOf, NEWS, NONE } from "./delivery_world.ts";

/** A second at which a slot of ten seconds begins, and one of five minutes; of yesterday by the clock of the tests. */
export const SECOND = 1_699_920_000;

/** A tally, as the log has it, with differences. */
export function tallyAt(
  position: number,
  atMs: number,
  outcomes: Partial<Record<Outcome, number>> = { delivered: 1 },
  more: Partial<Tally> = {},
): Tally {
  return {
    position,
    notification: "n",
    app: NEWS,
    platform: "apns",
    at: atMs,
    outcomes: { ...NONE, ...outcomes },
    retries: 0,
    ...more,
  };
}

/** A slot, with what is not 0. */
function slotAt(
  second: number,
  outcomes: Partial<Record<Outcome, number>>,
  retries = 0,
  platform: Platform = "apns",
): HistorySlot {
  return { second, platform, outcomes: { ...NONE, ...outcomes }, retries };
}

/** The history of all times of these tests. */
export function wholeHistory(
  { store }: Pick<DeliveryWorld, "store">,
  stepSeconds = 10,
): Promise<readonly HistorySlot[]> {
  return store.history({ from: 0, to: 3_000_000_000, stepSeconds });
}

/** Declares the tests of the history and of last outcomes. */
export function historyTests(test: DeliveryTest): void {
  slotTests(test);
  onceTests(test);
  spanTests(test);
  refusalTests(test);
  lastOutcomeTests(test);
}

function slotTests(test: DeliveryTest): void {
  test("addToHistory() counts in slots of ten seconds by the time of recording, in whatever order", async (world) => {
    world.clock.nowMs = SECOND * 1_000 + 100_000;
    await world.store.addToHistory([
      tallyAt(1, SECOND * 1_000 + 10_000, { delivered: 2, token_invalid: 1 }),
      tallyAt(2, SECOND * 1_000 + 9_999, { rejected: 3 }, { platform: "webpush", retries: 4 }),
      tallyAt(3, SECOND * 1_000 + 19_999, { delivered: 5, failed: 6 }, { retries: 7 }),
      tallyAt(4, SECOND * 1_000, { expired: 8 }, { platform: "webpush", app: "other" }),
      tallyAt(5, SECOND * 1_000, { cancelled: 9 }, { platform: "fcm" }),
    ]);
    await world.store.addToHistory([tallyAt(6, SECOND * 1_000 + 12_345, { delivered: 10 })]);
    assertEquals(await wholeHistory(world), [
      slotAt(SECOND, { cancelled: 9 }, 0, "fcm"),
      slotAt(SECOND, { rejected: 3, expired: 8 }, 4, "webpush"),
      slotAt(SECOND + 10, { delivered: 17, token_invalid: 1, failed: 6 }, 7),
    ]);
  });

  test("history() has what was tried again, and no slot in which nothing happened", async (world) => {
    world.clock.nowMs = SECOND * 1_000;
    await world.store.addToHistory([
      tallyAt(1, SECOND * 1_000, {}, { retries: 2 }),
      tallyAt(2, SECOND * 1_000 + 10_000, {}),
    ]);
    assertEquals(await wholeHistory(world), [slotAt(SECOND, {}, 2)]);
  });

  test("history() is kept over a reopening", async (world) => {
    world.clock.nowMs = SECOND * 1_000;
    await world.store.addToHistory([tallyAt(1, world.now)]);
    await world.fixture.reopen();
    assertEquals(await wholeHistory(world), [slotAt(SECOND, { delivered: 1 })]);
  });

  test("addToHistory() of what commits recorded comes to what notifications count", async (world) => {
    await world.populate(25, ["apns", "fcm", "webpush"]);
    const id = await world.submit();
    await world.expand(id, 100, 3);
    await world.deliverAll();
    const tallies = await world.store.talliesAfter(0, 1_000);
    assert(tallies.length > 5);
    await world.store.addToHistory(tallies);
    const history = await wholeHistory(world);
    const { platforms } = await world.store.notification(id) ?? {};
    for (const platform of ["apns", "fcm", "webpush"] as const) {
      const slots = history.filter((slot) => slot.platform === platform);
      const delivered = slots.reduce((sum, { outcomes }) => sum + outcomes.delivered, 0);
      assertEquals(delivered, platforms?.[platform]?.delivered);
    }
  });

  test("addToHistory() keeps 48 hours, and no more", async (world) => {
    world.clock.nowMs = SECOND * 1_000 + 9_999;
    const tallies = [0, 10, 20].map((second, index) =>
      tallyAt(index + 1, (SECOND + second) * 1_000)
    );
    await world.store.addToHistory(tallies);
    world.clock.nowMs += HISTORY_MS;
    await world.store.addToHistory([]);
    assertEquals((await wholeHistory(world)).length, 3);
    world.clock.nowMs += 1;
    await world.store.addToHistory([
      tallyAt(4, SECOND * 1_000 + 9_999),
      tallyAt(5, SECOND * 1_000 + 10_000),
    ]);
    assertEquals(await wholeHistory(world), [
      slotAt(SECOND + 10, { delivered: 2 }),
      slotAt(SECOND + 20, { delivered: 1 }),
    ]);
  });
}

function onceTests(test: DeliveryTest): void {
  const tallies = Array.from({ length: 12 }, (_, index) =>
    // Positions have gaps, and the times jump to and fro.
    tallyAt(3 * index + 1, SECOND * 1_000 + (index * 7 % 12) * 4_000));

  test("addToHistory() counts each tally once, however pages overlap", async (world) => {
    world.clock.nowMs = SECOND * 1_000 + 60_000;
    for (const [from, to] of [[0, 3], [0, 3], [1, 5], [2, 4], [5, 6], [0, 9], [9, 12], [0, 12]]) {
      await world.store.addToHistory(tallies.slice(from, to));
      if (to === 9) await world.fixture.reopen();
    }
    const [whole, ...others] = await wholeHistory(world, 300);
    assertEquals([whole, others], [slotAt(SECOND, { delivered: 12 }), []]);
  });

  test("addToHistory() called many times at once counts each tally once", async (world) => {
    world.clock.nowMs = SECOND * 1_000 + 60_000;
    await Promise.all(
      [12, 4, 12, 8, 12, 1].map((to) => world.store.addToHistory(tallies.slice(0, to))),
    );
    assertEquals(await wholeHistory(world, 300), [slotAt(SECOND, { delivered: 12 })]);
  });

  test("addToHistory() goes by the position of the sink `history`, and moves it", async (world) => {
    world.clock.nowMs = SECOND * 1_000 + 60_000;
    await world.store.saveSinkPosition("history", 4);
    await world.store.addToHistory(tallies.slice(0, 4));
    assertEquals(await wholeHistory(world, 300), [slotAt(SECOND, { delivered: 2 })]);
    assertEquals(await world.store.sinkPosition("history", "tallies"), 10);
    await world.store.addToHistory(tallies.slice(0, 1));
    await world.store.addToHistory([]);
    assertEquals(await world.store.sinkPosition("history", "tallies"), 10);
    const claim = { name: "history", log: "tallies", node: "a", leaseMs: 1 } as const;
    assertEquals(await world.store.claimSink({ ...claim, now: world.now }), 10);
  });

  test("addToHistory() leaves the lease on its sink alone", async (world) => {
    world.clock.nowMs = SECOND * 1_000;
    const claim = (node: string) =>
      world.store.claimSink({
        name: "history",
        log: "tallies",
        node,
        now: world.now,
        leaseMs: 100,
      });
    assertEquals(await claim("a"), 0);
    await world.store.addToHistory([tallyAt(1, world.now)]);
    assertEquals([await claim("b"), await claim("a")], [undefined, 1]);
  });
}

function spanTests(test: DeliveryTest): void {
  test("history() sums by step from its first second to before its last", async (world) => {
    world.clock.nowMs = SECOND * 1_000 + 1_200_000;
    // One recipient in every slot of twenty minutes.
    const tallies = Array.from(
      { length: 120 },
      (_, index) => tallyAt(index + 1, (SECOND + 10 * index) * 1_000),
    );
    await world.store.addToHistory(tallies);
    const read = async (from: number, to: number, stepSeconds: number) => {
      const slots = await world.store.history({
        from: SECOND + from,
        to: SECOND + to,
        stepSeconds,
      });
      return slots.map(({ second, outcomes }) => [second - SECOND, outcomes.delivered]);
    };
    for (
      const [from, to, step, expected] of [
        [0, 0, 10, []],
        [30, 20, 10, []],
        [-300, 0, 10, []],
        [1_200, 1_500, 10, []],
        [20, 50, 10, [[20, 1], [30, 1], [40, 1]]],
        [0, 10, 10, [[0, 1]]],
        [-300, 600, 300, [[0, 30], [300, 30]]],
        [600, 1_500, 300, [[600, 30], [900, 30]]],
        [0, 180, 60, [[0, 6], [60, 6], [120, 6]]],
        [0, 1_200, 1_200, [[0, 120]]],
      ] as const
    ) {
      assertEquals<unknown>(await read(from, to, step), expected, `${from} to ${to} by ${step}`);
    }
  });
}

function refusalTests(test: DeliveryTest): void {
  test("addToHistory() refuses a page that is too long or not in order, and counts none of it", async (world) => {
    world.clock.nowMs = SECOND * 1_000;
    const many = Array.from({ length: 1_001 }, (_, index) => tallyAt(index + 1, world.now));
    for (const page of [[tallyAt(2, 0), tallyAt(1, 0)], [tallyAt(1, 0), tallyAt(1, 0)], many]) {
      await assertRejects(() => world.store.addToHistory(page), Error);
    }
    assertEquals(await wholeHistory(world), []);
    await world.store.addToHistory(many.slice(0, 1_000));
    assertEquals(await wholeHistory(world), [slotAt(SECOND, { delivered: 1_000 })]);
  });

  test("history() refuses spans that no slots make up", async ({ store }) => {
    for (
      const span of [
        { from: 0, to: 10, stepSeconds: 0 },
        { from: 0, to: 10, stepSeconds: 1 },
        { from: 0, to: 30, stepSeconds: 15 },
        { from: 0, to: 10, stepSeconds: -10 },
        { from: 5, to: 10, stepSeconds: 10 },
        { from: 0, to: 310, stepSeconds: 300 },
      ]
    ) {
      await assertRejects(() => store.history(span), Error);
    }
  });
}

/** Commits a batch with a row of each recipient, in the order of their numbers. */
export async function settle(
  world: DeliveryWorld,
  batch: ClaimedBatch | undefined,
  row: Pick<SettledDelivery, "outcome" | "status" | "reason">,
): Promise<void> {
  assert(batch !== undefined);
  const loaded = await world.store.load(batch.lease);
  assert(typeof loaded === "object");
  const { numbers, addresses } = loaded.recipients;
  const rows = numbers.map((number, place) => ({
    number,
    address: addresses[place] ?? "",
    registeredBefore: undefined,
    ...row,
  }));
  await world.commit(batch, { outcomes: { ...NONE, [row.outcome]: batch.count }, rows });
}

/** Notifies these devices, and records this of each of them; gives back the notification's id. */
export async function notify(
  world: DeliveryWorld,
  devices: readonly number[],
  reason: string,
  outcome: Outcome = "rejected",
): Promise<string> {
  const id = await world.submit({ kind: "devices", devices: devices.map(deviceOf) }, {
    rows: "all",
  });
  await world.expand(id);
  const { batches } = await world.claim();
  for (const batch of batches) await settle(world, batch, { outcome, status: 400, reason });
  return id;
}

/** The reasons of the last rows about these devices. */
export async function lastReasons(
  { store }: DeliveryWorld,
  devices: readonly number[],
): Promise<readonly (string | undefined)[]> {
  return (await store.lastOutcomes(devices.map(deviceOf))).map((row) => row?.reason);
}

function lastOutcomeTests(test: DeliveryTest): void {
  test("lastOutcomes() gives the newest row about each device, by place", async (world) => {
    await world.populate(4);
    await notify(world, [1, 2, 3], "first");
    world.clock.nowMs += 5;
    const id = await notify(world, [2, 3], "second", "delivered");
    assertEquals(await lastReasons(world, [3, 9, 1, 4, 3]), [
      "second",
      undefined,
      "first",
      undefined,
      "second",
    ]);
    const [row] = await world.store.lastOutcomes([deviceOf(2)]);
    const rows = await world.store.deliveries({ notification: id, after: 0, limit: 9 });
    assertEquals(row, rows.find(({ device }) => device === deviceOf(2)));
    assertEquals([row?.outcome, row?.status, row?.at], ["delivered", 400, world.now]);
    assertEquals(await world.store.lastOutcomes([]), []);
  });

  test("lastOutcomes() takes no recipient without a device for one", async (world) => {
    await world.populate(3);
    await notify(world, [1, 2, 3], "device");
    await world.submitTokens(3);
    const { batches: [batch] } = await world.claim();
    await settle(world, batch, { outcome: "rejected", status: 400, reason: "token" });
    assertEquals(await lastReasons(world, [1, 2, 3]), ["device", "device", "device"]);
  });

  test("lastOutcomes() forgets what was swept, and gives no older row in its place", async (world) => {
    await world.populate(2);
    const waiting = await world.submit({ kind: "all" }, { rows: "all" });
    await world.expand(waiting, 10, 1);
    const { batches: [one, two] } = await world.claim();
    assert(two !== undefined);
    await settle(world, one, { outcome: "rejected", status: 400, reason: "older" });
    await notify(world, [1], "newer");
    assertEquals(await lastReasons(world, [1, 2]), ["newer", undefined]);
    world.clock.nowMs += 1;
    while (await world.store.sweep(world.now, 100) > 0);
    assertEquals((await world.store.rowsAfter(0, 9)).map(({ reason }) => reason), ["older"]);
    assertEquals(await lastReasons(world, [1, 2]), [undefined, undefined]);
    await notify(world, [1], "newest");
    assertEquals(await lastReasons(world, [1]), ["newest"]);
  });

  test("lastOutcomes() knows a device as long as it is the same recipient", async (world) => {
    await world.populate(3);
    await notify(world, [1, 2, 3], "first");
    await world.store.saveDevices([world.record(1, { address: "new" })], world.now);
    await world.store.saveDevices([world.record(2, { platform: "fcm" })], world.now);
    await world.store.removeDevice(deviceOf(3));
    assertEquals(await lastReasons(world, [1, 2, 3]), ["first", undefined, undefined]);
    await world.store.saveDevices([world.record(3)], world.now);
    assertEquals(await lastReasons(world, [3]), [undefined]);
  });

  test("lastOutcomes() has nothing of a device that was removed before its batch ended", async (world) => {
    await world.populate(2);
    const id = await world.submit({ kind: "all" }, { rows: "all" });
    await world.expand(id);
    const { batches: [batch] } = await world.claim();
    assert(batch !== undefined);
    const loaded = await world.store.load(batch.lease);
    assert(typeof loaded === "object");
    await world.store.removeDevice(deviceOf(1));
    const rows = loaded.recipients.numbers.map((number) => ({
      number,
      address: "a",
      outcome: "rejected",
      status: 400,
      reason: "late",
      registeredBefore: undefined,
    } as const));
    await world.commit(batch, { outcomes: { ...NONE, rejected: 2 }, rows });
    await world.store.saveDevices([world.record(1)], world.now);
    assertEquals(await lastReasons(world, [1, 2]), [undefined, "late"]);
  });

  test("lastOutcomes() answers for a thousand devices, and refuses more", async (world) => {
    await world.populate(1_000);
    const all = Array.from({ length: 1_000 }, (_, index) => index + 1);
    await notify(world, all, "every");
    assertEquals(await lastReasons(world, all), all.map(() => "every"));
    await assertRejects(() => world.store.lastOutcomes([...all, 1_001].map(deviceOf)), Error);
  });
}
