import { assertEquals } from "@std/assert";
import {
  expectedCounts,
  recipientAddress,
  recipientPlatform,
  recipientRow,
} from "../../../transports/provider_stand_in/recipients.ts";
import { MADE, NOWHERE } from "../../support/stand_in.ts";

Deno.test("recipientAddress() gives no address twice", () => {
  for (const platform of ["apns", "fcm", "webpush"] as const) {
    const seen = new Set<string>();
    for (let number = 0; number < 20_000; number++) {
      seen.add(recipientAddress(platform, number, NOWHERE));
    }
    assertEquals(seen.size, 20_000);
  }
});

Deno.test("recipientRow() is a device of the recipient's platform", () => {
  const world = { origins: NOWHERE, keys: MADE.receiver };
  for (let number = 0; number < 10; number++) {
    const row = recipientRow(number, "shop", world);
    const platform = recipientPlatform(number);
    const address = row.platform === "webpush" ? row.subscription.endpoint : row.token;
    assertEquals([row.id, row.app, row.platform], [`shop-${number}`, "shop", platform]);
    assertEquals(address, recipientAddress(platform, number, NOWHERE));
  }
});

Deno.test("expectedCounts() counts every recipient once", () => {
  const shares = { dead: 0.02, refused: 0.01, throttled: 0.5, failing: 0.03 };
  const counts = expectedCounts(5_000, { seed: 3, shares, origins: NOWHERE });
  const { delivered, token_invalid, rejected, failed } = counts;
  assertEquals(delivered + token_invalid + rejected + failed, 5_000);
  assertEquals([token_invalid, rejected, failed].map((count) => count > 20), [true, true, true]);
});
