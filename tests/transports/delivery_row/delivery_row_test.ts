import { assert, assertEquals } from "@std/assert";
import {
  DELIVERY_JSON_START,
  deliveryJson,
  type DeliveryRow,
} from "../../../transports/delivery_row/delivery_row.ts";

const ROW: DeliveryRow = {
  position: 17,
  notification: "11111111-1111-4111-8111-111111111111",
  app: "shop",
  number: 4,
  device: "device-4",
  platform: "apns",
  address: "00ff",
  outcome: "token_invalid",
  status: 410,
  reason: "Unregistered",
  attempts: 1,
  at: 1_700_000_000_123,
};

Deno.test("deliveryJson() has every field in its documented form", () => {
  assertEquals(
    deliveryJson(ROW),
    '{"position":17,"notification":"11111111-1111-4111-8111-111111111111","app":"shop",' +
      '"number":4,"device":"device-4","platform":"apns","address":"00ff",' +
      '"outcome":"token_invalid","status":410,"reason":"Unregistered","attempts":1,' +
      '"at":"2023-11-14T22:13:20.123Z"}',
  );
});

Deno.test("deliveryJson() leaves out what others' rows have beside it, and says null for no device", () => {
  const row = { ...ROW, device: undefined, registeredBefore: 1 };
  const value: unknown = JSON.parse(deliveryJson(row));
  assertEquals(value, {
    ...ROW,
    device: null,
    at: "2023-11-14T22:13:20.123Z",
  });
});

Deno.test("deliveryJson() is one line that begins as all do, whatever a provider says", () => {
  const line = deliveryJson({ ...ROW, reason: 'a\r\n{"position":1}\u2028', address: "\n" });
  assert(line.startsWith(DELIVERY_JSON_START));
  assertEquals(/[\r\n]/.test(line), false);
});
