import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Actor,
  InvariantError,
  ManualClock,
  type Pool,
  pool,
  type PoolNode,
  type Ref,
  SeededRandom,
  type Supervisor,
  System,
  worker,
} from "../../../actors/mod.ts";
import { macrotask } from "../../../actors/runtime/clock.ts";
import { SeededScheduler, World } from "../../../actors/testing/mod.ts";
import { boom, solo, subject, type SubjectOptions, type SubjectProtocol } from "./subject.ts";

type Refs = { sessions: Pool<SubjectProtocol, void>; other: Ref<SubjectProtocol> };

function tree(options: SubjectOptions = {}, childrenMax = 3): Supervisor<Refs> {
  return {
    strategy: "one_for_all",
    intensity: { restarts: 3, withinMs: 5_000 },
    children: {
      sessions: pool(subject(options), { childrenMax, shutdownMs: 1_000 }),
      other: worker(subject(), { args: () => {}, restart: "permanent" }),
    },
  };
}

function started<P>(child: Ref<P> | "full" | "stopped"): Ref<P> {
  assert(typeof child === "object", `the pool answered ${child}`);
  return child;
}

Deno.test("Pool.start() starts children with their own arguments and names", async () => {
  await using world = new World();
  interface GreeterProtocol {
    greeting(): string;
  }
  const greeter: Actor<GreeterProtocol, string, { readonly name: string }> = {
    name: "greeter",
    mailbox: { capacity: 1, overflow: "refuse" },
    init: (args) => `Hello ${args.name}`,
    on: { greeting: (state) => state },
  };
  type Greeters = { greeters: Pool<GreeterProtocol, { readonly name: string }> };
  const refs = await world.system.start<Greeters>("t", {
    strategy: "one_for_one",
    intensity: { restarts: 0, withinMs: 0 },
    children: { greeters: pool(greeter, { childrenMax: 2 }) },
  });
  const first = started(refs.greeters.start({ name: "Ada" }));
  const second = started(refs.greeters.start({ name: "Bo" }, "bo"));
  assertEquals([first.path, second.path], ["root/t/greeters/1", "root/t/greeters/bo"]);
  assertEquals(await first.ask("greeting"), "Hello Ada");
  assertEquals(await second.ask("greeting"), "Hello Bo");
});

Deno.test('Pool.start() answers "full" at childrenMax and starts again when one has ended', async () => {
  await using world = new World();
  const { sessions } = await world.system.start("t", tree());
  const children = [1, 2, 3].map(() => started(sessions.start()));
  assertEquals(sessions.start(), "full");
  children[0]?.trySend("act", boom);
  await world.settle();
  assertEquals(sessions.size, 2, "a child that crashed is not started again");
  started(sessions.start());
  assertEquals(world.system.tree().state, "running");
});

Deno.test('Pool.start() answers "stopped" when the pool does not run', async () => {
  const world = new World();
  const early: unknown[] = [];
  const refs = await world.system.start<Refs>("t", {
    ...tree(),
    children: {
      other: worker(subject(), {
        args: (all) => void early.push(all.sessions.start()),
        restart: "permanent",
      }),
      sessions: pool(subject(), { childrenMax: 1 }),
    },
  });
  await world.system.stop();
  assertEquals([...early, refs.sessions.start()], ["stopped", "stopped"]);
});

Deno.test("Pool loses its children when its supervisor restarts it, and starts new ones", async () => {
  await using world = new World();
  const journal: string[] = [];
  const { sessions, other } = await world.system.start("t", tree({ journal }));
  const child = started(sessions.start());
  await world.settle();
  other.trySend("act", boom);
  await world.settle();
  assertEquals(journal, ["init 1", "terminate shutdown 0"]);
  assertEquals([sessions.size, child.trySend("note", "x")], [0, "stopped"]);
  started(sessions.start());
});

Deno.test("Pool stops all children at the same time, under one deadline", async () => {
  const world = new World();
  const journal: string[] = [];
  const never = new Promise<void>(() => {});
  const { sessions } = await world.system.start("t", tree({ journal }));
  const stuck = [started(sessions.start()), started(sessions.start())];
  started(sessions.start());
  for (const child of stuck) child.trySend("act", () => never);
  await world.settle();
  await world[Symbol.asyncDispose]();
  assertEquals(journal.slice(3), ["terminate shutdown 0"]);
  assertEquals(world.clock.now(), 1_000, "one deadline, not one after the other");
  assertEquals(sessions.size, 0);
});

Deno.test("Pool gives a child that takes long to end the time it has itself", async () => {
  const world = new World();
  const journal: string[] = [];
  const { promise: saved, resolve: save } = Promise.withResolvers<void>();
  const terminate = async (): Promise<void> => {
    await saved;
    journal.push("saved");
  };
  const { sessions } = await world.system.start<{ sessions: Pool<SubjectProtocol, void> }>("t", {
    strategy: "one_for_one",
    intensity: { restarts: 0, withinMs: 0 },
    children: {
      sessions: pool(subject({ terminate }), { childrenMax: 1, shutdownMs: 30_000 }),
    },
  });
  started(sessions.start());
  await world.settle();
  const stopped = world.system.stop();
  await world.advance(29_999);
  save();
  await stopped;
  assertEquals(journal, ["saved"]);
  assertEquals(
    world.events.flatMap((event) => event.type === "stopped" ? [event.exit.kind] : []),
    ["shutdown"],
  );
});

