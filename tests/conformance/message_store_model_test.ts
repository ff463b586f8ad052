/**
 * Each durable store beside its twin in memory: the same random calls, many of them on their way at
 * once, must get the same answers and leave the same state, across clock steps and reopening.
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { MessageStore } from "../../actors/push/ports.ts";
import { startPostgres } from "../support/postgres_server.ts";
import { startRedis } from "../support/redis_server.ts";
import { memoryFixture, postgresFixture, redisFixture, sqliteFixture } from "./fixtures.ts";
import {
  channelOf,
  type StoreFixture,
  type StoreSettings,
  uaidOf,
  WallClock,
} from "./store_world.ts";

const redis = await startRedis();
globalThis.addEventListener("unload", () => redis.abandon());
const postgres = (await startPostgres()).endWithTests();

const USERS = [1, 2, 3].map(uaidOf);
const CHANNELS = [1, 2].map(channelOf);

/** A call that writes; sort keys are counted up as the calls are made. */
type Write = (store: MessageStore, clock: WallClock, sortKey: number) => Promise<unknown>;

/** What happens next: calls made at once, or something that waits for them. */
type Step =
  | { readonly kind: "burst"; readonly writes: readonly Write[] }
  | { readonly kind: "reopen" }
  | { readonly kind: "sweep" }
  | { readonly kind: "wait"; readonly seconds: number };

const user = fc.constantFrom(...USERS);
const channel = fc.constantFrom(...CHANNELS);
const topic = fc.option(fc.constantFrom("a", "b"), { nil: undefined });

/** All or nothing: which of several due at the same second goes first is nobody's promise. */
function sweep(store: MessageStore, clock: WallClock): Promise<number> {
  return store.sweep(clock.seconds, 1_000);
}

const save: fc.Arbitrary<Write> = fc
  .record({ uaid: user, channelId: channel, topic, ttlSeconds: fc.integer({ min: 0, max: 30 }) })
  .map((chosen) => (store, clock, sortKey) =>
    store.saveMessage({
      ...chosen,
      content: undefined,
      sortKey,
      version: `v${sortKey}`,
      expiresAt: clock.seconds + chosen.ttlSeconds,
    }, 4)
  );

const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 6, arbitrary: save },
  {
    weight: 3,
    arbitrary: fc.record({ uaid: user, channelId: channel }).map(
      ({ uaid, channelId }): Write => (store) => store.addChannel(uaid, channelId, 1),
    ),
  },
  {
    weight: 2,
    arbitrary: user.map((uaid): Write => (store, clock) =>
      store.saveUser({ uaid, connectedAt: clock.nowMs })
    ),
  },
  {
    weight: 2,
    arbitrary: user.map((uaid): Write => (store, clock) =>
      store.refreshUser({ uaid, connectedAt: clock.nowMs })
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ uaid: user, channelId: channel }).map(
      ({ uaid, channelId }): Write => (store) => store.removeChannel(uaid, channelId),
    ),
  },
  { weight: 1, arbitrary: user.map((uaid): Write => (store) => store.removeUser(uaid)) },
  {
    weight: 2,
    arbitrary: fc.record({ uaid: user, back: fc.array(fc.integer({ min: 0, max: 6 })) }).map(
      ({ uaid, back }): Write => (store, _clock, sortKey) =>
        store.removeMessages(uaid, back.map((distance) => sortKey - distance)),
    ),
  },
  {
    weight: 1,
    // Among other calls it may leave to them what they remove as well: how much it was is compared alone.
    arbitrary: fc.constant<Write>(async (store, clock) => void await sweep(store, clock)),
  },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.array(write, { minLength: 1, maxLength: 12 }).map((writes): Step => ({
      kind: "burst",
      writes,
    })),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "reopen" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "sweep" }) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 40 }).map((seconds): Step => ({ kind: "wait", seconds })),
  },
);

/** Everything that can be seen of a store. */
async function stateOf(store: MessageStore, nowSeconds: number): Promise<unknown> {
  const state: unknown[] = [await store.lastSortKey()];
  for (const uaid of USERS) {
    state.push(await store.user(uaid));
    for (const channelId of CHANNELS) state.push(await store.subscription(uaid, channelId));
    for (const kind of ["plain", "topic"] as const) {
      state.push(await store.messages({ uaid, kind, limit: 3, nowSeconds }));
    }
  }
  return state;
}

async function runSteps(
  steps: readonly Step[],
  open: (settings: StoreSettings) => Promise<StoreFixture>,
): Promise<void> {
  const clock = new WallClock();
  const settings: StoreSettings = { clock, userLifetimeSeconds: 60 };
  await using durable = await open(settings);
  await using memory = await memoryFixture(settings);
  let sortKey = 100;
  for (const next of steps) {
    switch (next.kind) {
      case "burst": {
        const first = sortKey;
        sortKey += next.writes.length;
        const run = (store: MessageStore) =>
          Promise.all(next.writes.map((call, index) => call(store, clock, first + index)));
        assertEquals(await run(durable.store), await run(memory.store));
        break;
      }
      case "reopen":
        await Promise.all([durable.reopen(), memory.reopen()]);
        break;
      case "sweep":
        assertEquals(await sweep(durable.store, clock), await sweep(memory.store, clock));
        break;
      case "wait":
        clock.nowMs += next.seconds * 1000;
        break;
    }
    const [seen, expected] = await Promise.all([
      stateOf(durable.store, clock.seconds),
      stateOf(memory.store, clock.seconds),
    ]);
    assertEquals(seen, expected);
  }
}

const STORES: readonly (readonly [
  name: string,
  open: (settings: StoreSettings) => Promise<StoreFixture>,
])[] = [
  ["SqliteStore", sqliteFixture],
  ["RedisMessageStore", redisFixture(() => redis.freshUrl())],
  ["PostgresMessageStore", postgresFixture(() => postgres.freshUrl())],
];

for (const [name, open] of STORES) {
  Deno.test(`${name} answers as MemoryStore does, whatever is asked of both`, async () => {
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 20 }),
      (steps) => runSteps(steps, open),
    );
    await fc.assert(property, { numRuns: 30 });
  });
}
