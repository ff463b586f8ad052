/**
 * Small decisions that all delivery stores have in common: platforms as numbers, what a subscription
 * needs, and what follows from an audience.
 *
 * @module
 */

import type {
  Audience,
  DirectRecipient,
  NotificationState,
  Platform,
  Submission,
} from "./records.ts";

/** The platforms, in the order in which people see them; the place of each is its number in every store. */
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
  if (platform === undefined) {
    throw new Error(`Invariant broken: no platform has the number ${number}`);
  }
  return platform;
}

/** Throws unless an address has the keys that its platform needs: callers have checked it. */
export function checkKeys({ platform, keys }: Pick<DirectRecipient, "platform" | "keys">): void {
  if (platform !== "webpush" || keys?.length === KEYS_BYTES) return;
  throw new Error("Invariant broken: a subscription without keys");
}

/** The keys of these subscriptions, one after the other. */
export function joinedKeys(recipients: readonly Pick<DirectRecipient, "keys">[]): Uint8Array {
  const joined = new Uint8Array(recipients.length * KEYS_BYTES);
  for (const [place, { keys }] of recipients.entries()) joined.set(keys ?? [], place * KEYS_BYTES);
  return joined;
}

/** A list in slices of this size; the last one is smaller. */
export function slices<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.ceil(list.length / size);
  return Array.from({ length: count }, (_, index) => list.slice(index * size, (index + 1) * size));
}

/** Where a notification begins, whose time has come or comes later. */
export function firstState(audience: Audience, later: boolean): NotificationState {
  switch (audience.kind) {
    case "open":
      return "open";
    case "direct":
      return later ? "scheduled" : "sending";
    case "devices":
    case "users":
    case "tags":
    case "all":
      return later ? "scheduled" : "expanding";
  }
}

/** When an audience is to be expanded; an open notification is closed by its end, and direct recipients are in batches. */
export function expandAt({ audience, notification }: Submission): number | null {
  switch (audience.kind) {
    case "open":
      return notification.expiresAt;
    case "direct":
      return null;
    case "devices":
    case "users":
    case "tags":
    case "all":
      return notification.sendAt;
  }
}

/** The names in an audience, each once. */
export function namesOf(audience: Audience): readonly string[] {
  switch (audience.kind) {
    case "devices":
      return [...new Set(audience.devices)];
    case "users":
      return [...new Set(audience.users)];
    case "tags":
      return [...new Set(audience.tags)];
    case "all":
    case "open":
    case "direct":
      return [];
  }
}
