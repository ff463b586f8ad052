/**
 * What every delivery store must do, as one suite that runs over each of them: apps and devices here, the rest in the files beside this one.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Platform } from "../../actors/push/delivery/records.ts";
import { historyTests } from "./delivery_history.ts";
import { notificationTests } from "./delivery_notifications.ts";
import { queueTests } from "./delivery_queue.ts";
import { rowTests } from "./delivery_rows.ts";
import { sinkTests } from "./delivery_sinks.ts";
import {
  type DeliveryFixture,
  type DeliverySettings,
  type DeliveryTest,
  DeliveryWorld,
  deviceOf,
  NEWS,
  rowFor,
} from "./delivery_world.ts";
import { WallClock } from "./store_world.ts";

/** Runs the whole suite over one kind of store; every test opens a new, empty one. */
export function deliveryStoreSuite(
  name: string,
  open: (settings: DeliverySettings) => Promise<DeliveryFixture>,
): void {
  const test: DeliveryTest = (criterion, run) =>
    Deno.test(`${name} ${criterion}`, async () => {
      const clock = new WallClock();
      await using world = new DeliveryWorld(clock, await open({ clock }));
      await run(world);
    });
  appTests(test);
  deviceTests(test);
  invalidationTests(test);
  notificationTests(test);
  rowTests(test);
  sinkTests(test);
  historyTests(test);
  queueTests(test);
}

function appTests(test: DeliveryTest): void {
  test("saveApp() counts versions, also over a removal", async ({ store, now }) => {
    const webpush = { vapidPrivateKey: "k", subject: "mailto:a@b.example" };
    assertEquals(await store.saveApp(NEWS, {}, now), { name: NEWS, version: 1, credentials: {} });
    assertEquals((await store.saveApp(NEWS, { webpush }, now)).version, 2);
    assertEquals(await store.app(NEWS), { name: NEWS, version: 2, credentials: { webpush } });
    assertEquals(await store.removeApp(NEWS), "removed");
    assertEquals(await store.app(NEWS), undefined);
    assertEquals(await store.removeApp(NEWS), "unknown");
    assertEquals((await store.saveApp(NEWS, {}, now)).version, 3);
  });

  test("apps() lists by name, with pauses; saveApp() resumes", async ({ store, now }) => {
    await store.saveApp("b", {}, now);
    await store.saveApp("a", {}, now);
    await store.pause({ app: "b", platform: "fcm" }, "bad key", now);
    await store.pause({ app: "b", platform: "fcm" }, "later reason", now + 1);
    await store.pause({ app: "nobody", platform: "fcm" }, "no app", now);
    const pauses = [{ platform: "fcm", reason: "bad key", since: now }] as const;
    const listed = (await store.apps()).map(({ app, pauses }) => [app.name, pauses]);
    assertEquals(listed, [["a", []], ["b", pauses]]);
    await store.saveApp("b", {}, now);
    assertEquals((await store.apps())[1]?.pauses, []);
  });

  test("resume() says whether the lane was paused", async ({ store, now }) => {
    const lane = { app: NEWS, platform: "apns" } as const;
    assertEquals(await store.resume(lane), false);
    await store.saveApp(NEWS, {}, now);
    await store.pause(lane, "why", now);
    assertEquals(await store.resume(lane), true);
    assertEquals(await store.resume(lane), false);
  });

  test("removeApp() is busy while a notification is unfinished", async (world) => {
    await world.populate(3);
    const id = await world.submit();
    assertEquals(await world.store.removeApp(NEWS), "busy");
    await world.expand(id);
    await world.deliverAll();
    assertEquals(await world.store.removeApp(NEWS), "removed");
    assertEquals(await world.store.device(deviceOf(1)), undefined);
    assertEquals((await world.store.notification(id))?.state, "done");
    assertEquals(await world.store.campaign(id), undefined);
  });

  test("a new app of a removed one's name has nothing of it", async (world) => {
    await world.populate(2);
    await world.submitTokens(1, {});
    await world.deliverAll();
    const other = world.record(9, { app: "other" });
    await world.store.saveApp("other", {}, world.now);
    await world.store.saveDevices([other], world.now);
    await world.store.removeApp(NEWS);
    await world.store.saveApp(NEWS, {}, world.now);
    assertEquals(await world.store.devices({ app: NEWS, after: undefined, limit: 9 }), []);
    assertEquals(await world.store.notifications({ app: NEWS, after: undefined, limit: 9 }), []);
    assertEquals((await world.store.device(other.id))?.app, "other");
    assertEquals(await world.store.saveDevices([world.record(1)], world.now), {
      noApp: [],
      taken: [],
    });
  });
}

