/** A crash of any kind stays within its own actor. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { AskError, type Context, type Ref, System } from "../../../actors/mod.ts";
import { macrotask } from "../../../actors/runtime/clock.ts";
import { World } from "../../../actors/testing/mod.ts";
import { boom, solo, subject, type SubjectProtocol } from "./subject.ts";

/** Rejections which no system has claimed; made after the systems, for listeners run in order. */
function unattributed(): Disposable & { readonly reasons: readonly unknown[] } {
  const reasons: unknown[] = [];
  const listener = (event: PromiseRejectionEvent): void => {
    if (event.defaultPrevented) return;
    event.preventDefault();
    reasons.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", listener);
  return {
    reasons,
    [Symbol.dispose]: () => globalThis.removeEventListener("unhandledrejection", listener),
  };
}

/** Ways to crash, each after which its own actor has restarted, and no other. */
const CRASHES: Readonly<Record<string, () => unknown>> = {
  "a throw": boom,
  "a rejected handler": () => Promise.reject(new Error("boom")),
  "a throw after an await": async () => {
    await Promise.resolve();
    boom();
  },
  "a promise rejected and dropped": () => void Promise.reject(new Error("boom")),
  "an async function dropped": () => {
    void (async () => {
      await Promise.resolve();
      boom();
    })();
  },
  "a promise dropped that is rejected after the turn": () => {
    void crypto.subtle.digest("SHA-256", new Uint8Array(1)).then(boom);
  },
  "a thrown string": () => {
    throw "boom";
  },
  "a thrown undefined": () => {
    throw undefined;
  },
  "a thrown value that cannot be shown": () => {
    throw { [Symbol.for("Deno.customInspect")]: boom };
  },
  "an error whose message throws": () => {
    throw Object.defineProperty(new Error(), "message", { get: boom });
  },
};

for (const [name, crash] of Object.entries(CRASHES)) {
  Deno.test(`Actor is crashed by ${name}, and no other is`, async () => {
    await using world = new World();
    using rejections = unattributed();
    const { subject: good } = await world.system.start("good", solo(subject()));
    const { subject: bad } = await world.system.start("bad", solo(subject()));
    good.trySend("note", "before");
    bad.trySend("act", crash);
    const deadline = Date.now() + 10_000;
    while (!world.events.some(({ type }) => type === "restarted") && Date.now() < deadline) {
      await world.settle();
    }
    assertEquals(await bad.ask("answer", (ctx) => ctx.incarnation), 2);
    assertEquals(await good.ask("answer", (ctx) => ctx.incarnation), 1);
    assertEquals(await good.ask("notes"), ["before"]);
    assertEquals(world.events.filter(({ type }) => type === "crashed").length, 1);
    assertEquals(rejections.reasons, []);
  });
}

Deno.test("Actor that drops the promise of a failed ask crashes, not the one that was asked", async () => {
  await using world = new World();
  using rejections = unattributed();
  const { subject: asked } = await world.system.start("asked", solo(subject()));
  const { subject: asker } = await world.system.start("asker", solo(subject()));
  asker.trySend("act", () => {
    void asked.ask("answer", (ctx) => ctx.later());
  });
  await world.settle();
  asked.trySend("act", (ctx) => ctx.stop());
  await world.settle();
  const crashed = world.events.filter(({ type }) => type === "crashed");
  assertEquals(crashed.map((event) => "path" in event ? event.path : ""), ["root/asker/subject"]);
  assertEquals(rejections.reasons, []);
});

Deno.test("Actor that is asked from outside is not crashed by an answer nobody waits for", async () => {
  await using world = new World();
  using rejections = unattributed();
  const { subject: asked } = await world.system.start("asked", solo(subject()));
  void asked.ask("answer", boom);
  await world.settle();
  assertEquals(await asked.ask("answer", (ctx) => ctx.incarnation), 2, "its own crash, once");
  assertEquals(rejections.reasons.length, 1);
  assert(rejections.reasons[0] instanceof AskError);
  assertEquals(world.events.filter(({ type }) => type === "rejection_unattributed").length, 1);
});

Deno.test("Actor that had ended is not crashed by a promise it leaked; the host is told", async () => {
  await using world = new World();
  using rejections = unattributed();
  const { subject: gone } = await world.system.start(
    "t",
    solo(subject(), { restart: "temporary" }),
  );
  const { promise, reject } = Promise.withResolvers<void>();
  gone.trySend("act", (ctx) => {
    void promise.then(() => {});
    ctx.stop();
  });
  await world.settle();
  reject(new Error("late"));
  await world.settle();
  assertEquals(world.events.filter(({ type }) => type === "rejection_late").length, 1);
  assertEquals(world.events.filter(({ type }) => type === "crashed").length, 0);
  assertEquals(rejections.reasons, []);
});

Deno.test("System leaves rejections of others alone, and those of another system to it", async () => {
  await using first = new World();
  await using second = new World();
  using rejections = unattributed();
  const { subject: leaky } = await second.system.start("t", solo(subject()));
  void Promise.reject(new Error("outside"));
  leaky.trySend("act", () => void Promise.reject(new Error("inside")));
  await second.settle();
  assertEquals(rejections.reasons.map(String), ["Error: outside"]);
  assertEquals(first.events.map(({ type }) => type), ["rejection_unattributed"]);
  assertEquals(second.events.filter(({ type }) => type === "crashed").length, 1);
});

Deno.test("System listens for rejections only until it has stopped", async () => {
  using rejections = unattributed();
  const events: string[] = [];
  const system = new System({ onEvent: ({ type }) => events.push(type) });
  await system.stop();
  void Promise.reject(new Error("after"));
  await macrotask();
  assertEquals([events, rejections.reasons.length], [[], 1]);
});

Deno.test("Actor whose uncaught ask fails crashes with it", async () => {
  await using world = new World();
  const { subject: asked } = await world.system.start("asked", solo(subject()));
  const { subject: asker } = await world.system.start("asker", solo(subject()));
  const error = await assertRejects(
    () => asker.ask("answer", () => asked.ask("answer", boom)),
    AskError,
  );
  assert(error.cause instanceof AskError, "the asker crashed because its ask failed");
  assertEquals(await asker.ask("answer", (ctx) => ctx.incarnation), 2);
});

Deno.test("Actor that leaks a rejection while it is killed crashes nobody, whoever's turn armed the clock", async () => {
  await using world = new World();
  using rejections = unattributed();
  const { subject: good } = await world.system.start("good", solo(subject()));
  const { subject: parent } = await world.system.start("bad", solo(subject()));
  const child = Promise.withResolvers<Ref<SubjectProtocol>>();
  parent.trySend("act", (ctx) => {
    child.resolve(ctx.spawn(subject(), { name: "child", args: undefined, shutdownMs: 1_000 }));
  });
  const bad = await child.promise;
  const leak = (): void => void Promise.reject(new Error("leaked"));
  await bad.ask("answer", (ctx) => {
    ctx.use({ [Symbol.dispose]: leak });
    ctx.signal.addEventListener("abort", leak);
  });
  bad.trySend("act", () => new Promise<void>(() => {}));
  // The clock's timer is armed in the turn of the good one, whose context it carries.
  good.trySend("act", (ctx) => ctx.after(500, "note", "due"));
  await world.settle();
  parent.trySend("act", (ctx) => ctx.stop());
  await world.advance(1_000);
  assertEquals(rejections.reasons, []);
  assertEquals(
    world.events.flatMap((event) => event.type === "rejection_late" ? [event.path] : []),
    ["root/bad/subject/child", "root/bad/subject/child"],
  );
  assertEquals(world.events.filter(({ type }) => type === "crashed").length, 0);
});

Deno.test("Actor whose signal has a listener that throws still ends in order; the host is told", async () => {
  await using world = new World();
  const { subject: bad } = await world.system.start("t", solo(subject()));
  const listen = (ctx: Context<SubjectProtocol>): void =>
    ctx.signal.addEventListener("abort", boom);
  for (const end of [boom, (ctx: Context<SubjectProtocol>) => ctx.stop()]) {
    await bad.ask("answer", listen);
    bad.trySend("act", end);
    await world.settle();
  }
  assertEquals(await bad.ask("answer", (ctx) => ctx.incarnation), 3);
  assertEquals(world.events.filter(({ type }) => type === "release_failed").length, 2);
});

Deno.test("System.onEvent may leak a rejection without crashing the actor it is told about", async () => {
  using rejections = unattributed();
  const events: string[] = [];
  await using system = new System({
    onEvent(event) {
      events.push(event.type);
      if (event.type === "started") void Promise.reject(new Error("the host's"));
    },
  });
  await system.start("t", solo(subject()));
  await macrotask();
  assertEquals(rejections.reasons.map(String), ["Error: the host's"]);
  assertEquals(events, ["started", "rejection_unattributed"]);
});
