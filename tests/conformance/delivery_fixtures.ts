/**
 * The delivery stores of this project, each as the conformance suite opens it.
 *
 * @module
 */

import { MemoryDeliveryStore } from "../../transports/memory/memory_delivery_store.ts";
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
