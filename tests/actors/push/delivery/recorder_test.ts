/** The recorder over a store that a test answers for. */

import { assertEquals } from "@std/assert";
import type { Ref } from "../../../../actors/runtime/actor.ts";
import { worker } from "../../../../actors/runtime/spec.ts";
import { COMMIT_MS } from "../../../../actors/push/delivery/limits.ts";
import type { DeliveryEvent } from "../../../../actors/push/delivery/ports.ts";
import {
  recorder,
  type RecorderProtocol,
} from "../../../../actors/push/delivery/sinks/recorder.ts";
import type { BatchResult, CommitOutcome } from "../../../../actors/push/delivery/store.ts";
import { World } from "../../../../actors/testing/mod.ts";

const OUTCOMES = {
  delivered: 2,
  token_invalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
} as const;

function resultOf(batch: number, change: Partial<BatchResult> = {}): BatchResult {
  return {
    lease: { batch, token: 1 },
    notification: "n",
    lane: { app: "shop", platform: "apns" },
    outcomes: OUTCOMES,
    rows: [],
    remainders: [],
    attempts: 1,
    suspects: { marked: [], cleared: [] },
    pause: undefined,
    at: 7,
    ...change,
  };
}

const COMMITTED: CommitOutcome = { kind: "committed", notificationDone: false };

class RecorderWorld implements AsyncDisposable {
  readonly world = new World();
  readonly events: DeliveryEvent[] = [];
  /** What the store has been given, with the answer it owes. */
  readonly commits: { result: BatchResult; owed: PromiseWithResolvers<CommitOutcome> }[] = [];
  /** Rows that each commit left. */
  readonly pokes: number[] = [];
  ref!: Ref<RecorderProtocol>;

  static async open(): Promise<RecorderWorld> {
    const opened = new RecorderWorld();
    const store = {
      commit(result: BatchResult): Promise<CommitOutcome> {
        const owed = Promise.withResolvers<CommitOutcome>();
        opened.commits.push({ result, owed });
        return owed.promise;
      },
    };
    const refs = await opened.world.system.start<{ recorder: Ref<RecorderProtocol> }>("test", {
      strategy: "one_for_one",
      intensity: { restarts: 0, withinMs: 1_000 },
      children: {
        recorder: worker(recorder, {
          args: () => ({
            store,
            observer: { record: (event: DeliveryEvent) => void opened.events.push(event) },
            onCommit: (rows: number) => void opened.pokes.push(rows),
          }),
          restart: "permanent",
        }),
      },
    });
    opened.ref = refs.recorder;
    return opened;
  }

  /** Offers a result; what came of it is there once it is known. */
  offer(result: BatchResult): { outcome: string | undefined } {
    const seen: { outcome: string | undefined } = { outcome: undefined };
    this.ref.within(COMMIT_MS).ask("record", { result, durationMs: 5 }).then(
      ({ kind }) => seen.outcome = kind,
      () => seen.outcome = "failed",
    );
    return seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }
}

Deno.test("recorder gives the store results as they come, and tells each batch its own outcome", async () => {
  await using world = await RecorderWorld.open();
  const first = world.offer(resultOf(1));
  const second = world.offer(resultOf(2));
  await world.world.settle();
  assertEquals(world.commits.map(({ result }) => result.lease.batch), [1, 2]);
  world.commits[1]?.owed.resolve({ kind: "stale" });
  await world.world.settle();
  assertEquals([first.outcome, second.outcome, world.events.length], [undefined, "stale", 0]);
  world.commits[0]?.owed.resolve(COMMITTED);
  await world.world.settle();
  assertEquals([first.outcome, world.events.length], ["committed", 1]);
  // Without rows there is a tally all the same.
  assertEquals(world.pokes, [0]);
});

Deno.test("recorder fails a result the store could not record, and takes it again", async () => {
  await using world = await RecorderWorld.open();
  const first = world.offer(resultOf(1));
  await world.world.settle();
  world.commits[0]?.owed.reject(new Error("busy"));
  await world.world.settle();
  assertEquals(first.outcome, "failed");
  const again = world.offer(resultOf(1));
  await world.world.settle();
  world.commits[1]?.owed.resolve(COMMITTED);
  await world.world.settle();
  assertEquals([again.outcome, world.events.length], ["committed", 1]);
});

Deno.test("recorder gives a store that stands still each result once, however often it is offered", async () => {
  await using world = await RecorderWorld.open();
  const result = resultOf(1);
  const offers = [world.offer(result)];
  for (let round = 0; round < 5; round++) {
    await world.world.advance(COMMIT_MS + 1_000);
    offers.push(world.offer(result));
  }
  await world.world.settle();
  assertEquals(world.commits.length, 1);
  world.commits[0]?.owed.resolve(COMMITTED);
  await world.world.settle();
  assertEquals(offers.map(({ outcome }) => outcome), [...Array(5).fill("failed"), "committed"]);
  assertEquals(world.events.length, 1);
});

Deno.test("recorder takes the same batch under another lease for another one", async () => {
  await using world = await RecorderWorld.open();
  world.offer(resultOf(1));
  world.offer(resultOf(1, { lease: { batch: 1, token: 2 } }));
  await world.world.settle();
  assertEquals(world.commits.length, 2);
});

Deno.test("recorder tells what was settled: repeated requests, a pause, and rows to read", async () => {
  await using world = await RecorderWorld.open();
  const row = { number: 1, address: "a", outcome: "rejected", status: 400, reason: "" } as const;
  world.offer(resultOf(1, {
    rows: [{ ...row, registeredBefore: undefined }],
    attempts: 3,
    remainders: [
      { numbers: [1, 2], attempt: 3, notBefore: 9 },
      { numbers: [3], attempt: 2, notBefore: 9 },
    ],
    pause: "403 Forbidden",
  }));
  await world.world.settle();
  assertEquals(world.pokes, []);
  world.commits[0]?.owed.resolve(COMMITTED);
  await world.world.settle();
  assertEquals(world.events, [
    {
      kind: "settled",
      platform: "apns",
      outcomes: OUTCOMES,
      retries: 2,
      at: 7,
      durationMs: 5,
    },
    { kind: "paused", app: "shop", platform: "apns", reason: "403 Forbidden" },
  ]);
  assertEquals(world.pokes, [1]);
});
