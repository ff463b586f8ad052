/**
 * The keys of the counters. All are hashes under one hash tag, since a page is counted in one step:
 *
 * | key | fields |
 * | --- | --- |
 * | `<prefix>:{counters}:total` | counts of everything |
 * | `<prefix>:{counters}:notification:<id>` | counts of one notification |
 * | `<prefix>:{counters}:second:<seconds since 1970>` | counts of what was recorded in that second |
 * | `<prefix>:{counters}:position` | for each store how far its log is counted: `<position>:<newest time in ms>` |
 *
 * A field of counts is `<platform>:<count>`, such as `apns:delivered`: the platforms are `apns`, `fcm`
 * and `webpush`, the counts are the six outcomes and `retries`, the requests that had to be sent again.
 * One that is 0 is not there. Only `total` and `position` stay for ever.
 *
 * @module
 */

import { type Outcome, OUTCOMES, type Platform } from "../delivery_store/records.ts";
import type { Redis } from "../redis/redis.ts";

/** What is counted. */
export type Counter = Outcome | "retries";

/** All of {@link Counter}. */
export const COUNTERS: readonly Counter[] = [...OUTCOMES, "retries"];

/** The platforms, in the order in which people see them. */
export const PLATFORMS: readonly Platform[] = ["apns", "fcm", "webpush"];

const TAG = "{counters}";

/** The counts of everything. */
export function totalKey(redis: Redis): string {
  return redis.key(TAG, "total");
}

/** The counts of one notification. */
export function notificationKey(redis: Redis, id: string): string {
  return redis.key(TAG, "notification", id);
}

/** The counts of one second, given as seconds since 1970. */
export function secondKey(redis: Redis, second: number): string {
  return redis.key(TAG, "second", String(second));
}

/** How far each store's log is counted. */
export function positionKey(redis: Redis): string {
  return redis.key(TAG, "position");
}

/** The field of a count. */
export function fieldOf(platform: Platform, counter: Counter): string {
  return `${platform}:${counter}`;
}
