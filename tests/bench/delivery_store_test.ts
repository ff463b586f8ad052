/** The bench of the delivery store in its smallest size, so that it does not rot. */

import { assertEquals, assertGreater } from "@std/assert";
import { measureDeliveryStore } from "../../bench/delivery_store.ts";

Deno.test("measureDeliveryStore() measures every part", async () => {
  const folder = await Deno.makeTempDir({ prefix: "heliograph_store_" });
  try {
    const costs = await measureDeliveryStore({ folder, devices: 300 });
    assertEquals(costs.map(({ what, count }) => `${what} ${count}`), [
      "import 300",
      "import again 30",
      "expand: all 300",
      "claim, load, commit: all 300",
      "expand: one tag of two 150",
      "claim, load, commit: one tag of two 150",
      "expand: all, a row of each 300",
      "claim, load, commit: all, a row of each 300",
    ]);
    for (const { what, timeUs } of costs) assertGreater(timeUs, 0, what);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
