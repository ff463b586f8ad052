/** What the delivery store in Redis does beside what every delivery store does. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Platform } from "../../../actors/push/delivery/records.ts";
import { openRedis } from "../../../transports/redis/redis.ts";
import { textReply } from "../../../transports/redis/replies.ts";
import { Keyspace } from "../../../transports/redis_delivery/keyspace.ts";
import {
  openRedisDeliveryStore,
  type RedisDeliveryStore,
  StoreError,
  StoreOpenError,
} from "../../../transports/redis_delivery/redis_delivery_store.ts";
import { Additions } from "../../../transports/redis_delivery/submission.ts";
import {
  CANCEL,
  CLOSE_NOTIFICATION,
} from "../../../transports/redis_delivery/scripts/notifications.ts";
import { HISTORY_MS } from "../../../transports/delivery_store/limits.ts";
import { SECOND, tallyAt, wholeHistory } from "../../conformance/delivery_history.ts";
import { DeliveryWorld, deviceOf, NEWS, NONE, rowFor } from "../../conformance/delivery_world.ts";
import { WallClock } from "../../conformance/store_world.ts";
import { startRedis } from "../../support/redis_server.ts";

const redis = await startRedis();
globalThis.addEventListener("unload", () => redis.abandon());

/** A world on a store of its own. */
class RedisWorld extends DeliveryWorld {
  readonly url: string;
  readonly redisStore: RedisDeliveryStore;

  constructor(clock: WallClock, url: string, store: RedisDeliveryStore) {
    const never = () => Promise.reject(new Error("not in these tests"));
    super(clock, {
      store,
      reopen: never,
      corrupt: never,
      [Symbol.asyncDispose]: () => store.close(),
    });
    this.url = url;
    this.redisStore = store;
  }

  static async open(url = redis.freshUrl()): Promise<RedisWorld> {
    const clock = new WallClock();
    return new RedisWorld(clock, url, await openRedisDeliveryStore({ url, clock }));
  }

  /** Sends one command about a key of the store. */
  async command(name: string, key: string, ...args: readonly (string | number)[]) {
    await using other = await openRedis({ url: this.url });
    return await other.call([name, other.key("{delivery}", key), ...args]);
  }

  /** The names of all keys of the store, without what they begin with. */
  async keys(): Promise<readonly string[]> {
    await using other = await openRedis({ url: this.url });
    const start = other.key("{delivery}", "");
    const found = await other.call(["KEYS", `${other.key("")}*`]);
    assert(Array.isArray(found));
    return found.map((key) => textReply(key).replace(start, "")).toSorted();
  }
}

Deno.test("openRedisDeliveryStore() refuses keys of a newer version", async () => {
  await using world = await RedisWorld.open();
  await using other = await openRedis({ url: world.url });
  await other.call(["HSET", other.key("schema"), "delivery", 9]);
  const error = await assertRejects(
    () => openRedisDeliveryStore({ url: world.url }),
    StoreOpenError,
    'schema version 9 of "delivery"',
  );
  assertEquals(error.code, "newer_schema");
});

