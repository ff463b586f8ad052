/** Every message store of this project, through the same suite. */

import { startPostgres } from "../support/postgres_server.ts";
import { startRedis } from "../support/redis_server.ts";
import {
  memoryFixture,
  postgresFixture,
  redisFixture,
  sharedPostgresFixture,
  sharedRedisFixture,
  sqliteFixture,
} from "./fixtures.ts";
import { messageStoreSuite } from "./message_store.ts";
import { sharedMessageStoreSuite } from "./message_store_shared.ts";

const redis = await startRedis();
globalThis.addEventListener("unload", () => redis.abandon());
const postgres = (await startPostgres()).endWithTests();
const freshPostgres = () => postgres.freshUrl();

messageStoreSuite("MemoryStore", memoryFixture);
messageStoreSuite("SqliteStore", sqliteFixture);
messageStoreSuite("RedisMessageStore", redisFixture(() => redis.freshUrl()), "several");
messageStoreSuite("PostgresMessageStore", postgresFixture(freshPostgres), "several");

sharedMessageStoreSuite("PostgresMessageStore", sharedPostgresFixture(freshPostgres));
sharedMessageStoreSuite("RedisMessageStore", sharedRedisFixture(() => redis.freshUrl()));
