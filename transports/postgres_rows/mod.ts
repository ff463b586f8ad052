/**
 * Rows of deliveries in PostgreSQL: the sink that keeps them, its tables, and what reads them.
 *
 * @module
 */

export * from "./postgres_rows_sink.ts";
export * from "./read_rows.ts";
export * from "./schema.ts";
export {
  type DeliveryRow,
  type Outcome,
  OUTCOMES,
  type Platform,
} from "../delivery_store/records.ts";
export type { SchemaPart } from "../postgres/migrations.ts";
export type { Postgres, Transaction } from "../postgres/postgres.ts";
export type { Row } from "../postgres/rows.ts";
export type { Answer } from "../postgres/session.ts";
export type { Statement } from "../postgres/sql.ts";
