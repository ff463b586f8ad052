/**
 * What stores in PostgreSQL are built on: a bounded handle on a database, statements as values, typed
 * rows, migrations, and errors with codes.
 *
 * @module
 */

export { type Address, parseAddress } from "./address.ts";
export {
  asOpenError,
  invariant,
  sqlState,
  StoreError,
  type StoreErrorCode,
  StoreOpenError,
  type StoreOpenErrorCode,
} from "./errors.ts";
export {
  checkVersions,
  migrate,
  type Migrated,
  type SchemaPart,
  UNFINISHED_COPY,
} from "./migrations.ts";
export { openPostgres, Postgres, type PostgresOptions, type Transaction } from "./postgres.ts";
export { Columns, type Row } from "./rows.ts";
export type { Answer } from "./session.ts";
export { sql, type SqlScalar, type SqlValue, type Statement, statement } from "./sql.ts";
