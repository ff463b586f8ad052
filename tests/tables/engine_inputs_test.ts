/**
 * Bad input from Redis and PostgreSQL, each with its number among all bad inputs: entries of a real
 * node's source and of its queue that are none, keys that hold something else, tables that are
 * missing, older or newer. After each row a good client still works, and no secret is in any answer or
 * line of the log.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { openPostgres, sql } from "../../transports/postgres/mod.ts";
import { migrateFor, pass } from "../support/nodes_campaign.ts";
import { CANARY, NodeWorld } from "../support/node_world.ts";
import { type PostgresServer, startPostgres } from "../support/postgres_server.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";

/** How soon a node has settled an entry, or noticed something. */
const WITHIN_MS = 20_000;
const GOOD = "600d".repeat(16);
const SOURCE = "source:notifications";
const SOURCE_DEAD = `${SOURCE}:dead`;
const LANE = "lane:apns:shop";
const QUEUE_DEAD = "queue:{queue}:dead";

/** The node with its Redis. */
interface Place {
  readonly world: NodeWorld;
  readonly redis: RedisServer;
  /** What the keys of the queue begin with, but for that of dead entries. */
  readonly queue: string;
}

/** Waits until something is so. */
async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WITHIN_MS;
  while (!await check()) {
    assert(performance.now() < deadline, `Waited ${WITHIN_MS} ms for ${what}`);
    await pass(20);
  }
}

/** A notification as the API takes it. */
function notification(change: Readonly<Record<string, unknown>> = {}): string {
  const to = { tokens: [{ platform: "apns", token: GOOD }] };
  return JSON.stringify({ app: "shop", content: { title: CANARY }, to, ...change });
}

/** How many entries the node says it has set aside. */
async function setAside({ world }: Place): Promise<number> {
  const { text } = await world.call("GET", "/metrics");
  return Number(/^heliograph_entries_set_aside_total (\d+)$/m.exec(text)?.[1]);
}

/** Requests that reached a recipient of Apple's. */
async function requests({ world }: Place): Promise<number> {
  return (await world.standIn.seen()).apns.requests;
}

/** Puts an entry in by this and gives the reasons for which it was set aside: then it is gone from its stream. */
async function buried(
  place: Place,
  { stream, dead }: { readonly stream: string; readonly dead: string },
  put: () => Promise<unknown>,
): Promise<string> {
  const { redis } = place;
  const before = await setAside(place);
  const asked = await requests(place);
  await redis.cli("DEL", dead);
  await put();
  await until("an entry to be set aside", async () => await redis.cli("XLEN", dead) === "1");
  await until("its end", async () => await redis.cli("XLEN", stream) === "0");
  await until("the counter", async () => await setAside(place) === before + 1);
  assertEquals(await requests(place), asked);
  const [, ...fields] = (await redis.cli("XRANGE", dead, "-", "+")).split("\n");
  return fields[fields.indexOf("reason") + 1] ?? "";
}

/** An entry of the source with these fields. */
function sourced(...fields: readonly string[]): Row["put"] {
  return (place) =>
    buried(
      place,
      { stream: SOURCE, dead: SOURCE_DEAD },
      () => place.redis.cli("XADD", SOURCE, "*", ...fields),
    );
}

/** An entry of the source that another node took so often, and is not heard of since. */
function leftBehind(times: number): Row["put"] {
  const script = `local id = redis.call('XADD', KEYS[1], '*', 'schema', 1, 'notification', ARGV[1])
    redis.call('XREADGROUP', 'GROUP', 'nodes', 'lost', 'STREAMS', KEYS[1], '>')
    redis.call('XCLAIM', KEYS[1], 'nodes', 'lost', 0, id, 'IDLE', 3600000, 'RETRYCOUNT', ARGV[2])`;
  return (place) =>
    buried(
      place,
      { stream: SOURCE, dead: SOURCE_DEAD },
      () => place.redis.cli("EVAL", script, "1", SOURCE, notification(), `${times}`),
    );
}

/** An entry of the queue with these fields in place of good ones; `undefined` leaves one out. */
function queued(change: Readonly<Record<string, string | undefined>>): Row["put"] {
  const good = {
    ...{ schema: "1", batch: "1", token: "1", notification: crypto.randomUUID(), app: "shop" },
    ...{ platform: "apns", count: "1", attempt: "0", deliveries: "1", at: `${Date.now()}` },
  };
  const fields = Object.entries({ ...good, ...change }).flatMap(([name, value]) =>
    value === undefined ? [] : [name, value]
  );
  const script = `redis.call('ZADD', KEYS[1], 0, 'apns:shop')
    redis.call('SADD', KEYS[2], 'apns:shop')
    redis.call('XADD', KEYS[3], '*', unpack(ARGV))`;
  return (place) => {
    const { redis, queue } = place;
    const stream = `${queue}:${LANE}`;
    return buried(
      place,
      { stream, dead: QUEUE_DEAD },
      () => redis.cli("EVAL", script, "3", `${queue}:lanes`, `${queue}:streams`, stream, ...fields),
    );
  };
}

