/**
 * How fast do the sinks on engines take what a pipeline hands them: rows to PostgreSQL, tallies to
 * Redis?
 *
 * `deno run -A bench/engine_sinks.ts [ROWS] [TALLIES]` starts a PostgreSQL and a Redis that sync every
 * write, and prints a table. The pages are those of the sinks' actors. Results are in
 * `engine_sinks.md`.
 *
 * @module
 */

import { startPostgres } from "../tests/support/postgres_server.ts";
import { startRedis } from "../tests/support/redis_server.ts";
import { migrate } from "../transports/postgres/migrations.ts";
import {
  type DeliveryRow,
  openPostgresRowsSink,
  ROWS_SCHEMA,
} from "../transports/postgres_rows/mod.ts";
import { openRedisCountersSink, type Tally } from "../transports/redis_counters/mod.ts";

/** How much is measured. */
export interface EngineSinksPlan {
  /** Rows to keep. */
  readonly rows: number;
  /** Tallies to count. */
  readonly tallies: number;
}

/** What one part took. */
export interface EngineSinksCost {
  /** The part. */
  readonly what: string;
  /** Rows or tallies. */
  readonly count: number;
  /** Microseconds each, of time. */
  readonly timeUs: number;
}

/** Rows and tallies of a page, as the sinks' actors read them. */
const PAGE = 1_000;

const signal = new AbortController().signal;

/** Measures both sinks on new engines, which are removed in the end. */
export async function measureEngineSinks(plan: EngineSinksPlan): Promise<EngineSinksCost[]> {
  return [...await measureRows(plan.rows), ...await measureTallies(plan.tallies)];
}

async function measureRows(count: number): Promise<EngineSinksCost[]> {
  await using server = await startPostgres({ durable: true });
  const url = server.freshUrl();
  await migrate({ url }, [ROWS_SCHEMA]);
  await using sink = await openPostgresRowsSink({ url, rows: "all" });
  const at = Date.now();
  const notification = crypto.randomUUID();
  const page = (first: number): readonly DeliveryRow[] =>
    Array.from({ length: PAGE }, (_, index) => rowOf(first + index, notification, at));
  const record = async () => {
    for (let first = 0; first < count; first += PAGE) await sink.record(page(first), signal);
  };
  return [
    await costOf("rows to PostgreSQL", count, record),
    await costOf("the same rows again", count, record),
  ];
}

async function measureTallies(count: number): Promise<EngineSinksCost[]> {
  await using server = await startRedis({ appendfsync: "always" });
  const at = Date.now();
  const notifications = Array.from({ length: 100 }, () => crypto.randomUUID());
  const costs: EngineSinksCost[] = [];
  for (const [size, what] of [[PAGE, "in full pages"], [1, "one by one"]] as const) {
    await using sink = await openRedisCountersSink({ url: server.freshUrl() });
    costs.push(
      await costOf(`tallies to Redis ${what}`, count, async () => {
        for (let first = 1; first <= count; first += size) {
          const page = Array.from({ length: Math.min(size, count) }, (_, index): Tally => {
            const position = first + index;
            const notification = notifications[position % 100] ?? "";
            return tallyOf(position, notification, at + position);
          });
          await sink.record(page, signal);
        }
      }),
    );
  }
  return costs;
}

function rowOf(position: number, notification: string, at: number): DeliveryRow {
  return {
    position,
    notification,
    app: "bench",
    number: position,
    device: `device-${position}`,
    platform: "apns",
    address: position.toString(16).padStart(64, "0"),
    outcome: "delivered",
    status: 200,
    reason: "",
    attempts: 1,
    at,
    registeredBefore: undefined,
  };
}

/** A batch of a thousand of which some failed; two hundred of them in a second. */
function tallyOf(position: number, notification: string, at: number): Tally {
  const outcomes = {
    delivered: 980,
    token_invalid: 10,
    rejected: 5,
    expired: 0,
    failed: 0,
    cancelled: 0,
  };
  return { position, notification, app: "bench", platform: "apns", at, outcomes, retries: 5 };
}

async function costOf(
  what: string,
  count: number,
  work: () => Promise<void>,
): Promise<EngineSinksCost> {
  const started = performance.now();
  await work();
  return { what, count, timeUs: (performance.now() - started) * 1_000 / count };
}

if (import.meta.main) {
  const [rows = "200000", tallies = "20000"] = Deno.args;
  const costs = await measureEngineSinks({ rows: Number(rows), tallies: Number(tallies) });
  const lines = costs.map(({ what, count, timeUs }) =>
    `| ${what} | ${count.toLocaleString("en")} | ${
      Math.round(1e6 / timeUs).toLocaleString("en")
    } | ${timeUs.toFixed(1)} |`
  );
  const head = ["| what | count | a second | µs each |", "| --- | ---: | ---: | ---: |"];
  await Deno.stdout.write(new TextEncoder().encode([...head, ...lines, ""].join("\n")));
}
