/**
 * Fault enumeration over real engines: the first call that the sinks make of the store fails, then the
 * second, and so on, as a refusal and as the end of the process before and after the call. After each
 * run PostgreSQL has every row once, and the counters in Redis are exact.
 */

import { assert, assertEquals } from "@std/assert";
import type { Sink } from "../../../../../actors/push/delivery/ports.ts";
import { SINK_BACKOFF, SINK_INTENSITY } from "../../../../../actors/push/delivery/sinks/limits.ts";
import { sinkActor } from "../../../../../actors/push/delivery/sinks/sink.ts";
import { worker } from "../../../../../actors/runtime/spec.ts";
import { World } from "../../../../../actors/testing/mod.ts";
import {
  type Fault,
  MemoryDeliveryStore,
} from "../../../../../transports/memory/memory_delivery_store.ts";
import { migrate } from "../../../../../transports/postgres/migrations.ts";
import { openPostgres } from "../../../../../transports/postgres/postgres.ts";
import {
  openPostgresRowsSink,
  readNotificationRows,
  ROWS_SCHEMA,
} from "../../../../../transports/postgres_rows/mod.ts";
import { openRedis } from "../../../../../transports/redis/redis.ts";
import {
  openRedisCountersSink,
  readNotificationCounters,
} from "../../../../../transports/redis_counters/mod.ts";
import { DeliveryWorld, NONE } from "../../../../conformance/delivery_world.ts";
import { WallClock } from "../../../../conformance/store_world.ts";
import { startPostgres } from "../../../../support/postgres_server.ts";
import { type RedisServer, startRedis } from "../../../../support/redis_server.ts";

const postgresServer = (await startPostgres()).endWithTests();

/** Recipients of the campaign: in each batch one ends, and the others become the next batch. */
const RECIPIENTS = 3;

/** Turns of the event loop between two looks, and looks until a run has failed. */
const TURNS = 20;
const LOOKS_MAX = 20_000;

/** The calls that sinks make. */
const SINK_CALLS: ReadonlySet<string> = new Set([
  "claimSink",
  "rowsAfter",
  "talliesAfter",
  "saveSinkPosition",
]);

/** Addresses of the engines. */
interface Engines {
  readonly postgres: string;
  readonly redis: string;
}

/** A process with both sinks over a store whose nth call by a sink fails. */
class FaultyProcess implements AsyncDisposable {
  readonly clock = new WallClock();
  /** Whether a fault was injected. */
  injected = false;
  /** What is recorded. */
  rows = 0;
  tallies = 0;
  store: MemoryDeliveryStore;
  readonly #engines: Engines;
  #calls = 0;
  #armed = true;
  #crashed = false;
  #life: AsyncDisposableStack | undefined;
  #world = new World();

