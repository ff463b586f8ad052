/** The queue on Redis, over stores in memory and on SQLite, through the suite of delivery queues. */

import {
  memoryDeliveryFixture,
  sqliteDeliveryFixture,
} from "../../conformance/delivery_fixtures.ts";
import { queueTests } from "../../conformance/delivery_queue.ts";
import { type DeliveryTest, DeliveryWorld } from "../../conformance/delivery_world.ts";
import { WallClock } from "../../conformance/store_world.ts";
import { startRedis } from "../../support/redis_server.ts";
import { queuedFixture } from "./queue_fixtures.ts";

const server = await startRedis();
globalThis.addEventListener("unload", () => void server.kill9());

/** What the queue does in another way, and why. */
const OTHERWISE: Readonly<Record<string, string>> = {
  "a lease that is not renewed ends, and its holder is too late":
    "leases end by the time of Redis, and who takes over goes on under the same token",
  "abandon() ends the leases of a node, and of no other":
    "who takes over goes on under the same token",
  "abandon() ends what was cancelled meanwhile":
    "the store learns nothing of who works on a batch, and its lease goes on",
  "lanes() counts what waits and what is leased": "what waits in Redis is leased in the store",
  "a small notification does not wait behind a large one":
    "it waits behind what was handed over, a second's work at most",
};

for (
  const [name, open] of [
    ["MemoryDeliveryStore", memoryDeliveryFixture],
    ["SqliteDeliveryStore", sqliteDeliveryFixture],
  ] as const
) {
  const openQueued = queuedFixture(open, () => server.freshUrl());
  const test: DeliveryTest = (criterion, run) => {
    if (criterion in OTHERWISE) return;
    Deno.test(`RedisQueue over ${name}: ${criterion}`, async () => {
      const clock = new WallClock();
      await using world = new DeliveryWorld(clock, await openQueued({ clock }));
      await run(world);
    });
  };
  queueTests(test);
}
