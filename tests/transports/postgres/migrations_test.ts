/** Migrations: from nothing, from a version before, at once, cut off; and what is refused. */

import { assertEquals, assertRejects } from "@std/assert";
import {
  checkVersions,
  migrate,
  openPostgres,
  type SchemaPart,
  sql,
  statement,
  StoreOpenError,
  UNFINISHED_COPY,
} from "../../../transports/postgres/mod.ts";
import { startPostgres } from "../../support/postgres_server.ts";

const server = (await startPostgres()).endWithTests();

const ONE: SchemaPart = { name: "parcels", migrations: ["CREATE TABLE parcel (id int8)"] };
const TWO: SchemaPart = {
  name: "parcels",
  migrations: [
    ...ONE.migrations,
    "ALTER TABLE parcel ADD note text; INSERT INTO parcel VALUES (7)",
  ],
};
const LETTERS: SchemaPart = { name: "letters", migrations: ["CREATE TABLE letter (id int8)"] };

/** What checking says, cut off before the place that differs from run to run. */
async function refusal(url: string, parts: readonly SchemaPart[]): Promise<readonly string[]> {
  await using postgres = await openPostgres({ url });
  const error = await assertRejects(() => checkVersions(postgres, parts), StoreOpenError);
  return [error.code, error.message.replace(/^.*\/postgres: /, "")];
}

Deno.test("migrate() makes the schema, brings each part up, and does nothing again", async () => {
  const url = server.freshUrl();
  assertEquals(await migrate({ url }, [ONE]), [{ part: "parcels", from: 0, to: 1 }]);
  assertEquals(await migrate({ url }, [TWO, LETTERS]), [
    { part: "parcels", from: 1, to: 2 },
    { part: "letters", from: 0, to: 1 },
  ]);
  assertEquals(await migrate({ url }, [TWO, LETTERS]), [
    { part: "parcels", from: 2, to: 2 },
    { part: "letters", from: 1, to: 1 },
  ]);
  await using postgres = await openPostgres({ url });
  await checkVersions(postgres, [TWO, LETTERS]);
  assertEquals((await postgres.query("read", sql`SELECT * FROM parcel`)).rows, [
    { id: 7, note: null },
  ]);
});

Deno.test("migrate() of several at once runs each step once", async () => {
  const url = server.freshUrl();
  const all = await Promise.all(Array.from({ length: 4 }, () => migrate({ url }, [TWO])));
  assertEquals(all.map((steps) => steps[0]?.to), [2, 2, 2, 2]);
  await using postgres = await openPostgres({ url });
  assertEquals((await postgres.query("read", sql`SELECT id FROM parcel`)).rows, [{ id: 7 }]);
});

Deno.test("migrate() that fails keeps what came before, and nothing of the failed step", async () => {
  const url = server.freshUrl();
  const broken = {
    ...TWO,
    migrations: [...ONE.migrations, "CREATE TABLE half (id int8); SELECT no"],
  };
  await assertRejects(
    () => migrate({ url }, [broken]),
    StoreOpenError,
    'column "no" does not exist',
  );
  assertEquals(await migrate({ url }, [TWO]), [{ part: "parcels", from: 1, to: 2 }]);
  await using postgres = await openPostgres({ url });
  const { rows } = await postgres.query("read", sql`SELECT to_regclass('half') IS NULL AS gone`);
  assertEquals(rows, [{ gone: true }]);
});

Deno.test("checkVersions() refuses what is missing, older or newer, and changes nothing", async () => {
  const url = server.freshUrl();
  const missing = ["older_schema", "schema version 0, need 1: run heliograph migrate"];
  assertEquals(await refusal(url, [ONE]), missing);
  assertEquals(await refusal(url, [ONE]), missing);
  await migrate({ url }, [ONE]);
  assertEquals(await refusal(url, [ONE, LETTERS]), missing);
  assertEquals(await refusal(url, [TWO]), [
    "older_schema",
    "schema version 1, need 2: run heliograph migrate",
  ]);
  await migrate({ url }, [TWO]);
  assertEquals(await refusal(url, [ONE]), [
    "newer_schema",
    "schema version 2 was written by a newer version of this program, which knows 1. Start that one",
  ]);
  const error = await assertRejects(() => migrate({ url }, [ONE]), StoreOpenError);
  assertEquals(error.code, "newer_schema");
});

Deno.test("checkVersions() refuses tables that are being filled, but to who fills them", async () => {
  const url = server.freshUrl();
  await migrate({ url }, [ONE]);
  await using postgres = await openPostgres({ url });
  await postgres.query(
    "mark",
    sql`INSERT INTO schema_version (part, version) VALUES (${UNFINISHED_COPY}, 1)`,
  );
  assertEquals(await refusal(url, [ONE]), [
    "unfinished_copy",
    "the copy of another store into it is unfinished. Run heliograph store copy again until it is complete",
  ]);
  await checkVersions(postgres, [ONE], "fill");
  const older = await assertRejects(() => checkVersions(postgres, [TWO], "fill"), StoreOpenError);
  assertEquals(older.code, "older_schema");
});

Deno.test("migrate() refuses a schema of another program, and changes nothing of it", async () => {
  await using postgres = await openPostgres({ url: server.freshUrl() });
  const { schema } = postgres;
  for (const text of [`CREATE SCHEMA ${schema}`, `CREATE TABLE ${schema}.theirs (id int8)`]) {
    await postgres.query("prepare", statement(text));
  }
  const error = await assertRejects(
    () => migrate({ url: server.url(schema) }, [ONE]),
    StoreOpenError,
  );
  assertEquals(error.code, "foreign");
  const { rows } = await postgres.query(
    "look",
    sql`SELECT relname FROM pg_class WHERE relnamespace = ${schema}::regnamespace`,
  );
  assertEquals(rows, [{ relname: "theirs" }]);
});
