/** The feeder over a store that a test answers for. */

import { assertEquals } from "@std/assert";
import type { Ref } from "../../../../actors/runtime/actor.ts";
import { worker } from "../../../../actors/runtime/spec.ts";
import { feeder, type FeederProtocol } from "../../../../actors/push/delivery/feeder.ts";
import {
  EXPANDING_MAX,
  FEEDER_LOOK_MS,
  STORE_RETRY_MS,
} from "../../../../actors/push/delivery/limits.ts";
import type { Expanded } from "../../../../actors/push/delivery/store.ts";
import { Probe, World } from "../../../../actors/testing/mod.ts";
import { TraceLedger } from "../../../support/trace_ledger.ts";

interface Woken {
  wake(): void;
}

class FeederWorld implements AsyncDisposable {
  readonly world = new World();
  readonly #router = new Probe<Woken>({ wake: "record" });
  /** What the store says to each look. */
  expandable: () => Promise<{ ids: readonly string[]; dueAt: number | undefined }> = () =>
    Promise.resolve({ ids: [], dueAt: undefined });
  /** What it says to each step. */
  expand: (id: string) => Promise<Expanded> = () => Promise.resolve({ added: 0, done: true });
  looks = 0;
  readonly steps: string[] = [];
  recipients = 0;
  readonly traces: TraceLedger = new TraceLedger();
  ref!: Ref<FeederProtocol>;

  static async open(change: Partial<Pick<FeederWorld, "expandable" | "expand">> = {}) {
    const opened = Object.assign(new FeederWorld(), change);
    interface Refs {
      readonly router: Ref<Woken>;
      readonly feeder: Ref<FeederProtocol>;
    }
    const refs = await opened.world.system.start<Refs>("test", {
      strategy: "one_for_one",
      intensity: { restarts: 0, withinMs: 1_000 },
      children: {
        router: worker(opened.#router.actor, { args: () => undefined, restart: "permanent" }),
        feeder: worker(feeder, {
          args: ({ router }: Refs) => ({
            router,
            tracer: opened.traces,
            store: {
              expandable: () => {
                opened.looks++;
                return opened.expandable();
              },
              expand: (id) => {
                opened.steps.push(id);
                return opened.expand(id);
              },
            },
            observer: {
              record: (event) => {
                if (event.kind === "expanded") opened.recipients += event.recipients;
              },
            },
          }),
          restart: "permanent",
        }),
      },
    });
    opened.ref = refs.feeder;
    await opened.world.settle();
    return opened;
  }

  get woken(): number {
    return this.#router.received.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }
}

/** Steps until each of these notifications is expanded, and what is left of them. */
function audiences(sizes: Readonly<Record<string, number>>) {
  const left = new Map(Object.entries(sizes));
  return {
    expandable: () => Promise.resolve({ ids: [...left.keys()], dueAt: undefined }),
    expand: (id: string) => {
      const steps = (left.get(id) ?? 1) - 1;
      if (steps > 0) left.set(id, steps);
      else left.delete(id);
      return Promise.resolve({ added: 10, done: steps <= 0 });
    },
  };
}

Deno.test("feeder expands in turns, so that a small notification does not wait for a large one", async () => {
  await using world = await FeederWorld.open(audiences({ large: 3, small: 1 }));
  assertEquals(world.steps, ["large", "small", "large", "large"]);
  assertEquals([world.recipients, world.woken], [40, 3]);
});

Deno.test("feeder looks by itself each second, and sooner when something is due or it is told", async () => {
  await using world = await FeederWorld.open();
  assertEquals(world.looks, 1);
  await world.world.advance(FEEDER_LOOK_MS);
  assertEquals(world.looks, 2);
  world.expandable = () =>
    Promise.resolve({ ids: [], dueAt: world.world.clock.wallNow() + FEEDER_LOOK_MS / 4 });
  world.ref.trySend("wake");
  await world.world.settle();
  assertEquals(world.looks, 3);
  await world.world.advance(FEEDER_LOOK_MS - 1);
  assertEquals(world.looks, 6);
});

Deno.test("feeder looks again when it was told of something while it looked", async () => {
  await using world = await FeederWorld.open();
  const slow = Promise.withResolvers<void>();
  world.expandable = async () => {
    await slow.promise;
    return { ids: [], dueAt: undefined };
  };
  for (let told = 0; told < 5; told++) {
    world.ref.trySend("wake");
    await world.world.settle();
  }
  assertEquals(world.looks, 2);
  slow.resolve();
  await world.world.settle();
  assertEquals(world.looks, 3);
});

Deno.test("feeder waits before it asks a store again that could not answer", async () => {
  await using world = await FeederWorld.open({
    expandable: () => Promise.reject(new Error("busy")),
  });
  assertEquals(world.looks, 1);
  await world.world.advance(STORE_RETRY_MS - 1);
  assertEquals(world.looks, 1);
  await world.world.advance(1);
  assertEquals(world.looks, 2);
});

Deno.test("feeder goes on with the others while one cannot be expanded, and is in no hurry with it", async () => {
  const { expandable, expand } = audiences({ stuck: 1, large: 3 });
  await using world = await FeederWorld.open({
    expandable,
    expand: (id) => id === "stuck" ? Promise.reject(new Error("io")) : expand(id),
  });
  assertEquals(world.steps.filter((id) => id === "large").length, 3);
  assertEquals([world.recipients, world.woken], [30, 3]);
  const before = world.steps.length;
  await world.world.advance(10 * STORE_RETRY_MS);
  assertEquals(world.steps.length - before, 10);
});

Deno.test("feeder does not ask for what cannot be expanded again and again", async () => {
  const ids = Array.from({ length: EXPANDING_MAX }, (_, index) => `${index}`);
  await using world = await FeederWorld.open({
    expandable: () => Promise.resolve({ ids, dueAt: undefined }),
    expand: () => Promise.reject(new Error("io")),
  });
  assertEquals(world.looks, 1);
  await world.world.advance(5 * STORE_RETRY_MS);
  assertEquals(world.looks, 6);
});

Deno.test("feeder looks for more at once when it was given as many as it takes in turns", async () => {
  const sizes = Object.fromEntries(
    Array.from({ length: EXPANDING_MAX }, (_, index) => [`n${index}`, 1]),
  );
  await using world = await FeederWorld.open(audiences(sizes));
  assertEquals([world.looks, world.steps.length], [2, EXPANDING_MAX]);
});

Deno.test("feeder traces each step of each notification, and those that fail", async () => {
  await using world = await FeederWorld.open(audiences({ large: 2, small: 1 }));
  assertEquals(world.traces.lines, [
    "expand count=10 complete=false",
    "expand count=10 complete=true",
    "expand count=10 complete=true",
  ]);
  assertEquals([...world.traces.subjects], ["large", "small"]);
  await using away = await FeederWorld.open({
    expandable: () => Promise.resolve({ ids: ["one"], dueAt: undefined }),
    expand: () => Promise.reject(new Error("away")),
  });
  assertEquals(away.traces.lines, ["expand failure=unavailable"]);
});