/** What is written over, and the call that meets it. */
const DAMAGES: readonly (readonly [
  title: string,
  damage: readonly [command: string, key: string, ...args: string[]],
  meet: (world: RedisWorld, id: string) => Promise<unknown>,
  message: RegExp,
])[] = [
  [
    "credentials that are no JSON",
    ["HSET", `app:${NEWS}`, "credentials", "{"],
    (world) => world.store.app(NEWS),
    /key fresh_\d+:\{delivery\}:app:news: field "credentials" is no JSON/,
  ],
  [
    "a version that is no number",
    ["HSET", `app:${NEWS}`, "version", "many"],
    (world) => world.store.apps(),
    /app:news: field "version" is "many", expected a whole number/,
  ],
  [
    "a device without a state",
    ["HSET", "devices", "1", "nonsense"],
    (world) => world.store.device(deviceOf(1)),
    /\{delivery\}:devices: field "1" is no device/,
  ],
  [
    "an id without a code",
    ["HSET", "ids", deviceOf(1), "one"],
    (world) => world.store.device(deviceOf(1)),
    /\{delivery\}:ids: field "device-000001" is no code of a device/,
  ],
  [
    "a pause without a time",
    ["HSET", "pauses", `${NEWS},0`, "because"],
    (world) => world.store.lanes(),
    /\{delivery\}:pauses: field "news,0" is no pause/,
  ],
  [
    "a batch without a count, when a script meets it",
    ["HDEL", "batch:00000000000001", "count"],
    (world) => world.claim(),
    /Cannot claim batches: key "fresh_\d+:\{delivery\}:batch:00000000000001": field "count" is missing$/,
  ],
  [
    "a batch with a mistyped turn, when a script meets it",
    ["HSET", "batch:00000000000001", "turn", "soon"],
    (world) => world.claim(),
    /batch:00000000000001": field "turn" is "soon", expected a number$/,
  ],
  [
    "a slot of the history without all its counts",
    ["HSET", "history:472200", "1699920000,0", "1 2 3"],
    async (world) => {
      await world.command("ZADD", "history", 472_200, 472_200);
      world.clock.nowMs = SECOND * 1_000;
      await wholeHistory(world);
    },
    /\{delivery\}:history:472200: field "1699920000,0" is no slot$/,
  ],
  [
    "a slot of the history with a count that is none, when a script meets it",
    ["HSET", "history:472200", "1699920000,0", "1 2 3 many 5 6 7"],
    (world) => {
      world.clock.nowMs = SECOND * 1_000;
      return world.store.addToHistory([tallyAt(1, world.now)]);
    },
    /history:472200": field "1699920000,0" is "many", expected a number$/,
  ],
  [
    "a sink's position that is none",
    ["HSET", "sinks", "history", "far"],
    (world) => world.store.addToHistory([tallyAt(1, world.now)]),
    /\{delivery\}:sinks": field "history" is "far", expected a number$/,
  ],
  [
    "a place of a last row that is none",
    ["HSET", "last_rows:0", "1", "there"],
    (world) => world.store.lastOutcomes([deviceOf(1)]),
    /\{delivery\}:last_rows:0": field "1" is "there", expected a number$/,
  ],
];

for (const [title, [command, key, ...args], meet, message] of DAMAGES) {
  Deno.test(`RedisDeliveryStore names key and field of ${title}`, async () => {
    await using world = await RedisWorld.open();
    await world.populate(1);
    const id = await world.submit();
    await world.expand(id);
    await world.command(command, key, ...args);
    const error = await assertRejects(() => meet(world, id), StoreError);
    assertEquals(error.code, "damaged");
    assert(message.test(error.message), error.message);
  });
}

Deno.test("claim() that meets a damaged batch holds nothing back once it is mended", async () => {
  await using world = await RedisWorld.open();
  await world.populate(0);
  await world.submitTokens(1);
  const recipient = { platform: "fcm", address: "t", keys: undefined } as const;
  await world.submit({ kind: "direct", recipients: [recipient] });
  await world.command("HSET", "batch:00000000000002", "turn", "soon");
  await assertRejects(() => world.claim(), StoreError);
  await world.command("HSET", "batch:00000000000002", "turn", "1");
  assertEquals((await world.claim()).batches.length, 2);
});

/** What is damaged, how it is mended, and the field that is named. */
const HALF_WAY: readonly (readonly [key: string, field: string, value: string])[] = [
  ["devices", "1", "a0x\nrest"],
  ["tally:ID:0", "delivered", "many"],
  ["tally:ID:0", "retries", "many"],
  ["notification:ID", "batches", "many"],
  [`lane:${NEWS},0`, "turn", "soon"],
];

for (const [key, field, value] of HALF_WAY) {
  Deno.test(`commit() that meets a damaged "${field}" of ${key} counts nothing, and once when it is repeated`, async () => {
    await using world = await RedisWorld.open();
    await world.populate(2);
    const id = await world.submit();
    await world.expand(id);
    const { batches: [batch] } = await world.claim();
    assert(batch !== undefined);
    const name = key.replace("ID", id);
    const good = await world.command("HGET", name, field);
    await world.command("HSET", name, field, value);
    const result = {
      outcomes: { ...NONE, delivered: 1 },
      remainders: [{ numbers: [2], attempt: 1, notBefore: world.now }],
      suspects: { marked: [1], cleared: [2] },
      attempts: 1,
    };
    const error = await assertRejects(() => world.commit(batch, result), StoreError);
    assertEquals([error.code, error.message.includes(`"${field}"`)], ["damaged", true]);
    if (good === null) await world.command("HDEL", name, field);
    else await world.command("HSET", name, field, textReply(good));
    assertEquals((await world.commit(batch, result)).kind, "committed");
    const { counts } = await world.store.notification(id) ?? {};
    assertEquals([counts?.total, counts?.delivered, counts?.pending, counts?.retries], [
      2,
      1,
      1,
      1,
    ]);
    assertEquals((await world.store.talliesAfter(0, 9)).length, 1);
    assertEquals((await world.claim()).batches.map(({ count }) => count), [1]);
  });
}

