/**
 * The stores of this project, each as the conformance suite opens it.
 *
 * @module
 */

import { MemoryStore } from "../../transports/memory/memory_store.ts";
import { openSqliteStore } from "../../transports/sqlite/sqlite_store.ts";
import type { StoreFixture, StoreSettings } from "./store_world.ts";

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
