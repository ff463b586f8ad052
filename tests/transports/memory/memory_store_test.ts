import { assertEquals, assertRejects } from "@std/assert";
import {
  type Call,
  type Fault,
  MemoryStore,
  StoreError,
} from "../../../transports/memory/memory_store.ts";
import { channelOf, uaidOf } from "../../conformance/store_world.ts";

const UAID = uaidOf(1);
const CHANNEL = channelOf(1);
const NOW_MS = 1_800_000_000_000;
const CLOCK = { wallNow: () => NOW_MS };
const PAGE = { uaid: UAID, kind: "plain", limit: 10, nowSeconds: 0 } as const;

function message(sortKey: number) {
  return {
    uaid: UAID,
    channelId: CHANNEL,
    ttlSeconds: 60,
    topic: undefined,
    content: undefined,
    sortKey,
    version: `v${sortKey}`,
    expiresAt: NOW_MS,
  };
}

/** A subscribed store in which this happens to the third call, a save. */
async function storeWith(fault: Fault): Promise<MemoryStore> {
  const store = new MemoryStore({
    clock: CLOCK,
    fault: ({ number }) => number === 3 ? fault : undefined,
  });
  await store.saveUser({ uaid: UAID, connectedAt: NOW_MS });
  await store.addChannel(UAID, CHANNEL, 1);
  return store;
}

async function keys(store: MemoryStore): Promise<readonly number[]> {
  return (await store.messages(PAGE)).map(({ sortKey }) => sortKey);
}

for (const code of ["full", "io", "busy"] as const) {
  Deno.test(`MemoryStore fails one call with ${code}, stores nothing of it, and goes on`, async () => {
    const store = await storeWith(code);
    const error = await assertRejects(() => store.saveMessage(message(1), 9), StoreError);
    assertEquals(error.code, code);
    assertEquals(await store.saveMessage(message(2), 9), "stored");
    assertEquals(await keys(store), [2]);
  });
}

for (const [fault, left] of [["crash_before", []], ["crash_after", [1]]] as const) {
  Deno.test(`MemoryStore.reopen() after ${fault} shows what was on the disk`, async () => {
    const store = await storeWith(fault);
    const error = await assertRejects(() => store.saveMessage(message(1), 9), StoreError);
    assertEquals(error.code, "closed");
    await assertRejects(() => store.ping(), StoreError, "closed");
    const next = store.reopen({ clock: CLOCK });
    assertEquals(await keys(next), left);
    assertEquals(await next.lastSortKey(), left.length);
    assertEquals(await next.subscription(UAID, CHANNEL), "subscribed");
  });
}

Deno.test("MemoryStore.crash() loses the calls that are held back, and only those", async () => {
  const gate = Promise.withResolvers<void>();
  const store = new MemoryStore({
    clock: CLOCK,
    delay: ({ number }) => number > 3 ? gate.promise : undefined,
  });
  await store.saveUser({ uaid: UAID, connectedAt: NOW_MS });
  await store.addChannel(UAID, CHANNEL, 1);
  await store.saveMessage(message(1), 9);
  const lost = assertRejects(() => store.saveMessage(message(2), 9), StoreError, "closed");
  store.crash();
  gate.resolve();
  await lost;
  assertEquals(await keys(store.reopen({ clock: CLOCK })), [1]);
});

Deno.test("MemoryStore holds a call back before it has any effect", async () => {
  const gate = Promise.withResolvers<void>();
  const store = new MemoryStore({
    clock: CLOCK,
    delay: ({ name }) => name === "saveUser" ? gate.promise : undefined,
  });
  const saved = store.saveUser({ uaid: UAID, connectedAt: NOW_MS });
  assertEquals(await store.user(UAID), undefined);
  gate.resolve();
  await saved;
  assertEquals(await store.user(UAID), { uaid: UAID, connectedAt: NOW_MS });
});

Deno.test("MemoryStore shows every call to the test, numbered from 1", async () => {
  const calls: Call[] = [];
  const store = new MemoryStore({
    fault(call) {
      calls.push(call);
      return undefined;
    },
  });
  await store.ping();
  await Promise.all([store.user(UAID), store.sweep(1, 1)]);
  assertEquals(calls, [
    { number: 1, name: "ping" },
    { number: 2, name: "user" },
    { number: 3, name: "sweep" },
  ]);
});
