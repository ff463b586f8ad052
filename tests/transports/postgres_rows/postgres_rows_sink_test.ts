/** Rows against a real PostgreSQL: each once, in the table of its day, for as long as they are kept. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { RowSink } from "../../../actors/push/delivery/ports.ts";
import type { DeliveryRow } from "../../../actors/push/delivery/records.ts";
import { StoreError, StoreOpenError } from "../../../transports/postgres/errors.ts";
import { migrate } from "../../../transports/postgres/migrations.ts";
import { openPostgres, type Postgres } from "../../../transports/postgres/postgres.ts";
import { Columns } from "../../../transports/postgres/rows.ts";
import { statement } from "../../../transports/postgres/sql.ts";
import {
  openPostgresRowsSink,
  type PostgresRowsOptions,
  type PostgresRowsSink,
  readDeviceRows,
  readNotificationRows,
  ROWS_SCHEMA,
} from "../../../transports/postgres_rows/mod.ts";
import { startPostgres } from "../../support/postgres_server.ts";
import { Seeded } from "../../support/seeded.ts";

const server = (await startPostgres({ durable: true })).endWithTests();

const DAY_MS = 86_400_000;
const NOON = Date.UTC(2026, 10, 22, 12);
const MIDNIGHT = Date.UTC(2026, 10, 23);
const NOTIFICATION = "11111111-1111-4111-8111-111111111111";

const signal = new AbortController().signal;

function row(position: number, change: Partial<DeliveryRow> = {}): DeliveryRow {
  return {
    position,
    notification: NOTIFICATION,
    app: "shop",
    number: position,
    device: `device-${position}`,
    platform: "fcm",
    address: `token-${position}`,
    outcome: "failed",
    status: 503,
    reason: "UNAVAILABLE",
    attempts: 3,
    at: NOON + position,
    registeredBefore: undefined,
    ...change,
  };
}

function rows(count: number, first = 1): readonly DeliveryRow[] {
  return Array.from({ length: count }, (_, index) => row(first + index));
}

/** A schema with the tables, a clock, sinks on it, and a connection of the test's own. */
class RowsWorld implements AsyncDisposable {
  nowMs = NOON;
  readonly url: string;
  readonly postgres: Postgres;
  readonly #sinks = new AsyncDisposableStack();

  private constructor(url: string, postgres: Postgres) {
    this.url = url;
    this.postgres = postgres;
  }

  static async open(): Promise<RowsWorld> {
    const url = server.freshUrl();
    await migrate({ url }, [ROWS_SCHEMA]);
    return new RowsWorld(url, await openPostgres({ url }));
  }

  async sink(options: Partial<PostgresRowsOptions> = {}): Promise<PostgresRowsSink> {
    const wallNow = () => this.nowMs;
    return this.#sinks.use(
      await openPostgresRowsSink({ url: this.url, rows: "all", wallNow, ...options }),
    );
  }

  /** The days that have a table. */
  async days(): Promise<readonly string[]> {
    const { rows } = await this.postgres.query(
      "list tables",
      statement(`SELECT relname::text AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid
        WHERE inhparent = 'delivery_row'::regclass ORDER BY relname`),
    );
    return rows.map((row) =>
      new Columns("pg_class").text(row, "name").replace("delivery_row_", "")
    );
  }

  async count(table = "delivery_row"): Promise<number> {
    const { rows: [row] } = await this.postgres.query(
      "count",
      statement(`SELECT count(*) AS count FROM ${table}`),
    );
    return new Columns(table).integer(row, "count");
  }

  read(limit = 100): Promise<readonly DeliveryRow[]> {
    return readNotificationRows(this.postgres, { notification: NOTIFICATION, limit });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sinks.disposeAsync();
    await this.postgres.close();
  }
}

