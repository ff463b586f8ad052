/**
 * The queue on Redis between a store and whoever claims, as the suite of delivery queues opens it.
 *
 * @module
 */

import { openRedisQueue, type RedisQueue } from "../../../transports/redis_queue/redis_queue.ts";
import type { DeliveryFixture, DeliverySettings, Store } from "../../conformance/delivery_world.ts";

/** A store whose batches are claimed through this queue, and which tells it what is done. */
export function queuedStore(store: Store, queue: RedisQueue): Store {
  const own: Partial<Store> = {
    claim: (request) => queue.claim(request),
    renew: (leases, until) => queue.renew(leases, until),
    release: (lease, notBefore) => queue.release(lease, notBefore),
    abandon: (node, now) => queue.abandon(node, now),
    async commit(result) {
      const outcome = await store.commit(result);
      await queue.done(result.lease);
      return outcome;
    },
  };
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(own, name) ?? Reflect.get(target, name);
      return typeof method === "function" && !(name in own) ? method.bind(target) : method;
    },
  });
}

/** Opens stores with a queue on the Redis at these addresses between each and its callers. */
export function queuedFixture(
  openStore: (settings: DeliverySettings) => Promise<DeliveryFixture>,
  freshUrl: () => string,
): (settings: DeliverySettings) => Promise<DeliveryFixture> {
  return async (settings) => {
    const url = freshUrl();
    const inner = await openStore(settings);
    let queue = await openRedisQueue({ url, upstream: inner.store });
    return {
      get store() {
        return queuedStore(inner.store, queue);
      },
      async reopen() {
        await queue.close();
        await inner.reopen();
        queue = await openRedisQueue({ url, upstream: inner.store });
      },
      async corrupt(batch) {
        const { store } = inner;
        await inner.corrupt(batch);
        if (inner.store === store) return;
        await queue.close();
        queue = await openRedisQueue({ url, upstream: inner.store });
      },
      async [Symbol.asyncDispose]() {
        await queue.close();
        await inner[Symbol.asyncDispose]();
      },
    };
  };
}
