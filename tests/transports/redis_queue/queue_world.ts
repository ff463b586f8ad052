/**
 * What the tests of the queue on Redis share: a store in memory, a Redis, and nodes with a queue each.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type {
  ClaimedBatch,
  ClaimRequest,
  DeadLetter,
} from "../../../actors/push/delivery/store.ts";
import { openRedisQueue, type RedisQueue } from "../../../transports/redis_queue/redis_queue.ts";
import { DeliveryWorld, LEASE_MS, NEWS } from "../../conformance/delivery_world.ts";
import { memoryDeliveryFixture } from "../../conformance/delivery_fixtures.ts";
import { WallClock } from "../../conformance/store_world.ts";
import type { RedisServer } from "../../support/redis_server.ts";

/** The lane of most tests. */
export const LANE = { app: NEWS, platform: "apns" } as const;

/** A node: its name and its queue. */
export class Node implements AsyncDisposable {
  readonly name: string;
  readonly queue: RedisQueue;
  readonly #world: DeliveryWorld;

  constructor(name: string, queue: RedisQueue, world: DeliveryWorld) {
    this.name = name;
    this.queue = queue;
    this.#world = world;
  }

  /** Claims what there is, with differences. */
  async claim(differences: Partial<ClaimRequest> = {}): Promise<readonly ClaimedBatch[]> {
    const { batches } = await this.queue.claim({
      node: this.name,
      now: this.#world.now,
      leaseMs: LEASE_MS,
      batchesMax: 16,
      laneBatchesMax: 1_000,
      lanes: [],
      ...differences,
    });
    return batches;
  }

  /** Claims one batch. */
  async claimOne(): Promise<ClaimedBatch> {
    const [batch] = await this.claim({ batchesMax: 1 });
    assert(batch !== undefined);
    return batch;
  }

  /** Does a batch's whole work; says whether its result was recorded. */
  async work(batch: ClaimedBatch): Promise<boolean> {
    const loaded = await this.#world.store.load(batch.lease);
    if (typeof loaded === "object") {
      assertEquals(loaded.recipients.numbers.length, batch.count);
      const outcome = await this.#world.commit(batch);
      await this.queue.done(batch.lease);
      return outcome.kind === "committed";
    }
    assertEquals(loaded, "stale");
    await this.queue.done(batch.lease);
    return false;
  }

  /** Claims and works until nothing is left; says how many results were recorded. */
  async drain(): Promise<number> {
    for (let recorded = 0;;) {
      const batches = await this.claim();
      if (batches.length === 0) return recorded;
      for (const batch of batches) if (await this.work(batch)) recorded++;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.queue.close();
  }
}

/** A store, a Redis, and what tests do with them. */
export class QueueWorld extends DeliveryWorld {
  /** Entries that were set aside. */
  readonly letters: DeadLetter[] = [];
  readonly #server: RedisServer;
  /** The address of its Redis. */
  readonly url: string;
  readonly #identity: string;
  readonly #nodes = new AsyncDisposableStack();

  private constructor(
    clock: WallClock,
    fixture: DeliveryWorld["fixture"],
    server: RedisServer,
    url: string,
    identity: string,
  ) {
    super(clock, fixture);
    this.#identity = identity;
    this.#server = server;
    this.url = url;
  }

  /** Opens a world on this server, with keys of its own. */
  static async open(server: RedisServer, url = server.freshUrl()): Promise<QueueWorld> {
    const clock = new WallClock();
    const fixture = await memoryDeliveryFixture({ clock });
    return new QueueWorld(clock, fixture, server, url, await fixture.store.identity());
  }

  /** What all keys begin with. */
  get prefix(): string {
    return new URL(this.url).searchParams.get("prefix") ?? "heliograph";
  }

  /** What the keys of this store's batches begin with. */
  get base(): string {
    return `${this.prefix}:{queue}:${this.#identity}`;
  }

  /** The key of the lane of most tests. */
  get lane(): string {
    return `${this.base}:lane:apns:${NEWS}`;
  }

  /** Another node. */
  async node(name: string): Promise<Node> {
    const queue = await openRedisQueue({
      url: this.url,
      upstream: this.store,
      onDeadLetter: (letter) => void this.letters.push(letter),
    });
    return this.#nodes.use(new Node(name, queue, this));
  }

  /** A notification in so many batches of one recipient each. */
  async submitBatches(count: number): Promise<string> {
    await this.populate(count);
    const id = await this.submit();
    await this.expand(id, count, 1);
    return id;
  }

  /** Runs a command of Redis. */
  redis(...args: readonly string[]): Promise<string> {
    return this.#server.cli(...args);
  }

  /** Ids of a consumer's entries in the lane of most tests. */
  async pending(consumer: string): Promise<readonly string[]> {
    const reply = await this.redis(
      ...["XPENDING", this.lane, "nodes", "-", "+", "10000", consumer],
    );
    return reply.split("\n").filter((_, place) => place % 4 === 0 && reply !== "");
  }

  /** Lets a consumer's entries look as if their leases had ended: these, or all. */
  async endLeases(consumer: string, ids?: readonly string[]): Promise<void> {
    const chosen = ids ?? await this.pending(consumer);
    if (chosen.length === 0) return;
    const claim = ["XCLAIM", this.lane, "nodes", consumer, "0", ...chosen];
    await this.redis(...claim, "IDLE", `${LEASE_MS}`, "JUSTID");
  }

  /** All keys but the schema's. */
  async keys(): Promise<readonly string[]> {
    const reply = await this.redis("KEYS", `${this.prefix}:*`);
    return reply.split("\n").filter((key) => key !== "" && key !== `${this.prefix}:schema`);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.#nodes.disposeAsync();
    await super[Symbol.asyncDispose]();
  }
}
