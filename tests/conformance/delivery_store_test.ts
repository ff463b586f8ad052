/** Every delivery store of this project, through the same suite. */

import { startPostgres } from "../support/postgres_server.ts";
import { startRedis } from "../support/redis_server.ts";
import {
  memoryDeliveryFixture,
  postgresDeliveryFixture,
  redisDeliveryFixture,
  sharedPostgresDeliveryFixture,
  sharedRedisDeliveryFixture,
  sqliteDeliveryFixture,
} from "./delivery_fixtures.ts";
import { deliveryStoreSuite } from "./delivery_store.ts";
import { sharedDeliveryStoreSuite } from "./delivery_store_shared.ts";

const redis = await startRedis();
globalThis.addEventListener("unload", () => redis.abandon());
const postgres = (await startPostgres()).endWithTests();
const freshPostgres = () => postgres.freshUrl();

deliveryStoreSuite("MemoryDeliveryStore", memoryDeliveryFixture);
deliveryStoreSuite("SqliteDeliveryStore", sqliteDeliveryFixture);
deliveryStoreSuite("PostgresDeliveryStore", postgresDeliveryFixture(freshPostgres));
deliveryStoreSuite("RedisDeliveryStore", redisDeliveryFixture(() => redis.freshUrl()));

sharedDeliveryStoreSuite("PostgresDeliveryStore", sharedPostgresDeliveryFixture(freshPostgres));
sharedDeliveryStoreSuite(
  "RedisDeliveryStore",
  sharedRedisDeliveryFixture(() => redis.freshUrl()),
);
