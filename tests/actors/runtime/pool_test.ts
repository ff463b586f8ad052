import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Actor,
  InvariantError,
  ManualClock,
  type Pool,
  pool,
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
