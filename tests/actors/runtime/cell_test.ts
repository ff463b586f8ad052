/** The semantics of one actor: turns, lanes, calls, crashes, restarts, the end. */

import { assert, assertEquals } from "@std/assert";
import type { AskErrorCode, Later } from "../../../actors/mod.ts";
import { World } from "../../../actors/testing/mod.ts";
import { assertAskError, boom, gate, resource, solo, subject, type SubjectRef } from "./subject.ts";

// Turns and order.

Deno.test("Actor handles one message at a time, also while a handler awaits", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal })));
  const { promise, resolve } = gate();
  refs.subject.trySend("act", async () => {
    journal.push("begin");
    await promise;
    journal.push("end");
  });
  refs.subject.trySend("note", "after");
  await world.settle();
  assertEquals(journal, ["init 1", "begin"]);
  resolve();
  await world.settle();
  assertEquals(journal, ["init 1", "begin", "end", "note after"]);
});

Deno.test("Actor handles the messages of one sender in order, waiting ones included", async () => {
  await using world = new World();
  const options = { mailbox: { capacity: 3, overflow: "refuse" } as const };
  const refs = await world.system.start("t", solo(subject(options)));
  const texts = Array.from({ length: 20 }, (_, n) => `${n}`);
  await Promise.all(texts.map((text) => refs.subject.send("note", text)));
  assertEquals(await refs.subject.ask("notes"), texts);
});

Deno.test("Actor handles timers and piped results before messages", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal })));
  const { promise, resolve } = gate();
  refs.subject.trySend("act", (ctx) => {
    ctx.after(10, "note", "timer");
    ctx.pipe(Promise.resolve(), "act", () => () => void journal.push("pipe"));
    return promise;
  });
  refs.subject.trySend("note", "message");
  await world.advance(10);
  resolve();
  await world.settle();
  assertEquals(journal, ["init 1", "pipe", "note timer", "note message"]);
});

Deno.test("Actor is given messages that were sent before it was ready", async () => {
  await using world = new World();
  const { promise, resolve } = gate();
  const started = world.system.start("t", {
    ...solo(subject({ init: () => promise })),
  });
  await world.settle();
  resolve();
  const refs = await started;
  assertEquals(await refs.subject.ask("notes"), []);
});

// trySend, send, ask.

Deno.test('Ref.trySend() answers "full" at capacity and "stopped" after the end', async () => {
  await using world = new World();
  const actor = subject({ mailbox: { capacity: 1, overflow: "refuse" } });
  const refs = await world.system.start("t", solo(actor, { restart: "temporary" }));
  assertEquals(refs.subject.trySend("note", "a"), "accepted");
  assertEquals(refs.subject.trySend("note", "b"), "full");
  await world.settle();
  refs.subject.trySend("act", (ctx) => ctx.stop());
  await world.settle();
  assertEquals(refs.subject.trySend("note", "c"), "stopped");
  await assertAskError(refs.subject.ask("notes"), "stopped");
  await assertAskError(refs.subject.send("note", "d"), "stopped");
});

Deno.test("Ref.send() gives one shared promise while there is room", async () => {
  await using world = new World();
  const refs = await world.system.start("t", solo(subject()));
  assert(refs.subject.send("note", "a") === refs.subject.send("note", "b"));
});

Deno.test('Ref.send() rejects with "timeout" when no room is made in time', async () => {
  await using world = new World();
  const actor = subject({ mailbox: { capacity: 1, overflow: "refuse" } });
  const refs = await world.system.start("t", solo(actor));
  const { promise, resolve } = gate();
  refs.subject.trySend("act", () => promise);
  await world.settle();
  refs.subject.trySend("note", "queued");
  const late = assertAskError(refs.subject.within(100).send("note", "late"), "timeout");
  await world.advance(99);
  const waiting = refs.subject.send("note", "patient");
  await world.advance(1);
  await late;
  resolve();
  await waiting;
  assertEquals(await refs.subject.ask("notes"), ["queued", "patient"]);
});

Deno.test('Ref.ask() rejects with "timeout", and what nobody waits for is not handled', async () => {
  await using world = new World();
  const refs = await world.system.start("t", solo(subject()));
  const { promise, resolve } = gate();
  refs.subject.trySend("act", () => promise);
  let handled = false;
  const answer = refs.subject.ask("answer", () => handled = true);
  const late = assertAskError(answer, "timeout");
  await world.advance(5_000);
  const error = await late;
  assertEquals(error.message, 'Cannot ask "answer" to "root/t/subject": the deadline passed');
  resolve();
  await world.settle();
  assertEquals(handled, false);
});

