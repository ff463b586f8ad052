/**
 * What does a network and a server between cost the delivery store? The parts of `delivery_store.ts`
 * with the store in Redis, which syncs its append-only file before it answers (`appendfsync always`) or
 * once a second.
 *
 * `deno run -A bench/redis_delivery_store.ts [DEVICES]` starts a server for each in the temporary folder,
 * whose disk is measured, and prints two tables, each with what Redis itself took: its processor time
 * and the memory of a device. The default is 300,000 devices. Results are in `delivery_store.md`.
 *
 * @module
 */

import { startRedis } from "../tests/support/redis_server.ts";
import { openRedisDeliveryStore } from "../transports/redis_delivery/redis_delivery_store.ts";
import { type DeliveryCost, measureParts, tableOf } from "./delivery_store.ts";

/** What was measured. */
export interface RedisDeliveryCosts {
  /** Each part, with the processor time of this process. */
  readonly parts: readonly DeliveryCost[];
  /** Seconds of processor time that Redis took for all of them. */
  readonly redisSeconds: number;
  /** Bytes of Redis's memory for each device, with its tags, user and what is left of the campaigns. */
  readonly bytesEach: number;
}

/** Measures every part for so many devices on a server that is started for it. */
export async function measureRedisDeliveryStore(
  appendfsync: "always" | "everysec",
  devices: number,
): Promise<RedisDeliveryCosts> {
  await using server = await startRedis({ appendfsync });
  await using store = await openRedisDeliveryStore({ url: server.freshUrl() });
  const parts = await measureParts(store, devices);
  const info = `${await server.cli("INFO", "cpu")}\n${await server.cli("INFO", "memory")}`;
  const of = (field: string) => Number(new RegExp(`^${field}:([\\d.]+)`, "m").exec(info)?.[1]);
  return {
    parts,
    redisSeconds: of("used_cpu_user") + of("used_cpu_sys"),
    bytesEach: of("used_memory") / devices,
  };
}

if (import.meta.main) {
  const [devices = "300000"] = Deno.args;
  for (const appendfsync of ["always", "everysec"] as const) {
    const costs = await measureRedisDeliveryStore(appendfsync, Number(devices));
    const redis = `Redis: ${costs.redisSeconds.toFixed(1)} s of processor, ${
      costs.bytesEach.toFixed(0)
    } bytes a device`;
    const text = `appendfsync ${appendfsync}\n\n${tableOf(costs.parts)}\n${redis}\n\n`;
    await Deno.stdout.write(new TextEncoder().encode(text));
  }
}
