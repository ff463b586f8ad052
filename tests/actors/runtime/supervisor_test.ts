/** Supervisors by example; `otp_test.ts` compares them with the original on random trees. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  branch,
  type Ref,
  type RestartType,
  StartError,
  type Supervisor,
  type SupervisorStrategy,
  worker,
} from "../../../actors/mod.ts";
import { World } from "../../../actors/testing/mod.ts";
import { boom, solo, subject, type SubjectOptions, type SubjectProtocol } from "./subject.ts";

type Letters = "a" | "b" | "c" | "d";
type Four = { readonly [K in Letters]: Ref<SubjectProtocol> };

interface FourOptions {
  readonly strategy: SupervisorStrategy;
  readonly restarts?: number;
  readonly types?: Partial<Record<Letters, RestartType>>;
  readonly options?: Partial<Record<Letters, SubjectOptions>>;
}

function four(journal: string[], given: FourOptions): Supervisor<Four> {
  const child = (label: Letters) =>
    worker<SubjectProtocol, { readonly notes: string[] }, void, Four>(
      subject({ journal, label, ...given.options?.[label] }),
      { args: () => {}, restart: given.types?.[label] ?? "permanent" },
    );
  return {
    strategy: given.strategy,
    intensity: { restarts: given.restarts ?? 3, withinMs: 5_000 },
    children: { a: child("a"), b: child("b"), c: child("c"), d: child("d") },
  };
}

const START = ["a init 1", "b init 1", "c init 1", "d init 1"];

Deno.test("Supervisor starts in the order of the keys and stops in reverse", async () => {
  await using world = new World({ seed: 3 });
  const journal: string[] = [];
  await world.system.start("t", four(journal, { strategy: "one_for_one" }));
  assertEquals(journal.splice(0), START);
  await world.system.stop();
  assertEquals(journal, ["d", "c", "b", "a"].map((label) => `${label} terminate shutdown 0`));
});

/** What follows a crash of `b`. */
const CRASHES: readonly (readonly [FourOptions, expected: readonly string[]])[] = [
  [{ strategy: "one_for_one" }, ["b init 2"]],
  [{ strategy: "one_for_one", types: { b: "transient" } }, ["b init 2"]],
  [{ strategy: "one_for_one", types: { b: "temporary" } }, []],
  [
    { strategy: "one_for_all", types: { c: "temporary", d: "transient" } },
    ["d stop", "c stop", "a stop", "a init 2", "b init 2", "d init 2"],
  ],
  [
    { strategy: "rest_for_one" },
    ["d stop", "c stop", "b init 2", "c init 2", "d init 2"],
  ],
  [{ strategy: "one_for_one", restarts: 0 }, ["d stop", "c stop", "a stop"]],
];

for (const [options, expected] of CRASHES) {
  Deno.test(`${Deno.inspect(options, { compact: true })}, b crashes => ${expected}`, async () => {
    await using world = new World();
    const journal: string[] = [];
    const refs = await world.system.start("t", four(journal, options));
    journal.splice(0);
    refs.b.trySend("act", boom);
    await world.settle();
    assertEquals(journal.map((entry) => entry.replace("terminate shutdown 0", "stop")), expected);
  });
}

Deno.test("Supervisor counts a normal end of a permanent child, not of others", async () => {
  for (const type of ["permanent", "transient", "temporary"] as const) {
    await using world = new World();
    const tree = solo(subject(), { restart: type, restarts: 0 });
    const refs = await world.system.start("t", tree);
    refs.subject.trySend("act", (ctx) => ctx.stop());
    await world.settle();
    assertEquals(world.system.tree().state, type === "permanent" ? "stopped" : "running", type);
  }
});

Deno.test("Supervisor allows restarts again when the window has passed, both ends inside", async () => {
  for (const [gapMs, state] of [[1_000, "stopped"], [1_001, "running"]] as const) {
    await using world = new World();
    const tree = solo(subject(), { restarts: 1, withinMs: 1_000 });
    const refs = await world.system.start("t", tree);
    refs.subject.trySend("act", boom);
    await world.advance(gapMs);
    refs.subject.trySend("act", boom);
    await world.settle();
    assertEquals(world.system.tree().state, state, `${gapMs} ms`);
  }
});

