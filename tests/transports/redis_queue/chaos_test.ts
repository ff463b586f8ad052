/** Nodes that die, stall, hand back and come again over the queue on Redis, in any order. */

import { assert, assertEquals } from "@std/assert";
import type { ClaimedBatch } from "../../../actors/push/delivery/store.ts";
import { LOOK_MS, UPSTREAM_EXTRA_MS } from "../../../transports/redis_queue/limits.ts";
import { LEASE_MS } from "../../conformance/delivery_world.ts";
import { startRedis } from "../../support/redis_server.ts";
import { chooseSeed, Seeded } from "../../support/seeded.ts";
import { type Node, QueueWorld } from "./queue_world.ts";

const server = await startRedis();
globalThis.addEventListener("unload", () => void server.kill9());

const BATCHES = 120;
const RUNS = 4;
const STEPS = 150;

/** A batch at work on a node. */
interface Job {
  readonly node: Node;
  readonly batch: ClaimedBatch;
}

class Chaos {
  readonly #world: QueueWorld;
  readonly #random: Seeded;
  readonly #jobs: Job[] = [];
  #nodes: Node[] = [];
  #born = 0;
  recorded = 0;

  constructor(world: QueueWorld, random: Seeded) {
    this.#world = world;
    this.#random = random;
  }

  async step(): Promise<void> {
    const world = this.#world;
    while (this.#nodes.length < 3) this.#nodes.push(await world.node(`node-${++this.#born}`));
    world.clock.nowMs += this.#random.between(0, LOOK_MS);
    const node = this.#nodes[this.#random.between(0, this.#nodes.length - 1)];
    assert(node !== undefined);
    const chance = this.#random.between(1, 100);
    if (chance <= 35) {
      const batchesMax = this.#random.between(1, 8);
      const batches = await node.claim({ batchesMax });
      this.#jobs.push(...batches.map((batch) => ({ node, batch })));
    } else if (chance <= 75) await this.#finish(this.#pick());
    else if (chance <= 83) await this.#release(this.#pick());
    else if (chance <= 90) {
      const leases = this.#jobs.filter((job) => job.node === node).map(({ batch }) => batch.lease);
      await node.queue.renew(leases, world.now + LEASE_MS);
    } else if (chance <= 94) await world.endLeases(node.name);
    else if (chance <= 97) await this.#kill(node);
    else if (chance <= 99) world.clock.nowMs += LEASE_MS + UPSTREAM_EXTRA_MS;
    else await world.redis("FLUSHALL");
  }

  /** Lets all work end that was begun, and a last node do the rest. */
  async end(): Promise<void> {
    const world = this.#world;
    for (const job of this.#jobs.splice(0)) await this.#finish(job);
    const last = await world.node("last");
    // A claim that found nothing but what is stale brings nothing, and the next one goes on.
    for (let round = 0; round < BATCHES && !await this.#ended(); round++) {
      for (const { name } of this.#nodes) await last.queue.abandon(name, world.now);
      world.clock.nowMs += LEASE_MS + UPSTREAM_EXTRA_MS;
      this.recorded += await last.drain();
    }
  }

  async #ended(): Promise<boolean> {
    return this.recorded === BATCHES && (await this.#world.keys()).length === 0;
  }

  #pick(): Job | undefined {
    const [job] = this.#jobs.splice(this.#random.between(0, this.#jobs.length - 1), 1);
    return job;
  }

  async #finish(job: Job | undefined): Promise<void> {
    if (job !== undefined && await job.node.work(job.batch)) this.recorded++;
  }

  async #release(job: Job | undefined): Promise<void> {
    await job?.node.queue.release(job.batch.lease, this.#world.now);
  }

  /** A dead node works on as far as the others know: some of its results come late. */
  async #kill(node: Node): Promise<void> {
    this.#nodes = this.#nodes.filter((other) => other !== node);
    if (this.#random.chance(0.5)) await this.#nodes[0]?.queue.abandon(node.name, this.#world.now);
    else await this.#world.endLeases(node.name);
  }
}

for (let run = 0; run < RUNS; run++) {
  const seed = chooseSeed();
  Deno.test(`RedisQueue has each batch recorded once, whatever nodes do: run ${run + 1}, seed ${seed}`, async () => {
    await using world = await QueueWorld.open(server);
    const id = await world.submitBatches(BATCHES);
    const chaos = new Chaos(world, new Seeded(seed));
    for (let step = 0; step < STEPS; step++) await chaos.step();
    await chaos.end();
    const status = await world.store.notification(id);
    assertEquals([chaos.recorded, status?.state, status?.counts.delivered], [
      BATCHES,
      "done",
      BATCHES,
    ]);
    assertEquals(await world.keys(), []);
    assertEquals(world.letters, []);
  });
}
