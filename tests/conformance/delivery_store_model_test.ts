/**
 * The durable stores beside their twin in memory: the same random calls must get the same answers and
 * leave the same state, across clock steps and reopening; and in both, after every step, each
 * recipient that was found stands in exactly one place.
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Audience } from "../../actors/push/delivery/records.ts";
import type { ClaimedBatch } from "../../actors/push/delivery/store.ts";
import { startPostgres } from "../support/postgres_server.ts";
import { startRedis } from "../support/redis_server.ts";
import {
  memoryDeliveryFixture,
  postgresDeliveryFixture,
  redisDeliveryFixture,
  sqliteDeliveryFixture,
} from "./delivery_fixtures.ts";
import { wholeHistory } from "./delivery_history.ts";
import {
  type DeliveryFixture,
  type DeliverySettings,
  DeliveryWorld,
  deviceOf,
  idOf,
  LEASE_MS,
  NEWS,
  NONE,
  rowFor,
} from "./delivery_world.ts";
import { WallClock } from "./store_world.ts";

const PLATFORMS = ["apns", "fcm", "webpush"] as const;
const APPS = [NEWS, "other"] as const;

/** What happens next; it gets the same answer from every store. */
type Step = (world: ModelWorld) => Promise<unknown>;

/** A store with the batches that its caller holds. */
class ModelWorld extends DeliveryWorld {
  readonly held: ClaimedBatch[] = [];
  submitted = 0;

  constructor(clock: WallClock, fixture: DeliveryFixture) {
    super(clock, fixture);
  }

  /** One of the batches that were claimed, whether its lease holds or not. */
  batch(choice: number): ClaimedBatch | undefined {
    return this.held[choice % Math.max(this.held.length, 1)];
  }
}

const app = fc.constantFrom(...APPS);
const number = fc.integer({ min: 1, max: 12 });
const node = fc.constantFrom("node", "other node");
const platform = fc.constantFrom(...PLATFORMS);

const save = fc.record({ app, number, platform, user: fc.nat(2), tags: fc.subarray(["a", "b"]) })
  .map(({ user, number, ...more }): Step => (world) =>
    world.store.saveDevices(
      [world.record(number, { ...more, user: `user-${user}` })],
      world.now,
    )
  );

const audience: fc.Arbitrary<Audience> = fc.oneof(
  fc.constant<Audience>({ kind: "all" }),
  fc.subarray(["a", "b", "c"]).map((tags): Audience => ({ kind: "tags", tags })),
  fc.subarray(["user-0", "user-1"]).map((users): Audience => ({ kind: "users", users })),
  fc.array(number).map((numbers): Audience => ({
    kind: "devices",
    devices: numbers.map(deviceOf),
  })),
  fc.constant<Audience>({ kind: "open" }),
  fc.array(platform, { maxLength: 9 }).map((platforms): Audience => ({
    kind: "direct",
    recipients: platforms.map((platform, index) => ({
      platform,
      address: `token-${index}`,
      keys: platform === "webpush" ? new Uint8Array(81).fill(index) : undefined,
    })),
  })),
);

const submit = fc.record({
  app,
  audience,
  inMs: fc.constantFrom(0, 0, 40),
  livesMs: fc.constantFrom(50, 400, 100_000),
  ratePerSecond: fc.option(fc.constantFrom(4, 100), { nil: undefined, freq: 3 }),
}).map(({ app, audience, inMs, livesMs, ratePerSecond }): Step => (world) => {
  const notification = world.notification({
    id: idOf(++world.submitted),
    app,
    sendAt: world.now + inMs,
    expiresAt: world.now + inMs + livesMs,
    ratePerSecond,
  });
  return world.store.submit({ notification, audience, idempotencyKey: undefined, digest: "d" });
});

/** A call that names one of the notifications so far. */
function ofNotification(call: (world: ModelWorld, id: string) => Promise<unknown>) {
  return fc.nat(9).map((choice): Step => (world) => call(world, idOf(1 + choice % 6)));
}

