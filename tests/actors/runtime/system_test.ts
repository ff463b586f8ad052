import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Actor,
  InvariantError,
  type Pool,
  pool,
  type Ref,
  type RuntimeEvent,
  type Supervisor,
  System,
} from "../../../actors/mod.ts";
import { World } from "../../../actors/testing/mod.ts";
import { boom, solo, subject, type SubjectProtocol } from "./subject.ts";

Deno.test("System.stop() stops its trees in reverse, once, and resolves ended", async () => {
  const world = new World();
  const journal: string[] = [];
  for (const label of ["sinks", "sessions", "listeners"]) {
    await world.system.start(label, solo(subject({ journal, label })));
  }
  const [first, second] = [world.system.stop(), world.system.stop()];
  assert(first === second);
  assertEquals(await first, { kind: "shutdown" });
  assertEquals(await world.system.ended, { kind: "shutdown" });
  assertEquals(journal.slice(3), [
    "listeners terminate shutdown 0",
    "sessions terminate shutdown 0",
    "sinks terminate shutdown 0",
  ]);
  assertEquals(world.clock.armed, 0);
  await assertRejects(() => world.system.start("late", solo(subject())), InvariantError, "stopped");
});

Deno.test("System ends as crashed when a tree gives up, after stopping the others", async () => {
  await using world = new World();
  const journal: string[] = [];
  await world.system.start("steady", solo(subject({ journal, label: "steady" })));
  const refs = await world.system.start("frail", solo(subject(), { restarts: 0 }));
  refs.subject.trySend("act", boom);
  const exit = await world.system.ended;
  assertEquals(exit.kind, "crashed");
  assertEquals(journal, ["steady init 1", "steady terminate shutdown 0"]);
  assertEquals(await world.system.stop(), exit);
});

Deno.test("System.start() refuses a name that is taken", async () => {
  await using world = new World();
  await world.system.start("t", solo(subject()));
  await assertRejects(() => world.system.start("t", solo(subject())), InvariantError, "already");
});

Deno.test("System.tree() shows path, state, mailbox, restarts, rate and the last crash", async () => {
  await using world = new World();
  const actor = subject({ mailbox: { capacity: 7, overflow: "refuse" } });
  const refs = await world.system.start("t", solo(actor));
  refs.subject.trySend("act", () => {
    throw new Error(`long\n\ttext ${"x".repeat(500)}`);
  });
  await world.settle();
  const crashedAt = world.clock.wallNow();
  world.system.tree();
  for (let n = 0; n < 6; n++) refs.subject.trySend("note", "x");
  const { promise, resolve } = Promise.withResolvers<void>();
  refs.subject.trySend("act", () => promise);
  await world.settle();
  refs.subject.trySend("note", "waits");
  await world.advance(2_000);
  const node = world.system.tree().children[0];
  assert(node?.kind === "supervisor");
  assertEquals([node.path, node.strategy, node.restarts], ["root/t", "one_for_one", 1]);
  const child = node.children[0];
  assert(child?.kind === "actor");
  const { lastCrash, ...rest } = child;
  assertEquals(lastCrash, `Error: long text ${"x".repeat(500)}`.slice(0, 200));
  assertEquals(rest, {
    kind: "actor",
    path: "root/t/subject",
    actor: "subject",
    state: "running",
    busy: true,
    mailbox: { length: 1, capacity: 7, waiting: 0 },
    restarts: 1,
    handled: 8,
    perSecond: 3.5,
    lastCrashAt: crashedAt,
    children: [],
  });
  resolve();
});

Deno.test("System.tree() shows the children of a small pool, and only counts of a large one", async () => {
  await using world = new World();
  type Refs = { pool: Pool<SubjectProtocol, void> };
  const refs = await world.system.start<Refs>("t", {
    strategy: "one_for_one",
    intensity: { restarts: 0, withinMs: 0 },
    children: { pool: pool(subject(), { childrenMax: 1_000 }) },
  });
  for (const [size, listed] of [[100, 100], [101, 0]] as const) {
    while (refs.pool.size < size) refs.pool.start();
    await world.settle();
    const node = world.system.tree().children[0];
    assert(node?.kind === "supervisor");
    const shown = node.children[0];
    assert(shown?.kind === "pool");
    assertEquals([shown.size, shown.childrenMax, shown.started], [size, 1_000, size]);
    assertEquals(shown.children.length, listed);
  }
});

