/**
 * The recipients of a stand-in: by their number, always the same, and with addresses as long as real
 * ones are.
 *
 * @module
 */

import type { Platform } from "../provider/provider.ts";
import type { ReceiverKeys } from "./accounts.ts";
import { expectedAnswer, hashAddress, OUTCOME_OF, type Shares } from "./fate.ts";
import type { Origins } from "./stand_in.ts";

/** A recipient's platform: of ten, five are Apple's, three Google's, and two browsers. */
export function recipientPlatform(number: number): Platform {
  const place = number % 10;
  return place < 5 ? "apns" : place < 8 ? "fcm" : "webpush";
}

/**
 * A recipient's address.
 *
 * @param platform Whose recipient.
 * @param number Its number, an integer below 2^32.
 * @param origins Where the stand-in is.
 */
export function recipientAddress(platform: Platform, number: number, origins: Origins): string {
  const digits = digitsOf(number);
  switch (platform) {
    case "apns":
      return digits + digits;
    case "fcm":
      return `${digits.slice(0, 22)}:APA91b${digits.repeat(4)}`;
    case "webpush":
      return `${origins.webpush}/wp/${digits}${digits}`;
  }
}

/** A recipient in the form in which devices are registered. */
export type RecipientRow =
  & { readonly id: string; readonly app: string }
  & (
    | { readonly platform: "apns" | "fcm"; readonly token: string }
    | {
      readonly platform: "webpush";
      readonly subscription: { readonly endpoint: string; readonly keys: ReceiverKeys };
    }
  );

/** The recipient of a number as a device of an app. */
export function recipientRow(
  number: number,
  app: string,
  { origins, keys }: { readonly origins: Origins; readonly keys: ReceiverKeys },
): RecipientRow {
  const id = `${app}-${number}`;
  const platform = recipientPlatform(number);
  const address = recipientAddress(platform, number, origins);
  return platform === "webpush"
    ? { id, app, platform, subscription: { endpoint: address, keys } }
    : { id, app, platform, token: address };
}

/** How many deliveries have to end in each way. */
export type ExpectedCounts = Record<typeof OUTCOME_OF[keyof typeof OUTCOME_OF], number>;

/** How the deliveries to the recipients numbered from 0 to before `count` have to end. */
export function expectedCounts(
  count: number,
  options: { readonly seed: number; readonly shares: Shares; readonly origins: Origins },
): ExpectedCounts {
  const counts: ExpectedCounts = { delivered: 0, token_invalid: 0, rejected: 0, failed: 0 };
  for (let number = 0; number < count; number++) {
    const address = recipientAddress(recipientPlatform(number), number, options.origins);
    counts[OUTCOME_OF[expectedAnswer(address, options.seed, options.shares)]]++;
  }
  return counts;
}

/** 32 hexadecimal digits that begin with the number's own eight, so that no two are the same. */
function digitsOf(number: number): string {
  const own = number.toString(16).padStart(8, "0");
  const { high, low } = hashAddress(own);
  const more = `${high.toString(16).padStart(8, "0")}${low.toString(16).padStart(8, "0")}`;
  return own + more + more.slice(0, 8);
}
