/** One batch, with a test in place of everything around it. */

import { assertEquals } from "@std/assert";
import type { Ref } from "../../../../actors/runtime/actor.ts";
import type { Pool } from "../../../../actors/runtime/pool.ts";
import { pool, worker } from "../../../../actors/runtime/spec.ts";
import {
  batch,
  type BatchArgs,
  type BatchEnd,
  type BatchOwnerProtocol,
  type BatchProtocol,
} from "../../../../actors/push/delivery/batch.ts";
import type { GuardProtocol } from "../../../../actors/push/delivery/guard.ts";
import {
  BATCH_DELIVERIES_MAX,
  LEASE_MS,
  LEASE_RENEW_MS,
  STORE_RETRY_MS,
} from "../../../../actors/push/delivery/limits.ts";
import type { Answers, Verdict } from "../../../../actors/push/delivery/ports.ts";
import type { RecorderProtocol } from "../../../../actors/push/delivery/sinks/recorder.ts";
import type { ClaimedBatch, CommitOutcome } from "../../../../actors/push/delivery/store.ts";
import { Probe, World } from "../../../../actors/testing/mod.ts";
import { BatchParts, claimedBatch } from "../../../support/batch_parts.ts";
import { DELIVERED, same, UNSENT } from "../../../support/gateway_world.ts";

interface Refs {
  readonly guard: Ref<GuardProtocol>;
  readonly recorder: Ref<RecorderProtocol>;
  readonly owner: Ref<BatchOwnerProtocol>;
  readonly batches: Pool<BatchProtocol, BatchArgs>;
}

class BatchWorld implements AsyncDisposable {
  readonly world = new World();
  readonly parts = new BatchParts();
  readonly #owner = new Probe<BatchOwnerProtocol>({ batchEnded: "record" });
  #refs!: Refs;

  static async open(): Promise<BatchWorld> {
    const opened = new BatchWorld();
    const { parts } = opened;
    opened.#refs = await opened.world.system.start<Refs>("test", {
      strategy: "one_for_one",
      intensity: { restarts: 5, withinMs: 10_000 },
      children: {
        guard: worker(parts.guard.actor, { args: () => undefined, restart: "permanent" }),
        recorder: worker(parts.recorder.actor, { args: () => undefined, restart: "permanent" }),
        owner: worker(opened.#owner.actor, { args: () => undefined, restart: "permanent" }),
        batches: pool(batch, { childrenMax: 8, shutdownMs: 10_000 }),
      },
    });
    return opened;
  }

  /** Starts a batch and lets happen what can happen at once. */
  async start(change: Partial<ClaimedBatch> = {}): Promise<void> {
    const { guard, recorder, owner, batches } = this.#refs;
    const services = this.parts.services(guard, recorder);
    batches.start({ batch: claimedBatch(7, change), services, owner, incarnation: 3 });
    await this.world.settle();
  }

  /** The ends its owner was told of. */
  get ends(): readonly BatchEnd[] {
    return this.#owner.received.map(({ payload }) => payload);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }
}

const LANE = { app: "shop", platform: "apns" } as const;
const LEASE = { batch: 7, token: 1 };

Deno.test("batch records what its gateway answered, and tells its end once", async () => {
  await using world = await BatchWorld.open();
  await world.start();
  assertEquals(world.parts.results.map(({ outcomes }) => outcomes.delivered), [2]);
  await world.world.advance(LEASE_MS);
  assertEquals(world.ends, [{ lane: LANE, holdMs: 0, incarnation: 3 }]);
  assertEquals(world.parts.released, []);
  assertEquals(world.parts.events.map(({ kind }) => kind), ["answered", "claimed"]);
});

