/**
 * Reads what the sink counted: one notification, everything, or the bars of a range of seconds.
 *
 * A field that is not what the sink writes is an error that names key and field.
 *
 * @module
 */

import type { Platform } from "../delivery_store/records.ts";
import { damaged, type Hash, hashOf, integerField } from "../redis/hashes.ts";
import type { Redis } from "../redis/redis.ts";
import {
  type Counter,
  COUNTERS,
  fieldOf,
  notificationKey,
  PLATFORMS,
  secondKey,
  totalKey,
} from "./keys.ts";
import { SECONDS_READ_MAX } from "./limits.ts";

/** The counts of one platform; what was not counted is 0. */
export type PlatformCounters = Readonly<Record<Counter, number>>;

/** The counts of each platform that has any. */
export type Counters = Readonly<Partial<Record<Platform, PlatformCounters>>>;

/** What was recorded in one second. */
export interface SecondCounters {
  /** Seconds since 1970. */
  readonly second: number;
  /** The counts. */
  readonly platforms: Counters;
}

/**
 * The counts of a notification; empty when there are none, or not any more.
 *
 * @throws {StoreError} When Redis is away, or the key holds something else.
 */
export function readNotificationCounters(redis: Redis, id: string): Promise<Counters> {
  return readHash(redis, notificationKey(redis, id));
}

/**
 * The counts of everything since the counters were opened first.
 *
 * @throws {StoreError} When Redis is away, or the key holds something else.
 */
export function readTotalCounters(redis: Redis): Promise<Counters> {
  return readHash(redis, totalKey(redis));
}

/**
 * The counts of these seconds, `first` and `last` included, at most 3,600; without those in which
 * nothing was recorded.
 *
 * @throws {RangeError} When they are more, or none.
 * @throws {StoreError} When Redis is away, or a key holds something else.
 */
export async function readSecondCounters(
  redis: Redis,
  first: number,
  last: number,
): Promise<readonly SecondCounters[]> {
  const count = last - first + 1;
  if (!Number.isSafeInteger(first) || !(count >= 1 && count <= SECONDS_READ_MAX)) {
    throw new RangeError(`seconds ${first} to ${last}: 1 to ${SECONDS_READ_MAX} are allowed`);
  }
  const seconds = await Promise.all(Array.from({ length: count }, async (_, index) => {
    const second = first + index;
    return { second, platforms: await readHash(redis, secondKey(redis, second)) };
  }));
  return seconds.filter(({ platforms }) => Object.keys(platforms).length > 0);
}

async function readHash(redis: Redis, key: string): Promise<Counters> {
  const hash = hashOf(key, await redis.call(["HGETALL", key], { key, type: "hash" }));
  if (hash === undefined) return {};
  checkFields(hash);
  return Object.fromEntries(
    PLATFORMS.filter((platform) =>
      COUNTERS.some((name) => hash.fields.has(fieldOf(platform, name)))
    )
      .map((platform) => [platform, platformCounters(hash, platform)]),
  );
}

const FIELDS: ReadonlySet<string> = new Set(
  PLATFORMS.flatMap((platform) => COUNTERS.map((counter) => fieldOf(platform, counter))),
);

function checkFields({ key, fields }: Hash): void {
  for (const field of fields.keys()) {
    if (!FIELDS.has(field)) throw damaged(key, field.slice(0, 40), "is none of the counts");
  }
}

function platformCounters(hash: Hash, platform: Platform): PlatformCounters {
  const count = (counter: Counter): number => {
    const field = fieldOf(platform, counter);
    return hash.fields.has(field) ? integerField(hash, field) : 0;
  };
  return {
    delivered: count("delivered"),
    token_invalid: count("token_invalid"),
    rejected: count("rejected"),
    expired: count("expired"),
    failed: count("failed"),
    cancelled: count("cancelled"),
    retries: count("retries"),
  };
}
