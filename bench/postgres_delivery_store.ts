/**
 * What does a network and a server between cost the delivery store? The parts of `delivery_store.ts`
 * with the store in PostgreSQL, whose commits reach the disk before they are answered.
 *
 * `deno run -A bench/postgres_delivery_store.ts [DEVICES]` starts a server in the temporary folder, whose
 * disk is measured, and prints a table; the default is 300,000 devices. Results are in
 * `delivery_store.md`.
 *
 * @module
 */

import { startPostgres } from "../tests/support/postgres_server.ts";
import { migrate } from "../transports/postgres/mod.ts";
import { DELIVERY_PART, openPostgresDeliveryStore } from "../transports/postgres_delivery/mod.ts";
import { type DeliveryCost, measureParts, tableOf } from "./delivery_store.ts";

/** Measures every part for so many devices on a server that is started for it. */
export async function measurePostgresDeliveryStore(
  devices: number,
): Promise<readonly DeliveryCost[]> {
  await using server = await startPostgres({ durable: true });
  const url = server.freshUrl();
  await migrate({ url }, [DELIVERY_PART]);
  await using store = await openPostgresDeliveryStore({ url });
  return await measureParts(store, devices, () => ["self", server.pid, ...childrenOf(server.pid)]);
}

function childrenOf(pid: number): readonly number[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
  return text.split(" ").filter((part) => part !== "").map(Number);
}

if (import.meta.main) {
  const [devices = "300000"] = Deno.args;
  const costs = await measurePostgresDeliveryStore(Number(devices));
  await Deno.stdout.write(new TextEncoder().encode(tableOf(costs)));
}