const CLAIMS: readonly (readonly [
  title: string,
  notification: {
    readonly createdAt: number;
    readonly sendAt: number;
    readonly expiresAt?: number;
  },
  batch: Partial<ClaimedBatch>,
  delays: readonly number[],
])[] = [
  ["its acceptance", { createdAt: -700, sendAt: -700 }, {}, [700]],
  ["its time to be sent, when that came later", { createdAt: -9_000, sendAt: -40 }, {}, [40]],
  ["now, when its node's clock is ahead", { createdAt: 60, sendAt: 60 }, {}, [0]],
  ["nothing, when it was claimed before", { createdAt: -700, sendAt: -700 }, { deliveries: 2 }, []],
  [
    "its acceptance, when it was too late to be sent",
    {
      createdAt: -700,
      sendAt: -700,
      expiresAt: 0,
    },
    {},
    [700],
  ],
  ["nothing, when it waited to be tried again", { createdAt: -700, sendAt: -700 }, {
    attempt: 1,
  }, []],
];

for (const [title, { createdAt, sendAt, expiresAt = 60_000 }, change, delays] of CLAIMS) {
  Deno.test(`batch tells its first claim's delay from ${title}`, async () => {
    await using world = await BatchWorld.open();
    const { parts } = world;
    const now = world.world.clock.wallNow();
    parts.notification = {
      ...parts.notification,
      createdAt: now + createdAt,
      sendAt: now + sendAt,
      expiresAt: now + expiresAt,
    };
    await world.start(change);
    const claims = parts.events.filter((event) => event.kind === "claimed");
    assertEquals(claims.map(({ delayMs }) => delayMs), delays);
  });
}

Deno.test("batch tells its delay when its gateway sends to some, and not when it hands all back", async () => {
  for (const [verdict, delays] of [[UNSENT, []], [DELIVERED, [700]]] as const) {
    await using world = await BatchWorld.open();
    const { parts } = world;
    const createdAt = world.world.clock.wallNow() - 700;
    parts.notification = { ...parts.notification, createdAt, sendAt: createdAt };
    parts.send = () => Promise.resolve({ verdicts: [UNSENT, verdict], of: Uint16Array.of(0, 1) });
    await world.start();
    const claims = parts.events.filter((event) => event.kind === "claimed");
    assertEquals(claims.map(({ delayMs }) => delayMs), [...delays]);
  }
});

Deno.test("batch renews its lease while it works, sooner again after the store could not", async () => {
  await using world = await BatchWorld.open();
  const { parts } = world;
  parts.send = () => new Promise(() => {});
  await world.start();
  await world.world.advance(2 * LEASE_RENEW_MS);
  assertEquals(parts.renewed, [LEASE, LEASE]);
  parts.renew = () => Promise.reject(new Error("busy"));
  await world.world.advance(LEASE_RENEW_MS + 5 * STORE_RETRY_MS);
  assertEquals(parts.renewed.length, 2 + 1 + 5);
  parts.renew = () => Promise.resolve([true]);
  await world.world.advance(STORE_RETRY_MS + LEASE_RENEW_MS);
  assertEquals(parts.renewed.length, 8 + 2);
});

Deno.test("batch ends when somebody else has its lease", async () => {
  await using world = await BatchWorld.open();
  const { parts } = world;
  parts.send = () => new Promise(() => {});
  parts.renew = () => Promise.resolve([false]);
  await world.start();
  await world.world.advance(LEASE_RENEW_MS + 10_000);
  assertEquals(world.ends.length, 1);
  assertEquals(parts.events, [{ kind: "batch_lost", reason: "its lease ran out" }]);
});

Deno.test("batch tells the queue when its result is recorded, and not before", async () => {
  await using world = await BatchWorld.open();
  const { parts } = world;
  const recorded = Promise.withResolvers<CommitOutcome>();
  parts.record = () => recorded.promise;
  await world.start();
  assertEquals([parts.results.length, parts.done], [1, []]);
  recorded.resolve({ kind: "committed", notificationDone: false });
  await world.world.settle();
  assertEquals([parts.done, parts.released, world.ends.length], [[LEASE], [], 1]);
});

