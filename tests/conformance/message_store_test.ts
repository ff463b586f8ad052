/** Every message store of this project, through the same suite. */

import { startRedis } from "../support/redis_server.ts";
import { memoryFixture, redisFixture, sqliteFixture } from "./fixtures.ts";
import { messageStoreSuite } from "./message_store.ts";

const redis = await startRedis();
globalThis.addEventListener("unload", () => redis.abandon());

messageStoreSuite("MemoryStore", memoryFixture);
messageStoreSuite("SqliteStore", sqliteFixture);
messageStoreSuite("RedisMessageStore", redisFixture(() => redis.freshUrl()), "several");
