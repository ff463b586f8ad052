/** The server goes away and comes back: calls end, nothing is half done, and nobody has to help. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { openPostgres, type Postgres, sql, StoreError } from "../../../transports/postgres/mod.ts";
import { type PostgresServer, startPostgres } from "../../support/postgres_server.ts";

async function openCounter(server: PostgresServer, statementTimeoutMs = 2_000): Promise<Postgres> {
  const postgres = await openPostgres({ url: server.freshUrl(), statementTimeoutMs });
  await postgres.transaction("prepare", async ({ run }) => {
    await run(`CREATE SCHEMA ${postgres.schema}; CREATE TABLE counter (n int8);
      INSERT INTO counter VALUES (0)`);
  });
  return postgres;
}

function add(postgres: Postgres): Promise<unknown> {
  return postgres.query("add", sql`UPDATE counter SET n = n + 1`);
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => call, StoreError)).code;
}

/** Calls until one succeeds: how long until the next attempt is nobody's promise, that it comes is. */
async function recovered(call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await call();
      return;
    } catch (error) {
      assert(error instanceof StoreError && error.code === "unavailable", String(error));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

const ENDS: readonly (readonly [title: string, end: (server: PostgresServer) => Promise<void>])[] =
  [
    ["stopped", (server) => server.stop()],
    ["crashed", (server) => server.stop("immediate")],
    ["killed with -9", (server) => server.kill9()],
  ];

for (const [title, end] of ENDS) {
  Deno.test(`calls on a server that is ${title} are refused, and served when it is back`, async () => {
    await using server = await startPostgres({ durable: true });
    await using postgres = await openCounter(server);
    let answered = 0;
    let running = true;
    const callers = Array.from({ length: 8 }, async (_, index) => {
      while (running) {
        const change = index % 2 === 0
          ? add(postgres)
          : postgres.transaction("add", ({ query }) => query(sql`UPDATE counter SET n = n + 1`));
        try {
          await change;
          answered++;
        } catch (error) {
          assert(error instanceof StoreError && error.code === "unavailable", String(error));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      }
    });
    try {
      while (answered < 50) await new Promise((resolve) => setTimeout(resolve, 1));
      await end(server);
      assertEquals(await codeOf(add(postgres)), "unavailable");
      const before = answered;
      await server.start();
      await recovered(() => postgres.query("look", sql`SELECT 1`));
      while (answered < before + 50) await new Promise((resolve) => setTimeout(resolve, 1));
    } finally {
      running = false;
    }
    await Promise.all(callers);
    const { rows: [row] } = await postgres.query("read", sql`SELECT n FROM counter`);
    const counted = Number(row?.["n"]);
    // Each of the eight may have been cut off between its commit and the answer.
    assert(counted >= answered && counted <= answered + 8, `${counted} of ${answered}`);
  });
}

Deno.test("calls on a frozen server end, and are served when it goes on", async () => {
  await using server = await startPostgres();
  await using postgres = await openCounter(server, 100);
  await server.freeze();
  const calls = [
    add(postgres),
    add(postgres),
    postgres.transaction("add", ({ query }) => query(sql`UPDATE counter SET n = n + 1`)),
  ];
  assertEquals(await Promise.all(calls.map(codeOf)), ["unavailable", "unavailable", "unavailable"]);
  await server.thaw();
  await recovered(() => postgres.query("look", sql`SELECT 1`));
});

Deno.test("a connection that the server ends in a transaction leaves nothing of it", async () => {
  await using server = await startPostgres();
  await using postgres = await openCounter(server);
  const pids: unknown[] = [];
  const cut = postgres.transaction("add", async ({ query }) => {
    await query(sql`UPDATE counter SET n = 100`);
    const { rows: [row] } = await query(sql`SELECT pg_backend_pid() AS pid`);
    const pid = Number(row?.["pid"]);
    pids.push(pid);
    await postgres.query("end it", sql`SELECT pg_terminate_backend(${pid}, ${5_000})`);
    // Over another connection this would be done, outside of any transaction.
    await query(sql`UPDATE counter SET n = 200`);
  });
  assertEquals(await codeOf(cut), "unavailable");
  assertEquals(pids.length, 1, "it is not tried again: nobody knows what became of it");
  assertEquals((await postgres.query("read", sql`SELECT n FROM counter`)).rows, [{ n: 0 }]);
  await postgres.transaction("add", ({ query }) => query(sql`UPDATE counter SET n = n + 1`));
  assertEquals((await postgres.query("read", sql`SELECT n FROM counter`)).rows, [{ n: 1 }]);
});

Deno.test("Postgres.close() ends on a server that is frozen", async () => {
  await using server = await startPostgres();
  const postgres = await openCounter(server, 100);
  await server.freeze();
  const call = codeOf(add(postgres));
  await postgres.close();
  assertEquals(await call, "unavailable");
  await server.thaw();
});