Deno.test("Supervisor tries a failed restart again, and each try counts", async () => {
  await using world = new World();
  const journal: string[] = [];
  const init: SubjectOptions["init"] = (ctx) => ctx.incarnation > 1 ? boom() : undefined;
  const refs = await world.system.start(
    "t",
    four(journal, { strategy: "one_for_one", options: { b: { init } } }),
  );
  journal.splice(0);
  refs.b.trySend("act", boom);
  await world.settle();
  assertEquals(journal.slice(0, 3), ["b init 2", "b init 3", "b init 4"]);
  const exit = await world.system.ended;
  assert(exit.kind === "crashed");
  assertEquals(
    String(exit.error),
    'RestartLimitError: Cannot keep "root/t" running: more than 3 restarts within 5000 ms',
  );
  assertEquals(world.events.find(({ type }) => type === "gave_up")?.type, "gave_up");
});

Deno.test("Supervisor that gives up is restarted by its own, with forgotten children and all", async () => {
  await using world = new World();
  const journal: string[] = [];
  const inner = four(journal, {
    strategy: "one_for_one",
    restarts: 0,
    types: { c: "temporary" },
  });
  const tree: Supervisor<{ inner: Four }> = {
    strategy: "one_for_one",
    intensity: { restarts: 1, withinMs: 1_000 },
    children: { inner: branch(inner) },
  };
  const refs = await world.system.start("t", tree);
  refs.inner.c.trySend("act", (ctx) => ctx.stop());
  await world.settle();
  assertEquals(refs.inner.c.trySend("note", "x"), "stopped");
  journal.splice(0);
  refs.inner.b.trySend("act", boom);
  refs.inner.b.trySend("note", "kept");
  await world.settle();
  const kept = journal.indexOf("b note kept");
  assert(kept > journal.indexOf("b init 2"), "what waited is handled by the next life");
  assertEquals(journal.toSpliced(kept, 1), [
    "d terminate shutdown 0",
    "a terminate shutdown 0",
    "a init 2",
    "b init 2",
    "c init 2",
    "d init 2",
  ]);
  refs.inner.a.trySend("act", boom);
  assertEquals((await world.system.ended).kind, "crashed");
});

Deno.test("Supervisor fails to start when a child does, after stopping what had started", async () => {
  await using world = new World();
  const journal: string[] = [];
  const tree = four(journal, { strategy: "one_for_one", options: { c: { init: boom } } });
  const error = await assertRejects(() => world.system.start("t", tree), StartError);
  assertEquals(error.path, "root/t/c");
  assertEquals(error.message, 'Cannot start "root/t/c": Error: boom');
  assertEquals(journal, [
    ...START.slice(0, 3),
    "b terminate shutdown 0",
    "a terminate shutdown 0",
  ]);
  assertEquals(world.system.tree().children, [], "the failed tree is gone");
  await world.system.start("t", solo(subject()));
});

Deno.test("Supervisor that is stopped while a child starts does not wait for it for ever", async () => {
  const world = new World();
  const journal: string[] = [];
  const never = new Promise<void>(() => {});
  const tree = four(journal, { strategy: "one_for_one", options: { b: { init: () => never } } });
  const start = assertRejects(() => world.system.start("t", tree), StartError);
  await world.settle();
  await world[Symbol.asyncDispose]();
  await start;
  assertEquals(journal, ["a init 1", "b init 1", "a terminate shutdown 0"]);
  assertEquals(world.clock.now(), 5_000, "the default shutdownMs");
});

Deno.test("Supervisor that is stopped while it restarts ends all", async () => {
  const world = new World();
  const journal: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const init: SubjectOptions["init"] = (ctx) => ctx.incarnation > 1 ? promise : undefined;
  const refs = await world.system.start(
    "t",
    four(journal, { strategy: "one_for_all", options: { b: { init } } }),
  );
  refs.d.trySend("act", boom);
  await world.settle();
  journal.splice(0);
  const stopped = world.system.stop();
  await world.settle();
  resolve();
  await stopped;
  assertEquals(journal, ["b terminate shutdown 0", "a terminate shutdown 0"]);
  assertEquals(world.events.filter(({ type }) => type === "stopped").length, 4);
});

