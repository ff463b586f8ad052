/** Statements and transactions on a server that is there: what they answer, refuse and keep apart. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  openPostgres,
  type Postgres,
  sql,
  statement,
  StoreError,
  type StoreErrorCode,
} from "../../../transports/postgres/mod.ts";
import { startPostgres } from "../../support/postgres_server.ts";

const server = (await startPostgres()).endWithTests();

/** A database with one table that has one row, and few connections. */
async function openTable(connectionsMax = 3): Promise<Postgres> {
  const postgres = await openPostgres({ url: server.freshUrl(), connectionsMax });
  await postgres.transaction("prepare", async (transaction) => {
    await transaction.run(`CREATE SCHEMA ${postgres.schema}; CREATE TABLE counter (n int8 UNIQUE)`);
    await transaction.query(sql`INSERT INTO counter VALUES (1)`);
  });
  return postgres;
}

async function counted(postgres: Postgres): Promise<unknown> {
  return (await postgres.query("read", sql`SELECT n FROM counter ORDER BY n`)).rows;
}

Deno.test("Postgres.query() answers rows and how many there were", async () => {
  await using postgres = await openTable();
  assertEquals(await postgres.query("add", sql`INSERT INTO counter VALUES (${2}), (${3})`), {
    rows: [],
    count: 2,
    command: "INSERT",
  });
  assertEquals(await postgres.query("read", sql`SELECT n FROM counter WHERE n > ${2}`), {
    rows: [{ n: 3 }],
    count: 1,
    command: "SELECT",
  });
});

Deno.test("Postgres.query() of many at once answers each its own", async () => {
  await using postgres = await openTable();
  const asked = Array.from({ length: 1_000 }, (_, index) => index);
  const answers = await Promise.all(
    asked.map((number) => postgres.query("ask", sql`SELECT ${number}::int8 AS n`)),
  );
  assertEquals(answers.map(({ rows }) => rows[0]?.["n"]), asked);
});

/** What the server says, and what a caller is told. */
const CONDITIONS: readonly (readonly [state: string, code: StoreErrorCode | "bug"])[] = [
  ["53100", "full"],
  ["53200", "busy"],
  ["55P03", "busy"],
  ["57014", "busy"],
  ["40001", "busy"],
  ["57P03", "unavailable"],
  ["08006", "unavailable"],
  ["25006", "unavailable"],
  ["42P01", "io"],
  ["42501", "io"],
  ["58030", "io"],
  ["XX001", "io"],
  ["23505", "bug"],
  ["22P02", "bug"],
  ["42601", "bug"],
];

for (const [state, code] of CONDITIONS) {
  Deno.test(`Postgres.query() takes the condition ${state} for ${code}, and shows no value`, async () => {
    await using postgres = await openTable();
    const raise = `DO $$ BEGIN RAISE EXCEPTION 'words' USING ERRCODE = '${state}',
      DETAIL = 'Key (secret)=(hunter2) exists.'; END $$`;
    const error = await assertRejects(() => postgres.query("do it", statement(raise)), Error);
    assertEquals(error instanceof StoreError ? error.code : "bug", code);
    assertEquals(error.message, `Cannot do it: PostgreSQL answers ${state}: words`);
    assert(!Deno.inspect(error).includes("hunter2"));
    assertEquals(await counted(postgres), [{ n: 1 }], "the connection is of use");
  });
}

Deno.test("Postgres.query() ends when the time of a statement is over", async () => {
  await using postgres = await openPostgres({ url: server.url(), statementTimeoutMs: 50 });
  const error = await assertRejects(
    () => postgres.query("sleep", sql`SELECT pg_sleep(${600})`),
    StoreError,
  );
  assertEquals(error.code, "busy");
});

Deno.test("Postgres.transaction() keeps all or nothing", async () => {
  await using postgres = await openTable();
  const thrown = new Error("mine");
  const failed = postgres.transaction("fail", async ({ query }) => {
    await query(sql`UPDATE counter SET n = 5`);
    throw thrown;
  });
  assertEquals(await failed.catch((error) => error), thrown);
  assertEquals(await counted(postgres), [{ n: 1 }]);
  const result = await postgres.transaction("do", async ({ query }) => {
    const answers = await Promise.all([
      query(sql`UPDATE counter SET n = 6`),
      query(sql`INSERT INTO counter VALUES (7)`),
      query(sql`SELECT sum(n)::int8 AS n FROM counter`),
    ]);
    return answers[2].rows;
  });
  assertEquals(result, [{ n: 13 }]);
  assertEquals(await counted(postgres), [{ n: 6 }, { n: 7 }]);
});

Deno.test("Postgres.transaction() does not take a failed statement for done", async () => {
  await using postgres = await openTable();
  const work = postgres.transaction("do", async ({ query }) => {
    await query(sql`UPDATE counter SET n = 5`);
    await query(sql`SELECT 1 / 0`).catch(() => {});
  });
  await assertRejects(() => work, Error, "a failed statement of a transaction was passed over");
  assertEquals(await counted(postgres), [{ n: 1 }]);
});

