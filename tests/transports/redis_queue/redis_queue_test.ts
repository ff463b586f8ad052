import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Queue } from "../../../actors/push/delivery/store.ts";
import {
  LANE_WAITING_MAX,
  LOOK_MS,
  PAUSES_MS,
  REFUSED_MS,
  TEND_MS,
  UPSTREAM_EXTRA_MS,
  WAIT_MAX_MS,
} from "../../../transports/redis_queue/limits.ts";
import { openRedisQueue, StoreError } from "../../../transports/redis_queue/redis_queue.ts";
import { LEASE_MS, NEWS } from "../../conformance/delivery_world.ts";
import { startRedis, startRedisCluster } from "../../support/redis_server.ts";
import { LANE, QueueWorld } from "./queue_world.ts";

const server = await startRedis();
globalThis.addEventListener("unload", () => void server.kill9());

function test(criterion: string, run: (world: QueueWorld) => Promise<void>): void {
  Deno.test(`RedisQueue ${criterion}`, async () => {
    await using world = await QueueWorld.open(server);
    await run(world);
  });
}

test("lets two nodes drain it: each batch is recorded once, and nothing is left in Redis", async (world) => {
  await world.populate(0);
  const ids = [];
  for (let count = 0; count < 4; count++) ids.push(await world.submitTokens(10_000));
  const nodes = [await world.node("one"), await world.node("two")];
  for (const { queue } of nodes) queue satisfies Queue;
  const recorded = await Promise.all(nodes.map((node) => node.drain()));
  assertEquals(recorded.reduce((sum, count) => sum + count, 0), 40);
  assert(recorded.every((count) => count > 0), `${recorded}`);
  for (const id of ids) {
    const status = await world.store.notification(id);
    assertEquals([status?.state, status?.counts.delivered], ["done", 10_000]);
  }
  assertEquals(await world.keys(), []);
});

test("lets another node take over, under the same token, what is not renewed", async (world) => {
  await world.submitBatches(1);
  const [dead, alive] = [await world.node("dead"), await world.node("alive")];
  const batch = await dead.claimOne();
  assertEquals(await alive.claim(), []);
  await world.endLeases("dead");
  world.clock.nowMs += LOOK_MS;
  const again = await alive.claimOne();
  assertEquals([again.lease, again.deliveries], [batch.lease, 2]);
  // Whoever had it is told so, and can take nothing back.
  assertEquals(await dead.queue.renew([batch.lease], world.now + LEASE_MS), [false]);
  await dead.queue.release(batch.lease, world.now);
  assertEquals(await alive.queue.renew([again.lease], world.now + LEASE_MS), [true]);
  assertEquals(await alive.work(again), true);
  assertEquals(await dead.work(batch), false);
  assertEquals(await world.keys(), []);
});

test("release() by whoever lost the lease takes nothing from whoever has it", async (world) => {
  await world.submitBatches(1);
  const [dead, alive] = [await world.node("dead"), await world.node("alive")];
  const batch = await dead.claimOne();
  await world.endLeases("dead");
  const again = await alive.claimOne();
  await dead.queue.release(batch.lease, world.now);
  assertEquals(await alive.work(again), true);
});

test("renew() keeps an entry from others, and the store's lease with it", async (world) => {
  await world.submitBatches(1);
  const [one, two] = [await world.node("one"), await world.node("two")];
  const batch = await one.claimOne();
  for (let round = 0; round < 6; round++) {
    await world.endLeases("one");
    world.clock.nowMs += LEASE_MS / 2;
    assertEquals(await one.queue.renew([batch.lease], world.now + LEASE_MS), [true]);
    assertEquals(await two.claim(), []);
  }
  assertEquals(await one.work(batch), true);
});

test("tells a node that missed its renewals before it gives the batch out there again", async (world) => {
  await world.submitBatches(1);
  const node = await world.node("one");
  const batch = await node.claimOne();
  await world.endLeases("one");
  world.clock.nowMs += LOOK_MS;
  assertEquals(await node.claim(), []);
  assertEquals(await node.queue.renew([batch.lease], world.now + LEASE_MS), [false]);
  await world.endLeases("one");
  world.clock.nowMs += LOOK_MS;
  assertEquals((await node.claimOne()).deliveries, 2);
});

