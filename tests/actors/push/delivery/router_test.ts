/** The router over a queue and batches that a test decides about. */

import { assertEquals } from "@std/assert";
import type { Ref } from "../../../../actors/runtime/actor.ts";
import { pool, worker } from "../../../../actors/runtime/spec.ts";
import type { Pool } from "../../../../actors/runtime/pool.ts";
import {
  batch,
  type BatchArgs,
  type BatchEnd,
  type BatchProtocol,
} from "../../../../actors/push/delivery/batch.ts";
import type { GuardProtocol } from "../../../../actors/push/delivery/guard.ts";
import {
  LANE_BATCHES_MAX,
  LANES_MAX,
  ROUTER_LOOK_MS,
  STORE_RETRY_MS,
} from "../../../../actors/push/delivery/limits.ts";
import type { Answers } from "../../../../actors/push/delivery/ports.ts";
import { router, type RouterProtocol } from "../../../../actors/push/delivery/router.ts";
import type { RecorderProtocol } from "../../../../actors/push/delivery/sinks/recorder.ts";
import type {
  Claimed,
  ClaimedBatch,
  ClaimRequest,
  Lease,
} from "../../../../actors/push/delivery/store.ts";
import { World } from "../../../../actors/testing/mod.ts";
import { BatchParts, claimedBatch } from "../../../support/batch_parts.ts";
import { DELIVERED, same } from "../../../support/gateway_world.ts";

interface Refs {
  readonly guard: Ref<GuardProtocol>;
  readonly recorder: Ref<RecorderProtocol>;
  readonly batches: Pool<BatchProtocol, BatchArgs>;
  readonly router: Ref<RouterProtocol>;
}

const NONE: Claimed = { batches: [], dueAt: undefined };

class RouterWorld implements AsyncDisposable {
  readonly world = new World();
  readonly parts = new BatchParts();
  /** What was asked of the queue. */
  readonly requests: ClaimRequest[] = [];
  /** What the router itself handed back. */
  readonly released: Lease[] = [];
  /** Batches that wait to be claimed. */
  readonly waiting: ClaimedBatch[] = [];
  /** Sends on their way. */
  readonly sends: PromiseWithResolvers<Answers>[] = [];
  claim: (request: ClaimRequest) => Promise<Claimed> = ({ batchesMax }) =>
    Promise.resolve({ ...NONE, batches: this.waiting.splice(0, batchesMax) });
  refs!: Refs;

  static async open(batchesMax: number, waiting = 0): Promise<RouterWorld> {
    const opened = new RouterWorld();
    const { parts } = opened;
    parts.send = () => {
      const sending = Promise.withResolvers<Answers>();
      opened.sends.push(sending);
      return sending.promise;
    };
    for (let number = 1; number <= waiting; number++) opened.waiting.push(claimedBatch(number));
    opened.refs = await opened.world.system.start<Refs>("test", {
      strategy: "one_for_one",
      intensity: { restarts: 5, withinMs: 10_000 },
      children: {
        guard: worker(parts.guard.actor, { args: () => undefined, restart: "permanent" }),
        recorder: worker(parts.recorder.actor, { args: () => undefined, restart: "permanent" }),
        batches: pool(batch, { childrenMax: batchesMax }),
        router: worker(router, {
          args: ({ guard, recorder, batches }: Refs) => ({
            queue: {
              ...parts.services(guard, recorder).queue,
              claim: (request) => {
                opened.requests.push(request);
                return opened.claim(request);
              },
              abandon: () => Promise.resolve(0),
              release: (lease) => {
                opened.released.push(lease);
                return Promise.resolve();
              },
            },
            batches,
            services: parts.services(guard, recorder),
            node: "node-1",
            batchesMax,
          }),
          restart: "permanent",
        }),
      },
    });
    await opened.world.settle();
    return opened;
  }

  /** Answers the oldest of the sends on their way. */
  async answer(count = 1): Promise<void> {
    for (const send of this.sends.splice(0, count)) send.resolve(same(DELIVERED, 2));
    await this.world.settle();
  }

  /** Makes the router crash. */
  async crash(): Promise<void> {
    const end = { lane: { app: "", platform: "apns" }, holdMs: 0, incarnation: 0 } as const;
    const broken = Object.defineProperty({ ...end }, "lane", {
      get: () => {
        throw new Error("broken on purpose");
      },
    });
    this.refs.router.trySend("batchEnded", Object.freeze(broken));
    await this.world.settle();
  }

  async end(change: Partial<BatchEnd>): Promise<void> {
    const end = { lane: { app: "shop", platform: "apns" }, holdMs: 0, incarnation: 0 } as const;
    await this.refs.router.send("batchEnded", { ...end, ...change });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const send of this.sends) send.resolve(same(DELIVERED, 2));
    await this.world[Symbol.asyncDispose]();
  }
}

