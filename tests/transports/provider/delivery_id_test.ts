/**
 * Ids of deliveries.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  deliveryId,
  deliveryIdPrefix,
  NUMBER_MAX,
} from "../../../transports/provider/delivery_id.ts";

Deno.test("deliveryId() is a lower-case UUID of version 8 (RFC 9562 5.8)", () => {
  for (let count = 0; count < 100; count++) {
    const prefix = deliveryIdPrefix(crypto.randomUUID().toUpperCase());
    for (const number of [0, 1, 999_999, NUMBER_MAX - 1]) {
      const id = deliveryId(prefix, number);
      assert(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id), id);
    }
  }
});

Deno.test("deliveryId() differs by notification and by number, and only by them", () => {
  const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
  const ids = [first, second, first].flatMap((notification) => {
    const prefix = deliveryIdPrefix(notification);
    return [1, 2].map((number) => deliveryId(prefix, number));
  });
  assertEquals(new Set(ids).size, 4);
  assertEquals(ids.slice(4), ids.slice(0, 2));
});

Deno.test("deliveryIdPrefix() throws for what is no UUID", () => {
  for (const text of ["", "n1", "11111111-2222-4333-8444-55555555555"]) {
    assertThrows(() => deliveryIdPrefix(text), TypeError);
  }
});
