/**
 * What every delivery store must do with notifications: submission, audiences, open ones, cancellation.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type DeliveryTest, deviceOf, idOf, NEWS, NONE, rowFor } from "./delivery_world.ts";

/** Declares the tests of notifications. */
export function notificationTests(test: DeliveryTest): void {
  submissionTests(test);
  audienceTests(test);
  openTests(test);
  cancelTests(test);
}

function submissionTests(test: DeliveryTest): void {
  test("submit() needs an app", async (world) => {
    const notification = world.notification();
    const audience = { kind: "all" } as const;
    const submission = { notification, audience, idempotencyKey: undefined, digest: "d" };
    assertEquals(await world.store.submit(submission), { kind: "no_app" });
  });

  test("submit() answers a repeated key with the first id, another digest with a conflict", async (world) => {
    await world.populate(1);
    await world.store.saveApp("other", {}, world.now);
    const submit = (digest: string, app = NEWS, idempotencyKey: string | undefined = "key") => {
      const audience = { kind: "all" } as const;
      const notification = world.notification({ app });
      return world.store.submit({ notification, audience, idempotencyKey, digest });
    };
    assertEquals(await submit("d"), { kind: "accepted", id: idOf(1) });
    assertEquals(await submit("d"), { kind: "repeated", id: idOf(1) });
    assertEquals(await submit("e"), { kind: "conflict" });
    assertEquals(await submit("d", "other"), { kind: "accepted", id: idOf(4) });
    assertEquals(await world.store.notification(idOf(2)), undefined);
  });

  test("submit() of the same notification again counts once", async (world) => {
    await world.populate(0);
    const notification = world.notification();
    const recipients = [{ platform: "fcm", address: "t", keys: undefined }] as const;
    const audience = { kind: "direct", recipients } as const;
    const submission = { notification, audience, idempotencyKey: undefined, digest: "d" };
    const accepted = { kind: "accepted", id: notification.id } as const;
    assertEquals(await world.store.submit(submission), accepted);
    assertEquals(await world.store.submit(submission), accepted);
    assertEquals((await world.store.notification(notification.id))?.counts.total, 1);
  });

  test("submit() of direct recipients numbers and batches them at once", async (world) => {
    await world.populate(0);
    const keys = (byte: number) => new Uint8Array(81).fill(byte);
    const recipients = [
      { platform: "webpush", address: "w1", keys: keys(1) },
      { platform: "apns", address: "a1", keys: undefined },
      { platform: "webpush", address: "w2", keys: keys(2) },
    ] as const;
    const id = await world.submit({ kind: "direct", recipients });
    const status = await world.store.notification(id);
    assertEquals([status?.state, status?.counts.total], ["sending", 3]);
    const { batches } = await world.claim();
    const loaded = await Promise.all(batches.map(({ lease }) => world.store.load(lease)));
    const suspects: readonly number[] = [];
    assertEquals(loaded, [
      {
        recipients: {
          platform: "apns",
          numbers: [1],
          addresses: ["a1"],
          keys: new Uint8Array(),
          suspects,
        },
        gone: [],
      },
      {
        recipients: {
          platform: "webpush",
          numbers: [2, 3],
          addresses: ["w1", "w2"],
          keys: new Uint8Array([...keys(1), ...keys(2)]),
          suspects,
        },
        gone: [],
      },
    ]);
  });

  test("submit() of nobody is done at once", async (world) => {
    await world.populate(0);
    const id = await world.submit({ kind: "direct", recipients: [] });
    const status = await world.store.notification(id);
    assertEquals([status?.state, status?.sendingDone, status?.finishedAt], [
      "done",
      true,
      world.now,
    ]);
  });

  test("notification() gives back what was submitted", async (world) => {
    await world.populate(0);
    const differences = { ratePerSecond: 5, topic: "t", content: { data: { a: [1, null] } } };
    const id = await world.submit({ kind: "all" }, differences);
    const expected = { ...world.notification(differences), id };
    const status = await world.store.notification(id);
    assertEquals(status?.notification, expected);
    assertEquals(status?.platforms, {});
    const app = { name: NEWS, version: 1, credentials: {} };
    assertEquals(await world.store.campaign(id), { notification: expected, app });
    assertEquals(await world.store.notification(idOf(77)), undefined);
  });

  test("notifications() pages from the newest", async (world) => {
    await world.populate(0);
    await world.store.saveApp("other", {}, world.now);
    for (const app of [NEWS, "other", NEWS, NEWS]) await world.submit({ kind: "all" }, { app });
    const ids = async (more: object) => {
      const page = { after: undefined, limit: 10, ...more };
      return (await world.store.notifications(page)).map(({ notification }) => notification.id);
    };
    assertEquals(await ids({}), [4, 3, 2, 1].map(idOf));
    assertEquals(await ids({ limit: 2, after: idOf(4) }), [3, 2].map(idOf));
    assertEquals(await ids({ app: NEWS, limit: 2 }), [4, 3].map(idOf));
    assertEquals(await ids({ app: NEWS, after: idOf(3) }), [idOf(1)]);
    assertEquals(await ids({ app: "nobody" }), []);
    assertEquals(await ids({ after: idOf(77) }), []);
  });
}