Deno.test("router keeps as many batches in flight as it may, and starts one where one ends", async () => {
  await using world = await RouterWorld.open(4, 10);
  assertEquals([world.sends.length, world.waiting.length], [4, 6]);
  assertEquals(await world.refs.router.ask("inFlight"), 4);
  await world.answer(2);
  assertEquals([world.sends.length, world.waiting.length], [4, 4]);
  while (world.sends.length > 0) await world.answer();
  assertEquals([world.parts.results.length, world.released], [10, []]);
  assertEquals(await world.refs.router.ask("inFlight"), 0);
});

Deno.test("router tells the queue how busy each lane is, and which is to be left alone for how long", async () => {
  await using world = await RouterWorld.open(8, 3);
  assertEquals(world.requests.at(-1)?.lanes, [
    { app: "shop", platform: "apns", inFlight: 3, held: false },
  ]);
  assertEquals(world.requests.at(-1)?.laneBatchesMax, LANE_BATCHES_MAX);
  await world.end({ lane: { app: "shop", platform: "fcm" }, holdMs: 500 });
  await world.world.settle();
  assertEquals(world.requests.at(-1)?.lanes.at(-1), {
    ...{ app: "shop", platform: "fcm", inFlight: 0, held: true },
  });
  await world.world.advance(500);
  assertEquals(world.requests.at(-1)?.lanes.length, 1);
});

Deno.test("router has one claim on its way at a time, and looks again when it was told meanwhile", async () => {
  await using world = await RouterWorld.open(4);
  const slow = Promise.withResolvers<Claimed>();
  const before = world.requests.length;
  world.claim = () => slow.promise;
  for (let told = 0; told < 5; told++) world.refs.router.trySend("wake");
  await world.world.advance(10_000);
  assertEquals(world.requests.length, before + 1);
  slow.resolve(NONE);
  await world.world.settle();
  assertEquals(world.requests.length, before + 2);
});

Deno.test("router looks when the queue says, each second, and after a moment when there was no answer", async () => {
  await using world = await RouterWorld.open(4);
  const looks = async (ms: number) => {
    const before = world.requests.length;
    await world.world.advance(ms);
    return world.requests.length - before;
  };
  assertEquals(await looks(3 * ROUTER_LOOK_MS), 3);
  world.claim = ({ now }) => Promise.resolve({ batches: [], dueAt: now + 100 });
  await looks(ROUTER_LOOK_MS);
  assertEquals(await looks(1_000), 10);
  world.claim = () => Promise.reject(new Error("busy"));
  await looks(100);
  assertEquals(await looks(5 * STORE_RETRY_MS), 5);
});

Deno.test("router that crashed takes no place of batches that are still at work, and none of its own for free", async () => {
  await using world = await RouterWorld.open(4, 100);
  await world.crash();
  await world.world.advance(3_000);
  assertEquals([world.sends.length, world.waiting.length, world.released], [4, 96, []]);
  // Old and new ones end in turn; never is more claimed than there is room for.
  for (let ended = 0; ended < 40; ended++) {
    await world.answer();
    if (ended === 20) await world.crash();
    await world.world.advance(ROUTER_LOOK_MS);
    assertEquals([world.sends.length, world.released], [4, []]);
  }
  assertEquals(world.parts.results.length, 40);
});

Deno.test("router finds its places again when it crashed with all of them taken, and all end", async () => {
  await using world = await RouterWorld.open(1, 3);
  await world.crash();
  await world.answer();
  await world.world.advance(ROUTER_LOOK_MS);
  assertEquals([world.sends.length, world.waiting.length], [1, 1]);
});

Deno.test("router counts its batches over more held lanes than it remembers", async () => {
  await using world = await RouterWorld.open(2);
  const { claim } = world;
  const slow = Promise.withResolvers<Claimed>();
  world.claim = () => slow.promise;
  await world.world.advance(ROUTER_LOOK_MS);
  for (let lane = 0; lane <= LANES_MAX; lane++) {
    await world.end({ lane: { app: `app-${lane}`, platform: "apns" }, holdMs: 600_000 });
    if (lane % 1_000 === 0) await world.world.settle();
  }
  world.claim = claim;
  for (let number = 1; number <= 6; number++) world.waiting.push(claimedBatch(number));
  slow.resolve(NONE);
  await world.world.advance(ROUTER_LOOK_MS);
  for (let ended = 0; ended < 6; ended++) await world.answer();
  assertEquals(world.parts.results.length, 6);
  assertEquals(await world.refs.router.ask("inFlight"), 0);
});

Deno.test("router hands back what it claimed while it was stopped", async () => {
  const world = await RouterWorld.open(4);
  const slow = Promise.withResolvers<Claimed>();
  world.claim = () => slow.promise;
  await world.world.advance(ROUTER_LOOK_MS);
  const stopped = world.world.system.stop();
  await world.world.settle();
  slow.resolve({ batches: [claimedBatch(1), claimedBatch(2)], dueAt: undefined });
  await stopped;
  await world[Symbol.asyncDispose]();
  assertEquals(world.parts.sent, []);
  assertEquals(world.released.map(({ batch }) => batch), [1, 2]);
});
