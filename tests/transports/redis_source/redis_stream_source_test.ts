import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Source } from "../../../actors/push/delivery/ports.ts";
import { judgeEntry } from "../../../actors/push/delivery/sources/entry.ts";
import { NOTIFICATION_BYTES_MAX } from "../../../transports/redis_source/limits.ts";
import {
  openRedisStreamSource,
  type RedisStreamSource,
  StoreError,
  type StreamSourceEntry,
} from "../../../transports/redis_source/redis_stream_source.ts";
import { startRedis } from "../../support/redis_server.ts";

const server = await startRedis();
globalThis.addEventListener("unload", () => void server.kill9());

const GROUP = "nodes";

/** Sources of several nodes on one stream. */
class SourceWorld implements AsyncDisposable {
  readonly url = server.freshUrl();
  readonly stream = `${new URL(this.url).searchParams.get("prefix")}:notifications`;
  readonly #stack = new AsyncDisposableStack();

  async open(node: string, idleMs = 60_000): Promise<RedisStreamSource> {
    const source = await openRedisStreamSource({ url: this.url, node, idleMs });
    // It is what the pipeline takes.
    source satisfies Source;
    return this.#stack.use(source);
  }

  /** The entries of a new source; closed with the world. */
  async entries(node: string, idleMs?: number): Promise<AsyncGenerator<StreamSourceEntry>> {
    const source = await this.open(node, idleMs);
    const abort = new AbortController();
    const entries = source.entries(abort.signal);
    this.#stack.defer(async () => {
      abort.abort();
      await entries.return();
    });
    return entries;
  }

  add(...fields: readonly string[]): Promise<string> {
    return server.cli("XADD", this.stream, "*", ...fields);
  }

  notification(app: string): Promise<string> {
    return this.add("schema", "1", "notification", JSON.stringify({ app }));
  }

  /** Lets an entry look as if its consumer had been silent for so long. */
  async age(id: string, consumer: string, idleMs: number): Promise<void> {
    const claim = ["XCLAIM", this.stream, GROUP, consumer, "0", id];
    await server.cli(...claim, "IDLE", `${idleMs}`, "JUSTID");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Lets the engine go on before it is asked again. */
function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function take(entries: AsyncGenerator<StreamSourceEntry>): Promise<StreamSourceEntry> {
  const { value } = await entries.next();
  assert(value !== undefined);
  return value;
}

function test(criterion: string, run: (world: SourceWorld) => Promise<void>): void {
  Deno.test(`RedisStreamSource ${criterion}`, async () => {
    await using world = new SourceWorld();
    await run(world);
  });
}

test("hands out entries in order, and removes what is acknowledged", async (world) => {
  const ids = [await world.notification("a"), await world.notification("b")];
  const entries = await world.entries("one");
  for (const [place, app] of ["a", "b"].entries()) {
    const entry = await take(entries);
    assertEquals([entry.id, entry.deliveries], [ids[place], 1]);
    assertEquals(judgeEntry(entry), { kind: "submit", body: { app } });
    await entry.acknowledge();
  }
  assertEquals(await server.cli("XLEN", world.stream), "0");
  assertEquals((await server.cli("XPENDING", world.stream, GROUP)).split("\n")[0], "0");
});

test("waits for an entry that is not there yet", async (world) => {
  const entries = await world.entries("one");
  const coming = take(entries);
  await world.notification("late");
  assertEquals(judgeEntry(await coming), { kind: "submit", body: { app: "late" } });
});

Deno.test("RedisStreamSource takes what waits from a Redis that is full: else nothing made room", async () => {
  await using full = await startRedis();
  await using source = await openRedisStreamSource({ url: full.url(), node: "one" });
  const add = (app: string) =>
    full.cli("XADD", source.stream, "*", "schema", "1", "notification", JSON.stringify({ app }));
  await add("a");
  const abort = new AbortController();
  const entries = source.entries(abort.signal);
  await (await take(entries)).acknowledge();
  const id = await add("b");
  await full.cli("CONFIG", "SET", "maxmemory", "1");
  const entry = await take(entries);
  assertEquals(entry.id, id);
  await entry.acknowledge();
  await entries.return();
  // Opened anew it looks for what was left, first.
  await full.cli("CONFIG", "SET", "maxmemory", "0");
  await add("c");
  await full.cli("CONFIG", "SET", "maxmemory", "1");
  const again = source.entries(abort.signal);
  await (await take(again)).acknowledge();
  await again.return();
  assertEquals(await source.depth(), 0);
});

test("hands out an entry that never arrives without its fields, to be set aside", async (world) => {
  const id = await world.notification("large");
  await server.cli("XGROUP", "CREATE", world.stream, GROUP, "0", "MKSTREAM");
  await server.cli("XREADGROUP", "GROUP", GROUP, "dead", "STREAMS", world.stream, ">");
  const claim = ["XCLAIM", world.stream, GROUP, "dead", "0", id, "JUSTID", "RETRYCOUNT", "20"];
  await server.cli(...claim, "IDLE", "60000");
  const entries = await world.entries("two");
  const entry = await take(entries);
  assertEquals([entry.id, entry.deliveries, entry.body], [id, 21, "{}"]);
  assertEquals(judgeEntry(entry).kind, "bury");
});

test("makes no text of a notification larger than the API takes", async (world) => {
  const text =
    `redis.call('XADD', KEYS[1], '*', 'schema', 1, 'notification', string.rep('x', ARGV[1]))`;
  await server.cli("EVAL", text, "1", world.stream, `${NOTIFICATION_BYTES_MAX + 1}`);
  const entry = await take(await world.entries("one"));
  assertEquals(judgeEntry(entry), {
    kind: "bury",
    reason: "a notification of 8388609 bytes, at most 8388608 are taken",
  });
  await entry.bury("too large");
  assertEquals(await server.cli("XLEN", world.stream), "0");
});

test("shares entries among nodes: each comes to one of them", async (world) => {
  const ids = new Set<string>();
  for (let count = 0; count < 20; count++) ids.add(await world.notification(`app-${count}`));
  const nodes = [await world.entries("one"), await world.entries("two")];
  const seen: string[] = [];
  const drain = async (entries: AsyncGenerator<StreamSourceEntry>) => {
    for (let count = 0; count < 10; count++) {
      const entry = await take(entries);
      seen.push(entry.id);
      await entry.acknowledge();
    }
  };
  await Promise.all(nodes.map(drain));
  assertEquals(seen.toSorted(), [...ids].toSorted());
});

test("hands an entry of a silent node to another, with one more delivery", async (world) => {
  const ids: string[] = [];
  // More than one page of the engine's own cursor.
  for (let count = 0; count < 25; count++) ids.push(await world.notification(`app-${count}`));
  const group = ["GROUP", GROUP, "dead", "COUNT", "25", "STREAMS", world.stream, ">"];
  await server.cli("XGROUP", "CREATE", world.stream, GROUP, "0");
  await server.cli("XREADGROUP", ...group);
  await world.age(ids[24] ?? "", "dead", 60_000);
  const entries = await world.entries("alive");
  const taken = await take(entries);
  assertEquals([taken.id, taken.deliveries], [ids[24], 2]);
});

test("hands out again what it had in hand when it was closed", async (world) => {
  const id = await world.notification("a");
  const source = await world.open("one");
  for (const deliveries of [1, 2, 3, 4, 5, 6]) {
    const entries = source.entries(new AbortController().signal);
    const entry = await take(entries);
    await entries.return();
    assertEquals([entry.id, entry.deliveries], [id, deliveries]);
    const verdict = judgeEntry(entry);
    assertEquals(verdict.kind, deliveries > 5 ? "bury" : "submit");
    if (verdict.kind === "bury") assertEquals(verdict.reason, "gave up after 5 deliveries");
  }
});

test("keeps an entry in hand from other nodes, however long it takes", async (world) => {
  const id = await world.notification("slow");
  const entry = await take(await world.entries("one", 60));
  await world.age(id, "one", 3_600_000);
  const idleMs = async () => {
    const pending = await server.cli("XPENDING", world.stream, GROUP, "-", "+", "1");
    return Number(pending.split("\n")[2]);
  };
  while (await idleMs() >= 3_600_000) await delay(5);
  await entry.acknowledge();
  assertEquals(await server.cli("XLEN", world.stream), "0");
});

const DEAD: readonly (readonly [row: string, fields: readonly string[], reason: string])[] = [
  ["85", ["notification", "{}"], 'field "schema" is missing'],
  [
    "85",
    ["schema", "one", "notification", "{}"],
    'field "schema" is "one", expected a whole number',
  ],
  ["85", ["schema", "1"], 'field "notification" is missing'],
  ["85", ["schema", "1", "notification", "{"], "not JSON"],
  ["85", ["schema", "1", "notification", "7"], "7 instead of an object"],
  ["88", ["schema", "7", "notification", "{}"], "schema 7, this build reads ≤ 1"],
];

for (const [row, fields, reason] of DEAD) {
  test(`${row} has an entry set aside: ${reason}`, async (world) => {
    const id = await world.add(...fields);
    const entry = await take(await world.entries("one"));
    const verdict = judgeEntry(entry);
    assert(verdict.kind === "bury");
    assert(verdict.reason.endsWith(reason), verdict.reason);
    await entry.bury(verdict.reason);
    assertEquals(await server.cli("XLEN", world.stream), "0");
    const [, ...letter] = (await server.cli("XRANGE", `${world.stream}:dead`, "-", "+")).split(
      "\n",
    );
    assertEquals(letter, [
      ...["id", id, "reason", verdict.reason],
      ...["body", JSON.stringify(Object.fromEntries(chunks(fields)))],
    ]);
  });
}

function* chunks(fields: readonly string[]): Generator<[string, string]> {
  for (let place = 0; place < fields.length; place += 2) {
    yield [fields[place] ?? "", fields[place + 1] ?? ""];
  }
}

test("91 says that its key holds something else", async (world) => {
  await server.cli("SET", world.stream, "text");
  const source = await world.open("one");
  const words = `key ${world.stream} is a string, expected a stream`;
  const entries = source.entries(new AbortController().signal);
  await assertRejects(() => entries.next(), StoreError, words);
  await assertRejects(() => source.ping(), StoreError, words);
  await server.cli("DEL", world.stream);
  await source.ping();
});

test("goes on after everything was removed", async (world) => {
  const entries = await world.entries("one");
  await world.notification("before");
  await (await take(entries)).acknowledge();
  const coming = take(entries);
  await server.cli("DEL", world.stream);
  await world.notification("after");
  assertEquals(judgeEntry(await coming), { kind: "submit", body: { app: "after" } });
});

test("ends when it is aborted, though nothing comes", async (world) => {
  const source = await world.open("one");
  const abort = new AbortController();
  const ended = source.entries(abort.signal).next();
  abort.abort();
  assertEquals(await ended, { done: true, value: undefined });
});

test("fails when Redis is away, and opens again when it is back", async () => {
  await using own = await startRedis({ appendfsync: "always" });
  await using source = await openRedisStreamSource({ url: own.url(), node: "one" });
  const entries = source.entries(new AbortController().signal);
  const add = ["XADD", source.stream, "*", "schema", "1", "notification", "{}"];
  const id = await own.cli(...add);
  assertEquals((await take(entries)).id, id);
  const stopped = own.stop();
  await assertRejects(() => entries.next());
  await stopped;
  await own.start();
  while (!await source.ping().then(() => true, () => false)) await delay(20);
  const again = source.entries(new AbortController().signal);
  const entry = await take(again);
  assertEquals([entry.id, entry.deliveries], [id, 2]);
  await again.return();
});
