/**
 * The delivery stores of this project, each as the conformance suite opens it.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { MemoryDeliveryStore } from "../../transports/memory/memory_delivery_store.ts";
import { openRedis } from "../../transports/redis/redis.ts";
import { openRedisDeliveryStore } from "../../transports/redis_delivery/redis_delivery_store.ts";
import { Columns, migrate, openPostgres, sql } from "../../transports/postgres/mod.ts";
import {
  DELIVERY_PART,
  openPostgresDeliveryStore,
} from "../../transports/postgres_delivery/mod.ts";
import { openSqliteDeliveryStore } from "../../transports/sqlite/sqlite_delivery_store.ts";
import type { DeliveryFixture, DeliverySettings, SharedDeliveryFixture } from "./delivery_world.ts";

/** A store in memory, reopened on its own disk. */
export function memoryDeliveryFixture(settings: DeliverySettings): Promise<DeliveryFixture> {
  let store = new MemoryDeliveryStore(settings);
  return Promise.resolve({
    get store() {
      return store;
    },
    reopen() {
      store = store.reopen();
      return Promise.resolve();
    },
    corrupt(batch: number) {
      store.corrupt(batch);
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  });
}

/** A store in a folder of its own, which is removed in the end. */
export async function sqliteDeliveryFixture(settings: DeliverySettings): Promise<DeliveryFixture> {
  const directory = await Deno.makeTempDir({ prefix: "heliograph_store_" });
  let store = await openSqliteDeliveryStore({ directory, ...settings });
  return {
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = await openSqliteDeliveryStore({ directory, ...settings });
    },
    async corrupt(batch: number) {
      await store.close();
      {
        using file = new DatabaseSync(`${directory}/delivery.sqlite`);
        file.prepare("UPDATE recipients SET numbers = '[1,' WHERE batch_id = ?").run(batch);
      }
      store = await openSqliteDeliveryStore({ directory, ...settings });
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** The nodes of the tests. */
const NODES = ["node", "other node", "a", "b"] as const;

/**
 * A store in a Redis under a prefix of its own; the address is asked for once for each store. Opening it
 * again ends the leases of the nodes of the tests, as the ones that are left would do.
 */
export function redisDeliveryFixture(
  freshUrl: () => string,
): (settings: DeliverySettings) => Promise<DeliveryFixture> {
  return async (settings) => {
    const url = freshUrl();
    let store = await openRedisDeliveryStore({ url, ...settings });
    return {
      get store() {
        return store;
      },
      async reopen() {
        await store.close();
        store = await openRedisDeliveryStore({ url, ...settings });
        for (const node of NODES) await store.abandon(node, settings.clock.wallNow());
      },
      async corrupt(batch: number) {
        await using redis = await openRedis({ url });
        const key = redis.key("{delivery}", "numbers", String(batch).padStart(14, "0"));
        await redis.call(["SET", key, "1,"]);
      },
      [Symbol.asyncDispose]: () => store.close(),
    };
  };
}

/** Opens two stores in a Redis, as two nodes have them, under a prefix of their own. */
export function sharedRedisDeliveryFixture(
  freshUrl: () => string,
): (settings: DeliverySettings) => Promise<SharedDeliveryFixture> {
  return async (settings) => {
    const url = freshUrl();
    const one = await openRedisDeliveryStore({ url, ...settings });
    const other = await openRedisDeliveryStore({ url, ...settings });
    return {
      one,
      other,
      async [Symbol.asyncDispose]() {
        await Promise.all([one.close(), other.close()]);
      },
    };
  };
}

/** Opens stores in PostgreSQL, each in a schema of its own: `freshUrl` names one that nobody used. */
export function postgresDeliveryFixture(
  freshUrl: () => string,
): (settings: DeliverySettings) => Promise<DeliveryFixture> {
  return async (settings) => {
    const url = freshUrl();
    await migrate({ url }, [DELIVERY_PART]);
    let store = await openPostgresDeliveryStore({ url, ...settings });
    return {
      get store() {
        return store;
      },
      /** Whoever had leases has ended: its nodes are abandoned, as the ones that are left would do. */
      async reopen() {
        await store.close();
        store = await openPostgresDeliveryStore({ url, ...settings });
        for (const node of await nodesIn(url)) await store.abandon(node, settings.clock.nowMs);
      },
      async corrupt(batch: number) {
        await using postgres = await openPostgres({ url });
        await postgres.query(
          "corrupt",
          sql`UPDATE batch SET numbers = numbers[:1] WHERE id = ${batch}`,
        );
      },
      [Symbol.asyncDispose]: () => store.close(),
    };
  };
}

/** The nodes that have leases on batches or sinks. */
async function nodesIn(url: string): Promise<readonly string[]> {
  await using postgres = await openPostgres({ url });
  const { rows } = await postgres.query(
    "read nodes",
    sql`SELECT node FROM batch WHERE place = 1
      UNION SELECT node FROM sink WHERE node IS NOT NULL ORDER BY node`,
  );
  return rows.map((row) => new Columns("batch").text(row, "node"));
}

/** Opens two stores in PostgreSQL, as two nodes have them, in a schema of their own. */
export function sharedPostgresDeliveryFixture(
  freshUrl: () => string,
): (settings: DeliverySettings) => Promise<SharedDeliveryFixture> {
  return async (settings) => {
    const url = freshUrl();
    await migrate({ url }, [DELIVERY_PART]);
    const one = await openPostgresDeliveryStore({ url, ...settings });
    const other = await openPostgresDeliveryStore({ url, ...settings });
    return {
      one,
      other,
      async [Symbol.asyncDispose]() {
        await Promise.all([one.close(), other.close()]);
      },
    };
  };
}