Deno.test("Ref.ask() answers with what the handler returns, now, later or by a promise", async () => {
  await using world = new World();
  const refs = await world.system.start("t", solo(subject()));
  assertEquals(await refs.subject.ask("answer", () => 1), 1);
  assertEquals(await refs.subject.ask("answer", () => Promise.resolve(2)), 2);
  assertEquals(
    await refs.subject.ask("answer", (ctx) => {
      const later = ctx.later<number>();
      later.resolve(3);
      return later;
    }),
    3,
  );
  let owed: Later<number> | undefined;
  const answer = refs.subject.ask("answer", (ctx) => owed = ctx.later<number>());
  await world.settle();
  assertEquals(await refs.subject.ask("notes"), [], "the actor goes on meanwhile");
  owed?.resolve(4);
  owed?.resolve(5);
  assertEquals(await answer, 4);
});

Deno.test('Later.reject() fails the ask with "crashed" and does not crash the actor', async () => {
  await using world = new World();
  const refs = await world.system.start("t", solo(subject()));
  const cause = new Error("refused");
  const error = await assertAskError(
    refs.subject.ask("answer", (ctx) => {
      const later = ctx.later();
      queueMicrotask(() => later.reject(cause));
      return later;
    }),
    "crashed",
  );
  assertEquals(error.cause, cause);
  assertEquals(await refs.subject.ask("answer", (ctx) => ctx.incarnation), 1);
});

Deno.test("Ref.ask() is told at once when the actor crashes or ends before it answers", async () => {
  await using world = new World();
  const rows: readonly [code: AskErrorCode, action: (ref: SubjectRef) => void][] = [
    ["crashed", (ref) => void ref.trySend("act", boom)],
    ["stopped", (ref) => void ref.trySend("act", (ctx) => ctx.stop())],
  ];
  for (const [code, action] of rows) {
    const refs = await world.system.start(code, solo(subject()));
    const owed = assertAskError(refs.subject.ask("answer", (ctx) => ctx.later()), code);
    action(refs.subject);
    await world.settle();
    await owed;
  }
  const refs = await world.system.start("hand", solo(subject()));
  await assertAskError(refs.subject.ask("answer", boom), "crashed");
  await assertAskError(refs.subject.ask("answer", () => Promise.reject(new Error())), "crashed");
});

Deno.test("Ref.ask() across a restart is answered by the next incarnation", async () => {
  await using world = new World();
  const refs = await world.system.start("t", solo(subject()));
  refs.subject.trySend("act", boom);
  assertEquals(await refs.subject.ask("answer", (ctx) => ctx.incarnation), 2);
});

Deno.test('Ref.ask() is told "dropped" when the mailbox makes room', async () => {
  await using world = new World();
  for (const overflow of ["drop_oldest", "drop_newest"] as const) {
    const actor = subject({ mailbox: { capacity: 1, overflow } });
    const refs = await world.system.start(overflow, solo(actor));
    const first = refs.subject.ask("answer", () => "first");
    const second = refs.subject.ask("answer", () => "second");
    const [dropped, kept] = overflow === "drop_oldest" ? [first, second] : [second, first];
    const failed = assertAskError(dropped, "dropped");
    assertEquals(await kept, overflow === "drop_oldest" ? "second" : "first");
    await failed;
  }
  const { count, recent } = world.system.deadLetters;
  assertEquals(count, 2);
  assertEquals(recent, [
    { path: "root/drop_oldest/subject", message: "answer", reason: "dropped" },
    { path: "root/drop_newest/subject", message: "answer", reason: "dropped" },
  ]);
});

// Crash, restart and the end.

Deno.test("Actor restarts with fresh state, the same ref and the messages that waited", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal })));
  refs.subject.trySend("note", "before");
  refs.subject.trySend("act", boom);
  refs.subject.trySend("note", "after");
  assertEquals(await refs.subject.ask("notes"), ["after"]);
  assertEquals(journal, ["init 1", "note before", "init 2", "note after"]);
});

Deno.test("Actor that crashed is not terminated, its late results are discarded", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal })));
  const { promise, resolve } = gate();
  refs.subject.trySend("act", async (ctx) => {
    void Promise.reject(new Error("leaked while the handler is awaited"));
    await promise;
    ctx.self.trySend("note", "an old handler may still send, as anyone may");
  });
  await world.settle();
  assertEquals(journal, ["init 1", "init 2"]);
  resolve();
  await world.settle();
  assertEquals(journal.length, 3);
  assertEquals(await refs.subject.ask("answer", (ctx) => ctx.incarnation), 2);
});

