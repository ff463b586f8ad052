/**
 * What does a batch cost in the queue on Redis, between a store that costs nothing and a node that
 * sends nothing: handed over, claimed, renewed once and removed?
 *
 * `deno run -A bench/redis_queue.ts [BATCHES]` starts a Redis that syncs every second and prints a table.
 * A batch has up to 1,000 recipients: the last column is its share for each of them.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { startRedis } from "../tests/support/redis_server.ts";
import type { Claimed, ClaimedBatch, ClaimRequest } from "../transports/delivery_store/records.ts";
import {
  openRedisQueue,
  type RedisQueue,
  type Upstream,
} from "../transports/redis_queue/redis_queue.ts";

/** What one way of claiming came to. */
export interface QueueCost {
  /** Nodes that claim, and how many batches at once. */
  readonly what: string;
  /** Batches that went through. */
  readonly batches: number;
  /** Batches a second. */
  readonly perSecond: number;
  /** Microseconds of this process for each recipient of full batches. */
  readonly processorUs: number;
}

const RECIPIENTS = 1_000;
const LEASE_MS = 30_000;

/** A store that has so many batches of one lane, and forgets them at once. */
class Batches implements Upstream {
  #left: number;

  constructor(count: number) {
    this.#left = count;
  }

  identity(): Promise<string> {
    return Promise.resolve("bench");
  }

  claim({ batchesMax, laneBatchesMax, lanes }: ClaimRequest): Promise<Claimed> {
    const free = laneBatchesMax - (lanes[0]?.inFlight ?? 0);
    const batches: ClaimedBatch[] = [];
    while (this.#left > 0 && batches.length < Math.min(batchesMax, free)) {
      batches.push({
        lease: { batch: this.#left--, token: 1 },
        notification: "0190f0e4-8a3b-7c11-9d55-3f2b6c1a7e90",
        app: "bench",
        platform: "apns",
        count: RECIPIENTS,
        attempt: 0,
        deliveries: 1,
      });
    }
    return Promise.resolve({ batches, dueAt: undefined });
  }

  renew(leases: readonly unknown[]): Promise<readonly boolean[]> {
    return Promise.resolve(leases.map(() => true));
  }

  release(): Promise<void> {
    return Promise.reject(new Error("a batch was handed back"));
  }

  abandon(): Promise<number> {
    return Promise.resolve(0);
  }

  lanes(): Promise<readonly []> {
    return Promise.resolve([]);
  }
}

/** Measures with one node and with two, which claim one batch and 16 at a time. */
export async function measureRedisQueue(batches: number): Promise<readonly QueueCost[]> {
  await using server = await startRedis({ appendfsync: "everysec" });
  const costs: QueueCost[] = [];
  for (const nodes of [1, 2]) {
    for (const atOnce of [1, 16]) {
      costs.push(await costOf(server.freshUrl(), { nodes, atOnce, batches }));
    }
  }
  return costs;
}

async function costOf(
  url: string,
  { nodes, atOnce, batches }: {
    readonly nodes: number;
    readonly atOnce: number;
    readonly batches: number;
  },
): Promise<QueueCost> {
  const upstream = new Batches(batches);
  await using stack = new AsyncDisposableStack();
  const queues: RedisQueue[] = [];
  while (queues.length < nodes) {
    queues.push(stack.use(await openRedisQueue({ url, upstream })));
  }
  const [startedAt, before] = [performance.now(), cpuUsage()];
  const done = await Promise.all(queues.map((queue, node) => drain(queue, `${node}`, atOnce)));
  const [tookMs, after] = [performance.now() - startedAt, cpuUsage()];
  const count = done.reduce((sum, part) => sum + part, 0);
  if (count !== batches) throw new Error(`${count} batches of ${batches} went through`);
  const usedUs = after.user + after.system - before.user - before.system;
  return {
    what: `${nodes} ${nodes === 1 ? "node" : "nodes"}, ${atOnce} at once`,
    batches,
    perSecond: batches * 1_000 / tookMs,
    processorUs: usedUs / (batches * RECIPIENTS),
  };
}

async function drain(queue: RedisQueue, node: string, atOnce: number): Promise<number> {
  for (let done = 0;;) {
    const now = Date.now();
    const request = { node, now, leaseMs: LEASE_MS, batchesMax: atOnce, laneBatchesMax: atOnce };
    const { batches } = await queue.claim({ ...request, lanes: [] });
    if (batches.length === 0) return done;
    await Promise.all(batches.map(async ({ lease }) => {
      await queue.renew([lease], now + LEASE_MS);
      await queue.done(lease);
    }));
    done += batches.length;
  }
}

if (import.meta.main) {
  const costs = await measureRedisQueue(Number(Deno.args[0] ?? 10_000));
  const lines = costs.map(({ what, batches, perSecond, processorUs }) =>
    `${what.padEnd(20)} ${batches} batches ${perSecond.toFixed(0).padStart(7)}/s ` +
    `${processorUs.toFixed(3)} µs of this process a recipient\n`
  );
  await Deno.stdout.write(new TextEncoder().encode(lines.join("")));
}
