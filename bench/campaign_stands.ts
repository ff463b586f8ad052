/**
 * What a campaign of the bench stands on: a store, a queue, and what records its outcomes; engines are
 * started for it and gone afterwards.
 *
 * Everything is as durable as a node's operator would have it: SQLite and PostgreSQL sync each commit, the
 * Redis of a store each command. The Redis of the queue and the counters syncs each second.
 *
 * @module
 */

import type { Sink } from "../actors/push/delivery/ports.ts";
import type { DeliveryStore, Queue } from "../actors/push/delivery/store.ts";
import { startPostgres } from "../tests/support/postgres_server.ts";
import { startRedis } from "../tests/support/redis_server.ts";
import { migrate } from "../transports/postgres/mod.ts";
import { DELIVERY_PART, openPostgresDeliveryStore } from "../transports/postgres_delivery/mod.ts";
import { openPostgresRowsSink, ROWS_SCHEMA } from "../transports/postgres_rows/mod.ts";
import { openRedisCountersSink } from "../transports/redis_counters/mod.ts";
import { openRedisDeliveryStore } from "../transports/redis_delivery/redis_delivery_store.ts";
import { openRedisQueue } from "../transports/redis_queue/redis_queue.ts";
import { openSqliteDeliveryStore } from "../transports/sqlite/sqlite_delivery_store.ts";

/** All stands, by what the store is, and where batches wait and outcomes are recorded when that is elsewhere. */
export const STANDS = [
  "sqlite",
  "postgres",
  "redis",
  /** The store in PostgreSQL, the queue and counters in Redis, failures as rows in PostgreSQL. */
  "engines",
  /** The same with a row of each outcome. */
  "engines_all_rows",
] as const;

/** One of {@linkcode STANDS}. */
export type Stand = typeof STANDS[number];

/** An opened stand. */
export interface OpenStand extends AsyncDisposable {
  /** Where everything is kept. */
  readonly store: DeliveryStore & Queue;
  /** Where batches wait. */
  readonly queue: Queue;
  /** What records outcomes. */
  readonly sinks: readonly Sink[];
  /** Whether each outcome has a row. */
  readonly allRows: boolean;
}

/** Starts and opens what a stand is made of. */
export async function openStand(stand: Stand): Promise<OpenStand> {
  await using opening = new AsyncDisposableStack();
  const open = async (): Promise<Omit<OpenStand, typeof Symbol.asyncDispose>> => {
    const none = { sinks: [], allRows: false };
    switch (stand) {
      case "sqlite": {
        const directory = await Deno.makeTempDir({ prefix: "heliograph-campaign-" });
        opening.defer(() => Deno.remove(directory, { recursive: true }));
        const store = opening.use(await openSqliteDeliveryStore({ directory }));
        return { ...none, store, queue: store };
      }
      case "postgres": {
        const { store } = await openPostgresStand(opening);
        return { ...none, store, queue: store };
      }
      case "redis": {
        const { url } = await redisOf(opening, "always");
        const store = opening.use(await openRedisDeliveryStore({ url }));
        return { ...none, store, queue: store };
      }
      case "engines":
      case "engines_all_rows":
        return await openEnginesStand(opening, stand === "engines_all_rows");
    }
  };
  const opened = await open();
  const resources = opening.move();
  return { ...opened, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

async function redisOf(
  resources: AsyncDisposableStack,
  appendfsync: "always" | "everysec",
): Promise<{ readonly url: string }> {
  return { url: resources.use(await startRedis({ appendfsync })).url() };
}

async function openPostgresStand(resources: AsyncDisposableStack) {
  const url = resources.use(await startPostgres({ durable: true })).url();
  await migrate({ url }, [DELIVERY_PART, ROWS_SCHEMA]);
  return { url, store: resources.use(await openPostgresDeliveryStore({ url })) };
}

async function openEnginesStand(resources: AsyncDisposableStack, allRows: boolean) {
  const { url, store } = await openPostgresStand(resources);
  const redis = await redisOf(resources, "everysec");
  const queue = resources.use(await openRedisQueue({ ...redis, upstream: store }));
  const counters = resources.use(await openRedisCountersSink(redis));
  const rows = allRows ? "all" : "failures";
  const results = resources.use(await openPostgresRowsSink({ url, rows }));
  return { store, queue, sinks: [counters, results], allRows };
}
