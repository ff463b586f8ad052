/**
 * The stores of this project, each as the conformance suite opens it.
 *
 * @module
 */

import { MemoryStore } from "../../transports/memory/memory_store.ts";
import {
  openRedisMessageStore,
  type RedisMessageStore,
} from "../../transports/redis_messages/redis_message_store.ts";
import { migrate } from "../../transports/postgres/mod.ts";
import { MESSAGES_PART, openPostgresMessageStore } from "../../transports/postgres_messages/mod.ts";
import { openSqliteStore } from "../../transports/sqlite/sqlite_store.ts";
import type { SharedFixture, StoreFixture, StoreSettings } from "./store_world.ts";

/** A store in memory, reopened on its own disk. */
export function memoryFixture(settings: StoreSettings): Promise<StoreFixture> {
  let store = new MemoryStore(settings);
  return Promise.resolve({
    get store() {
      return store;
    },
    reopen() {
      store = store.reopen();
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  });
}

/** A store in a folder of its own, which is removed in the end. */
export async function sqliteFixture(settings: StoreSettings): Promise<StoreFixture> {
  const directory = await Deno.makeTempDir({ prefix: "heliograph_store_" });
  let store = await openSqliteStore({ directory, ...settings });
  return {
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = await openSqliteStore({ directory, ...settings });
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** A store in Redis, with what only it can do. */
export interface RedisFixture extends StoreFixture {
  /** The store; another one after `reopen`. */
  readonly store: RedisMessageStore;
}

/** A store in a Redis under a prefix of its own; the address is asked for once for each store. */
export function redisFixture(
  freshUrl: () => string,
): (settings: StoreSettings) => Promise<RedisFixture> {
  return async (settings) => {
    const url = freshUrl();
    let store = await openRedisMessageStore({ url, ...settings });
    return {
      get store() {
        return store;
      },
      async reopen() {
        await store.close();
        store = await openRedisMessageStore({ url, ...settings });
      },
      [Symbol.asyncDispose]: () => store.close(),
    };
  };
}

/** Opens stores in PostgreSQL, each in a schema of its own: `freshUrl` names one that nobody used. */
export function postgresFixture(
  freshUrl: () => string,
): (settings: StoreSettings) => Promise<StoreFixture> {
  return async (settings) => {
    const url = freshUrl();
    await migrate({ url }, [MESSAGES_PART]);
    let store = await openPostgresMessageStore({ url, ...settings });
    return {
      get store() {
        return store;
      },
      async reopen() {
        await store.close();
        store = await openPostgresMessageStore({ url, ...settings });
      },
      [Symbol.asyncDispose]: () => store.close(),
    };
  };
}

/** Opens two stores in PostgreSQL, as two nodes have them, in a schema of their own. */
export function sharedPostgresFixture(
  freshUrl: () => string,
): (settings: StoreSettings) => Promise<SharedFixture> {
  return async (settings) => {
    const url = freshUrl();
    await migrate({ url }, [MESSAGES_PART]);
    const one = await openPostgresMessageStore({ url, ...settings });
    const other = await openPostgresMessageStore({ url, ...settings });
    return {
      one,
      other,
      async [Symbol.asyncDispose]() {
        await Promise.all([one.close(), other.close()]);
      },
    };
  };
}

/** Opens two stores in a Redis, as two nodes have them, under a prefix of their own. */
export function sharedRedisFixture(
  freshUrl: () => string,
): (settings: StoreSettings) => Promise<SharedFixture> {
  return async (settings) => {
    const url = freshUrl();
    const one = await openRedisMessageStore({ url, ...settings });
    const other = await openRedisMessageStore({ url, ...settings });
    return {
      one,
      other,
      async [Symbol.asyncDispose]() {
        await Promise.all([one.close(), other.close()]);
      },
    };
  };
}