/** Offers a page until it is taken, as the sink's actor does; says how often it was not. */
async function insist(sink: PostgresRowsSink, page: readonly DeliveryRow[]): Promise<number> {
  for (let failures = 0;; failures++) {
    try {
      await sink.record(page, signal);
      return failures;
    } catch (error) {
      if (!(error instanceof StoreError) || failures > 300) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

Deno.test("PostgresRowsSink keeps rows as they are", async () => {
  await using world = await RowsWorld.open();
  const sink: RowSink = await world.sink();
  const page = [
    row(1, { outcome: "token_invalid", registeredBefore: NOON - 1, at: NOON + 123 }),
    row(2, { device: undefined, platform: "webpush", address: 'https://a.example/"{\\}' }),
    row(3, { outcome: "delivered", status: 200, reason: "", number: 2 ** 47, position: 2 ** 50 }),
    row(4, { reason: 'Ä "quoted", {braced}, NULL and\nlines' }),
  ];
  await sink.record(page, signal);
  const expected = [page[0], page[1], page[3], page[2]];
  assertEquals(await world.read(), expected.flatMap((row) => row ?? []));
});

Deno.test("PostgresRowsSink takes the character that PostgreSQL does not know", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink();
  await sink.record([row(1, { reason: "a\0b\ud800" })], signal);
  assertEquals((await world.read())[0]?.reason, "a\ufffdb\ufffd");
});

Deno.test("PostgresRowsSink keeps each row once however pages overlap, and whoever offers them", async () => {
  await using world = await RowsWorld.open();
  const sinks = [await world.sink(), await world.sink()];
  const seeded = new Seeded(3);
  // Over midnight, one every ten minutes.
  const log = Array.from(
    { length: 144 },
    (_, index) => row(index + 1, { at: NOON + index * 600_000 }),
  );
  const pages = Array.from({ length: 40 }, () => {
    const from = seeded.between(0, log.length - 1);
    return log.slice(from, from + seeded.between(1, 30));
  });
  await Promise.all(
    [...pages, log, log].map((page, index) => sinks[index % 2]?.record(page, signal)),
  );
  assertEquals(await world.read(1_000), log);
});

Deno.test("PostgresRowsSink keeps each row once when connections are cut under it", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink();
  const cut = statement(`SELECT count(pg_terminate_backend(pid)) AS count FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`);
  let [rounds, failures] = [0, 0];
  // Not every cut comes while a page is on its way.
  for (; failures < 5 && rounds < 500; rounds++) {
    const page = insist(sink, rows(200, rounds * 200 + 1));
    await world.postgres.query("cut", cut);
    failures += await page;
  }
  assertEquals(failures >= 5, true);
  assertEquals(await world.count(), rounds * 200);
});

Deno.test("PostgresRowsSink parts rows by the day in UTC, and has tables ahead", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink();
  assertEquals(await world.days(), ["2026_11_22", "2026_11_23", "2026_11_24"]);
  await sink.record(
    [row(1, { at: MIDNIGHT - 1 }), row(2, { at: MIDNIGHT }), row(3, { at: MIDNIGHT + 1 })],
    signal,
  );
  assertEquals([
    await world.count("delivery_row_2026_11_22"),
    await world.count("delivery_row_2026_11_23"),
  ], [1, 2]);
  world.nowMs = MIDNIGHT;
  await sink.upkeep();
  assertEquals((await world.days()).at(-1), "2026_11_25");
});

Deno.test("PostgresRowsSink makes the table of a row that comes late, or early", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink();
  const page = [row(1, { at: NOON - 40 * DAY_MS }), row(2, { at: NOON + 9 * DAY_MS })];
  await sink.record(page, signal);
  assertEquals(await world.read(), page);
  const days = await world.days();
  assertEquals([days.length, days[0], days.at(-1)], [5, "2026_10_13", "2026_12_01"]);
});

Deno.test("PostgresRowsSink on several nodes makes each table once", async () => {
  await using world = await RowsWorld.open();
  const sinks = await Promise.all(Array.from({ length: 4 }, () => world.sink()));
  const page = Array.from(
    { length: 70 },
    (_, index) => row(index + 1, { at: NOON - index * DAY_MS }),
  );
  await Promise.all(sinks.map((sink) => sink.record(page, signal)));
  assertEquals((await world.read()).length, 70);
  assertEquals((await world.days()).length, 72);
});

