/**
 * What does a network and a server between cost the message store? The rates of `store_bench.ts` with
 * the store in Redis, which syncs its append-only file before it answers (`appendfsync always`) or once
 * a second.
 *
 * `deno run -A bench/redis_store_bench.ts` starts a server for each in the temporary folder, whose disk
 * is measured, and prints two tables. Results are in `store.md`.
 *
 * @module
 */

import { startRedis } from "../tests/support/redis_server.ts";
import { openRedisMessageStore } from "../transports/redis_messages/redis_message_store.ts";
import { measureRates, type StorePlan, type StoreRate, tableOf } from "./store_bench.ts";

/** Measures every rate of the plan on a server that is started for it. */
export async function measureRedisStore(
  appendfsync: "always" | "everysec",
  plan: Pick<StorePlan, "forMs" | "inFlight">,
): Promise<readonly StoreRate[]> {
  await using server = await startRedis({ appendfsync });
  await using store = await openRedisMessageStore({ url: server.freshUrl() });
  return await measureRates(store, plan);
}

if (import.meta.main) {
  for (const appendfsync of ["always", "everysec"] as const) {
    const rates = await measureRedisStore(appendfsync, { forMs: 3_000, inFlight: [1, 64, 512] });
    const text = `appendfsync ${appendfsync}\n\n${tableOf(rates)}\n`;
    await Deno.stdout.write(new TextEncoder().encode(text));
  }
}
