/**
 * A sink that counts outcomes in Redis: in total, for each notification and for each second, by
 * platform. `keys.ts` has the keys.
 *
 * Invariants: each tally is counted once, however often it is offered, after a crash of either side
 * too, since the position of the last one is kept beside the counts and both are written in one step;
 * a page is one call. What Redis loses when it crashes, the counters lose.
 *
 * Why the newest time is kept beside the position: in a store that began anew, positions begin again. A
 * tally from after all that were counted was not among them, whatever its position.
 *
 * Counted is what batches came to. Recipients of a cancelled notification whose batches nobody had
 * claimed are in no batch's result, so they are not among `cancelled` here.
 *
 * @example
 * ```ts ignore
 * await using sink = await openRedisCountersSink({ url: "redis://127.0.0.1:6379", store: "main" });
 * await using pipeline = new Pipeline({ store, sinks: [sink] });
 * ```
 *
 * @module
 */

import type { Tally } from "../delivery_store/records.ts";
import { damaged } from "../redis/hashes.ts";
import { openRedis, type Redis, StoreError } from "../redis/redis.ts";
import { arrayReply, textReply } from "../redis/replies.ts";
import { claimSchema } from "../redis/schema.ts";
import { COUNT_PAGE } from "./count_script.ts";
import { COUNTERS, fieldOf, notificationKey, positionKey, secondKey, totalKey } from "./keys.ts";
import {
  ATTEMPTS_MAX,
  NOTIFICATIONS_RETENTION_MS,
  RETENTION_MIN_MS,
  SECONDS_RETENTION_MS,
  STORE_NAME_CHARS_MAX,
} from "./limits.ts";

/** How the counters are opened. */
export interface RedisCountersOptions {
  /** Address of the Redis, see `parseRedisAddress`; its prefix keeps deployments apart. */
  readonly url: string;
  /** Certificates of authorities to trust with `rediss://`, PEM; the system's when absent. */
  readonly caCert?: string;
  /** Name of the sink, under which its position is remembered in the store; default `counters`. */
  readonly name?: string;
  /**
   * Names the store whose tallies are counted, 1 to 64 characters; default `store`. Two stores that
   * are counted together need two names.
   */
  readonly store?: string;
  /** How long the counts of a second are kept, at least 1,000 ms; default 25 hours. */
  readonly secondsRetentionMs?: number;
  /** How long the counts of a notification are kept after its last batch, at least 1,000 ms; default 30 days. */
  readonly notificationsRetentionMs?: number;
}

/** The schema of the keys: a part of its own, since a store in the same Redis has another. */
const SCHEMA_PART = "counters";
const SCHEMA_VERSION = 1;

/** How far the log of a store is counted. */
interface Mark {
  /** The position of the last tally that was counted. */
  readonly position: number;
  /** The newest time of all that were, in milliseconds since 1970. */
  readonly at: number;
}

/** What is added to one hash. */
interface Addition {
  /** The second at which the hash expires; 0 for never. */
  readonly expiresAt: number;
  readonly fields: Map<string, number>;
}

/** Counters in Redis as a sink; made by {@link openRedisCountersSink}. */
export class RedisCountersSink implements AsyncDisposable {
  /** Its position is remembered under this name. */
  readonly name: string;
  /** It wants what each batch came to. */
  readonly rows = "tallies";
  readonly #redis: Redis;
  readonly #store: string;
  readonly #secondsRetentionMs: number;
  readonly #notificationsRetentionMs: number;
  /** Where the counters stood after the last page. */
  #mark: Mark = { position: 0, at: 0 };

  private constructor(redis: Redis, options: RedisCountersOptions) {
    this.#redis = redis;
    this.name = options.name ?? "counters";
    this.#store = options.store ?? "store";
    this.#secondsRetentionMs = options.secondsRetentionMs ?? SECONDS_RETENTION_MS;
    this.#notificationsRetentionMs = options.notificationsRetentionMs ?? NOTIFICATIONS_RETENTION_MS;
  }

  /** For {@link openRedisCountersSink}. */
  static async open(options: RedisCountersOptions): Promise<RedisCountersSink> {
    check(options);
    const { url, caCert } = options;
    await using opening = new AsyncDisposableStack();
    const redis = opening.use(
      await openRedis({ url, ...(caCert === undefined ? {} : { caCert }) }),
    );
    await claimSchema(redis, SCHEMA_PART, SCHEMA_VERSION);
    opening.move();
    return new RedisCountersSink(redis, options);
  }

