/** What handlers may do with their context, and what becomes of it when its life is over. */

import { assertEquals } from "@std/assert";
import { type Context, ManualClock, SeededRandom, System } from "../../../actors/mod.ts";
import { macrotask } from "../../../actors/runtime/clock.ts";
import { PIPES_MAX, WATCHES_MAX } from "../../../actors/runtime/limits.ts";
import { SeededScheduler, World } from "../../../actors/testing/mod.ts";
import {
  assertAskError,
  boom,
  gate,
  resource,
  solo,
  subject,
  type SubjectProtocol,
  type SubjectRef,
} from "./subject.ts";

Deno.test("Context.after() has one timer per name, arming again replaces it", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal })));
  refs.subject.trySend("act", (ctx) => {
    ctx.after(10, "note", "first");
    ctx.after(20, "note", "second");
  });
  await world.advance(100);
  assertEquals(journal, ["init 1", "note second"]);
});

Deno.test("Context.cancel() and after() withdraw an expiry that was not handled yet", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal })));
  const { promise, resolve } = gate();
  refs.subject.trySend("act", async (ctx) => {
    ctx.after(10, "note", "cancelled");
    ctx.after(10, "act", () => void journal.push("replaced"));
    await promise;
    ctx.cancel("note");
    ctx.after(10, "act", () => void journal.push("again"));
  });
  await world.advance(10);
  resolve();
  await world.advance(9);
  assertEquals(journal, ["init 1"]);
  await world.advance(1);
  assertEquals(journal, ["init 1", "again"]);
});

Deno.test("Context.after() crashes the actor on an impossible delay", async () => {
  await using world = new World();
  const refs = await world.system.start("t", solo(subject()));
  for (const ms of [-1, NaN]) {
    const answer = refs.subject.ask("answer", (ctx) => ctx.after(ms, "note", ""));
    await assertAskError(answer, "crashed");
  }
});

Deno.test("Context.pipe() brings both outcomes back through its map", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal })));
  refs.subject.trySend("act", (ctx) => {
    ctx.pipe(Promise.resolve(7), "note", (outcome) => outcome.status);
    ctx.pipe(Promise.reject(new Error()), "note", (outcome) => outcome.status);
  });
  await world.settle();
  assertEquals(journal, ["init 1", "note fulfilled", "note rejected"]);
});

Deno.test("Context.pipe() crashes the actor when its map throws", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal })));
  refs.subject.trySend("act", (ctx) => ctx.pipe(Promise.resolve(), "note", boom));
  await world.settle();
  assertEquals(journal, ["init 1", "init 2"]);
});

Deno.test("Context.use() releases in reverse order at any end, at once when it is over", async () => {
  const ends: Readonly<Record<string, (ref: SubjectRef) => unknown>> = {
    crash: (ref) => ref.trySend("act", boom),
    stop: (ref) => ref.trySend("act", (ctx) => ctx.stop()),
  };
  for (const [name, end] of Object.entries(ends)) {
    await using world = new World();
    const journal: string[] = [];
    const refs = await world.system.start(name, solo(subject(), { restart: "temporary" }));
    let release = (): void => {};
    refs.subject.trySend("act", (ctx) => {
      ctx.use(resource(journal, "first"));
      ctx.use({
        async [Symbol.asyncDispose]() {
          await Promise.resolve();
          journal.push("released second");
        },
      });
      release = () => void ctx.use(resource(journal, "late"));
    });
    end(refs.subject);
    await world.settle();
    assertEquals(journal, ["released second", "released first"], name);
    release();
    assertEquals(journal.at(-1), "released late");
  }
});

Deno.test("Context.use() goes on releasing when one release fails, and the actor crashed", async () => {
  await using world = new World();
  const journal: string[] = [];
  const actor = subject({ journal });
  const refs = await world.system.start("t", solo(actor, { restart: "transient" }));
  refs.subject.trySend("act", (ctx) => {
    ctx.use(resource(journal, "first"));
    ctx.use({ [Symbol.dispose]: boom });
    ctx.stop();
  });
  await world.settle();
  assertEquals(journal, ["init 1", "terminate normal 0", "released first", "init 2"]);
  assertEquals(world.events.filter(({ type }) => type === "release_failed").length, 1);
});

Deno.test("Context.signal is aborted at a crash and at an orderly end, and was not before", async () => {
  await using world = new World();
  for (const action of ["crash", "stop"] as const) {
    const refs = await world.system.start(action, solo(subject()));
    let signal: AbortSignal | undefined;
    refs.subject.trySend("act", (ctx) => void (signal = ctx.signal));
    await world.settle();
    assertEquals(signal?.aborted, false);
    refs.subject.trySend("act", (ctx) => action === "stop" ? ctx.stop() : boom());
    await world.settle();
    assertEquals(signal?.aborted, true);
  }
});

Deno.test("Context.watch() delivers one exit at the final end, and none for a restart", async () => {
  await using world = new World();
  const journal: string[] = [];
  const watcher = await world.system.start("watcher", solo(subject({ journal })));
  const watched = await world.system.start("watched", solo(subject(), { restart: "transient" }));
  watcher.subject.trySend("act", (ctx) => ctx.watch(watched.subject, "ended"));
  watched.subject.trySend("act", boom);
  await world.settle();
  assertEquals(journal, ["init 1"]);
  watched.subject.trySend("act", (ctx) => ctx.stop());
  await world.settle();
  assertEquals(journal, ["init 1", "ended normal"]);
});

