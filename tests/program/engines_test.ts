/** Settings of the engines beside the store, as a node opens them. */

import { assert, assertEquals } from "@std/assert";
import { openEngines } from "../../program/engines.ts";
import type { DeliveryRow } from "../../program/pipeline.ts";
import { parseCommandLine } from "../../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../../transports/command_line/read_file.ts";
import { MemoryDeliveryStore } from "../../transports/memory/memory_delivery_store.ts";
import { openPostgres, sql } from "../../transports/postgres/mod.ts";
import { openRedisMessageStore } from "../../transports/redis_messages/mod.ts";
import { migrateFor } from "../support/nodes_campaign.ts";
import { startPostgres } from "../support/postgres_server.ts";
import { startRedis } from "../support/redis_server.ts";
import { Service } from "../support/service.ts";

const DAY_MS = 86_400_000;

/** A delivery that failed so many days ago. */
function failed(days: number): DeliveryRow {
  return {
    position: 100 - days,
    notification: "00000000-0000-4000-8000-000000000001",
    app: "shop",
    number: 100 - days,
    device: undefined,
    platform: "fcm",
    address: `token-${days}`,
    outcome: "failed",
    status: 500,
    reason: "INTERNAL",
    attempts: 16,
    at: Date.now() - days * DAY_MS,
    registeredBefore: undefined,
  };
}

Deno.test("results-database-retention is how long rows are kept", async () => {
  await using server = await startPostgres();
  const url = server.freshUrl();
  await migrateFor(["--results-database", url]);
  /** Opens the sink as a node does, gives it these rows, and closes it. */
  const offer = async (retention: string, rows: readonly DeliveryRow[]) => {
    const args = [
      "serve",
      `--results-database=${url}`,
      `--results-database-retention=${retention}`,
    ];
    const line = parseCommandLine(args, new Map(), readTextFile);
    assert(line.kind === "run" && line.command.name === "serve");
    const problems: string[] = [];
    await using engines = await openEngines(line.command.settings, {
      store: new MemoryDeliveryStore(),
      node: "n",
      telemetry: {
        storeProblem: (_, problem) => void problems.push(problem),
        delivery: { record() {} },
      },
    });
    const [sink] = engines.sinks;
    assert(sink !== undefined && sink.rows === "failures");
    await sink.record(rows, new AbortController().signal);
    assertEquals(problems, []);
  };
  await offer("30d", [failed(9), failed(4), failed(1)]);
  await offer("5d", []);
  await using database = await openPostgres({ url });
  const { rows } = await database.query("look", sql`SELECT address FROM delivery_row ORDER BY 1`);
  assertEquals(rows.map((row) => row["address"]), ["token-1", "token-4"]);
});

Deno.test("node-url is where other nodes are told to reach this one", async () => {
  await using redis = await startRedis({ appendfsync: "always" });
  const url = redis.freshUrl();
  await using _service = await Service.start({
    flags: [`--store=${url}`, "--node-port=0", "--node-url=http://localhost"],
  });
  await using store = await openRedisMessageStore({ url });
  const { alive: [node] } = await store.nodes();
  assert(/^http:\/\/localhost:\d+$/.test(node?.url ?? ""), node?.url);
});
