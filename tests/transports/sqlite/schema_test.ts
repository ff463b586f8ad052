import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { StoreOpenError } from "../../../transports/sqlite/errors.ts";
import { MESSAGE_SCHEMA } from "../../../transports/sqlite/message_schema.ts";
import { migrate, type Schema, schemaVersion } from "../../../transports/sqlite/schema.ts";

const { migrations: MIGRATIONS } = MESSAGE_SCHEMA;
const NEXT = followedBy("ALTER TABLE user ADD COLUMN note TEXT; UPDATE user SET note = uaid");

/** The schema with one more migration. */
function followedBy(migration: string): Schema {
  return { ...MESSAGE_SCHEMA, migrations: [...MIGRATIONS, migration] };
}

function withUser(): DatabaseSync {
  const database = new DatabaseSync(":memory:");
  migrate(database, 0, MESSAGE_SCHEMA);
  database.exec("INSERT INTO user (uaid, connected_at) VALUES ('a', 1)");
  return database;
}

Deno.test("migrate() brings a file of an older program forward, with what is in it", () => {
  using database = withUser();
  assertEquals(schemaVersion(database, "file", NEXT), MIGRATIONS.length);
  migrate(database, MIGRATIONS.length, NEXT);
  assertEquals(schemaVersion(database, "file", NEXT), NEXT.migrations.length);
  assertEquals(database.prepare("SELECT note FROM user").get()?.["note"], "a");
  migrate(database, NEXT.migrations.length, NEXT);
  assertEquals(schemaVersion(database, "file", NEXT), NEXT.migrations.length);
});

Deno.test("schemaVersion() refuses the file of a newer program", () => {
  using database = withUser();
  migrate(database, MIGRATIONS.length, NEXT);
  const check = () => schemaVersion(database, "file", MESSAGE_SCHEMA);
  const error = assertThrows(check, StoreOpenError, "has version 2");
  assertEquals(error.code, "newer_schema");
});

Deno.test("migrate() leaves the file as it was when a step fails", () => {
  using database = withUser();
  const broken = followedBy("ALTER TABLE user ADD COLUMN note TEXT; SELECT nonsense");
  assertThrows(() => migrate(database, MIGRATIONS.length, broken), Error, "nonsense");
  database.exec("ROLLBACK"); // Closing the connection of a file does the same.
  assertEquals(schemaVersion(database, "file", MESSAGE_SCHEMA), MIGRATIONS.length);
  migrate(database, MIGRATIONS.length, NEXT);
});

// The plans of the statements which run for every message: no scan of a table, no sorting.
for (
  const [title, statement] of [
    [
      "a page",
      "SELECT body FROM message WHERE user_id = 1 AND (topic IS NULL) = 1 AND expires_at > 1 ORDER BY sort_key LIMIT 10",
    ],
    ["the count", "SELECT count(*) FROM (SELECT 1 FROM message WHERE user_id = 1 LIMIT 10)"],
    ["the topic", "DELETE FROM message WHERE user_id = 1 AND channel_id = 'c' AND topic = 't'"],
    ["the subscription", "SELECT 1 FROM channel WHERE user_id = 1 AND channel_id = 'c'"],
    ["the user", "SELECT id FROM user WHERE uaid = 'a' AND connected_at > 1"],
    [
      "the sweep",
      "SELECT sort_key FROM message WHERE expires_at <= 1 ORDER BY expires_at LIMIT 10",
    ],
  ] as const
) {
  Deno.test(`the schema has an index for ${title}`, () => {
    using database = withUser();
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${statement}`).all();
    const steps = plan.map((row) => String(row["detail"]));
    assertEquals(steps.filter((step) => /^SCAN (?!\(subquery)|TEMP B-TREE/.test(step)), []);
    assertEquals(steps.some((step) => step.startsWith("SEARCH")), true);
  });
}