const expand = fc.record({ limit: fc.integer({ min: 1, max: 8 }), batchMax: fc.constantFrom(2, 5) })
  .map((options): Step => async (world) => {
    const { ids } = await world.store.expandable(world.now, 3);
    const added: number[] = [];
    for (const id of ids) added.push((await world.store.expand(id, options)).added);
    return added;
  });

const claim = fc.record({
  batchesMax: fc.integer({ min: 1, max: 5 }),
  laneBatchesMax: fc.integer({ min: 1, max: 3 }),
  inFlight: fc.nat(2),
  held: fc.boolean(),
  lane: fc.record({ app, platform }),
  node,
}).map(({ batchesMax, laneBatchesMax, inFlight, held, lane, node }): Step => async (world) => {
  const lanes = [{ ...lane, inFlight, held }];
  const claimed = await world.claim({ batchesMax, laneBatchesMax, lanes, leaseMs: 100, node });
  world.held.push(...claimed.batches);
  return claimed;
});

const settle = fc.record({
  choice: fc.nat(),
  share: fc.nat(3),
  inMs: fc.constantFrom(0, 30, 5_000),
  paused: fc.integer({ min: 0, max: 9 }),
}).map(({ choice, share, inMs, paused }): Step => async (world) => {
  const batch = world.batch(choice);
  const loaded = batch && await world.store.load(batch.lease);
  if (batch === undefined || loaded === undefined || typeof loaded === "string") return loaded;
  const { numbers, addresses } = loaded.recipients;
  const again = numbers.filter((number) => share > 0 && number % (share + 1) === 0);
  const failed = loaded.gone.length;
  const settled = numbers.filter((number) => !again.includes(number));
  const outcome = await world.commit(batch, {
    outcomes: { ...NONE, failed, rejected: settled.length },
    rows: settled.map((number) => ({
      number,
      address: addresses[numbers.indexOf(number)] ?? "",
      outcome: "rejected",
      status: 400,
      reason: "no",
      registeredBefore: undefined,
    })),
    remainders: [{ numbers: again, attempt: batch.attempt + 1, notBefore: world.now + inMs }],
    suspects: { marked: again, cleared: settled },
    pause: paused === 0 ? "why" : undefined,
  });
  return [loaded, outcome];
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: save },
  { weight: 5, arbitrary: submit },
  { weight: 6, arbitrary: expand },
  { weight: 9, arbitrary: claim },
  { weight: 9, arbitrary: settle },
  {
    weight: 2,
    arbitrary: fc.record({ choice: fc.nat(), inMs: fc.nat(60) }).map(
      ({ choice, inMs }): Step => async (world) => {
        const batch = world.batch(choice);
        if (batch !== undefined) await world.store.release(batch.lease, world.now + inMs);
      },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat().map((choice): Step => (world) => {
      const batch = world.batch(choice);
      return world.store.renew(batch === undefined ? [] : [batch.lease], world.now + LEASE_MS);
    }),
  },
  {
    weight: 2,
    arbitrary: ofNotification((world, id) =>
      world.store.addRecipients(id, [{ platform: "fcm", address: "more", keys: undefined }])
    ),
  },
  { weight: 1, arbitrary: ofNotification((world, id) => world.store.closeNotification(id)) },
  { weight: 1, arbitrary: ofNotification((world, id) => world.store.cancel(id, world.now)) },
  {
    weight: 1,
    arbitrary: number.map((number): Step => (world) =>
      world.store.invalidate([rowFor(world, number, {})])
    ),
  },
  {
    weight: 1,
    arbitrary: number.map((number): Step => (world) => world.store.removeDevice(deviceOf(number))),
  },
  {
    weight: 1,
    arbitrary: fc.record({ app, platform }).map((lane): Step => (world) =>
      world.store.resume(lane)
    ),
  },
  { weight: 1, arbitrary: app.map((app): Step => (world) => world.store.removeApp(app)) },
  { weight: 2, arbitrary: app.map((app): Step => (world) => world.store.saveApp(app, {}, 1)) },
  {
    weight: 1,
    arbitrary: fc.constant<Step>(async (world) => {
      let count = 0;
      for (let some = 1; some > 0;) count += some = await world.store.sweep(world.now - 100, 3);
      return count > 0;
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>((world) => world.fixture.reopen()) },
  { weight: 1, arbitrary: fc.constant<Step>((world) => world.store.sinkPosition("sink", "rows")) },
  {
    weight: 3,
    // Pages that overlap, leave some out and come again.
    arbitrary: fc.record({ skip: fc.nat(6), limit: fc.nat(5) }).map(
      ({ skip, limit }): Step => async ({ store }) => {
        const tallies = await store.talliesAfter(0, 1_000);
        return store.addToHistory(tallies.slice(skip, skip + limit));
      },
    ),
  },
  {
    weight: 1,
    arbitrary: node.map((node): Step => (world) => world.store.abandon(node, world.now)),
  },
  {
    weight: 2,
    arbitrary: fc.record({ node, leaseMs: fc.constantFrom(0, 100) }).map(
      ({ node, leaseMs }): Step => (world) =>
        world.store.claimSink({ name: "counters", log: "tallies", node, leaseMs, now: world.now }),
    ),
  },
);

/** Everything that can be seen of a store. */
async function stateOf(world: ModelWorld): Promise<unknown> {
  const { store } = world;
  const pages = APPS.map((app) => store.devices({ app, after: undefined, limit: 100 }));
  return {
    apps: await store.apps(),
    devices: await Promise.all(pages),
    notifications: await store.notifications({ after: undefined, limit: 100 }),
    rows: await store.rowsAfter(0, 1_000),
    tallies: await store.talliesAfter(0, 1_000),
    history: await wholeHistory(world),
    lastOutcomes: await store.lastOutcomes(
      Array.from({ length: 13 }, (_, index) => deviceOf(index)),
    ),
    lanes: await store.lanes(),
    expandable: await store.expandable(world.now, 100),
  };
}

/** No recipient is lost and none counts twice; what is unfinished has batches for all that is pending. */
async function checkConservation({ store }: ModelWorld): Promise<void> {
  for (const status of await store.notifications({ after: undefined, limit: 100 })) {
    const { total, retries: _, ...places } = status.counts;
    assertEquals(Object.values(places).reduce((sum, count) => sum + count, 0), total);
    assertEquals(Object.values(places).every((count) => count >= 0), true);
    if (status.sendingDone) assertEquals(status.counts.pending, 0);
  }
}

type Open = (settings: DeliverySettings) => Promise<DeliveryFixture>;

async function runSteps(open: Open, steps: readonly (readonly [Step, number])[]): Promise<void> {
  const clock = new WallClock();
  await using memory = new ModelWorld(clock, await memoryDeliveryFixture({ clock }));
  await using durable = new ModelWorld(clock, await open({ clock }));
  for (const world of [memory, durable]) await world.populate(6, PLATFORMS);
  for (const [next, waitMs] of steps) {
    clock.nowMs += waitMs;
    const answer = await next(memory);
    assertEquals(await next(durable), answer);
    assertEquals(await stateOf(durable), await stateOf(memory));
    await checkConservation(memory);
  }
}

const redis = await startRedis();
globalThis.addEventListener("unload", () => redis.abandon());
const postgres = (await startPostgres()).endWithTests();

/** The stores, and how often each is tried: a schema of its own takes PostgreSQL some time. */
const STORES: readonly (readonly [name: string, open: Open, runs: number])[] = [
  ["SqliteDeliveryStore", sqliteDeliveryFixture, 40],
  ["PostgresDeliveryStore", postgresDeliveryFixture(() => postgres.freshUrl()), 15],
  ["RedisDeliveryStore", redisDeliveryFixture(() => redis.freshUrl()), 40],
];

for (const [name, open, runs] of STORES) {
  Deno.test(`${name} answers as MemoryDeliveryStore does, and both lose nobody`, async () => {
    const steps = fc.array(fc.tuple(step, fc.constantFrom(0, 0, 0, 10, 60, 300)), {
      minLength: 10,
      maxLength: 60,
    });
    const numRuns = Number(Deno.env.get("DELIVERY_RUNS") ?? runs);
    await fc.assert(fc.asyncProperty(steps, (some) => runSteps(open, some)), { numRuns });
  });
}
