/** Every delivery store of this project, through the same suite. */

import { memoryDeliveryFixture, sqliteDeliveryFixture } from "./delivery_fixtures.ts";
import { deliveryStoreSuite } from "./delivery_store.ts";

deliveryStoreSuite("MemoryDeliveryStore", memoryDeliveryFixture);
deliveryStoreSuite("SqliteDeliveryStore", sqliteDeliveryFixture);