function deviceTests(test: DeliveryTest): void {
  test("saveDevices() stores what it is given", async (world) => {
    await world.populate(0);
    const record = world.record(1, { platform: "webpush", user: "ann", tags: ["b", "a"] });
    assertEquals(await world.store.saveDevices([record], world.now), { noApp: [], taken: [] });
    const registeredAt = world.now;
    const device = { ...record, state: "active", registeredAt, reason: undefined } as const;
    assertEquals(await world.store.device(record.id), device);
    assertEquals(await world.store.device("nobody"), undefined);
  });

  test("saveDevices() replaces the device of the same id", async (world) => {
    await world.populate(2);
    world.clock.nowMs += 5;
    const record = world.record(1, { address: "new", tags: ["x"], user: "bob" });
    await world.store.saveDevices([world.record(1, { tags: ["y"] }), record], world.now);
    const device = await world.store.device(deviceOf(1));
    assertEquals([device?.address, device?.tags, device?.registeredAt], ["new", ["x"], world.now]);
    const page = { app: NEWS, after: undefined, limit: 9 } as const;
    assertEquals((await world.store.devices({ ...page, tag: "y" })).length, 0);
    assertEquals((await world.store.devices({ ...page, tag: "x" })).length, 1);
    assertEquals((await world.store.devices(page)).length, 2);
  });

  test("saveDevices() names unknown apps and foreign ids", async (world) => {
    await world.populate(1);
    await world.store.saveApp("other", {}, world.now);
    const records = [
      world.record(1, { app: "other", address: "stolen" }),
      world.record(2, { app: "nobody" }),
      world.record(3, { app: "other" }),
      world.record(3),
    ];
    assertEquals(await world.store.saveDevices(records, world.now), { noApp: [1], taken: [0, 3] });
    assertEquals((await world.store.device(deviceOf(1)))?.address, "apns-1");
    assertEquals(await world.store.device(deviceOf(2)), undefined);
    assertEquals((await world.store.device(deviceOf(3)))?.app, "other");
  });

  test("saveDevices() refuses a subscription without keys, and stores nothing of the call", async (world) => {
    await world.populate(0);
    const bad = world.record(2, { platform: "webpush", keys: new Uint8Array(80) });
    await assertRejects(() => world.store.saveDevices([world.record(1), bad], world.now), Error);
    assertEquals(await world.store.device(deviceOf(1)), undefined);
  });

  test("devices() pages by id, and filters", async (world) => {
    await world.populate(0);
    const platforms: readonly Platform[] = ["apns", "fcm"];
    const records = Array.from({ length: 20 }, (_, index) =>
      world.record(index, {
        platform: platforms[index % 2] ?? "apns",
        user: `user-${index % 3}`,
        tags: index % 5 === 0 ? ["five", "all"] : ["all"],
      }));
    await world.store.saveDevices(records.toReversed(), world.now);
    await world.store.saveApp("other", {}, world.now);
    await world.store.saveDevices([world.record(99, { app: "other", tags: ["five"] })], world.now);
    const ids = async (more: object) => {
      const page = { app: NEWS, after: undefined, limit: 100, ...more };
      return (await world.store.devices(page)).map(({ id }) => Number(id.slice(-2)));
    };
    assertEquals(await ids({ limit: 3 }), [0, 1, 2]);
    assertEquals(await ids({ limit: 3, after: deviceOf(2) }), [3, 4, 5]);
    assertEquals(await ids({ after: deviceOf(19) }), []);
    // What no id can be stands in their order all the same, byte by byte.
    assertEquals(await ids({ after: `${deviceOf(4).slice(0, -1)}3\x7f`, limit: 2 }), [4, 5]);
    assertEquals(await ids({ after: "device,\x7f", limit: 2 }), [0, 1]);
    assertEquals(await ids({ after: "device-\x7f" }), []);
    assertEquals(await ids({ user: "user-1" }), [1, 4, 7, 10, 13, 16, 19]);
    assertEquals(await ids({ tag: "five" }), [0, 5, 10, 15]);
    assertEquals(await ids({ tag: "five", user: "user-1" }), [10]);
    assertEquals(await ids({ tag: "five", after: deviceOf(5), limit: 1 }), [10]);
    assertEquals(await ids({ state: "invalid" }), []);
    assertEquals((await ids({ state: "active" })).length, 20);
    assertEquals(await ids({ app: "nobody" }), []);
  });

  test("removeDevice() says whether it was there", async (world) => {
    await world.populate(1);
    assertEquals(await world.store.removeDevice(deviceOf(1)), true);
    assertEquals(await world.store.removeDevice(deviceOf(1)), false);
    assertEquals(await world.store.device(deviceOf(1)), undefined);
  });
}