Deno.test("addToHistory() that meets a damaged slot counts nothing, and once when it is repeated", async () => {
  await using world = await RedisWorld.open();
  world.clock.nowMs = SECOND * 1_000;
  const [key, field] = ["history:472200", `${SECOND},2`];
  const tallies = [
    tallyAt(1, world.now),
    tallyAt(2, world.now, { rejected: 1 }, { platform: "webpush" }),
  ];
  for (const damage of ["1 2 3", "1 2 3 4 5 6 7 8", "x"]) {
    await world.command("HSET", key, field, damage);
    await assertRejects(() => world.store.addToHistory(tallies), StoreError, `field "${field}"`);
  }
  await world.command("HDEL", key, field);
  for (let times = 0; times < 2; times++) await world.store.addToHistory(tallies);
  const counted = (await wholeHistory(world)).map(({ platform, outcomes }) => [platform, outcomes]);
  assertEquals(counted, [
    ["apns", { ...NONE, delivered: 1 }],
    ["webpush", { ...NONE, rejected: 1 }],
  ]);
});

Deno.test("addToHistory() removes the hours that are over, and lastOutcomes() leaves nothing of what was swept", async () => {
  await using world = await RedisWorld.open();
  world.clock.nowMs = SECOND * 1_000;
  await world.store.addToHistory(
    [0, 3_600, 7_200].map((second, index) => tallyAt(index + 1, (SECOND + second) * 1_000)),
  );
  world.clock.nowMs += HISTORY_MS + 3_600_000;
  await world.store.addToHistory([]);
  assertEquals((await world.keys()).filter((key) => key.startsWith("history")), [
    "history",
    "history:472201",
    "history:472202",
  ]);
  await world.populate(250);
  await world.expand(await world.submit({ kind: "all" }, { rows: "all" }));
  const { batches: [batch] } = await world.claim();
  assert(batch !== undefined);
  const row = { address: "[1,\n[2,", outcome: "rejected", status: 400, reason: "r" } as const;
  const numbers = Array.from({ length: 250 }, (_, index) => index + 1);
  await world.commit(batch, {
    outcomes: { ...NONE, rejected: 250 },
    rows: numbers.map((number) => ({ ...row, number, registeredBefore: undefined })),
  });
  const known = async () => {
    const rows = await world.store.lastOutcomes(numbers.map(deviceOf));
    return rows.flatMap((row) => row === undefined ? [] : [row.number]);
  };
  assertEquals(await known(), numbers);
  world.clock.nowMs += 1;
  assertEquals(await world.store.sweep(world.now, 100), 100);
  // The tally was one of them.
  assertEquals(await known(), numbers.slice(99));
  while (await world.store.sweep(world.now, 100) > 0);
  assertEquals((await world.keys()).filter((key) => key.startsWith("last_rows")), []);
});

for (const call of ["cancel", "closeNotification"] as const) {
  Deno.test(`${call}() that meets a damaged notification changes nothing of it`, async () => {
    await using world = await RedisWorld.open();
    await world.populate(0);
    const id = await world.submit({ kind: "open" });
    await world.command("HSET", `notification:${id}`, "seq", "first");
    const error = await assertRejects(() => world.store[call](id, world.now), StoreError);
    assertEquals(error.code, "damaged");
    assertEquals((await world.store.notification(id))?.state, "open");
  });
}

Deno.test("RedisDeliveryStore says so when a key holds something of another type", async () => {
  await using world = await RedisWorld.open();
  await world.command("SET", "lanes", "text");
  const error = await assertRejects(() => world.store.lanes(), StoreError);
  assertEquals(error.code, "wrong_type");
});

