/**
 * What every delivery store must do with rows of deliveries, and when it forgets them.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  type DeliveryTest,
  type DeliveryWorld,
  deviceOf,
  idOf,
  NEWS,
  NONE,
} from "./delivery_world.ts";

/** Delivers a notification to three devices with two failures recorded; gives back its id. */
async function failTwo(world: DeliveryWorld): Promise<string> {
  const id = await world.submit();
  await world.expand(id);
  const { batches: [batch] } = await world.claim();
  assert(batch !== undefined);
  const row = { status: 400, reason: "r", registeredBefore: undefined };
  await world.commit(batch, {
    outcomes: { ...NONE, delivered: batch.count - 2, rejected: 1, token_invalid: 1 },
    rows: [
      { ...row, number: 1, address: "apns-1", outcome: "token_invalid", registeredBefore: 5 },
      { ...row, number: 3, address: "apns-3", outcome: "rejected" },
    ],
  });
  return id;
}

/** Declares the tests of rows and the sweep. */
export function rowTests(test: DeliveryTest): void {
  readingTests(test);
  sweepTests(test);
}

function readingTests(test: DeliveryTest): void {
  test("deliveries() and rowsAfter() give rows in the order of recording", async (world) => {
    await world.populate(3);
    const first = await failTwo(world);
    const second = await failTwo(world);
    await world.store.removeDevice(deviceOf(3));
    const rows = await world.store.rowsAfter(0, 10);
    assertEquals(rows.map(({ notification }) => notification), [first, first, second, second]);
    const positions = rows.map(({ position }) => position);
    assertEquals(positions.toSorted((a, b) => a - b), positions);
    assertEquals(new Set(positions).size, 4);
    assertEquals(rows[0], {
      position: positions[0] ?? 0,
      notification: first,
      app: NEWS,
      number: 1,
      device: deviceOf(1),
      platform: "apns",
      address: "apns-1",
      outcome: "token_invalid",
      status: 400,
      reason: "r",
      attempts: 1,
      at: world.now,
      registeredBefore: 5,
    });
    assertEquals([rows[1]?.device, rows[1]?.address], [undefined, "apns-3"]);
    assertEquals(await world.store.rowsAfter(positions[1] ?? 0, 1), rows.slice(2, 3));
    const page = { notification: second, after: 0, limit: 10 };
    assertEquals(await world.store.deliveries(page), rows.slice(2));
    assertEquals(await world.store.deliveries({ ...page, limit: 1 }), rows.slice(2, 3));
    assertEquals(
      await world.store.deliveries({ ...page, after: positions[2] ?? 0 }),
      rows.slice(3),
    );
    assertEquals(await world.store.deliveries({ ...page, outcome: "rejected" }), rows.slice(3));
    assertEquals(await world.store.deliveries({ ...page, notification: idOf(77) }), []);
  });

  test("rows of direct recipients name no device", async (world) => {
    await world.populate(3);
    await world.submitTokens(1);
    const { batches: [batch] } = await world.claim();
    assert(batch !== undefined);
    const row = { number: 1, address: "token-1", outcome: "rejected", status: 1 } as const;
    const outcomes = { ...NONE, rejected: 1 };
    const rows = [{ ...row, reason: "", registeredBefore: undefined }];
    await world.commit(batch, { outcomes, rows });
    assertEquals((await world.store.rowsAfter(0, 9)).map(({ device }) => device), [undefined]);
  });

  test("bury() keeps an entry once, newest first", async ({ store, now }) => {
    const letter = { source: "queue", id: "1", reason: "r", body: "{", at: now };
    await store.bury(letter);
    await store.bury({ ...letter, id: "2" });
    await store.bury({ ...letter, at: now + 1 });
    assertEquals(await store.deadLetters(9), [{ ...letter, at: now + 1 }, { ...letter, id: "2" }]);
    assertEquals((await store.deadLetters(1)).length, 1);
  });
}

function sweepTests(test: DeliveryTest): void {
  test("sweep() removes what ended before, in bounded steps, with its key", async (world) => {
    await world.populate(3);
    const { store } = world;
    const old = await failTwo(world);
    world.clock.nowMs += 10;
    const fresh = await failTwo(world);
    const unfinished = await world.submit();
    assertEquals(await store.sweep(world.now - 10, 100), 0);
    assertEquals(await store.sweep(world.now, 1), 1);
    assertEquals((await store.notification(old))?.state, "done");
    let removed = 1;
    for (let count = 0; (count = await store.sweep(world.now, 1)) > 0;) removed += count;
    // Its tally, two rows, and itself.
    assertEquals(removed, 4);
    const ids = (await store.notifications({ after: undefined, limit: 9 }))
      .map(({ notification }) => notification.id);
    assertEquals(ids, [unfinished, fresh]);
    assertEquals(await store.deliveries({ notification: old, after: 0, limit: 9 }), []);
    assertEquals((await store.rowsAfter(0, 9)).length, 2);
  });

  test("sweep() frees the key and never gives a position twice", async (world) => {
    await world.populate(3);
    const more = { idempotencyKey: "key" };
    await world.submit({ kind: "direct", recipients: [] }, {}, more);
    await failTwo(world);
    const newest = (await world.store.rowsAfter(0, 9)).at(-1)?.position ?? 0;
    world.clock.nowMs += 1;
    while (await world.store.sweep(world.now, 100) > 0);
    await world.fixture.reopen();
    const id = await world.submit({ kind: "all" }, {}, more);
    assertEquals((await world.store.notification(id))?.notification.id, id);
    await failTwo(world);
    assert(((await world.store.rowsAfter(0, 9))[0]?.position ?? 0) > newest);
  });

  test("sweep() does not wait for a sink that has not seen the rows", async (world) => {
    await world.populate(3);
    const { store } = world;
    await store.sinkPosition("gone", "rows");
    const id = await failTwo(world);
    world.clock.nowMs += 1;
    while (await store.sweep(world.now, 100) > 0);
    assertEquals(await store.rowsAfter(0, 9), []);
    assertEquals(await store.notification(id), undefined);
  });

  test("ping() resolves", async ({ store }) => {
    await store.ping();
  });
}