  constructor(engines: Engines, failing: number, fault: Fault) {
    this.#engines = engines;
    this.store = new MemoryDeliveryStore({
      clock: this.clock,
      fault: ({ name }) => {
        if (!this.#armed || !SINK_CALLS.has(name) || ++this.#calls !== failing) return undefined;
        this.injected = true;
        this.#crashed = fault !== "io";
        return fault;
      },
    });
  }

  /** Lets the sinks see everything; after the end of the process new ones, with nothing of the old. */
  async follow(): Promise<void> {
    for (let look = 0; !await this.#seen(); look++) {
      assert(look < LOOKS_MAX, "the sinks do not catch up");
      if (this.#crashed) {
        await this[Symbol.asyncDispose]();
        this.store = this.store.reopen();
        this.#crashed = false;
      }
      if (this.#life === undefined) await this.#start();
      for (let turn = 0; turn < TURNS; turn++) await this.#world.settle();
      await this.#world.advance(50);
    }
  }

  /** Ends the process; what it still asks of the store does not fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#armed = false;
    await this.#life?.disposeAsync();
    this.#life = undefined;
  }

  async #start(): Promise<void> {
    const { store } = this;
    const life = new AsyncDisposableStack();
    const { postgres: url, redis } = this.#engines;
    const wallNow = () => this.clock.nowMs;
    const rows = life.use(await openPostgresRowsSink({ url, rows: "all", wallNow }));
    const counters = life.use(await openRedisCountersSink({ url: redis }));
    const follow = (sink: Sink) =>
      worker(sinkActor(`${sink.name}_sink`), {
        args: () => ({ sink, store, node: "node", observer: { record: () => {} } }),
        restart: "permanent",
        backoff: SINK_BACKOFF,
      });
    this.#world = life.use(new World());
    await this.#world.system.start("sinks", {
      strategy: "one_for_one",
      intensity: SINK_INTENSITY,
      children: { rows: follow(rows), counters: follow(counters) },
    });
    this.#life = life;
  }

  /** Whether both sinks have remembered all that is recorded. */
  async #seen(): Promise<boolean> {
    if (this.#life === undefined) return false;
    try {
      return await this.store.sinkPosition("rows", "rows") === this.rows &&
        await this.store.sinkPosition("counters", "tallies") === this.tallies;
    } catch {
      return false;
    }
  }
}

/** A campaign whose batches end one after the other, with the nth call of a sink failing. */
async function run(failing: number, fault: Fault, engines: Engines): Promise<boolean> {
  await using process = new FaultyProcess(engines, failing, fault);
  await using world = new DeliveryWorld(process.clock, {
    get store() {
      return process.store;
    },
    reopen: () => Promise.resolve(),
    corrupt: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => process.store[Symbol.asyncDispose](),
  });
  const recipients = Array.from({ length: RECIPIENTS }, (_, index) => ({
    platform: "apns",
    address: `token-${index}`,
    keys: undefined,
  } as const));
  await world.populate(0);
  await process.follow();
  const id = crypto.randomUUID();
  const notification = await world.submit({ kind: "direct", recipients }, { id });
  await commitAll(world, process);
  const page = { notification, after: 0, limit: 2 * RECIPIENTS };
  await using postgres = await openPostgres({ url: engines.postgres });
  assertEquals(await readNotificationRows(postgres, page), await world.store.deliveries(page));
  await using redis = await openRedis({ url: engines.redis });
  const counts = (await world.store.notification(notification))?.counts;
  const counters = await readNotificationCounters(redis, notification);
  assertEquals(
    [counters.apns?.delivered, counters.apns?.rejected],
    [counts?.delivered, counts?.rejected],
  );
  return process.injected;
}

/** Ends batch after batch, and lets the sinks follow each. */
async function commitAll(world: DeliveryWorld, process: FaultyProcess): Promise<void> {
  for (;;) {
    const { batches: [batch] } = await world.claim({ batchesMax: 1 });
    if (batch === undefined) return;
    const loaded = await world.store.load(batch.lease);
    assert(loaded !== "stale" && loaded !== "unreadable");
    const { numbers, addresses } = loaded.recipients;
    const [first = 0] = numbers;
    // One ends for good, the others are a batch of their own.
    await world.commit(batch, {
      outcomes: { ...NONE, rejected: 1 },
      rows: [{
        number: first,
        address: addresses[0] ?? "",
        outcome: "rejected",
        status: 400,
        reason: "",
        registeredBefore: undefined,
      }],
      remainders: [{ numbers: numbers.slice(1), attempt: 1, notBefore: world.now }],
    });
    process.rows++;
    process.tallies++;
    await process.follow();
  }
}

for (const fault of ["io", "crash_before", "crash_after"] as const) {
  Deno.test(`rows and counters are exact whichever call of the store fails: ${fault}`, async () => {
    await using redis: RedisServer = await startRedis();
    const postgres = postgresServer.freshUrl();
    await migrate({ url: postgres }, [ROWS_SCHEMA]);
    let failing = 1;
    while (await run(failing, fault, { postgres, redis: redis.freshUrl() })) failing++;
    assert(failing > 10, `${failing} calls`);
  });
}