Deno.test("Supervisor delays restarts as the backoff says, serves the others and counts nothing", async () => {
  await using world = new World();
  const journal: string[] = [];
  type Refs = { slow: Ref<SubjectProtocol>; other: Ref<SubjectProtocol> };
  const tree: Supervisor<Refs> = {
    strategy: "one_for_one",
    intensity: { restarts: 2, withinMs: 100 },
    children: {
      slow: worker(subject({ journal, label: "slow" }), {
        args: () => {},
        restart: "permanent",
        backoff: { minMs: 1_000, maxMs: 4_000 },
      }),
      other: worker(subject({ journal, label: "other" }), {
        args: () => {},
        restart: "permanent",
      }),
    },
  };
  const refs = await world.system.start("t", tree);
  const crash = async (): Promise<number> => {
    const from = world.clock.now();
    refs.slow.trySend("act", boom);
    const next = `slow init ${1 + journal.filter((entry) => entry.startsWith("slow")).length}`;
    while (!journal.includes(next)) await world.advance(10);
    return world.clock.now() - from;
  };
  refs.slow.trySend("act", boom);
  refs.other.trySend("act", boom);
  refs.slow.trySend("note", "kept");
  await world.settle();
  assertEquals(journal.splice(0), ["slow init 1", "other init 1", "other init 2"]);
  await world.advance(1_000);
  assertEquals(journal.splice(0), ["slow init 2", "slow note kept"]);
  journal.push("slow init 1", "slow init 2");
  for (const fullMs of [2_000, 4_000, 4_000]) {
    const ms = await crash();
    assert(ms > fullMs / 2 && ms <= fullMs + 10, `${ms} of ${fullMs} ms`);
  }
  await world.advance(4_000);
  assert(await crash() <= 1_010, "it had run for longer than the longest delay");
});

Deno.test("Supervisor that is stopped during a backoff does not wait for it", async () => {
  const world = new World();
  const backoff = { minMs: 60_000, maxMs: 60_000 };
  const refs = await world.system.start("t", solo(subject(), { backoff }));
  refs.subject.trySend("act", boom);
  refs.subject.trySend("note", "never handled");
  await world.settle();
  await world[Symbol.asyncDispose]();
  assertEquals(world.clock.now(), 0);
  assertEquals(world.system.deadLetters.count, 1);
});

Deno.test("Supervisor hands out refs of siblings in any direction, also to branches", async () => {
  await using world = new World();
  type Refs = { first: Ref<SubjectProtocol>; inner: { second: Ref<SubjectProtocol> } };
  const seen: string[] = [];
  const tree: Supervisor<Refs> = {
    strategy: "one_for_one",
    intensity: { restarts: 0, withinMs: 0 },
    children: {
      first: worker(subject(), {
        args: (refs) => void seen.push(refs.inner.second.path),
        restart: "permanent",
      }),
      inner: branch((refs): Supervisor<{ second: Ref<SubjectProtocol> }> => {
        seen.push(refs.first.path);
        return {
          strategy: "one_for_one",
          intensity: { restarts: 0, withinMs: 0 },
          children: { second: worker(subject(), { args: () => {}, restart: "permanent" }) },
        };
      }),
    },
  };
  await world.system.start("t", tree);
  assertEquals(seen, ["root/t/first", "root/t/inner/second"]);
});

Deno.test("Supervisor publishes the exit of a child once its fate is decided", async () => {
  await using world = new World();
  const exits: string[] = [];
  const watcher = await world.system.start("w", solo(subject({ journal: exits })));
  const refs = await world.system.start(
    "t",
    four([], { strategy: "one_for_all", types: { c: "temporary" } }),
  );
  watcher.subject.trySend("act", (ctx) => {
    for (const ref of Object.values(refs)) ctx.watch(ref, "ended");
  });
  await world.settle();
  exits.splice(0);
  refs.a.trySend("act", boom);
  await world.settle();
  assertEquals(exits, ["ended shutdown"], "only the temporary one");
});