function audienceTests(test: DeliveryTest): void {
  test("expandable() names what is due, oldest first, and the next time", async (world) => {
    await world.populate(1);
    const later = await world.submit({ kind: "all" }, { sendAt: world.now + 50 });
    const first = await world.submit();
    const second = await world.submit();
    const { store } = world;
    assertEquals(await store.expandable(world.now, 9), {
      ids: [first, second],
      dueAt: world.now + 50,
    });
    assertEquals((await store.expandable(world.now, 1)).ids, [first]);
    assertEquals((await store.expandable(world.now + 50, 9)).ids, [later, first, second]);
    assertEquals((await store.notification(later))?.state, "scheduled");
    assertEquals((await store.notification(first))?.state, "expanding");
    await world.expand(first);
    await world.expand(second);
    assertEquals(await store.expandable(world.now, 9), { ids: [], dueAt: world.now + 50 });
  });

  test("expand() moves every platform along, in batches of one platform", async (world) => {
    await world.populate(2_500, ["apns", "fcm", "webpush"]);
    const id = await world.submit();
    const step = await world.store.expand(id, { limit: 1_200, batchMax: 250 });
    assertEquals(step, { added: 1_200, done: false });
    const { batches } = await world.claim();
    assertEquals(
      batches.map(({ count }) => count),
      [250, 250, 250, 150, 150, 150],
    );
    assertEquals(new Set(batches.map(({ platform }) => platform)).size, 3);
    assertEquals(await world.expand(id, 1_200, 250), 1_300);
    assertEquals(await world.store.expand(id, { limit: 10, batchMax: 10 }), {
      added: 0,
      done: true,
    });
    const status = await world.store.notification(id);
    assertEquals([status?.state, status?.counts.total], ["sending", 2_500]);
  });

  test("expand() of nobody ends the notification", async (world) => {
    await world.populate(0);
    const id = await world.submit();
    assertEquals(await world.store.expand(id, { limit: 10, batchMax: 10 }), {
      added: 0,
      done: true,
    });
    const status = await world.store.notification(id);
    assertEquals([status?.state, status?.finishedAt], ["done", world.now]);
    assertEquals(await world.store.expand(idOf(77), { limit: 1, batchMax: 1 }), {
      added: 0,
      done: true,
    });
  });

  for (
    const [title, audience, expected] of [
      ["all", { kind: "all" }, [1, 2, 3, 4, 6, 7, 8, 9, 10]],
      ["tags", { kind: "tags", tags: ["even", "three", "none"] }, [2, 3, 4, 6, 8, 9, 10]],
      ["users", { kind: "users", users: ["u1", "u2", "u1", "none"] }, [1, 2, 6, 7]],
      [
        "devices",
        { kind: "devices", devices: [9, 1, 9, 5, 77, 20].map(deviceOf) },
        [1, 9],
      ],
      ["nobody", { kind: "tags", tags: ["none"] }, []],
    ] as const
  ) {
    test(`expand() finds each active device once: ${title}`, async (world) => {
      await world.populate(0);
      await world.store.saveApp("other", {}, world.now);
      const tagsOf = (number: number) => [
        ...number % 2 === 0 ? ["even"] : [],
        ...number % 3 === 0 ? ["three"] : [],
      ];
      const records = Array.from(
        { length: 10 },
        (_, index) =>
          world.record(index + 1, { user: `u${(index + 1) % 5}`, tags: tagsOf(index + 1) }),
      );
      const foreign = world.record(20, { app: "other", user: "u1", tags: ["even"] });
      await world.store.saveDevices([...records, foreign], world.now);
      await world.store.invalidate([rowFor(world, 5, {})]);
      const id = await world.submit(audience);
      const early = await world.store.expand(id, { limit: 2, batchMax: 10 });
      // Whoever comes after the first step is not meant.
      const late = world.record(11, { user: "u1", tags: ["even"] });
      await world.store.saveDevices([late], world.now);
      const added = early.done ? early.added : early.added + await world.expand(id, 2, 10);
      assertEquals(added, expected.length);
      const { batches } = await world.claim();
      const loaded = await Promise.all(batches.map(({ lease }) => world.store.load(lease)));
      const addresses = loaded.flatMap((part) =>
        typeof part === "string" ? [part] : part.recipients.addresses
      );
      assertEquals(addresses.map((address) => Number(address.slice(5))).sort((a, b) => a - b), [
        ...expected,
      ]);
    });
  }

  test("expand() goes on after reopening where it was", async (world) => {
    await world.populate(30);
    const id = await world.submit();
    await world.store.expand(id, { limit: 12, batchMax: 10 });
    await world.fixture.reopen();
    assertEquals(await world.expand(id, 12, 10), 18);
    await world.deliverAll();
    assertEquals((await world.store.notification(id))?.counts.delivered, 30);
  });
}