test("finds what has ended behind more entries than one page of Redis's cursor looks at", async (world) => {
  const count = 250;
  await world.submitBatches(count);
  const [dead, alive] = [await world.node("dead"), await world.node("alive")];
  for (let claimed = 0; claimed < count;) claimed += (await dead.claim({ batchesMax: 100 })).length;
  const ids = await world.pending("dead");
  assertEquals(ids.length, count);
  await world.endLeases("dead", ids.slice(-3));
  assertEquals((await alive.claim({ batchesMax: 2 })).length, 2);
  await world.endLeases("dead");
  let recorded = 0;
  for (let round = 0; recorded < count - 2; round++) {
    assert(round < count, `${recorded}`);
    world.clock.nowMs += LOOK_MS;
    recorded += await alive.drain();
  }
  assertEquals(recorded, count - 2);
});

test("abandon() lets others have a dead node's batches at once, and forgets the node", async (world) => {
  await world.submitBatches(5);
  const [dead, alive] = [await world.node("dead"), await world.node("alive")];
  const batches = await dead.claim({ batchesMax: 3 });
  const [own] = await alive.claim({ batchesMax: 1 });
  assertEquals(await alive.queue.abandon("dead", world.now), 3);
  assertEquals(await alive.queue.abandon("dead", world.now), 0);
  const consumers = await world.redis("XINFO", "CONSUMERS", world.lane, "nodes");
  assertEquals(consumers.split("\n").includes("dead"), false);
  const leases = batches.map(({ lease }) => lease);
  assertEquals(await dead.queue.renew(leases, world.now + LEASE_MS), [false, false, false]);
  const taken = await alive.claim();
  assertEquals(taken.map(({ deliveries }) => deliveries), [1, 1, 1, 1]);
  assert(own !== undefined);
  for (const batch of [own, ...taken]) assertEquals(await alive.work(batch), true);
  assertEquals(await world.keys(), []);
});

test("87 counts each end of a lease as a delivery, beside those of the store", async (world) => {
  await world.submitBatches(1);
  const deliveries = [];
  for (let turn = 1; turn <= 6; turn++) {
    const node = await world.node(`node-${turn}`);
    deliveries.push((await node.claimOne()).deliveries);
    await world.endLeases(node.name);
  }
  assertEquals(deliveries, [1, 2, 3, 4, 5, 6]);
  // Now Redis forgets: the store counts the end of its own lease.
  await world.redis("DEL", world.lane);
  world.clock.nowMs += LEASE_MS + UPSTREAM_EXTRA_MS;
  assertEquals((await (await world.node("last")).claimOne()).deliveries, 2);
});

for (
  const [title, ...command] of [
    ["FLUSHALL", "FLUSHALL"],
    ["SCRIPT FLUSH and FLUSHDB", "FLUSHDB"],
  ] as const
) {
  test(`goes on after ${title}: what is at work stays, what waited comes again`, async (world) => {
    const id = await world.submitBatches(20);
    const node = await world.node("one");
    const atWork = await node.claim({ batchesMax: 5 });
    await world.redis("SCRIPT", "FLUSH");
    await world.redis(...command);
    const leases = atWork.map(({ lease }) => lease);
    assertEquals(await node.queue.renew(leases, world.now + LEASE_MS), Array(5).fill(true));
    for (const batch of atWork) assertEquals(await node.work(batch), true);
    assertEquals(await node.drain(), 0);
    world.clock.nowMs += LEASE_MS + UPSTREAM_EXTRA_MS;
    assertEquals(await node.drain(), 15);
    assertEquals((await world.store.notification(id))?.counts.delivered, 20);
  });
}

