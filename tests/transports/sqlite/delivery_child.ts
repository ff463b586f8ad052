/**
 * A process of its own around a delivery store, for the test that kills it: it expands, claims and
 * records for ever, and reports each answer as a line on standard output. Meanwhile it adds what it
 * recorded to the history, some of it again and again.
 *
 * @module
 */

import { openSqliteDeliveryStore } from "../../../transports/sqlite/sqlite_delivery_store.ts";

const NONE = { delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 };

/** Longer than a round. */
const LEASE_MS = 600_000;

function report(...words: readonly unknown[]): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${words.join(" ")}\n`));
}

const [directory = "", id = "", round = ""] = Deno.args;
const store = await openSqliteDeliveryStore({ directory });

/** Expands the notification to its end. */
async function feed(): Promise<void> {
  for (let done = false; !done;) {
    ({ done } = await store.expand(id, { limit: 100, batchMax: 20 }));
    report("expanded", 0, 0);
  }
}

/** Claims and settles: a third of each first batch is tried again. */
async function work(): Promise<void> {
  while ((await store.notification(id))?.sendingDone !== true) {
    // Each round is a lease later: those of the process that was killed have ended.
    const now = Date.now() + Number(round) * LEASE_MS * 2;
    const request = { node: "child", now, leaseMs: LEASE_MS, lanes: [] };
    const { batches } = await store.claim({ ...request, batchesMax: 3, laneBatchesMax: 9 });
    for (const batch of batches) {
      const loaded = await store.load(batch.lease);
      if (typeof loaded === "string") continue;
      const { numbers, addresses } = loaded.recipients;
      const again = batch.attempt === 0 ? numbers.filter((number) => number % 3 === 0) : [];
      const settled = numbers.filter((number) => !again.includes(number));
      const outcome = await store.commit({
        lease: batch.lease,
        notification: id,
        lane: { app: batch.app, platform: batch.platform },
        outcomes: { ...NONE, delivered: settled.length },
        rows: settled.map((number) => ({
          number,
          address: addresses[numbers.indexOf(number)] ?? "",
          outcome: "delivered",
          status: 200,
          reason: "",
          registeredBefore: undefined,
        })),
        remainders: [{ numbers: again, attempt: 1, notBefore: now }],
        attempts: batch.attempt + 1,
        suspects: { marked: [], cleared: [] },
        pause: undefined,
        at: now,
      });
      report(outcome.kind, settled.length, batch.lease.batch);
    }
  }
}

/** Follows the tallies as a sink does, but begins each page with some that it has added already. */
async function remember(): Promise<void> {
  let position = await store.sinkPosition("history", "tallies");
  while ((await store.notification(id))?.sendingDone !== true) {
    const tallies = await store.talliesAfter(Math.max(0, position - 3), 10);
    await store.addToHistory(tallies);
    position = tallies.at(-1)?.position ?? position;
  }
}

await Promise.all([feed(), work(), work(), remember()]);
await store.close();
report("done", 0, 0);
