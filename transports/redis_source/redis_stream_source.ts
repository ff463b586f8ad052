/**
 * Notifications from a Redis stream. Programs add them with `XADD`, and nodes in any number take them.
 *
 * | field | content |
 * | --- | --- |
 * | `schema` | 1, the number of this form |
 * | `notification` | what `POST /v1/notifications` takes, as JSON |
 *
 * ```sh
 * redis-cli XADD heliograph:notifications '*' schema 1 notification '{"app":"news","to":{"all":true},"content":{"title":"Hello"}}'
 * ```
 *
 * The nodes are consumers of one group. Invariants: an entry is removed from the stream when it is
 * acknowledged or set aside, never before; what a node took and never settled is another's after a time
 * without a sign of life, and its count of deliveries grows. The entry's id is its own in the stream, so
 * that an entry which comes twice makes one notification. What cannot be used goes to the stream `…:dead`
 * with the reason. How many entries may wait is for the producers to say, with `MAXLEN`: those that are trimmed
 * away are never sent.
 *
 * @module
 */

import { bytesField, type Hash, hashOf, integerField, textField } from "../redis/hashes.ts";
import { replyWord, StoreError } from "../redis/errors.ts";
import { openRedis, type Redis, type RedisOptions } from "../redis/redis.ts";
import { arrayReply, integerReply, textReply } from "../redis/replies.ts";
import {
  BLOCK_MS,
  DEAD_BODY_CHARS,
  DEAD_ENTRIES_MAX,
  DEAD_FIELDS_MAX,
  DEAD_REASON_CHARS,
  ENTRIES_PER_LOOK,
  IDLE_MS,
  NOTIFICATION_BYTES_MAX,
  SIGNS_PER_IDLE,
} from "./limits.ts";
import { REMOVE, SHOW_LIFE, TAKE_LEFT } from "./scripts.ts";

export {
  type Argument,
  type KeyType,
  type Redis,
  type RedisOptions,
  type RedisScript,
  StoreError,
  type StoreErrorCode,
  StoreOpenError,
  type StoreOpenErrorCode,
  type Target,
} from "../redis/redis.ts";

/** The newest form of an entry that this build reads. */
export const SCHEMA = 1;

/** The consumer group of all nodes. */
const GROUP = "nodes";

/** How the source is opened. */
export interface RedisStreamSourceOptions extends RedisOptions {
  /** This node's name: its consumer in the group; no two nodes have the same. */
  readonly node: string;
  /** The source's name, of letters, digits, `_` and `-`; `redis_stream` by default. */
  readonly name?: string;
  /** The key of the stream; by default the prefix of the address and `:notifications`. */
  readonly stream?: string;
  /** Milliseconds without a sign of life after which a node's entry is another's; a minute by default. */
  readonly idleMs?: number;
}

/** An entry as it came. */
export interface StreamSourceEntry {
  /** Its id in the stream. */
  readonly id: string;
  /** The notification's JSON text; all fields when there is a problem. */
  readonly body: unknown;
  /** How often it was handed out, this time included. */
  readonly deliveries: number;
  /** Why no notification can be made of it. */
  readonly problem?: string;
  /** Removes it from the stream. */
  acknowledge(): Promise<void>;
  /** Moves it to the stream of dead ones, with the reason. */
  bury(reason: string): Promise<void>;
}