Deno.test("Actor that is stopped closes its door, handles its queue, then terminates", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal })));
  const { promise, resolve } = gate();
  refs.subject.trySend("act", () => promise);
  refs.subject.trySend("note", "a");
  refs.subject.trySend("note", "b");
  const stopped = world.system.stop();
  await world.settle();
  assertEquals(refs.subject.trySend("note", "c"), "stopped");
  resolve();
  await stopped;
  assertEquals(journal, ["init 1", "note a", "note b", "terminate shutdown 0"]);
});

Deno.test("Actor that is not done at its deadline is killed: no terminate, queue and late result lost", async () => {
  const world = new World();
  const journal: string[] = [];
  const actor = subject({ journal });
  const refs = await world.system.start("t", solo(actor, { shutdownMs: 100 }));
  const { promise, resolve } = gate();
  let aborted: AbortSignal | undefined;
  refs.subject.trySend("act", async (ctx) => {
    ctx.use(resource(journal, "r"));
    aborted = ctx.signal;
    await promise;
    ctx.self.trySend("note", "late");
  });
  refs.subject.trySend("note", "queued");
  const asked = assertAskError(refs.subject.ask("notes"), "stopped");
  await world.settle();
  let over = false;
  const stopped = world.system.stop().then(() => over = true);
  await world.advance(99);
  assertEquals({ over, journal }, { over: false, journal: ["init 1"] });
  await world.advance(1);
  await stopped;
  await asked;
  assertEquals(journal, ["init 1", "released r"]);
  assertEquals(aborted?.aborted, true);
  const ends = world.events.filter(({ type }) => type === "stopped");
  assertEquals(ends, [{ type: "stopped", path: "root/t/subject", exit: { kind: "killed" } }]);
  assertEquals(world.system.deadLetters.count, 2);
  resolve();
  await world.settle();
  assertEquals(journal, ["init 1", "released r"]);
});

Deno.test("Actor that hangs in terminate or in a release is killed at its deadline", async () => {
  for (const where of ["terminate", "release"] as const) {
    const world = new World();
    const journal: string[] = [];
    const never = new Promise<void>(() => {});
    const actor = subject({ terminate: () => where === "terminate" ? never : undefined });
    const refs = await world.system.start("t", solo(actor, { shutdownMs: 50 }));
    refs.subject.trySend("act", (ctx) => {
      ctx.use(resource(journal, "outer"));
      ctx.use({ [Symbol.asyncDispose]: () => where === "release" ? never : Promise.resolve() });
    });
    await world.settle();
    await world[Symbol.asyncDispose]();
    assertEquals(world.clock.now(), 50, where);
    assertEquals(journal, ["released outer"], where);
  }
});

Deno.test("Actor tells waiting senders that it stops", async () => {
  const world = new World();
  const actor = subject({ mailbox: { capacity: 1, overflow: "refuse" } });
  const refs = await world.system.start("t", solo(actor));
  const { promise, resolve } = gate();
  refs.subject.trySend("act", () => promise);
  await world.settle();
  refs.subject.trySend("note", "queued");
  const sent = assertAskError(refs.subject.send("note", "waiting"), "stopped");
  const asked = assertAskError(refs.subject.ask("notes"), "stopped");
  const stopped = world.system.stop();
  await sent;
  await asked;
  resolve();
  await stopped;
});

Deno.test("Actor that crashes in terminate has crashed", async () => {
  await using world = new World();
  const journal: string[] = [];
  const actor = subject({ journal, terminate: boom });
  const refs = await world.system.start("t", solo(actor, { restart: "transient" }));
  refs.subject.trySend("act", (ctx) => ctx.stop());
  await world.settle();
  assertEquals(journal, ["init 1", "terminate normal 0", "init 2"]);
});

Deno.test("Actor tells terminate how many messages were not handled", async () => {
  await using world = new World();
  const journal: string[] = [];
  const refs = await world.system.start("t", solo(subject({ journal }), { restart: "temporary" }));
  refs.subject.trySend("act", (ctx) => ctx.stop());
  refs.subject.trySend("note", "a");
  refs.subject.trySend("note", "b");
  await world.settle();
  assertEquals(journal, ["init 1", "terminate normal 2"]);
  assertEquals(world.system.deadLetters.count, 2);
});
