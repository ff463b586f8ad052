/** What is said when a Redis cannot be used, against real servers that are not what the address says. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  openRedis,
  type RedisOptions,
  StoreOpenError,
  type StoreOpenErrorCode,
} from "../../../transports/redis/redis.ts";
import { claimSchema } from "../../../transports/redis/schema.ts";
import { freePort } from "../../support/service.ts";
import { startRedis } from "../../support/redis_server.ts";

const plain = await startRedis();
const locked = await startRedis({ password: "s%cret word" });
const tls = await startRedis({ tls: true, password: "s" });
const strangers = await startRedis({ tls: true });
const clustered = await startRedis({ cluster: true });
const replica = await startRedis({ args: ["--replicaof", "127.0.0.1", String(plain.port)] });
const nobody = freePort();
const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const page = Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen() {} },
  () => new Response("hello"),
);
globalThis.addEventListener("unload", () => {
  for (const server of [plain, locked, tls, strangers, clustered, replica]) server.abandon();
});

const caCert = tls.certificates?.caPem ?? "";
const otherCa = strangers.certificates?.caPem ?? "";

const GOOD: readonly (readonly [what: string, options: RedisOptions])[] = [
  ["a plain one", { url: plain.url() }],
  ["one with a password", { url: locked.url() }],
  ["one with a user and a password", { url: locked.url().replace("//:", "//default:") }],
  ["one that speaks TLS, under an authority of its own", { url: tls.url(), caCert }],
  ["one by its name", { url: tls.url().replace("127.0.0.1", "localhost"), caCert }],
  ["another database", { url: `${plain.url()}/5` }],
];

for (const [what, options] of GOOD) {
  Deno.test(`openRedis() connects to ${what}`, async () => {
    await using redis = await openRedis(options);
    await redis.ping();
  });
}

const BAD: readonly (readonly [
  what: string,
  options: RedisOptions,
  code: StoreOpenErrorCode,
  words: string,
])[] = [
  [
    "nothing",
    { url: `redis://:secret@127.0.0.1:${nobody}` },
    "unreachable",
    `Cannot reach Redis at 127.0.0.1:${nobody}: `,
  ],
  ["no such name", { url: "redis://:secret@nobody.invalid" }, "unreachable", "nobody.invalid:6379"],
  [
    "one that never answers",
    { url: `redis://:secret@127.0.0.1:${silent.addr.port}`, callTimeoutMs: 200 },
    "unreachable",
    "Cannot reach Redis",
  ],
  ["a page of the web", { url: `redis://127.0.0.1:${page.addr.port}` }, "not_redis", "not Redis"],
  [
    "one that wants a password",
    { url: `redis://127.0.0.1:${locked.port}` },
    "wrong_password",
    "NOAUTH",
  ],
  [
    "one with another password",
    { url: `redis://:secret@127.0.0.1:${locked.port}` },
    "wrong_password",
    "WRONGPASS",
  ],
  [
    "one that has none",
    { url: `redis://:secret@127.0.0.1:${plain.port}` },
    "wrong_password",
    "AUTH",
  ],
  ["one whose authority is not trusted", { url: tls.url() }, "tls", "TLS failed"],
  ["one of another authority", { url: tls.url(), caCert: otherCa }, "tls", "TLS failed"],
  [
    "one without TLS, by rediss:",
    { url: `rediss://:secret@127.0.0.1:${plain.port}`, callTimeoutMs: 200 },
    "unreachable",
    "is it rediss:// exactly where Redis speaks TLS?",
  ],
  [
    "one with TLS, by redis:",
    { url: `redis://:secret@127.0.0.1:${tls.port}` },
    "unreachable",
    "is it rediss:// exactly where Redis speaks TLS?",
  ],
  ["a node of a cluster", { url: clustered.url() }, "cluster_mismatch", 'Add "?cluster=true"'],
  [
    "no cluster",
    { url: plain.url("cluster=true") },
    "cluster_mismatch",
    'Leave "cluster=true" out',
  ],
  ["a replica", { url: replica.url() }, "replica", "Name the primary"],
  [
    "a database that is not there",
    { url: `${plain.url()}/99` },
    "unusable",
    "DB index is out of range",
  ],
];

for (const [what, options, code, words] of BAD) {
  Deno.test(`openRedis() refuses ${what}: ${code}`, async () => {
    const error = await assertRejects(() => openRedis(options), StoreOpenError);
    assertEquals([error.code, error.message.includes("secret")], [code, false], error.message);
    assertStringIncludes(error.message, words);
  });
}

Deno.test("openRedis() refuses one that is still loading, and says to wait", async () => {
  await using slow = await startRedis({
    appendfsync: "everysec",
    args: ["--key-load-delay", "200"],
  });
  // While it loads, it answers after each 1,024 commands.
  await slow.cli("EVAL", "for i = 1, 4000 do redis.call('SET', i, i) end", "0");
  await slow.stop();
  const started = slow.start();
  const errors: StoreOpenError[] = [];
  for (let open = false; !open;) {
    open = await openRedis({ url: slow.url() }).then((redis) => redis.close().then(() => true))
      .catch((error: StoreOpenError) => errors.push(error) === 0);
  }
  await started;
  const loading = errors.filter(({ code }) => code === "loading");
  assert(loading.length > 0, errors.map(({ message }) => message).join("\n"));
  assertStringIncludes(loading[0]?.message ?? "", "still reads its data from the disk. Wait");
});

const FULL: readonly (readonly [what: string, setting: string, value: string])[] = [
  ["whose memory is full", "maxmemory", "1"],
  ["that takes no writes for want of replicas", "min-replicas-to-write", "9"],
];

for (const [what, setting, value] of FULL) {
  Deno.test(`claimSchema() reads a version from a Redis ${what}, and says why it can write none`, async () => {
    await using redis = await openRedis({ url: plain.freshUrl() });
    await claimSchema(redis, "messages", 2);
    await plain.cli("CONFIG", "SET", setting, value);
    try {
      await claimSchema(redis, "messages", 2);
      const error = await assertRejects(() => claimSchema(redis, "queue", 7), StoreOpenError);
      assertEquals(error.code, "unusable");
      assertStringIncludes(
        error.message,
        `Cannot use Redis at 127.0.0.1:${plain.port}: Cannot run`,
      );
    } finally {
      await plain.cli("CONFIG", "SET", setting, "0");
    }
  });
}

Deno.test("claimSchema() writes the version down once, and refuses a newer one", async () => {
  const url = plain.freshUrl();
  await using redis = await openRedis({ url });
  await claimSchema(redis, "messages", 2);
  await claimSchema(redis, "queue", 7);
  await claimSchema(redis, "messages", 2);
  const error = await assertRejects(() => claimSchema(redis, "queue", 6), StoreOpenError);
  assertEquals([error.code, error.message], [
    "newer_schema",
    `Cannot use Redis at 127.0.0.1:${plain.port}: schema version 7 of "queue" was written by a newer version of this program, which knows 6`,
  ]);
});
