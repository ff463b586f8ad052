/**
 * The delivery pipeline's store and queue in PostgreSQL.
 *
 * @module
 */

export type * from "../delivery_store/records.ts";
export type { WallClock } from "../message_store/records.ts";
export type { PostgresOptions, SchemaPart } from "../postgres/mod.ts";
export {
  StoreError,
  type StoreErrorCode,
  StoreOpenError,
  type StoreOpenErrorCode,
} from "../postgres/mod.ts";
export {
  openPostgresDeliveryStore,
  PostgresDeliveryStore,
  type PostgresDeliveryStoreOptions,
} from "./postgres_delivery_store.ts";
export { DELIVERY_PART } from "./schema/migrations.ts";