Deno.test("Context.watch() of the dead delivers at once, also through a ref with a deadline", async () => {
  await using world = new World();
  const journal: string[] = [];
  const watcher = await world.system.start("watcher", solo(subject({ journal })));
  const dead = await world.system.start("dead", solo(subject(), { restart: "temporary" }));
  dead.subject.trySend("act", boom);
  await world.settle();
  watcher.subject.trySend("act", (ctx) => ctx.watch(dead.subject.within(10), "ended"));
  await world.settle();
  assertEquals(journal, ["init 1", "ended crashed"]);
});

Deno.test("Context of a life that is over reaches nobody", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal })));
  const { promise, resolve } = gate();
  refs.subject.trySend("act", (ctx) => {
    ctx.after(10, "note", "timer of the dead");
    ctx.pipe(promise, "note", () => "pipe of the dead");
    ctx.watch(refs.subject, "ended");
    queueMicrotask(() =>
      queueMicrotask(() => {
        ctx.after(10, "note", "armed by the dead");
        ctx.watch(refs.subject, "ended");
        ctx.stop();
        assertEquals(
          ctx.spawn(subject(), { name: "late", args: undefined }).path,
          refs.subject.path + "/late",
        );
      })
    );
    boom();
  });
  await world.advance(20);
  resolve();
  await world.advance(20);
  assertEquals(journal, ["init 1", "init 2"]);
});

Deno.test("Context.spawn() starts children which stop before the parent, last first", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal, label: "parent" })));
  refs.subject.trySend("act", (ctx) => {
    for (const name of ["a", "b"]) {
      const child = ctx.spawn(subject({ journal, label: name }), { name, args: undefined });
      assertEquals(child.path, `root/t/subject/${name}`);
    }
  });
  await world.settle();
  await world.system.stop();
  assertEquals(journal.slice(0, 3).sort(), ["a init 1", "b init 1", "parent init 1"]);
  assertEquals(journal.slice(3), [
    "b terminate shutdown 0",
    "a terminate shutdown 0",
    "parent terminate shutdown 0",
  ]);
});

Deno.test("Context.spawn() children are stopped before the parent that crashed starts again", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal, label: "parent" })));
  let child: SubjectRef | undefined;
  refs.subject.trySend("act", (ctx) => {
    child = ctx.spawn(subject({ journal, label: "child" }), { name: "c", args: undefined });
  });
  await world.settle();
  refs.subject.trySend("act", boom);
  await world.settle();
  assertEquals(journal, [
    "parent init 1",
    "child init 1",
    "child terminate shutdown 0",
    "parent init 2",
  ]);
  assertEquals(child?.trySend("note", "x"), "stopped");
});

Deno.test("Context.spawn() refuses a name that is taken, and takes it again after the end", async () => {
  await using world = new World();
  const refs = await world.system.start("t", solo(subject()));
  const spawn = () =>
    refs.subject.ask("answer", (ctx) => ctx.spawn(subject(), { name: "c", args: undefined }).path);
  const child = refs.subject.ask("answer", (ctx) => {
    const ref = ctx.spawn(subject(), { name: "c", args: undefined });
    return () => ref;
  });
  const ref = (await child) as () => SubjectRef;
  ref().trySend("act", boom);
  await world.settle();
  assertEquals(await spawn(), "root/t/subject/c", "the one before crashed");
  await assertAskError(spawn(), "crashed");
});

Deno.test("Context.spawn() families end without recursion, stopped or killed", async () => {
  const levels = 10_000;
  for (const end of ["stop", "kill"] as const) {
    const journal: string[] = [];
    const family = (level: number): ReturnType<typeof subject> =>
      subject({
        init(ctx) {
          ctx.use(resource(journal, `${level}`));
          const child = { name: "c", args: undefined, shutdownMs: 1_000_000 };
          if (level < levels) ctx.spawn(family(level + 1), child);
        },
      });
    const clock = new ManualClock();
    const scheduler = new SeededScheduler(new SeededRandom(1));
    const system = new System({ clock, scheduler });
    const refs = await system.start("t", solo(family(1), { shutdownMs: 1_000 }));
    await refs.subject.ask("notes");
    if (end === "kill") refs.subject.trySend("act", () => new Promise(() => {}));
    const stopped = system.stop();
    for (let n = 0; n < 10; n++) await macrotask();
    clock.advance(1_000);
    await stopped;
    assertEquals(journal.length, levels);
    assertEquals(journal[0], `released ${levels}`, "the youngest first");
  }
});

Deno.test("Context.pipe() and watch() keep their places until they are handled, so that the lane is bounded", async () => {
  await using world = new World();
  const { subject: gone } = await world.system.start(
    "gone",
    solo(subject(), { restart: "temporary" }),
  );
  gone.trySend("act", (ctx) => ctx.stop());
  await world.settle();
  const { subject: busy } = await world.system.start("busy", solo(subject()));
  const counts = { pipes: 0, watches: 0 };
  const hoard: Readonly<Record<keyof typeof counts, (ctx: Context<SubjectProtocol>) => unknown>> = {
    async pipes(ctx) {
      for (; counts.pipes <= PIPES_MAX; counts.pipes++) {
        ctx.pipe(Promise.resolve(), "note", () => "");
        await null; // The promise has settled, and its outcome waits in the lane.
      }
    },
    watches(ctx) {
      for (; counts.watches <= WATCHES_MAX; counts.watches++) ctx.watch(gone, "ended");
    },
  };
  for (const action of Object.values(hoard)) {
    busy.trySend("act", action);
    await world.settle();
  }
  assertEquals(counts, { pipes: PIPES_MAX, watches: WATCHES_MAX });
  assertEquals(world.events.filter(({ type }) => type === "crashed").length, 2);
});
