/**
 * An embedded store with something of everything in it, made by the stores themselves, and what can be
 * seen of a store through its ports.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import type { MessageStore } from "../../../actors/push/ports.ts";
import type { DeviceRecord } from "../../../transports/delivery_store/records.ts";
import {
  openSqliteDeliveryStore,
  type SqliteDeliveryStore,
} from "../../../transports/sqlite/sqlite_delivery_store.ts";
import { openSqliteStore, type SqliteStore } from "../../../transports/sqlite/sqlite_store.ts";
import { wholeHistory } from "../../conformance/delivery_history.ts";
import {
  DeliveryWorld,
  deviceOf,
  idOf,
  NEWS,
  NONE,
  rowFor,
  type Store,
} from "../../conformance/delivery_world.ts";
import {
  ALICE,
  BOB,
  channelOf,
  MAIL,
  NEWS as NEWS_CHANNEL,
  uaidOf,
  WallClock,
  World,
} from "../../conformance/store_world.ts";

/** The lifetime of user agents. */
export const USER_LIFETIME_SECONDS = 864_000;

/** The largest sort key; its message has been acknowledged. */
export const LAST_SORT_KEY = 108;

/** Devices of the app NEWS: more than one page of a copy. */
export const DEVICES = 5_200;

/** A store as the worlds of the conformance suite want it; what opens it again is not used. */
export function fixtureOf<S>(store: S): {
  readonly store: S;
  reopen(): Promise<never>;
  corrupt(): Promise<never>;
} & AsyncDisposable {
  const unused = () => Promise.reject(new Error("not for this store"));
  return {
    store,
    reopen: unused,
    corrupt: unused,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The world of a delivery store that somebody else opens and closes. */
export function deliveryWorld(store: Store, clock = new WallClock()): DeliveryWorld {
  return new DeliveryWorld(clock, fixtureOf(store));
}

/** Opens the embedded delivery store in a folder. */
export function openDelivery(
  directory: string,
  clock = new WallClock(),
): Promise<SqliteDeliveryStore> {
  return openSqliteDeliveryStore({ directory, clock });
}

/** Opens the embedded message store in a folder. */
export function openMessages(
  directory: string,
  clock = new WallClock(),
): Promise<SqliteStore> {
  return openSqliteStore({ directory, clock, userLifetimeSeconds: USER_LIFETIME_SECONDS });
}

/** Fills a folder, which both stores have been closed on in the end. */
export async function populate(directory: string): Promise<void> {
  await populateMessages(directory);
  const clock = new WallClock();
  let unreadable: number;
  {
    await using store = await openDelivery(directory, clock);
    const world = deliveryWorld(store, clock);
    await populateDevices(world);
    await populateEnded(world);
    unreadable = await populateSending(world);
    await populateWaiting(world);
    await populateLogs(world);
  }
  using file = new DatabaseSync(`${directory}/delivery.sqlite`);
  file.prepare("UPDATE recipients SET numbers = '[1,' WHERE batch_id = ?").run(unreadable);
}

async function populateMessages(directory: string): Promise<void> {
  const clock = new WallClock();
  await using store = await openMessages(directory, clock);
  const world = new World(clock, fixtureOf(store));
  clock.nowMs -= 20 * 86_400_000;
  await world.subscribe(uaidOf(1), channelOf(9)); // It lapses.
  clock.nowMs += 20 * 86_400_000;
  for (const channel of [NEWS_CHANNEL, MAIL]) await world.subscribe(ALICE, channel);
  await world.subscribe(BOB, channelOf(3));
  await store.saveUser({ uaid: uaidOf(2), connectedAt: clock.nowMs });
  await world.save(101);
  await world.save(102, { topic: "weather", channelId: MAIL, ttlSeconds: 0 });
  await world.save(103, { topic: "weather" });
  await world.save(104, { content: undefined, version: "v_-\u00e4\\\"'{},NULL" });
  const headers = {
    encoding: "aesgcm",
    encryption: 'salt="a\\b"',
    crypto_key: "dh=x;p256ecdsa=y",
  } as const;
  await world.save(105, { content: { body: new Uint8Array([0, 255, 34, 92]), headers } });
  await world.save(106, { expiresAt: clock.seconds }); // Expired, but not removed.
  await world.save(107, { uaid: BOB, channelId: channelOf(3) });
  await world.save(LAST_SORT_KEY);
  await store.removeMessages(ALICE, [LAST_SORT_KEY]);
}

async function populateDevices(world: DeliveryWorld): Promise<void> {
  const { store } = world;
  await store.saveApp("gone", { fcm: { serviceAccount: {} } }, world.now);
  await store.saveDevices([world.record(9_999, { app: "gone", tags: ["left"] })], world.now);
  const id = await world.submit({ kind: "all" }, { app: "gone" });
  await world.expand(id);
  await world.deliverAll();
  await store.removeApp("gone");
  await world.populate(DEVICES, ["apns", "fcm", "webpush"]);
  await store.saveApp(NEWS, { fcm: { serviceAccount: { a: "\u00e4\n" } } }, world.now);
  await store.saveApp("parcels", {}, world.now); // It has one lane at most: others are made later.
  await store.saveDevices([
    { ...world.record(6_001), app: "parcels", id: 'odd "id", {with} \\ ü NULL' },
  ], world.now);
  const tagged = (number: number, more: Partial<DeviceRecord>) => world.record(number, more);
  await store.saveDevices([
    tagged(1, { user: "ada", tags: ["news", 'a "tag", with \\ more'] }),
    tagged(2, { user: "ada", tags: ["news"], platform: "webpush" }), // Another number than before.
    tagged(3, { user: "bob", tags: ["sport"] }),
    ...Array.from({ length: 20 }, (_, n) => tagged(100 + n, { tags: ["news"], user: `u${n}` })),
  ], world.now);
  await store.removeDevice(deviceOf(4));
  await store.saveDevices([world.record(7_000)], world.now);
  await store.removeDevice(deviceOf(7_000)); // The largest number is not given again.
  await store.invalidate([rowFor(world, 1, {}), rowFor(world, 3, {})]);
}

async function populateEnded(world: DeliveryWorld): Promise<void> {
  const { store } = world;
  await world.submit({ kind: "devices", devices: [deviceOf(3), deviceOf(5), deviceOf(6)] }, {
    rows: "all",
  }, { idempotencyKey: "key", digest: "other" });
  await world.expand(idOf(2));
  const { batches } = await world.claim();
  for (const batch of batches) {
    const loaded = await store.load(batch.lease);
    if (typeof loaded === "string") throw new Error(loaded);
    const [number = 0] = loaded.recipients.numbers;
    const [address = ""] = loaded.recipients.addresses;
    await world.commit(batch, {
      outcomes: { ...NONE, token_invalid: 1, delivered: batch.count - 1 },
      rows: [{
        ...{ number, address, outcome: "token_invalid", status: 410, reason: "gone" },
        registeredBefore: world.now,
      }],
      suspects: { marked: [number], cleared: [] },
    });
  }
  await store.cancel(await world.submitTokens(2), world.now);
}

/** Notifications on their way, with leases that nobody ends; answers a batch that is to become unreadable. */
async function populateSending(world: DeliveryWorld): Promise<number> {
  const { store } = world;
  const all = await world.submit();
  await store.expand(all, { limit: 3_000, batchMax: 500 });
  const { batches: [first, second, third] } = await world.claim({ batchesMax: 3 });
  if (first === undefined || second === undefined || third === undefined) throw new Error("few");
  const loaded = await store.load(first.lease);
  if (typeof loaded === "string") throw new Error(loaded);
  const { numbers } = loaded.recipients;
  await world.commit(first, {
    outcomes: { ...NONE, delivered: first.count - 5 },
    remainders: [{ numbers: numbers.slice(0, 5), attempt: 1, notBefore: world.now + 60_000 }],
  });
  world.clock.nowMs += 1_000;
  const cancelled = await world.submitTokens(1_500);
  const held = await world.claim({ batchesMax: 100, node: "other node" });
  if (!held.batches.some(({ notification }) => notification === cancelled)) throw new Error("none");
  await store.cancel(cancelled, world.now);
  await world.submit({ kind: "tags", tags: ["news", 'a "tag", with \\ more', "none"] });
  await world.submit({ kind: "users", users: ["ada", "bob", "ada", "NULL"] });
  return third.lease.batch;
}

async function populateWaiting(world: DeliveryWorld): Promise<void> {
  const { store, now } = world;
  const open = await world.submit({ kind: "open" });
  const keys = new Uint8Array(81).fill(7);
  await store.addRecipients(open, [
    { platform: "webpush", address: "https://push.example/ü", keys },
    { platform: "fcm", address: 'fcm "token"', keys: undefined },
  ]);
  await world.submit({ kind: "all" }, { sendAt: now + 600_000 });
  await world.submitTokens(3, {
    sendAt: now + 600_000,
    content: { title: "NUL \0 and \ud83d\ude00" },
  });
  const rated = await world.submit({ kind: "all" }, { ratePerSecond: 2_000.5 });
  await world.expand(rated);
  await world.submitTokens(7, { app: "parcels" });
  await store.pause({ app: "parcels", platform: "apns" }, "credentials refused", now);
  await world.claim({ batchesMax: 2, node: "third node" });
}

async function populateLogs(world: DeliveryWorld): Promise<void> {
  const { store, now } = world;
  await store.sinkPosition("webhook", "rows");
  await store.saveSinkPosition("file", 1);
  await store.claimSink({ name: "counters", log: "tallies", node: "node", now, leaseMs: 60_000 });
  await store.addToHistory((await store.talliesAfter(0, 1_000)).slice(0, -1)); // One is not counted yet.
  for (const [index, body] of ["plain", "with \0 in it", '{"a":"\\u0000"}'].entries()) {
    await store.bury({ source: "stream", id: `${index}-0`, reason: "no JSON", body, at: now });
  }
}

/** All pages of what is read by a position or an id. */
async function all<T>(
  first: string | undefined,
  read: (after: string | undefined) => Promise<readonly T[]>,
  keyOf: (last: T) => string,
): Promise<readonly T[]> {
  const found: T[] = [];
  for (let after = first;;) {
    const page = await read(after);
    const last = page.at(-1);
    if (last === undefined) return found;
    found.push(...page);
    after = keyOf(last);
  }
}

/** What can be seen of the messages. */
export async function seenOfMessages(store: MessageStore): Promise<unknown> {
  const nowSeconds = new WallClock().seconds - 1;
  const agents = [];
  for (const uaid of [ALICE, BOB, uaidOf(1), uaidOf(2), uaidOf(3)]) {
    const channels = [NEWS_CHANNEL, MAIL, channelOf(3), channelOf(9)];
    agents.push({
      user: await store.user(uaid),
      channels: await Promise.all(channels.map((id) => store.subscription(uaid, id))),
      plain: await store.messages({ uaid, kind: "plain", limit: 100, nowSeconds }),
      topic: await store.messages({ uaid, kind: "topic", limit: 100, nowSeconds }),
    });
  }
  return { agents, lastSortKey: await store.lastSortKey() };
}

/** What can be seen of everything else. */
export async function seenOfDelivery({ store, now }: DeliveryWorld): Promise<unknown> {
  const devices = (app: string) =>
    all(
      undefined,
      (after) => store.devices({ app, after, limit: 1_000 }),
      ({ id }) => id,
    );
  const notifications = await all(
    undefined,
    (after) => store.notifications({ after, limit: 5 }),
    ({ notification }) => notification.id,
  );
  return {
    apps: await store.apps(),
    devices: [await devices(NEWS), await devices("parcels"), await devices("gone")],
    tagged: await store.devices({ app: NEWS, after: undefined, limit: 100, tag: "news" }),
    notifications,
    campaigns: await Promise.all(
      notifications.map(({ notification }) => store.campaign(notification.id)),
    ),
    deliveries: await Promise.all(
      notifications.map(({ notification }) =>
        store.deliveries({ notification: notification.id, after: 0, limit: 100 })
      ),
    ),
    rows: await store.rowsAfter(0, 1_000),
    tallies: await store.talliesAfter(0, 1_000),
    history: await wholeHistory({ store }),
    lastOutcomes: await store.lastOutcomes(
      Array.from({ length: 200 }, (_, index) => deviceOf(index)),
    ),
    lanes: await store.lanes(),
    expandable: await store.expandable(now, 100),
    deadLetters: (await store.deadLetters(100)).map((letter) => ({
      ...letter,
      body: letter.body.replaceAll("\0", "\ufffd"),
    })),
    sinks: [
      await store.sinkPosition("webhook", "rows"),
      await store.sinkPosition("file", "rows"),
      await store.sinkPosition("counters", "tallies"),
      await store.sinkPosition("history", "tallies"),
    ],
  };
}

/** Goes on with everything there is to its end, and tells what was claimed, loaded and recorded on the way. */
export async function goOn(world: DeliveryWorld): Promise<unknown> {
  const { store, clock } = world;
  const told: unknown[] = [await store.sinkPosition("new", "rows")];
  await store.claimSink({
    ...{ name: "counters", log: "tallies", node: "next", now: world.now },
    leaseMs: 1_000,
  });
  await store.saveDevices([world.record(8_000, { tags: ["news"], user: "ada" })], world.now);
  await store.closeNotification(openIn(await store.notifications({ after: undefined, limit: 50 })));
  told.push(await store.resume({ app: "parcels", platform: "apns" }));
  // A platform that the app never had.
  const recipients = [{ platform: "fcm", address: "fcm", keys: undefined } as const];
  await world.submit({ kind: "direct", recipients }, { app: "parcels", id: idOf(900) });
  for (let round = 0; round < 120; round++) {
    for (const id of (await store.expandable(world.now, 100)).ids) await world.expand(id);
    const { batches } = await world.claim({
      node: "next",
      batchesMax: 1_000,
      laneBatchesMax: 1_000,
    });
    for (const batch of batches) {
      const loaded = await store.load(batch.lease);
      told.push({ batch, loaded });
      const row = { number: 1, address: "a", outcome: "failed", status: 0, reason: "r" } as const;
      await world.commit(batch, {
        outcomes: { ...NONE, failed: batch.count },
        rows: [{ ...row, registeredBefore: undefined }],
      });
    }
    clock.nowMs += 10_000;
  }
  await store.addToHistory(await store.talliesAfter(0, 1_000));
  return told;
}

function openIn(
  page: readonly { readonly state: string; readonly notification: { readonly id: string } }[],
): string {
  return page.find(({ state }) => state === "open")?.notification.id ?? "";
}