function invalidationTests(test: DeliveryTest): void {
  test("invalidate() marks the devices that are still meant, once", async (world) => {
    await world.populate(6);
    const registered = world.now;
    await world.store.saveApp("other", {}, world.now);
    world.clock.nowMs += 100;
    const rows = [
      rowFor(world, 1, {}),
      rowFor(world, 2, { address: "an older token" }),
      rowFor(world, 3, { registeredBefore: registered - 1 }),
      rowFor(world, 4, { app: "other" }),
      rowFor(world, 5, { platform: "fcm" }),
      rowFor(world, 6, { registeredBefore: registered }),
      rowFor(world, 6, { device: undefined }),
    ];
    assertEquals(await world.store.invalidate(rows), 2);
    assertEquals(await world.store.invalidate(rows), 0);
    const page = { app: NEWS, after: undefined, limit: 9, state: "invalid" } as const;
    const invalid = await world.store.devices(page);
    assertEquals(invalid.map(({ id }) => id), [deviceOf(1), deviceOf(6)]);
    assertEquals(invalid[0]?.reason, "Unregistered");
  });

  test("invalidate() leaves a device alone that was registered again since", async (world) => {
    await world.populate(1);
    const row = rowFor(world, 1, {});
    world.clock.nowMs += 1;
    await world.store.saveDevices([world.record(1)], world.now);
    assertEquals(await world.store.invalidate([row]), 0);
  });

  test("saveDevices() makes an invalid device active again", async (world) => {
    await world.populate(1);
    await world.store.invalidate([rowFor(world, 1, {})]);
    assertEquals((await world.store.device(deviceOf(1)))?.state, "invalid");
    await world.store.saveDevices([world.record(1)], world.now);
    const device = await world.store.device(deviceOf(1));
    assertEquals([device?.state, device?.reason], ["active", undefined]);
  });

  test("load() names what is gone, and why", async (world) => {
    await world.populate(4);
    await world.expand(await world.submit());
    await world.store.invalidate([rowFor(world, 2, {})]);
    await world.store.removeDevice(deviceOf(3));
    const { batches: [batch] } = await world.claim();
    assert(batch !== undefined);
    assertEquals(await world.store.load(batch.lease), {
      recipients: {
        platform: "apns",
        numbers: [1, 4],
        addresses: ["apns-1", "apns-4"],
        keys: new Uint8Array(),
        suspects: [],
      },
      gone: [
        { number: 2, address: "apns-2", why: "invalid" },
        { number: 3, address: "", why: "removed" },
      ],
    });
  });

  test("load() does not send to a device that moved to another platform", async (world) => {
    await world.populate(1);
    await world.expand(await world.submit());
    await world.store.saveDevices([world.record(1, { platform: "fcm" })], world.now);
    const { batches: [batch] } = await world.claim();
    assert(batch !== undefined);
    const loaded = await world.store.load(batch.lease);
    assertEquals(loaded, {
      recipients: {
        platform: "apns",
        numbers: [],
        addresses: [],
        keys: new Uint8Array(),
        suspects: [],
      },
      gone: [{ number: 1, address: "", why: "removed" }],
    });
  });
}