Deno.test("batch whose lease is stale tells the queue, and sends nothing", async () => {
  await using world = await BatchWorld.open();
  world.parts.load = () => Promise.resolve("stale");
  await world.start();
  assertEquals([world.parts.done, world.parts.sent, world.ends.length], [[LEASE], [], 1]);
});

Deno.test("batch is well when the queue cannot be told", async () => {
  await using world = await BatchWorld.open();
  world.parts.tell = () => Promise.reject(new Error("away"));
  await world.start();
  assertEquals([world.parts.results.length, world.ends.length], [1, 1]);
  assertEquals(world.parts.events.filter(({ kind }) => kind === "batch_lost"), []);
});

Deno.test("batch that could not be loaded is handed back, and its lane left alone for a moment", async () => {
  await using world = await BatchWorld.open();
  world.parts.load = () => Promise.reject(new Error("busy"));
  await world.start();
  assertEquals(world.parts.released, [LEASE]);
  assertEquals(world.ends, [{ lane: LANE, holdMs: STORE_RETRY_MS, incarnation: 3 }]);
});

Deno.test("batch whose sending failed is not handed back: what was sent is not known", async () => {
  await using world = await BatchWorld.open();
  world.parts.send = () => Promise.reject(new Error("poison"));
  await world.start();
  assertEquals([world.parts.released, world.parts.results, world.ends.length], [[], [], 1]);
});

const WRONG_ANSWERS: readonly (readonly [string, Answers])[] = [
  ["too few", same(DELIVERED, 1)],
  ["too many", same(DELIVERED, 3)],
  ["verdicts it does not name", { verdicts: [DELIVERED], of: Uint16Array.of(0, 1) }],
];

for (const [title, answers] of WRONG_ANSWERS) {
  Deno.test(`batch takes answers that cannot be recorded for a failure: ${title}`, async () => {
    await using world = await BatchWorld.open();
    world.parts.send = () => Promise.resolve(answers);
    await world.start();
    assertEquals([world.parts.results, world.ends.length], [[], 1]);
  });
}

Deno.test("batch that crashed too often is given up without a request", async () => {
  await using world = await BatchWorld.open();
  await world.start({ deliveries: BATCH_DELIVERIES_MAX + 1 });
  assertEquals(world.parts.sent, []);
  assertEquals(world.parts.results.map(({ outcomes }) => outcomes.failed), [2]);
  assertEquals(world.parts.letters.map(({ id }) => id), ["7"]);
});

for (
  const [title, loaded] of [
    ["cannot be read", () => Promise.resolve("unreadable" as const)],
    ["are not all there", undefined],
  ] as const
) {
  Deno.test(`batch whose recipients ${title} is set aside, and all of them have failed`, async () => {
    await using world = await BatchWorld.open();
    if (loaded !== undefined) world.parts.load = loaded;
    await world.start({ count: 5 });
    assertEquals(world.parts.sent, []);
    assertEquals(world.parts.results.map(({ outcomes }) => outcomes.failed), [5]);
    assertEquals(world.parts.letters.length, 1);
  });
}

Deno.test("batch offers its result until it is recorded, and sends nothing again for it", async () => {
  await using world = await BatchWorld.open();
  const { parts } = world;
  const { record } = parts;
  parts.record = () => {
    throw new Error("crashes the recorder");
  };
  await world.start();
  await world.world.advance(3 * STORE_RETRY_MS);
  assertEquals([parts.results.length, world.ends.length], [4, 0]);
  parts.record = record;
  await world.world.advance(STORE_RETRY_MS);
  assertEquals([parts.results.length, world.ends.length, parts.sent.length], [5, 1, 1]);
});

Deno.test("batch that is stopped while it waits to offer its result again does not wait longer", async () => {
  const world = await BatchWorld.open();
  world.parts.record = () => {
    throw new Error("crashes the recorder");
  };
  await world.start();
  const before = world.world.clock.now();
  await world[Symbol.asyncDispose]();
  assertEquals(world.world.clock.now(), before);
});