Deno.test("PostgresRowsSink drops days that are over, whole, and takes no row of them", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink({ retentionMs: 2 * DAY_MS });
  await sink.record([row(1, { at: NOON - 2 * DAY_MS }), row(2)], signal);
  world.nowMs = MIDNIGHT - 1;
  assertEquals(await sink.upkeep(), 0);
  assertEquals((await world.read()).map(({ number }) => number), [1, 2]);
  world.nowMs = MIDNIGHT;
  assertEquals(await sink.upkeep(), 1);
  assertEquals(await sink.upkeep(), 0);
  assertEquals((await world.read()).map(({ number }) => number), [2]);
  assertEquals((await world.days())[0], "2026_11_22");
  await sink.record([row(1, { at: NOON - 2 * DAY_MS }), row(3)], signal);
  assertEquals((await world.read()).map(({ number }) => number), [2, 3]);
  assertEquals((await world.days())[0], "2026_11_22");
});

Deno.test("PostgresRowsSink drops a limited number of days at once", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink();
  const page = Array.from(
    { length: 50 },
    (_, index) => row(index + 1, { at: NOON - index * DAY_MS }),
  );
  await sink.record(page, signal);
  const short = await world.sink({ retentionMs: DAY_MS });
  // It dropped some when it was opened.
  assertEquals((await world.days()).length, 52 - 32);
  assertEquals(await short.upkeep(), 16);
  assertEquals(await world.days(), [
    "2026_11_21",
    "2026_11_22",
    "2026_11_23",
    "2026_11_24",
  ]);
});

Deno.test("PostgresRowsSink leaves a day for later that somebody reads, and goes on recording", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink({ retentionMs: DAY_MS });
  await sink.record(rows(3), signal);
  world.nowMs += 3 * DAY_MS;
  await world.postgres.transaction("read", async (transaction) => {
    await transaction.query(statement("SELECT count(*) AS count FROM delivery_row"));
    assertEquals(await sink.upkeep(), 0);
    await sink.record([row(9, { at: world.nowMs })], signal);
  });
  assertEquals(await world.count(), 4);
  assertEquals(await sink.upkeep() > 0, true);
  assertEquals(await world.count(), 1);
});

Deno.test("PostgresRowsSink leaves a detached day alone, and makes a day again that was dropped under it", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink({ retentionMs: 3 * DAY_MS });
  await sink.record(rows(3), signal);
  await world.postgres.transaction("detach", async (transaction) => {
    await transaction.run(
      "ALTER TABLE delivery_row DETACH PARTITION delivery_row_2026_11_22; DROP TABLE delivery_row_2026_11_23",
    );
  });
  const tomorrow = [row(4, { at: MIDNIGHT })];
  await assertRejects(() => sink.record(tomorrow, signal), Error, "23514");
  await sink.record(tomorrow, signal);
  assertEquals(await world.count(), 1);
  world.nowMs += 30 * DAY_MS;
  await sink.upkeep();
  assertEquals(await world.count("delivery_row_2026_11_22"), 3);
});

Deno.test("PostgresRowsSink rejects while the database is away, and keeps all when it is back", async () => {
  await using away = await startPostgres({ durable: true });
  const url = away.freshUrl();
  await migrate({ url }, [ROWS_SCHEMA]);
  await using sink = await openPostgresRowsSink({ url, rows: "all", wallNow: () => NOON });
  await sink.record(rows(3), signal);
  await away.kill9();
  const error = await assertRejects(() => sink.record(rows(5, 2), signal), StoreError);
  assertEquals(error.code, "unavailable");
  await assertRejects(() => sink.upkeep(), StoreError);
  await away.start();
  await insist(sink, rows(5, 2));
  await using postgres = await openPostgres({ url });
  const page = { notification: NOTIFICATION, limit: 99 };
  assertEquals((await readNotificationRows(postgres, page)).length, 6);
});