Deno.test("Pool of a hundred thousand stops in one pass, begun or not, stuck or not", async () => {
  interface IdleProtocol {
    hang(): void;
  }
  let ended = 0;
  const idle: Actor<IdleProtocol, undefined> = {
    name: "idle",
    mailbox: { capacity: 1, overflow: "refuse" },
    init: () => undefined,
    on: { hang: () => new Promise<void>(() => {}) },
    terminate: () => void ended++,
  };
  const clock = new ManualClock();
  const system = new System({ clock, scheduler: new SeededScheduler(new SeededRandom(1)) });
  type Idle = { idle: Pool<IdleProtocol, void> };
  const refs = await system.start<Idle>("t", {
    strategy: "one_for_one",
    intensity: { restarts: 0, withinMs: 0 },
    children: { idle: pool(idle, { childrenMax: 200_000, shutdownMs: 1_000 }) },
  });
  const children = Array.from({ length: 100_000 }, () => started(refs.idle.start()));
  for (let n = 0; n < 5; n++) await macrotask();
  for (const child of children.slice(0, 100)) child.trySend("hang");
  for (let n = 0; n < 5; n++) await macrotask();
  for (let n = 0; n < 1_000; n++) started(refs.idle.start());
  const stopped = system.stop();
  for (let n = 0; n < 5; n++) await macrotask();
  clock.advance(1_000);
  assertEquals(await stopped, { kind: "shutdown" });
  assertEquals(refs.idle.size, 0);
  assert(ended >= 99_900 && ended < 100_800, `${ended} terminated: not the stuck, few of the new`);
});

function shown(world: World): PoolNode {
  const node = world.system.tree().children[0];
  assert(node?.kind === "supervisor" && node.children[0]?.kind === "pool");
  return node.children[0];
}

Deno.test("Pool sums up what its children do, have done and have waiting, and remembers a crash", async () => {
  await using world = new World();
  const mailbox = { capacity: 1_000, overflow: "refuse" } as const;
  const { sessions } = await world.system.start("t", tree({ mailbox }, 200));
  const { promise, resolve } = Promise.withResolvers<void>();
  const depths = [0, 0, 1, 2, 3, 4, 7, 8, 16, 32, 64, 127, 128, 300];
  for (const depth of depths) {
    const child = started(sessions.start());
    if (depth > 0) child.trySend("act", () => promise);
    await world.settle();
    for (let n = 0; n < depth; n++) child.trySend("note", "x");
  }
  const waiting = depths.reduce((sum, depth) => sum + depth);
  const before = shown(world);
  assertEquals(before.depths, [2, 1, 2, 2, 1, 1, 1, 2, 2]);
  assertEquals([before.busy, before.waiting, before.handled], [12, waiting, 12]);
  assertEquals([before.perSecond, before.lastCrash, before.lastCrashAt], [0, undefined, undefined]);
  const frail = started(sessions.start());
  for (let n = 0; n < 6; n++) frail.trySend("note", "x");
  frail.trySend("act", boom);
  await world.settle();
  const crashedAt = world.clock.wallNow();
  resolve();
  await world.advance(2_000);
  const after = shown(world);
  assertEquals([after.size, after.crashed, after.busy, after.waiting], [14, 1, 0, 0]);
  assertEquals(after.depths, [14, 0, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals([after.handled, after.perSecond], [12 + waiting + 7, (waiting + 7) / 2]);
  // Whoever else reads now is told the same.
  assertEquals(shown(world), after);
  assertEquals([after.lastCrash, after.lastCrashAt], ["Error: boom", crashedAt]);
});

Deno.test("Pool sums up more children than it lists, and goes on counting when it is restarted", async () => {
  await using world = new World();
  const { sessions, other } = await world.system.start("t", tree({}, 200));
  for (let n = 0; n < 101; n++) started(sessions.start()).trySend("note", "x");
  await world.settle();
  const { children, handled, depths } = shown(world);
  assertEquals([children, handled, depths[0]], [[], 101, 101]);
  other.trySend("act", boom);
  await world.settle();
  assertEquals([shown(world).size, shown(world).handled], [0, 101]);
});

Deno.test("Pool remembers a child that crashed when it released what it held", async () => {
  await using world = new World();
  const { sessions } = await world.system.start("t", tree());
  const child = started(sessions.start());
  child.trySend("act", (ctx) => {
    ctx.use({
      [Symbol.dispose]: () => {
        throw new Error("stuck open");
      },
    });
    ctx.stop();
  });
  await world.settle();
  assertEquals([shown(world).crashed, shown(world).lastCrash], [1, "Error: stuck open"]);
});

Deno.test("pool() and worker() refuse an impossible time to stop", async () => {
  for (const shutdownMs of [-1, NaN]) {
    await using world = new World();
    const message = `within ${shutdownMs} ms`;
    const child = solo(subject(), { shutdownMs });
    await assertRejects(() => world.system.start("t", child), InvariantError, message);
    const many: Supervisor<{ sessions: Pool<SubjectProtocol, void> }> = {
      strategy: "one_for_one",
      intensity: { restarts: 0, withinMs: 0 },
      children: { sessions: pool(subject(), { childrenMax: 1, shutdownMs }) },
    };
    await assertRejects(() => world.system.start("p", many), InvariantError, message);
  }
});

Deno.test("pool() refuses an impossible size", async () => {
  await using world = new World();
  for (const childrenMax of [0, -1, 1.5, NaN, 2 ** 21 + 1]) {
    await world.system.start("t", tree({}, childrenMax)).then(
      () => assert(false, `${childrenMax} was accepted`),
      (error) =>
        assertThrows(
          () => {
            throw error;
          },
          InvariantError,
          "pool",
        ),
    );
  }
});