function openTests(test: DeliveryTest): void {
  const recipient = { platform: "apns", address: "t", keys: undefined } as const;

  test("an open notification is sent once it is closed", async (world) => {
    await world.populate(0);
    const { store } = world;
    const id = await world.submit({ kind: "open" });
    assertEquals((await store.notification(id))?.state, "open");
    assertEquals(await store.addRecipients(id, [recipient, recipient]), "added");
    assertEquals(await store.addRecipients(id, [recipient]), "added");
    assertEquals(await store.addRecipients(idOf(77), [recipient]), "unknown");
    assertEquals((await world.claim()).batches, []);
    assertEquals(await store.closeNotification(id), "closed");
    assertEquals(await store.closeNotification(id), "already_closed");
    assertEquals(await store.closeNotification(idOf(77)), "unknown");
    assertEquals(await store.addRecipients(id, [recipient]), "closed");
    const { batches } = await world.claim();
    const loaded = await Promise.all(batches.map(({ lease }) => store.load(lease)));
    const numbers = loaded.flatMap((part) =>
      typeof part === "string" ? [] : part.recipients.numbers
    );
    assertEquals(numbers, [1, 2, 3]);
  });

  test("an open notification may be scheduled, or have nobody", async (world) => {
    await world.populate(0);
    const id = await world.submit({ kind: "open" }, { sendAt: world.now + 50 });
    await world.store.addRecipients(id, [recipient]);
    await world.store.closeNotification(id);
    assertEquals((await world.store.notification(id))?.state, "scheduled");
    assertEquals(await world.claim(), { batches: [], dueAt: world.now + 50 });
    world.clock.nowMs += 50;
    assertEquals((await world.deliverAll()).length, 1);
    assertEquals((await world.store.notification(id))?.state, "done");
    const empty = await world.submit({ kind: "open" });
    await world.store.closeNotification(empty);
    assertEquals((await world.store.notification(empty))?.state, "done");
  });

  test("an open notification ends with its time, though nobody closed it", async (world) => {
    await world.populate(0);
    const expiresAt = world.now + 50;
    const id = await world.submit({ kind: "open" }, { expiresAt });
    await world.store.addRecipients(id, [recipient]);
    assertEquals(await world.store.expandable(world.now, 9), { ids: [], dueAt: expiresAt });
    assertEquals(await world.store.expand(id, { limit: 1, batchMax: 1 }), { added: 0, done: true });
    assertEquals((await world.store.notification(id))?.state, "open");
    assertEquals((await world.claim()).dueAt, expiresAt);
    world.clock.nowMs += 50;
    const { batches: [batch] } = await world.claim();
    assert(batch !== undefined);
    await world.commit(batch, { outcomes: { ...NONE, expired: 1 } });
    assertEquals((await world.store.expandable(world.now, 9)).ids, [id]);
    await world.expand(id);
    assertEquals((await world.store.notification(id))?.state, "done");
  });
}

