/**
 * The delivery stores of this project, each as the conformance suite opens it.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { MemoryDeliveryStore } from "../../transports/memory/memory_delivery_store.ts";
import { openSqliteDeliveryStore } from "../../transports/sqlite/sqlite_delivery_store.ts";
import type { DeliveryFixture, DeliverySettings } from "./delivery_world.ts";

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
