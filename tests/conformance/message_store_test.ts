/** Every message store of this project, through the same suite. */

import { memoryFixture, sqliteFixture } from "./fixtures.ts";
import { messageStoreSuite } from "./message_store.ts";

messageStoreSuite("MemoryStore", memoryFixture);
messageStoreSuite("SqliteStore", sqliteFixture);