function cancelTests(test: DeliveryTest): void {
  test("cancel() counts what waits, and lets what is claimed finish", async (world) => {
    await world.populate(0);
    const { store } = world;
    const id = await world.submitTokens(2_500);
    const { batches: [batch] } = await world.claim({ batchesMax: 1 });
    assert(batch !== undefined);
    assertEquals(await store.cancel(id, world.now), "cancelled");
    const during = await store.notification(id);
    assertEquals([during?.state, during?.sendingDone, during?.counts.cancelled], [
      "cancelled",
      false,
      1_500,
    ]);
    const numbers = [1, 2, 3];
    const remainders = [{ numbers, attempt: 1, notBefore: 0 }];
    const outcomes = { ...NONE, delivered: 997 };
    assertEquals(await world.commit(batch, { outcomes, remainders }), {
      kind: "committed",
      notificationDone: true,
    });
    const after = await store.notification(id);
    assertEquals([after?.state, after?.sendingDone, after?.finishedAt], [
      "cancelled",
      true,
      world.now,
    ]);
    assertEquals([after?.counts.cancelled, after?.counts.pending], [1_503, 0]);
    assertEquals((await world.claim()).batches, []);
    assertEquals(await store.cancel(id, world.now), "already_ended");
    assertEquals(await store.cancel(idOf(77), world.now), "unknown");
  });

  test("cancel() stops an expansion", async (world) => {
    await world.populate(30);
    const id = await world.submit();
    await world.store.expand(id, { limit: 10, batchMax: 10 });
    await world.store.cancel(id, world.now);
    assertEquals(await world.expand(id), 0);
    const status = await world.store.notification(id);
    assertEquals([status?.counts.total, status?.counts.cancelled], [10, 10]);
    assertEquals((await world.store.expandable(world.now, 9)).ids, []);
  });

  test("cancel() holds for a batch that is handed back or whose lease runs out", async (world) => {
    await world.populate(0);
    const id = await world.submitTokens(2_000);
    const { batches: [one, two] } = await world.claim();
    assert(one !== undefined && two !== undefined);
    await world.store.cancel(id, world.now);
    await world.store.release(one.lease, world.now);
    assertEquals((await world.store.notification(id))?.counts.cancelled, 1_000);
    world.clock.nowMs += 30_000;
    assertEquals((await world.claim()).batches, []);
    const status = await world.store.notification(id);
    assertEquals([status?.counts.cancelled, status?.finishedAt], [2_000, world.now]);
    assertEquals(await world.commit(two), { kind: "stale" });
  });
}
