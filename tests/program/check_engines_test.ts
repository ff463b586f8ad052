/** What `check` says of PostgreSQL and Redis, for each way in which one of them cannot be used, or should not be used so. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { checkNode } from "../../program/check.ts";
import type { Finding } from "../../transports/command_line/check_report.ts";
import { parseCommandLine } from "../../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../../transports/command_line/read_file.ts";
import { openPostgres, sql } from "../../transports/postgres/mod.ts";
import { openRedisMessageStore } from "../../transports/redis_messages/mod.ts";
import { migrateFor } from "../support/nodes_campaign.ts";
import { startPostgres } from "../support/postgres_server.ts";
import { startRedis } from "../support/redis_server.ts";
import { freePort } from "../support/service.ts";

const PASSWORD = "canary-0123456789";

/** Settings as variables: there, addresses may have a password. */
type Settings = Readonly<Record<string, string>>;

/** What `check` finds with these settings, on free ports. */
async function check(settings: Settings): Promise<readonly Finding[]> {
  const data = await Deno.makeTempDir({ prefix: "heliograph-check-" });
  const ports = { endpoint_port: "0", device_port: "0", api_port: "0" };
  const env = Object.entries({ data, ...ports, ...settings }).map(([name, value]) =>
    [`HELIOGRAPH_${name.toUpperCase()}`, value] as const
  );
  try {
    const line = parseCommandLine(["check"], new Map(env), readTextFile);
    if (line.kind === "run" && line.command.name === "check") {
      return await checkNode(line.command.settings);
    }
    throw new Error(JSON.stringify(line));
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

/** A row: settings, what is looked at, and what is found. */
type Row = readonly [
  title: string,
  settings: Settings,
  what: string,
  outcome: Finding["outcome"] | "absent",
  detail: RegExp,
];

async function assertFound(rows: readonly Row[], test: Deno.TestContext): Promise<void> {
  for (const [title, settings, what, outcome, detail] of rows) {
    await test.step(`${title} => ${what}: ${outcome}`, async () => {
      const findings = await check(settings);
      const finding = findings.find((finding) => finding.what === what);
      assertEquals(finding?.outcome ?? "absent", outcome, finding?.detail);
      assertMatch(finding?.detail ?? "", detail);
      assert(!JSON.stringify(findings).includes(PASSWORD));
    });
  }
}

Deno.test("checkNode() tries each Redis that is named", async (test) => {
  await using plain = await startRedis();
  await using locked = await startRedis({ password: PASSWORD, appendfsync: "always" });
  await using secure = await startRedis({ tls: true });
  await using evicting = await startRedis({
    appendfsync: "always",
    args: ["--maxmemory-policy", "allkeys-lru"],
  });
  await plain.cli("HSET", "newer:schema", "counters", "7");
  const nobody = `redis://127.0.0.1:${freePort()}`;
  const wrong = locked.url().replace(PASSWORD, `not-${PASSWORD}`);
  const { caFile = "" } = secure.certificates ?? {};
  const all = ["queue", "source", "counters"] as const;
  const good = {
    queue: "hands out batches",
    source: "brings notifications",
    counters: "counts",
  };
  await assertFound([
    ...all.flatMap((name): readonly Row[] => [
      [`${name} that is there`, { [name]: plain.url() }, name, "ok", new RegExp(good[name])],
      [`${name} that is not`, { [name]: nobody }, name, "failed", /Cannot reach Redis at 127/],
      [`${name} with a wrong password`, { [name]: wrong }, name, "failed", /refused user or pass/],
      [
        `${name} that nobody trusts`,
        { [name]: secure.url() },
        name,
        "failed",
        /TLS failed .*name the authority/,
      ],
      [
        `${name} that is trusted`,
        { [name]: secure.url(), store_ca_file: caFile },
        name,
        "ok",
        /^rediss:/,
      ],
    ]),
    ["a store that is not there", { store: nobody }, "store", "failed", /Cannot reach Redis/],
    ["a store that is", { store: plain.url() }, "store", "ok", /reads and writes$/],
    [
      "counters of a newer version",
      { counters: plain.url("prefix=newer") },
      "counters",
      "failed",
      /schema version 7 of "counters" was written by a newer version/,
    ],
    [
      "a store without a file",
      { store: plain.url() },
      "durability of store",
      "warning",
      /loses everything since its last snapshot.*appendonly yes/,
    ],
    ["a store with one", { store: locked.url() }, "durability of store", "ok", /loses nothing/],
    [
      "a store that evicts",
      { store: evicting.url() },
      "durability of store",
      "warning",
      /maxmemory-policy allkeys-lru.*set maxmemory-policy noeviction/,
    ],
    ["a queue without a file", { queue: plain.url() }, "durability of queue", "absent", /^$/],
    ["counters that are not there", { counters: nobody }, "durability of counters", "absent", /^$/],
    [
      "a source without a file",
      { source: plain.url() },
      "durability of source",
      "warning",
      /snapshot/,
    ],
  ], test);
});

Deno.test("checkNode() tries each PostgreSQL that is named", async (test) => {
  await using locked = await startPostgres({ password: true });
  await using secure = await startPostgres({ tls: true });
  const nobody = `postgres://push@127.0.0.1:${freePort()}/push`;
  const url = locked.freshUrl();
  await migrateFor(["--store", url, "--results-database", url]);
  const older = locked.freshUrl();
  await migrateFor(["--store", older, "--results-database", older]);
  {
    await using database = await openPostgres({ url: older });
    await database.query("age", sql`UPDATE schema_version SET version = version - 1`);
  }
  const wrong = url.replace(encodeURIComponent(locked.password), PASSWORD);
  const { caFile = "" } = secure.certificates ?? {};
  const empty = locked.freshUrl();
  const places = [["store", "store"], ["results_database", "results database"]] as const;
  await assertFound(
    places.flatMap(([name, what]): readonly Row[] => [
      [`${name} that is there`, { [name]: url }, what, "ok", /(reads and writes|keeps rows)$/],
      [
        `${name} that is not`,
        { [name]: nobody },
        what,
        "failed",
        /nobody answers .*Is PostgreSQL running/,
      ],
      [`${name} with a wrong password`, { [name]: wrong }, what, "failed", /password/],
      [`${name} that nobody trusts`, { [name]: secure.url() }, what, "failed", /TLS|certificate/],
      [
        `${name} that is trusted`,
        { [name]: secure.url("fresh"), store_ca_file: caFile },
        what,
        "failed",
        /schema version 0, need/,
      ],
      [
        `${name} without tables`,
        { [name]: empty },
        what,
        "failed",
        /schema version 0, need \d+: run heliograph migrate$/,
      ],
      [
        `${name} with older tables`,
        { [name]: older },
        what,
        "failed",
        /schema version \d+, need \d+: run heliograph migrate$/,
      ],
    ]),
    test,
  );
});

Deno.test("checkNode() tries the node port, and misses it where a store is shared", async (test) => {
  await using redis = await startRedis();
  const store = redis.url();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const next = /next look into the store$/;
  await assertFound([
    ["a store of one node", {}, "node port", "absent", /^$/],
    ["a shared store without", { store }, "node port", "warning", next],
    ["a shared store with", { store, node_port: "0" }, "node port", "ok", /is free$/],
    ["processes", { store, processes: "2" }, "node port", "absent", /^$/],
    ["a node without devices", { store, roles: "delivery,api" }, "node port", "absent", /^$/],
    [
      "a port that another has",
      { store, node_port: `${taken.addr.port}` },
      "node port",
      "failed",
      /^node-port: port \d+ is in use/,
    ],
  ], test);
});

Deno.test("checkNode() tries the ports of the node's roles only", async (test) => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = `${taken.addr.port}`;
  const shared = { store: "memory:", endpoint_url: "https://push.example" };
  await assertFound([
    ["all roles", { endpoint_port: port }, "push endpoint", "failed", /^endpoint-port: port/],
    [
      "no endpoint",
      { ...shared, roles: "devices", endpoint_port: port },
      "push endpoint",
      "absent",
      /^$/,
    ],
    ["no devices", { roles: "endpoint", device_port: port }, "device sockets", "absent", /^$/],
    ["no API", { roles: "endpoint", api_port: port }, "API", "absent", /^$/],
  ], test);
});

Deno.test("checkNode() tells whether the nodes on the store would let this one join", async (test) => {
  await using redis = await startRedis();
  const other = {
    id: "node-1",
    url: "http://127.0.0.1:8083",
    roles: ["devices"],
    version: "1",
    keys: ["another key"],
    startedAt: 0,
    facts: undefined,
  };
  const fresh = redis.url("prefix=fresh");
  const store = redis.url();
  await using directory = await openRedisMessageStore({ url: store, userLifetimeSeconds: 60 });
  await directory.renew(other, 600_000);
  const refused = /^crypto-keys: the node http:\/\/127\.0\.0\.1:8083 of this store has other keys/;
  await assertFound([
    ["a store of one node", {}, "other nodes", "absent", /^$/],
    ["a shared store without nodes", { store: fresh }, "other nodes", "ok", /^0 on the store$/],
    ["a node with other keys", { store }, "other nodes", "failed", refused],
  ], test);
});