/** A source of notifications; made by {@linkcode openRedisStreamSource}. */
export class RedisStreamSource implements AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** The key of the stream. */
  readonly stream: string;
  readonly #redis: Redis;
  readonly #node: string;
  readonly #idleMs: number;

  /** For {@linkcode openRedisStreamSource}. */
  constructor(redis: Redis, options: Omit<RedisStreamSourceOptions, "url">) {
    this.name = options.name ?? "redis_stream";
    this.stream = options.stream ?? redis.key("notifications");
    this.#redis = redis;
    this.#node = options.node;
    this.#idleMs = options.idleMs ?? IDLE_MS;
  }

  /**
   * Its entries, one after the other, until the signal is aborted. The next one is asked for when this one is
   * settled, or given up: then it is handed out again.
   *
   * @throws {StoreError} When Redis is away, or the key holds something else.
   */
  async *entries(signal: AbortSignal): AsyncGenerator<StreamSourceEntry, void, void> {
    await using blocking = await this.#redis.blocking();
    const stop = () => void blocking.close();
    signal.addEventListener("abort", stop);
    try {
      let sinceLook = ENTRIES_PER_LOOK;
      while (!signal.aborted) {
        const look = sinceLook >= ENTRIES_PER_LOOK;
        const reply = look ? await this.#left() : await this.#next(blocking);
        if (reply === undefined) {
          // Nothing was left, or nothing new came: then the other is looked for.
          sinceLook = look ? 0 : ENTRIES_PER_LOOK;
          continue;
        }
        if (!look) sinceLook++;
        yield* this.#kept(this.#entryOf(reply));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** How many entries are in the stream, those at work included. */
  async depth(): Promise<number> {
    const on = { key: this.stream, type: "stream" } as const;
    return integerReply(await this.#redis.call(["XLEN", this.stream], on));
  }

  /**
   * Resolves when entries can be read.
   *
   * @throws {StoreError} When Redis is away, or the key holds something else.
   */
  async ping(): Promise<void> {
    await this.depth();
  }

  /** Disconnects. */
  async close(): Promise<void> {
    await this.#redis.close();
  }

  /** The same as {@linkcode RedisStreamSource.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The next entry that was left behind: id, fields, count. */
  async #left(): Promise<readonly unknown[] | undefined> {
    const args = [GROUP, this.#node, this.#idleMs];
    const reply = arrayReply(await this.#redis.run(TAKE_LEFT, [this.stream], args));
    return reply.length === 0 ? undefined : reply;
  }

  /** The next new entry; waits for it for a while. */
  async #next(blocking: Redis): Promise<readonly unknown[] | undefined> {
    const on = { key: this.stream, type: "stream", blockMs: BLOCK_MS } as const;
    const group = ["GROUP", GROUP, this.#node] as const;
    const count = ["COUNT", 1, "BLOCK", BLOCK_MS] as const;
    try {
      const reply = await blocking.call(
        ["XREADGROUP", ...group, ...count, "STREAMS", this.stream, ">"],
        on,
      );
      if (reply === null) return undefined;
      const [, entries] = arrayReply(arrayReply(reply)[0]);
      return [...arrayReply(arrayReply(entries)[0]), 1];
    } catch (error) {
      // Somebody removed the stream; the look for what was left makes it again.
      if (["NOGROUP", "UNBLOCKED"].includes(replyWord(error))) return undefined;
      throw error;
    }
  }

  /** Hands an entry out, and keeps it from other nodes while it is in hand. */
  async *#kept(entry: StreamSourceEntry): AsyncGenerator<StreamSourceEntry, void, void> {
    const args = [GROUP, this.#node, entry.id];
    const timer = setInterval(() => {
      // One that fails is followed by another; a Redis that is away lets nobody take the entry.
      this.#redis.run(SHOW_LIFE, [this.stream], args).catch(() => {});
    }, this.#idleMs / SIGNS_PER_IDLE);
    try {
      yield entry;
    } finally {
      clearInterval(timer);
    }
  }

  #entryOf(reply: readonly unknown[]): StreamSourceEntry {
    const [idReply, fields, count] = reply;
    const id = textReply(idReply);
    const hash = hashOf(this.stream, fields) ?? { key: this.stream, fields: new Map() };
    const read = bodyOf(hash);
    return {
      id,
      ...read,
      deliveries: integerReply(count),
      acknowledge: () => this.#remove(id),
      bury: (reason) => this.#bury(id, hash, reason),
    };
  }

  async #remove(id: string): Promise<void> {
    await this.#redis.run(REMOVE, [this.stream], [GROUP, id]);
  }

  /** Written down first, removed after it: an entry may be there twice, but never nowhere. */
  async #bury(id: string, hash: Hash, reason: string): Promise<void> {
    const key = `${this.stream}:dead`;
    const fields = { id, reason: reason.slice(0, DEAD_REASON_CHARS), body: beginningOf(hash) };
    await this.#redis.call(
      ["XADD", key, "MAXLEN", "~", DEAD_ENTRIES_MAX, "*", ...Object.entries(fields).flat()],
      { key, type: "stream" },
    );
    await this.#remove(id);
  }
}

/** The notification of an entry, or what is wrong with it. */
function bodyOf(hash: Hash): Pick<StreamSourceEntry, "body" | "problem"> {
  try {
    const schema = integerField(hash, "schema");
    if (schema > SCHEMA) {
      return { body: beginningOf(hash), problem: `schema ${schema}, this build reads ≤ ${SCHEMA}` };
    }
    const { byteLength } = bytesField(hash, "notification");
    if (byteLength > NOTIFICATION_BYTES_MAX) {
      const problem =
        `a notification of ${byteLength} bytes, at most ${NOTIFICATION_BYTES_MAX} are taken`;
      return { body: beginningOf(hash), problem };
    }
    return { body: textField(hash, "notification") };
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "damaged") throw error;
    return { body: beginningOf(hash), problem: error.message };
  }
}

/** The beginning of an entry's fields, for people. */
function beginningOf({ fields }: Hash): string {
  const decoder = new TextDecoder();
  const shown = [...fields.entries().take(DEAD_FIELDS_MAX)].map(([name, value]) => [
    name.slice(0, DEAD_BODY_CHARS),
    decoder.decode(value.subarray(0, DEAD_BODY_CHARS)),
  ]);
  return JSON.stringify(Object.fromEntries(shown)).slice(0, DEAD_BODY_CHARS);
}

/**
 * Opens the source.
 *
 * @throws {StoreOpenError} When Redis cannot be used; the message says what to do.
 */
export async function openRedisStreamSource(
  options: RedisStreamSourceOptions,
): Promise<RedisStreamSource> {
  return new RedisStreamSource(await openRedis(options), options);
}