Deno.test("RedisDeliveryStore leaves nothing of what was swept and removed", async () => {
  await using world = await RedisWorld.open();
  const platforms: readonly Platform[] = ["apns", "fcm", "webpush"];
  await world.store.saveApp(NEWS, {}, world.now);
  const records = Array.from({ length: 9 }, (_, number) =>
    world.record(number, {
      platform: platforms[number % 3] ?? "apns",
      user: `user-${number % 2}`,
      tags: ["all", `tag-${number % 4}`],
    }));
  await world.store.saveDevices(records, world.now);
  await world.store.invalidate([rowFor(world, 0, { address: "apns-0" })]);
  const recipient = { platform: "apns", address: "t", keys: undefined } as const;
  await world.expand(await world.submit({ kind: "tags", tags: ["tag-1", "tag-2"] }));
  await world.expand(await world.submit({ kind: "users", users: ["user-1"] }));
  await world.expand(await world.submit({ kind: "devices", devices: [deviceOf(1), deviceOf(2)] }));
  await world.expand(await world.submit({ kind: "all" }, { ratePerSecond: 8 }));
  await world.submit({ kind: "direct", recipients: [recipient] }, {}, { idempotencyKey: "key" });
  const open = await world.submit({ kind: "open" });
  await world.store.addRecipients(open, [recipient]);
  await world.store.closeNotification(open);
  const cancelled = await world.submit({ kind: "open" });
  await world.store.addRecipients(cancelled, [recipient]);
  await world.store.cancel(cancelled, world.now);
  for (let round = 0; round < 9; round++) {
    const { batches } = await world.claim();
    for (const batch of batches) {
      const row = { address: "a", outcome: "rejected", status: 400, reason: "r" } as const;
      const rows = [{ ...row, number: 1, registeredBefore: undefined }];
      const outcomes = { ...NONE, rejected: 1, delivered: batch.count - 1 };
      await world.commit(batch, { outcomes, rows, pause: "why" });
      await world.store.resume(batch);
    }
    world.clock.nowMs += 500;
  }
  world.clock.nowMs += 1;
  while (await world.store.sweep(world.now, 1_000) > 0);
  assertEquals(await world.store.notifications({ after: undefined, limit: 9 }), []);
  assertEquals(await world.store.removeApp(NEWS), "removed");
  const left = (await world.keys()).filter((key) => !/^last:|^added:/.test(key));
  assertEquals(await world.store.talliesAfter(0, 9), []);
  // The version of an app is never given again; an empty log and the schema are the store's own.
  assertEquals(left.map((key) => key.replace(/^fresh_\d+:/, "")), [
    `app:${NEWS}`,
    "schema",
    "tallies",
  ]);
});

Deno.test("expand() finds each device once, over many sets of numbers and with rare tags", async () => {
  await using world = await RedisWorld.open();
  const { store } = world;
  await store.saveApp(NEWS, {}, world.now);
  const tagsOf = (number: number) => [
    ...(number % 2 === 0 ? ["even"] : []),
    ...(number % 3 === 0 ? ["third"] : []),
    ...([1, 511, 512, 1_023, 1_024, 2_100].includes(number) ? ["rare"] : []),
  ];
  const numbers = Array.from({ length: 2_100 }, (_, index) => index + 1);
  const records = numbers.map((number) => world.record(number, { tags: tagsOf(number) }));
  for (let first = 0; first < records.length; first += 1_000) {
    await store.saveDevices(records.slice(first, first + 1_000), world.now);
  }
  for (
    const [tags, limit] of [
      [["even", "third"], 100],
      [["even", "third", "rare"], 10_000],
      [["rare"], 2],
      [["third"], 512],
    ] as const
  ) {
    const id = await world.submit({ kind: "tags", tags });
    await world.expand(id, limit);
    const { batches } = await world.claim();
    const loaded = await Promise.all(batches.map(({ lease }) => store.load(lease)));
    const found = loaded.flatMap((one) => typeof one === "string" ? [] : one.recipients.numbers);
    const wanted = numbers.filter((number) =>
      tagsOf(number).some((tag) => tags.some((one) => one === tag))
    );
    assertEquals(found.toSorted((a, b) => a - b), wanted);
    for (const batch of batches) await world.commit(batch);
  }
  // More than are sorted: they are walked in the order of their ids.
  await store.invalidate([rowFor(world, 2_000, {})]);
  const page = { app: NEWS, after: deviceOf(1_990), limit: 3 } as const;
  const ids = async (more: object) =>
    (await store.devices({ ...page, ...more })).map(({ id }) => Number(id.slice(-6)));
  assertEquals(await ids({}), [1_991, 1_992, 1_993]);
  assertEquals(await ids({ tag: "rare" }), [2_100]);
  assertEquals(await ids({ state: "active", after: deviceOf(1_998) }), [1_999, 2_001, 2_002]);
  assertEquals(await ids({ state: "invalid" }), [2_000]);
});