/** What `/readyz` says of a part. */
async function readiness(
  { world }: Place,
  part: string,
): Promise<{ readonly status: number; readonly detail: string }> {
  const { status, text } = await world.call("GET", "/readyz", { token: undefined });
  const { checks }: { readonly checks: readonly { name: string; detail: string }[] } = JSON.parse(
    text,
  );
  return { status, detail: checks.find(({ name }) => name === part)?.detail ?? "" };
}

/** A key that holds a text: what the node says of the part whose key it is, until the key is gone. */
function mistaken(part: string, name: string, good: string): Row["put"] {
  return async (place) => {
    const { redis } = place;
    const key = name.replace("QUEUE", place.queue);
    await redis.cli("SET", key, CANARY);
    let said = "";
    await until("the node not to be ready", async () => {
      const { status, detail } = await readiness(place, part);
      said = detail;
      return status === 503;
    });
    // What belongs to others is left alone.
    assertEquals(await redis.cli("GET", key), CANARY);
    await redis.cli("DEL", key);
    await until("the node to be ready", async () => {
      const { status, detail } = await readiness(place, part);
      return status === 200 && detail === good;
    });
    return said;
  };
}

/** A row: its number, the input, the reason or sentence, and how it is put in. */
interface Row {
  readonly number: number;
  readonly input: string;
  readonly expected: string;
  put(place: Place): Promise<string>;
}

const ROWS: readonly Row[] = [
  {
    number: 85,
    input: "an entry whose notification is no JSON",
    expected: "not JSON",
    put: sourced("schema", "1", "notification", `{"${CANARY}`),
  },
  {
    number: 85,
    input: "an entry for an unknown platform",
    expected: 'to.tokens[0].platform: must be one of apns, fcm, webpush, found "pager"',
    put: sourced(
      "schema",
      "1",
      "notification",
      notification({ to: { tokens: [{ platform: "pager" }] } }),
    ),
  },
  {
    number: 85,
    input: "an entry that names no app",
    expected: "app: missing",
    put: sourced("schema", "1", "notification", notification({ app: undefined })),
  },
  {
    number: 85,
    input: "an entry without a notification",
    expected: `Cannot read key ${SOURCE}: field "notification" is missing`,
    put: sourced("schema", "1", "note", CANARY),
  },
  {
    number: 85,
    input: "an entry of the queue that names no batch",
    expected: `Cannot read key QUEUE:${LANE}: field "batch" is missing`,
    put: queued({ batch: undefined }),
  },
  {
    number: 85,
    input: "an entry of the queue for an unknown platform",
    expected:
      `Cannot read key QUEUE:${LANE}: field "platform" is "pager", expected "apns" or "fcm" or "webpush"`,
    put: queued({ platform: "pager" }),
  },
  {
    number: 86,
    input: "an entry that comes twice",
    expected: "1 request",
    async put(place) {
      const { redis } = place;
      const before = await requests(place);
      for (let time = 0; time < 2; time++) {
        // With its stream Redis forgets which ids there were.
        await redis.cli("DEL", SOURCE);
        await redis.cli("XADD", SOURCE, "1-1", "schema", "1", "notification", notification());
        await until("it to be taken", async () => await redis.cli("XLEN", SOURCE) === "0");
      }
      await until("it to be sent", async () => await requests(place) > before);
      await place.world.assertWorks();
      return `${await requests(place) - before - 1} request`;
    },
  },
  {
    number: 86,
    input: "an entry of the queue that stands there twice",
    expected: "delivered 0, 1 request",
    async put(place) {
      const { redis, world, queue } = place;
      const stream = `${queue}:${LANE}`;
      const before = await requests(place);
      await world.standIn.behave({ latencyMs: 500 });
      const id = await world.send("shop", { tokens: [{ platform: "apns", token: GOOD }] });
      const copy = `local entry = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
        if not entry then return 0 end
        redis.call('XADD', KEYS[1], '*', unpack(entry[2]))
        redis.call('ZADD', KEYS[2], 0, 'apns:shop')
        return 1`;
      await until(
        "the entry",
        async () => await redis.cli("EVAL", copy, "2", stream, `${queue}:lanes`) === "1",
      );
      const { said } = await world.result(id);
      await until("its end", async () => await redis.cli("XLEN", stream) === "0");
      await world.standIn.behave({ latencyMs: 0 });
      return `${said}, ${await requests(place) - before} request`;
    },
  },
  {
    number: 87,
    input: "an entry for the sixth time",
    expected: "gave up after 5 deliveries",
    put: leftBehind(5),
  },
  {
    number: 88,
    input: "an entry of the future",
    expected: "schema 7, this build reads ≤ 1",
    put: sourced("schema", "7", "notification", notification()),
  },
  {
    number: 88,
    input: "an entry of the queue of the future",
    expected: "schema 7, this build reads ≤ 1",
    put: queued({ schema: "7" }),
  },
  {
    number: 91,
    input: "the source's stream is a string",
    expected: `Cannot run XLEN: key ${SOURCE} is a string, expected a stream`,
    put: mistaken("source", SOURCE, "brings notifications"),
  },
  {
    number: 91,
    input: "the queue's list of lanes is a string",
    expected: "Cannot run ZRANGE: key QUEUE:lanes is a string, expected a sorted set",
    put: mistaken("queue", "QUEUE:lanes", "hands out batches"),
  },
  {
    number: 91,
    input: "the counters' position is a string",
    expected: "Cannot run HLEN: key counters:{counters}:position is a string, expected a hash",
    put: mistaken("counters", "counters:{counters}:position", "counts"),
  },
];