Deno.test("RedisQueue survives a Redis that loses everything in the middle: each batch is recorded once", async () => {
  await using own = await startRedis();
  await using world = await QueueWorld.open(own);
  const id = await world.submitBatches(40);
  const [one, two] = [await world.node("one"), await world.node("two")];
  const atWork = [...await one.claim({ batchesMax: 6 }), ...await two.claim({ batchesMax: 6 })];
  await own.kill9();
  await assertRejects(() => one.claim(), StoreError);
  await assertRejects(() => one.queue.ping(), StoreError);
  const leases = atWork.slice(0, 6).map(({ lease }) => lease);
  await assertRejects(() => one.queue.renew(leases, world.now + LEASE_MS), StoreError);
  const [first] = atWork;
  assert(first !== undefined);
  // Its result counts though the queue cannot be told.
  assertEquals(await world.commit(first), { kind: "committed", notificationDone: false });
  await assertRejects(() => one.queue.done(first.lease), StoreError);
  await own.start();
  for (const { queue } of [one, two]) {
    while (!await queue.ping().then(() => true, () => false)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  for (const batch of atWork.slice(1, 6)) assertEquals(await one.work(batch), true);
  for (const batch of atWork.slice(6)) assertEquals(await two.work(batch), true);
  world.clock.nowMs += LEASE_MS + UPSTREAM_EXTRA_MS;
  const recorded = await Promise.all([one.drain(), two.drain()]);
  assertEquals(recorded.reduce((sum, count) => sum + count, 0), 28);
  const status = await world.store.notification(id);
  assertEquals([status?.state, status?.counts.delivered], ["done", 40]);
  assertEquals(await world.keys(), []);
});

test("86 makes one result of an entry that stands there twice", async (world) => {
  const id = await world.submitBatches(3);
  const [one, two] = [await world.node("one"), await world.node("two")];
  const first = await one.claimOne();
  for (
    const entry of (await world.redis("XRANGE", world.lane, "-", "+")).split(/\n(?=\d+-\d+\n)/)
  ) {
    await world.redis("XADD", world.lane, "*", ...entry.split("\n").slice(1));
  }
  const ones = await one.claim({ batchesMax: 1 });
  const twos = await two.claim();
  let recorded = 0;
  for (const batch of [first, ...ones]) if (await one.work(batch)) recorded++;
  for (const batch of twos) if (await two.work(batch)) recorded++;
  recorded += await one.drain() + await two.drain();
  assertEquals(recorded, 3);
  assertEquals((await world.store.notification(id))?.counts.delivered, 3);
  assertEquals(await world.keys(), []);
});

test("drops what the store has given to somebody else, when it takes it over", async (world) => {
  await world.submitBatches(1);
  const [dead, alive] = [await world.node("dead"), await world.node("alive")];
  const batch = await dead.claimOne();
  await world.store.release(batch.lease, world.now);
  const other = await world.claim({ node: "elsewhere" });
  assertEquals(other.batches.length, 1);
  await world.endLeases("dead");
  assertEquals(await alive.claim(), []);
  assertEquals(await world.keys(), []);
});

test("gives back what nobody has read for long; the claim does not count", async (world) => {
  await world.submitBatches(10);
  const node = await world.node("one");
  const first = await node.claimOne();
  assertEquals((await node.queue.depth()).waiting, 9);
  const held = { lanes: [{ ...LANE, inFlight: 1, held: true }] };
  world.clock.nowMs += WAIT_MAX_MS;
  await node.claim(held);
  assertEquals((await node.queue.depth()).waiting, 9);
  world.clock.nowMs += WAIT_MAX_MS;
  assertEquals(await node.claim(held), []);
  assertEquals(await node.queue.depth(), { waiting: 0, atWork: 1, dead: 0 });
  const again = await node.claim();
  assertEquals(again.map(({ deliveries }) => deliveries), Array(9).fill(1));
  for (const batch of [first, ...again]) assertEquals(await node.work(batch), true);
});

test("claims what expired while its lane was held", async (world) => {
  const expiresAt = world.now + 1_000;
  await world.populate(0);
  await world.submitTokens(3_000, { expiresAt });
  const node = await world.node("one");
  await node.claimOne();
  world.clock.nowMs += 2 * WAIT_MAX_MS;
  const taken = await node.claim({ lanes: [{ ...LANE, inFlight: 1, held: true }] });
  assertEquals(taken.length, 2);
});

test("stops what is cancelled while it waits, after a while", async (world) => {
  const id = await world.submitBatches(10);
  const node = await world.node("one");
  const first = await node.claimOne();
  await world.store.cancel(id, world.now);
  world.clock.nowMs += 2 * WAIT_MAX_MS;
  assertEquals(await node.claim(), []);
  await node.work(first);
  const status = await world.store.notification(id);
  assertEquals([status?.state, status?.counts.cancelled, status?.counts.delivered], [
    "cancelled",
    9,
    1,
  ]);
});

test("reads nothing of a lane that was paused meanwhile, and goes on when it is resumed", async (world) => {
  await world.submitBatches(10);
  const node = await world.node("one");
  const first = await node.claimOne();
  await world.store.pause(LANE, "403", world.now);
  world.clock.nowMs += PAUSES_MS;
  assertEquals(await node.claim(), []);
  await world.store.resume(LANE);
  world.clock.nowMs += PAUSES_MS;
  assertEquals((await node.claim()).length, 9);
  assertEquals(await node.work(first), true);
});

test("keeps the backlog of a lane short, however many nodes refill it", async (world) => {
  await world.submitBatches(600);
  const nodes = await Promise.all(
    Array.from({ length: 8 }, (_, number) => world.node(`node-${number}`)),
  );
  for (let round = 0; round < 3; round++) {
    world.clock.nowMs += LOOK_MS;
    await Promise.all(nodes.map((node) => node.claim({ batchesMax: 1 })));
    const { waiting } = await nodes[0]?.queue.depth() ?? {};
    assert(waiting !== undefined && waiting > 0 && waiting <= LANE_WAITING_MAX, `${waiting}`);
  }
});

const ENTRY = {
  schema: "1",
  batch: "1",
  token: "1",
  notification: "n",
  app: NEWS,
  platform: "apns",
  count: "1",
  attempt: "0",
  deliveries: "1",
  at: "0",
};

const DEAD: readonly (readonly [row: string, change: Record<string, string>, reason: string])[] = [
  ["85", { batch: "" }, 'field "batch" is "", expected a whole number'],
  ["85", { token: "-1" }, 'field "token" is -1, expected at least 0'],
  ["85", { count: "1001" }, 'field "count" is 1001, expected at most 1000'],
  ["85", { platform: "adm" }, 'field "platform" is "adm", expected "apns" or "fcm" or "webpush"'],
  ["85", { schema: "x" }, 'field "schema" is "x", expected a whole number'],
  ["88", { schema: "7", batch: "?" }, "schema 7, this build reads ≤ 1"],
];

for (const [row, change, reason] of DEAD) {
  test(`${row} sets an entry aside, and goes on: ${reason}`, async (world) => {
    const id = await world.submitBatches(3);
    const node = await world.node("one");
    const first = await node.claimOne();
    const fields = Object.entries({ ...ENTRY, ...change }).flat();
    const entry = await world.redis("XADD", world.lane, "*", ...fields);
    assertEquals(await node.work(first), true);
    assertEquals(await node.drain(), 2);
    assertEquals((await world.store.notification(id))?.state, "done");
    const [letter] = world.letters;
    assert(letter !== undefined && letter.reason.endsWith(reason), letter?.reason);
    assertEquals([letter.source, letter.id], ["queue", `apns:${NEWS} ${entry}`]);
    assertEquals(letter.body, JSON.stringify({ ...ENTRY, ...change }));
    const dead = await world.redis("XRANGE", `${world.prefix}:{queue}:dead`, "-", "+");
    assertEquals(dead.split("\n").slice(1, 7), [
      ...["stream", world.lane, "id", entry, "reason", letter.reason],
    ]);
    assertEquals((await node.queue.depth()).dead, 1);
    assertEquals(await world.keys(), [`${world.prefix}:{queue}:dead`]);
  });
}

test("91 says which key holds something else, keeps nothing back, and goes on without it", async (world) => {
  await world.submitBatches(3);
  const node = await world.node("one");
  await world.redis("SET", world.lane, "text");
  const words = `key ${world.lane} is a string, expected a stream`;
  await assertRejects(() => node.claim(), StoreError, words);
  // What could not be handed over is the store's again.
  assertEquals((await world.store.lanes())[0]?.waiting, 3);
  await world.redis("DEL", world.lane);
  world.clock.nowMs += REFUSED_MS;
  assertEquals(await node.drain(), 3);
});

for (
  const [key, type] of [["lanes", "sorted set"], ["streams", "set"], ["dead", "stream"]] as const
) {
  test(`91 ping() says that the key "${key}" holds something else`, async (world) => {
    const node = await world.node("one");
    await node.queue.ping();
    const name = key === "dead" ? `${world.prefix}:{queue}:dead` : `${world.base}:${key}`;
    await world.redis("SET", name, "text");
    const words = `key ${name} is a string, expected a ${type}`;
    await assertRejects(() => node.queue.ping(), StoreError, words);
  });
}

Deno.test("RedisQueue works on a cluster of three", async () => {
  await using cluster = await startRedisCluster();
  const [first] = cluster.nodes;
  assert(first !== undefined);
  await using world = await QueueWorld.open(first, cluster.freshUrl());
  const id = await world.submitBatches(50);
  const [dead, alive] = [await world.node("dead"), await world.node("alive")];
  assertEquals((await dead.claim()).length, 16);
  await alive.queue.abandon("dead", world.now);
  assertEquals(await alive.drain(), 50);
  assertEquals((await world.store.notification(id))?.state, "done");
  assertEquals(await alive.queue.depth(), { waiting: 0, atWork: 0, dead: 0 });
});

Deno.test("RedisQueue hands out what is there while Redis is full, and goes on when it is not", async () => {
  await using own = await startRedis();
  await using world = await QueueWorld.open(own);
  const id = await world.submitBatches(40);
  const node = await world.node("one");
  const first = await node.claimOne();
  await own.cli("CONFIG", "SET", "maxmemory", "1");
  world.clock.nowMs += TEND_MS;
  const more = await node.claim({ batchesMax: 5 });
  assertEquals(more.length, 5);
  for (const batch of [first, ...more]) assertEquals(await node.work(batch), true);
  await own.cli("CONFIG", "SET", "maxmemory", "0");
  world.clock.nowMs += REFUSED_MS;
  assertEquals(await node.drain(), 34);
  assertEquals((await world.store.notification(id))?.state, "done");
});

test("keeps the batches of stores apart that share a Redis and a prefix, whose batches have the same numbers", async (world) => {
  await using other = await QueueWorld.open(server, world.url);
  const ids = [await world.submitBatches(20), await other.submitBatches(20)];
  const [one, two] = [await world.node("one"), await other.node("two")];
  const [first, second] = [await one.claimOne(), await two.claimOne()];
  assertEquals(first.lease, second.lease);
  assertEquals([first.notification, second.notification], ids);
  // Neither node may end what the other one does, nor take it over.
  assertEquals(await two.queue.abandon("one", world.now), 0);
  assertEquals(await one.work(first), true);
  assertEquals(await two.work(second), true);
  assertEquals(await one.drain(), 19);
  assertEquals(await two.drain(), 19);
});

test("leaves nothing in Redis for ever of a store that is gone", async (world) => {
  await world.submitBatches(3);
  const node = await world.node("one");
  await node.claimOne();
  const keys = await world.keys();
  assertEquals(keys.length, 3);
  for (const key of keys) assert(Number(await world.redis("PTTL", key)) > 0, key);
});

test("is not opened on the keys of a newer version", async (world) => {
  await world.redis("HSET", `${world.prefix}:schema`, "queue", "9");
  await assertRejects(() => world.node("one"), Error, "knows 1");
});

Deno.test("openRedisQueue() tells what is wrong with the address", async () => {
  await using world = await QueueWorld.open(server);
  const open = () => openRedisQueue({ url: "redis://:secret@127.0.0.1:1", upstream: world.store });
  const error = await assertRejects(open, Error, "Cannot reach Redis at 127.0.0.1:1");
  assertEquals(error.message.includes("secret"), false);
});