Deno.test("PostgresRowsSink stops at the signal", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink();
  await assertRejects(() => sink.record(rows(1), AbortSignal.abort()), DOMException);
  assertEquals(await world.count(), 0);
});

Deno.test("openPostgresRowsSink() refuses a schema without the table, and retentions out of range", async () => {
  const url = server.freshUrl();
  const missing = await assertRejects(
    () => openPostgresRowsSink({ url, rows: "all" }),
    StoreOpenError,
    "schema version 0, need 1: run heliograph migrate",
  );
  assertEquals(missing.code, "older_schema");
  for (const retentionMs of [0, DAY_MS - 1, DAY_MS + 0.5, 3_651 * DAY_MS]) {
    await assertRejects(
      () => openPostgresRowsSink({ url, rows: "all", retentionMs }),
      RangeError,
      `retentionMs: ${retentionMs}, whole milliseconds of 1 to 3650 days are allowed`,
    );
  }
});

Deno.test("readNotificationRows() and readDeviceRows() page through, over days", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink();
  const page = Array.from(
    { length: 5 },
    (_, index) => row(index + 1, { at: NOON - index * DAY_MS, device: "phone" }),
  );
  await sink.record([...page, row(9, { notification: crypto.randomUUID() })], signal);
  const { postgres } = world;
  const of = { notification: NOTIFICATION, limit: 2 };
  assertEquals(await readNotificationRows(postgres, of), page.slice(0, 2));
  assertEquals(await readNotificationRows(postgres, { ...of, after: 2 }), page.slice(2, 4));
  assertEquals(await readNotificationRows(postgres, { ...of, notification: "' or 1" }), []);
  const device = { device: "phone", limit: 2 };
  assertEquals(await readDeviceRows(postgres, device), page.slice(0, 2));
  const before = page[1]?.at ?? 0;
  assertEquals(await readDeviceRows(postgres, { ...device, before }), page.slice(2, 4));
  assertEquals(await readDeviceRows(postgres, { ...device, device: "nobody" }), []);
});

Deno.test("readNotificationRows() and readDeviceRows() walk no table", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink();
  await sink.record(rows(1_000), signal);
  await world.postgres.transaction("analyze", async (transaction) => {
    await transaction.run("ANALYZE delivery_row; SET LOCAL enable_seqscan = on");
  });
  for (
    const [where, index] of [
      [`notification = '${NOTIFICATION}' AND number > 990 ORDER BY number LIMIT 5`, /_pkey/],
      ["device = 'device-5' ORDER BY at DESC LIMIT 5", /_device_at_idx/],
    ] as const
  ) {
    const { rows: [plan] } = await world.postgres.query(
      "explain",
      statement(`EXPLAIN (FORMAT JSON) SELECT * FROM delivery_row WHERE ${where}`),
    );
    const text = JSON.stringify(plan);
    assert(index.test(text), text);
  }
});

Deno.test("readNotificationRows() names the column that another program wrote to", async () => {
  await using world = await RowsWorld.open();
  const sink = await world.sink();
  await sink.record(rows(1), signal);
  for (
    const [change, problem] of [
      ["outcome = 'opened'", '"outcome" is text, expected one of delivered, token_invalid'],
      ["platform = 'pager'", '"platform" is text, expected one of apns, fcm, webpush'],
      ["number = 9007199254740993", '"number" is text, expected an integer below 2^53'],
    ] as const
  ) {
    await world.postgres.query("damage", statement(`UPDATE delivery_row SET ${change}`));
    const error = await assertRejects(() => world.read(), StoreError, problem);
    assertEquals([error.code, /table "delivery_row"/.test(error.message)], ["corrupt", true]);
    await world.postgres.query(
      "mend",
      statement("UPDATE delivery_row SET outcome = 'failed', platform = 'fcm', number = 1"),
    );
  }
});
