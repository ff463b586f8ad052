/**
 * The Web Push half's store in PostgreSQL, for any number of nodes.
 *
 * @module
 */

export type * from "../message_store/records.ts";
export {
  type PostgresOptions,
  type SchemaPart,
  StoreError,
  type StoreErrorCode,
  StoreOpenError,
  type StoreOpenErrorCode,
} from "../postgres/mod.ts";
export {
  openPostgresMessageStore,
  PostgresMessageStore,
  type PostgresMessageStoreOptions,
} from "./postgres_message_store.ts";
export { MESSAGES_PART } from "./schema.ts";