/** What the queue calls its keys: by the identity of the node's store, which shows while there is work. */
async function queueOf(world: NodeWorld, redis: RedisServer): Promise<string> {
  await world.standIn.behave({ latencyMs: 500 });
  const id = await world.send("shop", { devices: ["good"] });
  let found: string | undefined;
  await until("a batch in the queue", async () => {
    const keys = await redis.cli("KEYS", "queue:*");
    found = /^(queue:{queue}:.+):streams$/m.exec(keys)?.[1];
    return found !== undefined;
  });
  await world.standIn.behave({ latencyMs: 0 });
  await world.result(id);
  return found ?? "";
}

Deno.test("a node, its source and its queue: bad input", async (test) => {
  await using redis = await startRedis();
  const flags = (["source", "queue", "counters"] as const).flatMap((name) => [
    `--${name}`,
    redis.url(`prefix=${name}`),
  ]);
  await using world = await NodeWorld.open([], flags);
  const place = { world, redis, queue: await queueOf(world, redis) };
  for (const { number, input, expected, put } of ROWS) {
    await test.step(`${number} ${input} => ${expected}`, async () => {
      assertEquals((await put(place)).replaceAll(place.queue, "QUEUE"), expected);
      await world.assertWorks();
      world.assertNoSecrets();
    });
  }
  assertEquals(await world.service.stop(), { code: 0, signal: null });
});

/** A row of PostgreSQL: what is done to the version of a schema that is there, and what is said. */
const SCHEMAS: readonly (readonly [
  input: string,
  change: string | undefined,
  expected: RegExp,
])[] = [
  ["missing", undefined, /schema version 0, need \d+: run heliograph migrate\.$/],
  [
    "older",
    "UPDATE schema_version SET version = version - 1",
    /schema version \d+, need \d+: run heliograph migrate\.$/,
  ],
  [
    "newer",
    "UPDATE schema_version SET version = version + 4",
    /schema version \d+ was written by a newer version of this program, which knows \d+\. Start that one\.$/,
  ],
  ["foreign", "ALTER TABLE schema_version RENAME TO another", /schema version 0, need \d+/],
];

async function prepared(postgres: PostgresServer, change: string | undefined): Promise<string> {
  const url = postgres.freshUrl();
  if (change === undefined) return url;
  await migrateFor(["--store", url, "--results-database", url]);
  await using database = await openPostgres({ url });
  await database.query("change the schema", { ...sql``, text: change });
  return url;
}

Deno.test("PostgreSQL with tables that are not those of this program", async (test) => {
  await using postgres = await startPostgres({ password: true });
  for (const [input, change, expected] of SCHEMAS) {
    for (const setting of ["store", "results-database"]) {
      await test.step(`92 ${setting}: a schema that is ${input} => ${expected.source}`, async () => {
        const { code, stderr } = await refused(setting, await prepared(postgres, change));
        assertEquals(code, 1);
        assertMatch(stderr.trimEnd(), expected);
        const start =
          `heliograph: ${setting}: Cannot use the database at 127.0.0.1:${postgres.port}`;
        assert(stderr.startsWith(start), stderr);
        assertEquals(stderr.trimEnd().split("\n").length, 1);
        assert(!stderr.includes(encodeURIComponent(postgres.password)), stderr);
      });
    }
  }
});

/** How `serve` ends that cannot start. */
async function refused(
  setting: string,
  url: string,
): Promise<{ readonly code: number; readonly stderr: string }> {
  const folder = await Deno.makeTempDir({ prefix: "heliograph-refused-" });
  const file = `${folder}/settings.toml`;
  await Deno.writeTextFile(file, `${setting} = "${url}"\n`, { mode: 0o600 });
  const ports = ["endpoint", "device", "api"].flatMap((door) => [`--${door}-port`, "0"]);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "mod.ts", "serve", "--data", folder, "--config", file, ...ports],
    cwd: new URL("../../", import.meta.url).pathname,
  }).output();
  await Deno.remove(folder, { recursive: true });
  return { code, stderr: new TextDecoder().decode(stderr) };
}