Deno.test("System.tree() shows each state", async () => {
  const world = new World();
  const states: string[] = [];
  const look = (): void => {
    const node = world.system.tree().children[0];
    assert(node?.kind === "supervisor");
    states.push(`${node.state} ${node.children[0]?.state}`);
  };
  const { promise, resolve } = Promise.withResolvers<void>();
  const backoff = { minMs: 1_000, maxMs: 1_000 };
  const start = world.system.start("t", solo(subject({ init: () => promise }), { backoff }));
  await world.settle();
  look();
  resolve();
  const refs = await start;
  look();
  refs.subject.trySend("act", boom);
  await world.settle();
  look();
  await world.advance(1_000);
  look();
  const never = new Promise<void>(() => {});
  refs.subject.trySend("act", () => never);
  const stopped = world.system.stop();
  await world.settle();
  look();
  await world.advance(5_000);
  await stopped;
  look();
  assertEquals(states, [
    "starting starting",
    "running running",
    "running restarting",
    "running running",
    "stopping stopping",
    "stopped stopped",
  ]);
});

Deno.test("System tells its host what happens, in order", async () => {
  const world = new World();
  const refs = await world.system.start("t", solo(subject(), { restart: "transient" }));
  const error = new Error("boom");
  refs.subject.trySend("act", () => {
    throw error;
  });
  refs.subject.trySend("act", (ctx) => ctx.stop("done"));
  refs.subject.trySend("note", "lost");
  await world.settle();
  await world[Symbol.asyncDispose]();
  const path = "root/t/subject";
  assertEquals<readonly RuntimeEvent[]>(world.events, [
    { type: "started", path },
    { type: "crashed", path, incarnation: 1, error },
    { type: "restarted", path, incarnation: 2 },
    { type: "dead_letter", path, message: "note", reason: "stopped" },
    { type: "stopped", path, exit: { kind: "normal", reason: "done" } },
  ]);
});

Deno.test("System.deadLetters counts all and remembers the last 64", async () => {
  await using world = new World();
  const actor = subject({ mailbox: { capacity: 1, overflow: "drop_oldest" } });
  const refs = await world.system.start("t", solo(actor));
  for (let n = 0; n < 101; n++) refs.subject.trySend("note", "x");
  assertEquals(world.system.deadLetters.count, 100);
  assertEquals(world.system.deadLetters.recent.length, 64);
});

Deno.test("System runs on the platform's own clock, scheduler and chance", async () => {
  interface EchoProtocol {
    echo(text: string): string;
    tick(): void;
    ticks(): number;
  }
  const ticked = Promise.withResolvers<void>();
  const echo: Actor<EchoProtocol, { ticks: number }> = {
    name: "echo",
    mailbox: { capacity: 4, overflow: "refuse" },
    init(_args, ctx) {
      ctx.after(1, "tick");
      return { ticks: 0 };
    },
    on: {
      echo: (_state, text) => text,
      tick(state) {
        state.ticks++;
        ticked.resolve();
      },
      ticks: (state) => state.ticks,
    },
  };
  await using system = new System({ name: "real" });
  const tree: Supervisor<{ subject: Ref<EchoProtocol> }> = solo(echo);
  const refs = await system.start("t", tree);
  assertEquals(refs.subject.path, "real/t/subject");
  await ticked.promise;
  assertEquals(await refs.subject.ask("ticks"), 1);
  const texts = Array.from({ length: 10_000 }, (_, n) => `${n}`);
  const replies = await Promise.all(texts.map((text) => refs.subject.ask("echo", text)));
  assertEquals(replies, texts);
});
