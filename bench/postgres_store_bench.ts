/**
 * What does a network and a server between cost the message store? The rates of `store_bench.ts` with
 * the store in PostgreSQL, whose commits reach the disk before they are answered.
 *
 * `deno run -A bench/postgres_store_bench.ts` starts a server in the temporary folder, whose disk is
 * measured, and prints a table. Results are in `store.md`.
 *
 * @module
 */

import { startPostgres } from "../tests/support/postgres_server.ts";
import { migrate } from "../transports/postgres/mod.ts";
import { MESSAGES_PART, openPostgresMessageStore } from "../transports/postgres_messages/mod.ts";
import { measureRates, type StorePlan, type StoreRate, tableOf } from "./store_bench.ts";

/** Measures every rate of the plan on a server that is started for it. */
export async function measurePostgresStore(
  plan: Pick<StorePlan, "forMs" | "inFlight">,
): Promise<readonly StoreRate[]> {
  await using server = await startPostgres({ durable: true });
  const url = server.freshUrl();
  await migrate({ url }, [MESSAGES_PART]);
  await using store = await openPostgresMessageStore({ url });
  return await measureRates(store, plan);
}

if (import.meta.main) {
  const rates = await measurePostgresStore({ forMs: 3_000, inFlight: [1, 64, 512] });
  await Deno.stdout.write(new TextEncoder().encode(tableOf(rates)));
}