Deno.test("Postgres.transaction() runs again after a conflict, a bounded number of times", async () => {
  await using postgres = await openTable(6);
  const add = () =>
    postgres.transaction("add", async ({ query }) => {
      const { rows: [row] } = await query(sql`SELECT n FROM counter`);
      await query(sql`UPDATE counter SET n = ${Number(row?.["n"]) + 1}`);
    }, "serializable");
  await Promise.all([add(), add(), add()]);
  assertEquals(await counted(postgres), [{ n: 4 }]);

  let runs = 0;
  const hopeless = postgres.transaction("add", async ({ run }) => {
    runs++;
    await run("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$");
  });
  assertEquals((await assertRejects(() => hopeless, StoreError)).code, "busy");
  assertEquals(runs, 6);
});

Deno.test("Postgres.transaction() of many at once: each waits for its turn", async () => {
  await using postgres = await openTable();
  const add = () =>
    postgres.transaction("add", ({ query }) => query(sql`UPDATE counter SET n = n + 1`));
  await Promise.all(Array.from({ length: 50 }, add));
  assertEquals(await counted(postgres), [{ n: 51 }]);
});

Deno.test("Postgres.transaction() does not hold up statements", async () => {
  await using postgres = await openTable(2);
  await postgres.transaction("hold", async ({ query }) => {
    await query(sql`UPDATE counter SET n = 2`);
    assertEquals(await counted(postgres), [{ n: 1 }]);
  });
});

Deno.test("calls are refused when too many wait, and the others are served", async () => {
  await using postgres = await openTable(2);
  const release = Promise.withResolvers<void>();
  const holding = postgres.transaction("hold", () => release.promise);
  const calls = Array.from(
    { length: 1_030 },
    () =>
      postgres.transaction("wait", ({ query }) => query(sql`SELECT 1`)).then(
        () => "served",
        (error: unknown) => error instanceof StoreError ? `${error.code}: ${error.message}` : error,
      ),
  );
  const refused = await calls.at(-1);
  assertEquals(refused, "busy: Cannot wait: 1024 calls wait for a connection already");
  release.resolve();
  await holding;
  const outcomes = await Promise.all(calls);
  assertEquals(outcomes.filter((outcome) => outcome === "served").length, 1_024);
});

Deno.test("calls are refused when none of the connections is free in time", async () => {
  await using postgres = await openPostgres({
    url: server.url(),
    connectionsMax: 2,
    statementTimeoutMs: 0,
  });
  const release = Promise.withResolvers<void>();
  const holding = postgres.transaction("hold", () => release.promise);
  const waiting = postgres.transaction("wait", ({ query }) => query(sql`SELECT 1`));
  const error = await assertRejects(() => waiting, StoreError);
  release.resolve();
  await holding;
  assertEquals(
    `${error.code}: ${error.message}`,
    "busy: Cannot wait: no connection was free for 2000 ms",
  );
});

Deno.test("Postgres.query() outlasts whoever is frozen with a lock that it waits for", async () => {
  const options = { url: server.freshUrl(), statementTimeoutMs: 2_000 };
  await using postgres = await openPostgres(options);
  await using other = await openPostgres(options);
  await postgres.transaction("prepare", async ({ run }) => {
    await run(`CREATE SCHEMA ${postgres.schema}; CREATE TABLE counter AS SELECT 1 AS n`);
  });
  const locked = Promise.withResolvers<void>();
  const thawed = Promise.withResolvers<void>();
  const holding = assertRejects(() =>
    other.transaction("hold", async ({ query }) => {
      await query(sql`UPDATE counter SET n = 2`);
      locked.resolve();
      // Whoever waits has waited for a while when this one stops.
      await query(sql`SELECT pg_sleep(0.5)`);
      await thawed.promise;
    }), StoreError);
  await locked.promise;
  assertEquals((await postgres.query("add", sql`UPDATE counter SET n = n + 2`)).count, 1);
  thawed.resolve();
  assertEquals((await holding).code, "unavailable");
  assertEquals(await counted(postgres), [{ n: 3 }]);
});

Deno.test("Postgres.close() lets calls on their way end and refuses new ones", async () => {
  const postgres = await openTable();
  const reading = counted(postgres);
  const adding = postgres.transaction("add", async ({ query }) => {
    await query(sql`UPDATE counter SET n = 9`);
    return (await query(sql`SELECT n FROM counter`)).rows;
  });
  await Promise.resolve();
  const closing = postgres.close();
  const late = await assertRejects(() => postgres.query("read", sql`SELECT 1`), StoreError);
  assertEquals(`${late.code}: ${late.message}`, "closed: Cannot read: The store is closed");
  assertEquals(await reading, [{ n: 1 }]);
  assertEquals(await adding, [{ n: 9 }]);
  await closing;
  await postgres.close();
});