Deno.test("cancel() in steps is finished by claims, whoever took the first step", async () => {
  await using world = await RedisWorld.open();
  await world.populate(0);
  const id = await world.submitTokens(1_200, { ratePerSecond: 4 });
  const other = await world.submitTokens(2_500);
  await using connection = await openRedis({ url: world.url });
  // One node takes a step and is killed.
  const keys = new Keyspace(connection);
  for (const one of [id, other]) await keys.run(CANCEL, one, world.now, 1);
  assertEquals((await world.store.notification(id))?.counts.cancelled, 1);
  assertEquals((await world.store.notification(other))?.counts.cancelled, 1_000);
  world.clock.nowMs += 1_000;
  while ((await world.claim()).dueAt !== undefined);
  for (const [one, count] of [[id, 1_200], [other, 2_500]] as const) {
    const status = await world.store.notification(one);
    assertEquals([status?.sendingDone, status?.counts.cancelled], [true, count]);
  }
});

Deno.test("cancel() cancels more than one step may", async () => {
  await using world = await RedisWorld.open();
  await world.populate(0);
  const id = await world.submitTokens(2_500, { ratePerSecond: 4 });
  assertEquals(await world.store.cancel(id, world.now), "cancelled");
  const status = await world.store.notification(id);
  assertEquals([status?.sendingDone, status?.counts.cancelled], [true, 2_500]);
});

Deno.test("closeNotification() in steps is finished by who expands, whoever took the first step", async () => {
  await using world = await RedisWorld.open();
  await world.populate(0);
  const id = await world.submit({ kind: "open" });
  const recipient = { platform: "apns", address: "t", keys: undefined } as const;
  for (let count = 0; count < 3; count++) await world.store.addRecipients(id, [recipient]);
  await using connection = await openRedis({ url: world.url });
  await new Keyspace(connection).run(CLOSE_NOTIFICATION, id, world.now, 1);
  assertEquals((await world.claim()).batches.length, 1);
  assertEquals((await world.store.expandable(world.now, 9)).ids, [id]);
  assertEquals(await world.store.expand(id, { limit: 10, batchMax: 10 }), { added: 0, done: true });
  assertEquals((await world.claim()).batches.length, 2);
  assertEquals((await world.store.expandable(world.now, 9)).ids, []);
});

Deno.test("RedisDeliveryStore refuses writes as a whole when the memory is full, and still removes", async () => {
  await using full = await startRedis();
  await using world = await RedisWorld.open(full.freshUrl());
  await world.populate(3);
  const id = await world.submitTokens(1);
  await world.deliverAll();
  const before = await world.keys();
  await full.cli("CONFIG", "SET", "maxmemory", "1");
  const calls = [
    () => world.store.saveDevices([world.record(4)], world.now),
    () => world.submitTokens(3),
    () => world.store.saveApp("other", {}, world.now),
  ];
  for (const call of calls) {
    assertEquals((await assertRejects(call, StoreError)).code, "full");
  }
  assertEquals(await world.keys(), before);
  world.clock.nowMs += 1;
  while (await world.store.sweep(world.now, 100) > 0);
  assertEquals(await world.store.notification(id), undefined);
  assertEquals(await world.store.removeDevice(deviceOf(1)), true);
  assertEquals(await world.store.removeApp(NEWS), "removed");
});

/** Keys behind a connection that is lost when a script has run and before its answer comes. */
class LostAnswers extends Keyspace {
  lost = false;

  override async run(...args: Parameters<Keyspace["run"]>): Promise<unknown> {
    const reply = await super.run(...args);
    if (this.lost) throw new StoreError("unavailable", "Cannot add recipients: connection lost");
    return reply;
  }
}

Deno.test("Additions count once what is repeated because its answer was lost", async () => {
  await using world = await RedisWorld.open();
  await world.populate(0);
  const id = await world.submit({ kind: "open" });
  const recipients = [{ platform: "apns", address: "t", keys: undefined }] as const;
  await using connection = await openRedis({ url: world.url });
  const keys = new LostAnswers(connection);
  const additions = new Additions(keys);
  const total = async () => (await world.store.notification(id))?.counts.total;
  keys.lost = true;
  await assertRejects(() => additions.add(id, recipients), StoreError);
  await assertRejects(() => additions.add(id, recipients), StoreError);
  assertEquals(await total(), 1);
  keys.lost = false;
  assertEquals(await additions.add(id, recipients), "added");
  assertEquals(await total(), 1);
  // From now on it is another call with the same recipients.
  assertEquals(await additions.add(id, recipients), "added");
  assertEquals(await total(), 2);
});
