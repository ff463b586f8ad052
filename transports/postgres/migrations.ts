/**
 * The tables of each part of this program, as lists of forward migrations.
 *
 * The place in the list is the version of the part, kept in the table `schema_version` of the schema. A
 * migration that was released is never edited; a change is a new entry. Programs check the version
 * and change nothing: several of them may run while an operator migrates, and one that finds tables
 * of a newer program would not know what it breaks.
 *
 * @module
 */

import { asOpenError, StoreOpenError } from "./errors.ts";
import { CONNECTIONS_MIN, MIGRATION_TIMEOUT_MS } from "./limits.ts";
import { openPostgres, type Postgres, type PostgresOptions } from "./postgres.ts";
import { Columns } from "./rows.ts";
import type { Answer } from "./session.ts";
import { sql, type Statement } from "./sql.ts";

/** What one part of this program keeps. */
export interface SchemaPart {
  /** Its name, unique in the schema. */
  readonly name: string;
  /** Statements, oldest first: entry `n` makes version `n + 1` of version `n`, without naming a schema. */
  readonly migrations: readonly string[];
}

/**
 * The part that is in the table of versions while the tables are filled from another store: whoever
 * fills them adds its row before the first of theirs, and removes it with the last.
 */
export const UNFINISHED_COPY = "unfinished_copy";

/** What became of one part. */
export interface Migrated {
  /** The part's name. */
  readonly part: string;
  /** Its version before, 0 when it had no tables. */
  readonly from: number;
  /** Its version now. */
  readonly to: number;
}

/** Marks this program's advisory locks: the letters `HELI`. */
const LOCK_CLASS = 0x48454c49;

const COLUMNS = new Columns("schema_version");

/** A schema's lock is told from those of other schemas by a number made of its name. */
function lockOf(schema: string): Statement {
  return sql`SELECT pg_advisory_xact_lock(${LOCK_CLASS}::int4, hashtext(${schema}))`;
}

/** Reads the versions of these parts, 0 for those without tables. */
async function versionsOf(
  query: (statement: Statement) => Promise<Answer>,
  parts: readonly SchemaPart[],
): Promise<readonly number[]> {
  const { rows: [found] } = await query(
    sql`SELECT to_regclass('schema_version') IS NOT NULL AS present`,
  );
  if (!COLUMNS.boolean(found, "present")) return parts.map(() => 0);
  const { rows } = await query(sql`SELECT part, version FROM schema_version`);
  const versions = new Map(
    rows.map((row) => [COLUMNS.text(row, "part"), COLUMNS.integer(row, "version")]),
  );
  return parts.map(({ name }) => versions.get(name) ?? 0);
}

function newer(place: string, version: number, known: number): StoreOpenError {
  return new StoreOpenError(
    "newer_schema",
    `Cannot use the database at ${place}: schema version ${version} was written by a newer version of this program, which knows ${known}. Start that one`,
  );
}

/**
 * Refuses a schema whose tables are not exactly what this program knows, and, unless the purpose is to
 * fill them, one that is being filled from another store.
 *
 * @throws {StoreOpenError} `"older_schema"`, `"newer_schema"` or `"unfinished_copy"`.
 * @throws {StoreError} When the server does not answer.
 */
export async function checkVersions(
  postgres: Postgres,
  parts: readonly SchemaPart[],
  purpose: "use" | "fill" = "use",
): Promise<void> {
  const query = (statement: Statement) => postgres.query("read the schema's version", statement);
  const copy: SchemaPart = { name: UNFINISHED_COPY, migrations: [] };
  const [unfinished, ...versions] = await versionsOf(query, [copy, ...parts]);
  for (const [index, { migrations }] of parts.entries()) {
    const version = versions[index] ?? 0;
    if (version > migrations.length) throw newer(postgres.place, version, migrations.length);
    if (version < migrations.length) {
      throw new StoreOpenError(
        "older_schema",
        `Cannot use the database at ${postgres.place}: schema version ${version}, need ${migrations.length}: run heliograph migrate`,
      );
    }
  }
  if (unfinished !== 0 && purpose === "use") {
    throw new StoreOpenError(
      "unfinished_copy",
      `Cannot use the database at ${postgres.place}: the copy of another store into it is unfinished. Run heliograph store copy again until it is complete`,
    );
  }
}

/** Makes the schema with its table of versions, unless they are there. */
async function prepare(postgres: Postgres): Promise<void> {
  const { schema } = postgres;
  await postgres.transaction("prepare the schema", async (transaction) => {
    await transaction.query(lockOf(schema));
    const { rows: [found] } = await transaction.query(
      sql`SELECT to_regnamespace(${schema}) IS NOT NULL AS present,
        to_regclass('schema_version') IS NOT NULL AS ours,
        EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace(${schema})) AS used`,
    );
    if (COLUMNS.boolean(found, "ours")) return;
    if (COLUMNS.boolean(found, "used")) {
      throw new StoreOpenError(
        "foreign",
        `Cannot use the database at ${postgres.place}: the schema "${schema}" holds tables of another program. Name another one by "?schema="`,
      );
    }
    if (!COLUMNS.boolean(found, "present")) await transaction.run(`CREATE SCHEMA "${schema}"`);
    await transaction.run(
      "CREATE TABLE schema_version (part text PRIMARY KEY, version int8 NOT NULL)",
    );
  });
}

/** Runs the next migration of a part; `false` when it has the newest version. */
function step(postgres: Postgres, part: SchemaPart): Promise<boolean> {
  return postgres.transaction(`migrate the part "${part.name}"`, async (transaction) => {
    // Whoever migrates at the same time waits here, and then finds the work done.
    await transaction.query(lockOf(postgres.schema));
    const [version = 0] = await versionsOf((statement) => transaction.query(statement), [part]);
    if (version > part.migrations.length) {
      throw newer(postgres.place, version, part.migrations.length);
    }
    const statements = part.migrations[version];
    if (statements === undefined) return false;
    await transaction.run(statements);
    await transaction.query(sql`INSERT INTO schema_version (part, version)
      VALUES (${part.name}, ${version + 1})
      ON CONFLICT (part) DO UPDATE SET version = excluded.version`);
    return true;
  });
}

/**
 * Brings these parts to their newest versions, each step in a transaction of its own: one that is cut
 * off leaves a version between, and goes on from there when it is called again. Several at once are
 * fine. Creates the schema when it is missing.
 *
 * @throws {StoreOpenError} When the database cannot be used, or is newer than this program.
 */
export async function migrate(
  options: PostgresOptions,
  parts: readonly SchemaPart[],
): Promise<readonly Migrated[]> {
  await using postgres = await openPostgres({
    statementTimeoutMs: MIGRATION_TIMEOUT_MS,
    connectionsMax: CONNECTIONS_MIN,
    ...options,
  });
  try {
    await prepare(postgres);
    const migrated: Migrated[] = [];
    for (const part of parts) {
      const query = (statement: Statement) => postgres.query("read the version", statement);
      const [from = 0] = await versionsOf(query, [part]);
      while (await step(postgres, part));
      migrated.push({ part: part.name, from, to: part.migrations.length });
    }
    return migrated;
  } catch (error) {
    throw asOpenError(postgres.place, error);
  }
}
