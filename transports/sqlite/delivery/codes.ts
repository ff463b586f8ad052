/**
 * Platforms and outcomes as small numbers in the file, and the small decisions several writers share.
 *
 * @module
 */

import {
  type DirectRecipient,
  type Outcome,
  OUTCOMES,
  type Platform,
} from "../../delivery_store/records.ts";
import { invariant } from "../errors.ts";
import { BATCH_RECIPIENTS_MAX, RATED_BATCH_SECONDS } from "./limits.ts";

/** The platforms, in the order in which people see them; the place of each is its number in the file. */
export const PLATFORMS = ["apns", "fcm", "webpush"] as const;

/** Bytes of a subscription's keys: `p256dh` and `auth` (RFC 8291 section 3.1). */
export const KEYS_BYTES = 81;

/** The number of a platform. */
export function platformNumber(platform: Platform): number {
  return PLATFORMS.indexOf(platform);
}

/** The platform of this number. */
export function platformOf(number: number): Platform {
  const platform = PLATFORMS[number];
  invariant(platform !== undefined, `no platform has the number ${number}`);
  return platform;
}

/** The outcome of this number, its place among {@link OUTCOMES}. */
export function outcomeOf(number: number): Outcome {
  const outcome = OUTCOMES[number];
  invariant(outcome !== undefined, `no outcome has the number ${number}`);
  return outcome;
}

/** Throws unless an address has the keys that its platform needs: callers have checked it. */
export function checkKeys({ platform, keys }: Pick<DirectRecipient, "platform" | "keys">): void {
  invariant(platform !== "webpush" || keys?.length === KEYS_BYTES, "a subscription without keys");
}

/** Recipients in a batch of a notification with this rate. */
export function batchMaxOf(rate: number | undefined, batchMax: number): number {
  const rated = rate === undefined ? batchMax : Math.floor(rate * RATED_BATCH_SECONDS);
  return Math.max(1, Math.min(rated, batchMax, BATCH_RECIPIENTS_MAX));
}
