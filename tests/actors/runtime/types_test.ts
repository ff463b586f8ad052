/**
 * What must not compile: each `@ts-expect-error` fails the type check when its line is accepted.
 *
 * @module
 */

import {
  type Actor,
  type Context,
  type Exit,
  type Pool,
  pool,
  type Ref,
  type Supervisor,
  worker,
} from "../../../actors/mod.ts";
import type { Incarnation } from "../../../actors/runtime/incarnation.ts";

interface CounterProtocol {
  add(count: number): void;
  reset(): void;
  total(): number;
  slow(name: string): Promise<string>;
  ended(exit: Exit): void;
}

const counter: Actor<CounterProtocol, { total: number }, { readonly from: number }> = {
  name: "counter",
  mailbox: { capacity: 1, overflow: "refuse" },
  init: ({ from }) => ({ total: from }),
  on: {
    add: (state, count) => void (state.total += count),
    reset: (state) => void (state.total = 0),
    total: (state) => state.total,
    slow: (_state, name, ctx) => name === "" ? ctx.later<string>() : Promise.resolve(name),
    ended: (_state, exit, ctx) => exit.kind === "crashed" ? ctx.stop() : undefined,
  },
};

/** Never called: its body is only checked. */
function refs(ref: Ref<CounterProtocol>): void {
  ref.trySend("add", 1);
  ref.trySend("reset");
  const total: Promise<number> = ref.ask("total");
  const name: Promise<string> = ref.within(5).ask("slow", "x");
  const narrow: Ref<Pick<CounterProtocol, "add">> = ref;
  // @ts-expect-error: a ref does not widen
  const wide: Ref<CounterProtocol> = narrow;
  // @ts-expect-error: the payload is a number
  ref.trySend("add", "1");
  // @ts-expect-error: the payload is missing
  ref.trySend("add");
  // @ts-expect-error: there is no payload
  ref.trySend("reset", 1);
  // @ts-expect-error: no such message
  ref.trySend("subtract", 1);
  // @ts-expect-error: an ask is not told
  ref.trySend("total");
  // @ts-expect-error: a tell is not asked
  void ref.ask("add", 1);
  // @ts-expect-error: the reply is a number
  const wrong: Promise<string> = ref.ask("total");
  void [total, name, wide, wrong];
}

function context(ctx: Context<CounterProtocol>, other: Ref<{ ping(): void }>): void {
  ctx.after(10, "add", 1);
  ctx.watch(other, "ended");
  ctx.pipe(Promise.resolve("x"), "add", (outcome) => outcome.status === "fulfilled" ? 1 : 0);
  // @ts-expect-error: a timer sends a tell
  ctx.after(10, "total");
  // @ts-expect-error: the payload is a number
  ctx.after(10, "add", "1");
  // @ts-expect-error: its payload is no exit
  ctx.watch(other, "add");
  // @ts-expect-error: the map must make the payload
  ctx.pipe(Promise.resolve("x"), "add", (outcome) => outcome.status);
  // @ts-expect-error: the arguments are those of the child
  ctx.spawn(counter, { name: "c", args: undefined });
  // @ts-expect-error: a resource can be disposed of
  ctx.use({});
}

const incomplete: Actor<{ ping(): void; pong(): void }, undefined> = {
  name: "incomplete",
  mailbox: { capacity: 1, overflow: "refuse" },
  init: () => undefined,
  // @ts-expect-error: a handler is missing
  on: { ping: () => {} },
};

const wrongReply: Actor<{ total(): number }, undefined> = {
  name: "wrong",
  mailbox: { capacity: 1, overflow: "refuse" },
  init: () => undefined,
  // @ts-expect-error: the reply is a number
  on: { total: () => "1" },
};

// @ts-expect-error: a mailbox has no default capacity
const unbounded: Actor<{ ping(): void }, undefined>["mailbox"] = { overflow: "refuse" };

type Refs = { counter: Ref<CounterProtocol>; pool: Pool<CounterProtocol, { from: number }> };
const intensity = { restarts: 1, withinMs: 1 };

/** Annotated at the constant, nothing inside needs a type. */
const tree: Supervisor<Refs> = {
  strategy: "one_for_one",
  intensity,
  children: {
    counter: worker(counter, {
      args: (all) => ({ from: all.pool.size }),
      restart: "permanent",
    }),
    pool: pool(counter, { childrenMax: 1 }),
  },
};

const wrongTree: Supervisor<Refs> = {
  strategy: "one_for_one",
  intensity,
  children: {
    // @ts-expect-error: the arguments are those of the actor
    counter: worker(counter, { args: () => ({ from: "x" }), restart: "permanent" }),
    // @ts-expect-error: a worker is no pool
    pool: worker(counter, { args: () => ({ from: 1 }), restart: "permanent" }),
  },
};

function pools(sessions: Pool<CounterProtocol, { from: number }>): void {
  const child = sessions.start({ from: 1 });
  // @ts-expect-error: it may be full
  child.trySend("reset");
  // @ts-expect-error: the arguments are those of the actor
  sessions.start({ from: "x" });
}

/** What handlers are given has every member of a context. */
type Missing = Exclude<keyof Context<CounterProtocol>, keyof Incarnation>;
const missing: [Missing] extends [never] ? true : Missing = true;

Deno.test("Protocols, refs, contexts and trees are typed", () => {
  void [refs, context, incomplete, wrongReply, unbounded, tree, wrongTree, pools, missing];
});