  /**
   * Counts these tallies, given by growing positions, but for those that were counted before.
   *
   * @throws {StoreError} When Redis could not: then none of them was counted, or, when the connection
   * broke on the way, perhaps all; offering them again is right in both cases.
   */
  async record(tallies: readonly Tally[], signal: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      signal.throwIfAborted();
      const known = this.#mark;
      const fresh = tallies.filter(({ position, at }) =>
        position > known.position || at > known.at
      );
      const position = fresh.at(-1)?.position;
      if (position === undefined) return;
      const at = fresh.reduce((newest, tally) => Math.max(newest, tally.at), known.at);
      this.#mark = await this.#count(known, { position, at }, fresh);
      if (this.#mark.position === position && this.#mark.at === at) return;
    }
    const words = `another process counts the tallies of "${this.#store}" at the same time`;
    throw new StoreError("busy", `Cannot count deliveries: ${words}`);
  }

  /** Resolves when Redis counts; rejects with a {@link StoreError} when it is away, or the key of the marks holds something else. */
  async ping(): Promise<void> {
    const key = positionKey(this.#redis);
    await this.#redis.call(["HLEN", key], { key, type: "hash" });
  }

  /** Waits for the page on its way and disconnects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis.close();
  }

  /** Counts these if the counters stand at `known`; answers where they stand then. */
  async #count(known: Mark, next: Mark, tallies: readonly Tally[]): Promise<Mark> {
    const additions = this.#additions(tallies);
    const keys = [positionKey(this.#redis), ...additions.keys()];
    const hashes = [...additions.values()].flatMap(({ expiresAt, fields }) => [
      expiresAt,
      fields.size,
      ...[...fields].flat(),
    ]);
    const marks = [known, next].map(({ position, at }) => `${position}:${at}`);
    const reply = await this.#redis.run(COUNT_PAGE, keys, [this.#store, ...marks, ...hashes]);
    if (!Array.isArray(reply)) return this.#markOf(textReply(reply));
    const [key = "", field = "", value = ""] = arrayReply(reply).map(textReply);
    throw damaged(key, field, `is "${value.slice(0, 40)}", expected a whole number`);
  }

  #markOf(text: string): Mark {
    const [, position, at] = /^(\d{1,15}):(\d{1,15})$/.exec(text) ?? [];
    if (position !== undefined && at !== undefined) {
      return { position: Number(position), at: Number(at) };
    }
    const problem = `is "${
      text.slice(0, 40)
    }", expected a position and a time, as in "7:1700000000000"`;
    throw damaged(positionKey(this.#redis), this.#store, problem);
  }

  /** What these tallies add to which hash. */
  #additions(tallies: readonly Tally[]): ReadonlyMap<string, Addition> {
    const additions = new Map<string, Addition>();
    for (const { notification, platform, at, outcomes, retries } of tallies) {
      const second = Math.floor(at / 1_000);
      const secondExpiry = Math.ceil((at + this.#secondsRetentionMs) / 1_000);
      const expiry = Math.ceil((at + this.#notificationsRetentionMs) / 1_000);
      const counts = { ...outcomes, retries };
      for (
        const [key, expiresAt] of [
          [totalKey(this.#redis), 0],
          [notificationKey(this.#redis, notification), expiry],
          [secondKey(this.#redis, second), secondExpiry],
        ] as const
      ) {
        const fields = additions.get(key)?.fields ?? new Map<string, number>();
        for (const counter of COUNTERS) {
          const count = counts[counter];
          const field = fieldOf(platform, counter);
          if (count > 0) fields.set(field, (fields.get(field) ?? 0) + count);
        }
        if (fields.size > 0) additions.set(key, { expiresAt, fields });
      }
    }
    return additions;
  }
}

/**
 * Connects to the Redis that counts.
 *
 * @throws {StoreOpenError} When it cannot be used, or a newer version of this program counts there.
 * @throws {RangeError} When an option is out of range; the message names it.
 */
export function openRedisCountersSink(options: RedisCountersOptions): Promise<RedisCountersSink> {
  return RedisCountersSink.open(options);
}

function check(options: RedisCountersOptions): void {
  const { store = "store" } = options;
  if (store.length === 0 || store.length > STORE_NAME_CHARS_MAX) {
    throw new RangeError(`store: ${store.length} characters, 1 to ${STORE_NAME_CHARS_MAX} allowed`);
  }
  for (const name of ["secondsRetentionMs", "notificationsRetentionMs"] as const) {
    const value = options[name];
    if (value === undefined || Number.isSafeInteger(value) && value >= RETENTION_MIN_MS) continue;
    throw new RangeError(
      `${name}: ${value}, a whole number from ${RETENTION_MIN_MS} on is allowed`,
    );
  }
}
