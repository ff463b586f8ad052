import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Actor, Ref, Supervisor } from "../../../actors/mod.ts";
import { worker } from "../../../actors/mod.ts";
import { deepFreeze, Probe, World } from "../../../actors/testing/mod.ts";
import { solo, subject } from "../runtime/subject.ts";

Deno.test("World.advance() lets everything happen at the time it is due", async () => {
  await using world = new World({ wallNow: 1_000 });
  const seen: string[] = [];
  const refs = await world.system.start("t", solo(subject()));
  refs.subject.trySend("act", (ctx) => {
    const tick = (left: number): void => {
      seen.push(`${ctx.now()} ${ctx.wallNow()}`);
      if (left > 0) ctx.after(10, "act", () => tick(left - 1));
    };
    tick(3);
  });
  await world.advance(25);
  assertEquals(seen, ["0 1000", "10 1010", "20 1020"]);
});

Deno.test("World gives the same run for the same seed, and others for others", async () => {
  const run = async (seed: number): Promise<string> => {
    await using world = new World({ seed });
    const order: string[] = [];
    const names = ["a", "b", "c", "d", "e"];
    const refs = [];
    for (const name of names) {
      refs.push(await world.system.start(name, solo(subject({ journal: order, label: name }))));
    }
    order.splice(0);
    for (const { subject: ref } of refs) {
      for (let n = 0; n < 3; n++) ref.trySend("act", (ctx) => void order.push(`${ctx.random()}`));
      ref.trySend("note", "x");
    }
    await world.settle();
    return order.join();
  };
  const runs = await Promise.all([1, 2, 3, 4].map(run));
  assertEquals(await run(1), runs[0]);
  assert(new Set(runs).size > 1);
});

Deno.test("World freezes accepted messages, so that a sender who goes on writing fails", async () => {
  await using world = new World();
  interface KeeperProtocol {
    keep(list: { items: string[]; readonly body: Uint8Array }): void;
  }
  const probe = new Probe<KeeperProtocol>({ keep: "record" });
  const tree: Supervisor<{ keeper: Ref<KeeperProtocol> }> = {
    strategy: "one_for_one",
    intensity: { restarts: 0, withinMs: 0 },
    children: { keeper: worker(probe.actor, { args: () => {}, restart: "permanent" }) },
  };
  const refs = await world.system.start("t", tree);
  const message = { items: ["a"], body: new Uint8Array(1) };
  refs.keeper.trySend("keep", message);
  assertThrows(() => message.items.push("b"), TypeError);
  message.body[0] = 1;
});

Deno.test("deepFreeze() freezes plain data of any depth, and leaves instances alone", () => {
  const instance = new Map();
  const value: Record<string, unknown> = { list: [{ deep: true }], instance };
  value["self"] = value;
  let deep: Record<string, unknown> = value;
  for (let n = 0; n < 100_000; n++) deep = { deep };
  deepFreeze(deep);
  assert(Object.isFrozen(value) && Object.isFrozen(value["list"]));
  assert(!Object.isFrozen(instance));
  for (const plain of [undefined, null, 1, "x", new Uint8Array(2)]) deepFreeze(plain);
});

Deno.test("Probe writes down what it is told and answers as the test says", async () => {
  await using world = new World();
  interface StoreProtocol {
    save(key: string): void;
    load(key: string): string;
  }
  const probe = new Probe<StoreProtocol>({ save: "record", load: (key) => `<${key}>` });
  const refs = await world.system.start("t", solo(probe.actor));
  const store: Ref<StoreProtocol> = refs.subject;
  store.trySend("save", "a");
  assertEquals(await store.ask("load", "b"), "<b>");
  assertEquals(probe.received.length, 2);
  assertEquals(probe.take(), { type: "save", payload: "a" });
  assertEquals(probe.takeAll(), [{ type: "load", payload: "b" }]);
  assertThrows(() => probe.take(), Error, "no message");
});

Deno.test("World.settle() lets the event loop turn, so that what the platform does arrives", async () => {
  await using world = new World();
  interface HasherProtocol {
    hash(text: string): void;
    hashed(digest: ArrayBuffer): void;
  }
  let bytes = 0;
  const hasher: Actor<HasherProtocol, undefined> = {
    name: "hasher",
    mailbox: { capacity: 1, overflow: "refuse" },
    init: () => undefined,
    on: {
      hash(_state, text, ctx) {
        const digest = crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
        ctx.pipe(digest, "hashed", (outcome) => {
          if (outcome.status === "rejected") throw outcome.reason;
          return outcome.value;
        });
      },
      hashed: (_state, digest) => void (bytes = digest.byteLength),
    },
  };
  const refs = await world.system.start("t", solo(hasher));
  refs.subject.trySend("hash", "x");
  for (let n = 0; n < 1_000 && bytes === 0; n++) await world.settle();
  assertEquals(bytes, 32);
});
