/** The connection to a real Redis: calls, scripts, bounds, and what happens when Redis is away. */

import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { PENDING_MAX } from "../../../transports/redis/limits.ts";
import {
  openRedis,
  type Redis,
  RedisScript,
  StoreError,
  type StoreErrorCode,
} from "../../../transports/redis/redis.ts";
import { startRedis } from "../../support/redis_server.ts";

/** Short enough for a test, long enough for a busy machine. */
const CALL_TIMEOUT_MS = 1_000;

const server = await startRedis({ appendfsync: "everysec" });
const tls = await startRedis({ tls: true });
globalThis.addEventListener("unload", () => {
  server.abandon();
  tls.abandon();
});

function open(): Promise<Redis> {
  return openRedis({ url: server.freshUrl(), callTimeoutMs: CALL_TIMEOUT_MS });
}

async function refusal(call: () => Promise<unknown>): Promise<StoreError> {
  return await assertRejects(call, StoreError);
}

/** Resolves when Redis answers again; the test's own limit ends it otherwise. */
async function back(redis: Redis): Promise<void> {
  for (;;) {
    try {
      return await redis.ping();
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "unavailable") throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

Deno.test("Redis.call() carries any bytes, and replies as Redis does", async () => {
  await using redis = await open();
  const key = redis.key("{a}", "bytes");
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  assertEquals(await redis.call(["SET", key, bytes.subarray(1)]), "OK");
  assertEquals(await redis.call(["GET", key]), Buffer.from(bytes.subarray(1)));
  assertEquals(await redis.call(["STRLEN", key]), 255);
  assertEquals(await redis.call(["GET", redis.key("none")]), null);
  assertEquals(await redis.call(["MGET", key, redis.key("none")]), [
    Buffer.from(bytes.subarray(1)),
    null,
  ]);
});

Deno.test("Redis.key() joins the prefix of the address and the parts", async () => {
  await using redis = await openRedis({ url: server.url("prefix=mine") });
  assertEquals(redis.key("{ab}", "user", "1"), "mine:{ab}:user:1");
});

Deno.test("calls take effect in the order they were made, scripts new to Redis included", async () => {
  await using redis = await open();
  const key = redis.key("list");
  const scripts = [1, 2, 3].map((number) =>
    new RedisScript("append", ["list"], `return redis.call('RPUSH', KEYS[1], '${number}')`)
  );
  const calls = scripts.flatMap((script) => [
    redis.run(script, [key], []),
    redis.call(["RPUSH", key, "-"]),
    redis.run(script, [key], []),
  ]);
  assertEquals(await Promise.all(calls), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(String(await redis.call(["LRANGE", key, 0, -1])), "1,-,1,2,-,2,3,-,3");
});

Deno.test("Redis.run() works on after Redis has forgotten its scripts", async () => {
  await using redis = await open();
  const script = new RedisScript(
    "add",
    ["string"],
    "return redis.call('INCRBY', KEYS[1], ARGV[1])",
  );
  assertEquals(await redis.run(script, [redis.key("n")], [5]), 5);
  await redis.call(["SCRIPT", "FLUSH"]);
  assertEquals(await redis.run(script, [redis.key("n")], [5]), 10);
});

Deno.test("a key of another type is named with both types", async () => {
  await using redis = await open();
  const key = redis.key("push", "in");
  await redis.call(["SET", key, "x"]);
  const error = await refusal(() => redis.call(["XLEN", key], { key, type: "stream" }));
  assertEquals([error.code, error.message], [
    "wrong_type",
    `Cannot run XLEN: key ${key} is a string, expected a stream`,
  ]);
  const script = new RedisScript("count", ["hash", "zset"], "return redis.call('ZCARD', KEYS[2])");
  const other = await refusal(() => redis.run(script, [redis.key("none"), key], []));
  assertEquals(other.message, `Cannot count: key ${key} is a string, expected a sorted set`);
});

Deno.test("what a script cannot use is named by key and field", async () => {
  await using redis = await open();
  const key = redis.key("h");
  const source = "return redis.error_reply('DAMAGED 1 since')";
  const error = await refusal(() =>
    redis.run(new RedisScript("look", ["hash"], source), [key], [])
  );
  assertEquals([error.code, error.message], [
    "damaged",
    `Cannot read key ${key}: field "since" is missing or of another form`,
  ]);
});

Deno.test("a command that is wrong in itself is a bug, not a state of Redis", async () => {
  await using redis = await open();
  const error = await assertRejects(() => redis.call(["NONSENSE"]), Error);
  assertEquals(error instanceof StoreError, false);
});

const WORLD: readonly (readonly [setting: string, value: string, code: StoreErrorCode])[] = [
  ["maxmemory", "1", "full"],
  ["min-replicas-to-write", "1", "io"],
];

for (const [setting, value, code] of WORLD) {
  Deno.test(`with ${setting} ${value} a write fails with "${code}", until that is over`, async () => {
    await using redis = await open();
    const write = () => redis.call(["SET", redis.key("a"), "b"]);
    await server.cli("CONFIG", "SET", setting, value);
    try {
      assertEquals((await refusal(write)).code, code);
    } finally {
      await server.cli("CONFIG", "SET", setting, "0");
    }
    assertEquals(await write(), "OK");
  });
}

Deno.test("calls beyond the bound are refused at once, and the others are served", async () => {
  await using redis = await open();
  const calls = Array.from({ length: PENDING_MAX + 1 }, () => redis.call(["PING"]));
  const outcomes = await Promise.allSettled(calls);
  const refused = outcomes.filter(({ status }) => status === "rejected");
  assertEquals(refused.length, 1);
  assertEquals((await refusal(() => calls[PENDING_MAX] ?? Promise.resolve())).code, "busy");
});

Deno.test("calls while Redis is stopped fail at once, and are served when it is back", async () => {
  await using redis = await open();
  const key = redis.key("kept");
  await redis.call(["SET", key, "x"]);
  await server.stop();
  for (let time = 0; time < 3; time++) {
    assertEquals((await refusal(() => redis.call(["GET", key]))).code, "unavailable");
  }
  await server.start();
  await back(redis);
  assertEquals(String(await redis.call(["GET", key])), "x");
});

Deno.test("a Redis behind TLS that is killed with calls on their way is away, and comes back", async () => {
  const caCert = tls.certificates?.caPem ?? "";
  await using redis = await openRedis({ url: tls.url(), caCert, callTimeoutMs: CALL_TIMEOUT_MS });
  tls.pause();
  const waiting = refusal(() => redis.call(["PING"]));
  await tls.kill9();
  assertEquals((await waiting).code, "unavailable");
  assertEquals((await refusal(() => redis.ping())).code, "unavailable");
  await tls.start();
  await back(redis);
});

Deno.test("calls to a Redis that hangs end by their deadline, however many, and it is connected to anew", async () => {
  await using redis = await open();
  server.pause();
  try {
    const calls = Array.from({ length: PENDING_MAX }, () => redis.call(["PING"]));
    const outcomes = await Promise.allSettled(calls);
    const codes = outcomes.map((outcome) =>
      outcome.status === "rejected" && outcome.reason instanceof StoreError && outcome.reason.code
    );
    assertEquals([...new Set(codes)], ["unavailable"]);
    assertEquals((await refusal(() => redis.ping())).code, "unavailable");
  } finally {
    server.resume();
  }
  await back(redis);
});

Deno.test("a connection that Redis closes is made again", async () => {
  await using redis = await open();
  await server.cli("CLIENT", "KILL", "TYPE", "normal");
  await back(redis);
});

Deno.test("a primary that became a replica is left: where the address leads to now, another one may be", async () => {
  await using redis = await open();
  const write = () => redis.call(["SET", redis.key("a"), "b"]);
  const id = () => redis.call(["CLIENT", "ID"]);
  const before = await id();
  await server.cli("REPLICAOF", "127.0.0.1", "1");
  try {
    assertEquals((await refusal(write)).code, "io");
    while (await id().catch(() => before) === before) await back(redis);
  } finally {
    await server.cli("REPLICAOF", "NO", "ONE");
  }
  assertEquals(await write(), "OK");
});

Deno.test("Redis.blocking() waits on a connection of its own, beyond the timeout of calls", async () => {
  await using redis = await open();
  await using reader = await redis.blocking();
  const key = redis.key("queue");
  const waiting = reader.call(["BLPOP", key, 5], { key, type: "list", blockMs: 5_000 });
  await redis.ping();
  await redis.call(["RPUSH", key, "x"]);
  assertEquals(String(await waiting), `${key},x`);
});

Deno.test("close() ends a read that waits, and every later call", async () => {
  await using redis = await open();
  const reader = await redis.blocking();
  const waiting = reader.call(["BLPOP", redis.key("queue"), 5], { blockMs: 5_000 });
  const ended = refusal(() => waiting);
  await reader.close();
  assertEquals((await ended).code, "closed");
  assertEquals((await refusal(() => reader.ping())).code, "closed");
});

Deno.test("close() waits for what is on its way", async () => {
  const redis = await open();
  const call = redis.call(["INCR", redis.key("n")]);
  await redis.close();
  assertEquals(await call, 1);
  await redis.close();
});