Deno.test("batch asks a guard again that crashed on it", async () => {
  await using world = await BatchWorld.open();
  const { parts } = world;
  const { guidance } = parts;
  parts.guidance = () => {
    parts.guidance = guidance;
    throw new Error("crashes the guard");
  };
  await world.start();
  assertEquals([parts.results.length, parts.sent.length], [1, 1]);
});

for (
  const [title, version, pause] of [["same", 1, "403 Forbidden"], ["new", 2, undefined]] as const
) {
  Deno.test(`batch that is refused pauses its lane or not: ${title} credentials since`, async () => {
    await using world = await BatchWorld.open();
    const { parts } = world;
    const refused: Verdict = { kind: "pause", status: 403, reason: "Forbidden" };
    parts.send = () => {
      parts.app = { ...parts.app, version };
      return Promise.resolve(same(refused, 2));
    };
    await world.start();
    assertEquals(parts.results.map((result) => result.pause), [pause]);
    assertEquals(parts.results[0]?.remainders.flatMap(({ numbers }) => numbers), [1, 2]);
  });
}

Deno.test("batch that is stopped before it sent is handed back, and one that sent is waited for", async () => {
  for (const when of ["before", "after"] as const) {
    const world = await BatchWorld.open();
    const { parts } = world;
    const slow = Promise.withResolvers<void>();
    const { load, send } = parts;
    if (when === "before") parts.load = () => slow.promise.then(load);
    else parts.send = (block) => slow.promise.then(() => send(block));
    await world.start();
    const stopped = world[Symbol.asyncDispose]();
    slow.resolve();
    await stopped;
    assertEquals(
      [parts.released.length, parts.results.length],
      when === "before" ? [1, 0] : [0, 1],
    );
  }
});

const BATCH = "batch app=shop platform=apns batch=7 attempt=0 count=2";
const COMMITTED = { kind: "committed", notificationDone: false } as const;

const TRACES: readonly (readonly [
  title: string,
  change: (parts: BatchParts) => void,
  lines: readonly string[],
])[] = [
  ["a batch", () => {}, [
    "batch > record",
    `${BATCH} outcomes=delivered:2 retries=0`,
  ]],
  ["a notification's last batch", (parts) => {
    parts.record = () => ({ ...COMMITTED, notificationDone: true });
  }, [
    "batch > record",
    `${BATCH} outcomes=delivered:2 retries=0`,
    "done app=shop",
  ]],
  ["a store that is away for a while", (parts) => {
    parts.record = () => {
      parts.record = () => COMMITTED;
      throw new Error("the text of an error is not told");
    };
  }, [
    "batch > record failure=unavailable",
    "batch > record",
    `${BATCH} outcomes=delivered:2 retries=0`,
  ]],
  ["a result that is no longer wanted", (parts) => {
    parts.record = () => ({ kind: "stale" });
  }, ["batch > record failure=lease_lost", `${BATCH} failure=lease_lost`]],
  ["a batch that cannot be loaded", (parts) => {
    parts.load = () => Promise.reject(new Error("away"));
  }, [`${BATCH} failure=batch_lost`]],
  ["recipients that are tried again", (parts) => {
    const retry: Verdict = { kind: "retry", status: 503, reason: "", scope: "recipient" };
    parts.send = () => Promise.resolve(same(retry, 2));
  }, ["batch > record", `${BATCH} outcomes= retries=2`]],
];

for (const [title, change, lines] of TRACES) {
  Deno.test(`batch traces ${title}`, async () => {
    await using world = await BatchWorld.open();
    const { parts } = world;
    change(parts);
    await world.start();
    await world.world.advance(STORE_RETRY_MS);
    assertEquals(parts.traces.lines, lines);
    assertEquals([...parts.traces.odd], []);
    assertEquals([...parts.traces.subjects], [parts.notification.id]);
  });
}
