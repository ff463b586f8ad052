/**
 * The store of the Web Push half in Redis: users, channels and waiting messages, where each user agent
 * is connected, and the nodes that share all this. Any number of nodes use it at once.
 *
 * Invariants: a call that changes something changes all of it in one step (a script), or nothing; a
 * message is found in its index, in the index of expiries and in the hash of messages, or in none of
 * them; what a user agent had is gone with it. How much a crash of Redis itself loses is Redis's
 * setting: `readDurability` tells it.
 *
 * What has expired is never given out, whether or not it was removed: the times in the keys decide. The
 * sweep finds the user agents that something is due for by an index, never by walking all keys; Redis
 * itself lets go of what belongs to a lapsed user agent a day later, if no node ever swept.
 *
 * The key space is described in `keys.ts`.
 *
 * @example Open it
 * ```ts ignore
 * await using store = await openRedisMessageStore({ url: "redis://127.0.0.1:6379" });
 * await store.saveUser({ uaid: "0123456789abcdef0123456789abcdef", connectedAt: Date.now() });
 * ```
 *
 * @module
 */

import type {
  ChannelOutcome,
  NodeRecord,
  NodesFound,
  PageRequest,
  PushMessage,
  SaveOutcome,
  SubscriptionState,
  UserAgent,
  WallClock,
  Whereabouts,
} from "../message_store/records.ts";
import { type Durability, readDurability } from "../redis/durability.ts";
import { invariant } from "../redis/errors.ts";
import { hashOf, hashOfNames, integerField, textField } from "../redis/hashes.ts";
import {
  type Argument,
  openRedis,
  type Redis,
  type RedisOptions,
  type RedisScript,
} from "../redis/redis.ts";
import { arrayReply, bytesReply, integerReply, textReply } from "../redis/replies.ts";
import { claimSchema } from "../redis/schema.ts";
import { Keys, PLACES, SCHEMA_PART, SCHEMA_VERSION } from "./keys.ts";
import { LOOKUPS_AT_ONCE, PAGE_MAX, REMOVED_PER_CALL, SWEEP_USERS } from "./limits.ts";
import { decodeMessage, encodeMessage } from "./message_text.ts";
import { readNodes, removeNode, renewNode } from "./node_directory.ts";
import {
  ADD_CHANNEL,
  ARRIVE,
  DEPART,
  MESSAGES,
  REFRESH_USER,
  REMOVE_CHANNEL,
  REMOVE_MESSAGES,
  REMOVE_USER,
  SAVE_MESSAGE,
  SAVE_USER,
  SUBSCRIPTION,
  SWEEP_USER,
} from "./scripts.ts";

export type { RedisOptions } from "../redis/redis.ts";
export type { Durability } from "../redis/durability.ts";
export {
  StoreError,
  type StoreErrorCode,
  StoreOpenError,
  type StoreOpenErrorCode,
} from "../redis/errors.ts";
export type {
  BehindOutcome,
  ChannelOutcome,
  Content,
  ContentHeaders,
  LoopDelay,
  NodeFacts,
  NodeRecord,
  NodesFound,
  PageRequest,
  PushMessage,
  SaveOutcome,
  SubscriptionState,
  UserAgent,
  WallClock,
  Whereabouts,
} from "../message_store/records.ts";

/** How a store is opened. */
export interface RedisMessageStoreOptions extends RedisOptions {
  /** Seconds after its last hello at which a user agent lapses; default 60 days, as in autopush. */
  readonly userLifetimeSeconds?: number;
  /** Wall-clock time; default is the machine's. */
  readonly clock?: WallClock;
}

/** Sixty days. */
const USER_LIFETIME_SECONDS = 60 * 86_400;

/** Places of the two indexes in the keys of a user agent, as scripts count them. */
const INDEXES = { plain: 3, topic: 4 } as const;

const SAVE_OUTCOMES = ["stored", "over_limit", "no_channel", "no_user"] as const;
const CHANNEL_OUTCOMES = ["added", "over_limit", "no_user"] as const;
const SUBSCRIPTIONS = ["subscribed", "no_channel", "no_user"] as const;

/** An open store; made by {@link openRedisMessageStore}. */
export class RedisMessageStore implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #clock: WallClock;
  readonly #userLifetimeMs: number;

  private constructor(redis: Redis, options: RedisMessageStoreOptions) {
    this.#redis = redis;
    this.#keys = new Keys(redis);
    this.#clock = options.clock ?? { wallNow: () => Date.now() };
    this.#userLifetimeMs = (options.userLifetimeSeconds ?? USER_LIFETIME_SECONDS) * 1000;
  }

  /** For {@link openRedisMessageStore}. */
  static async open(options: RedisMessageStoreOptions): Promise<RedisMessageStore> {
    const redis = await openRedis(options);
    try {
      await claimSchema(redis, SCHEMA_PART, SCHEMA_VERSION);
      return new RedisMessageStore(redis, options);
    } catch (error) {
      await redis.close();
      throw error;
    }
  }

  /** What a crash of this Redis loses, as it is set up now. */
  durability(): Promise<Durability> {
    return readDurability(this.#redis);
  }

  /** The user agent, or `undefined` when it is unknown or has lapsed. */
  async user(uaid: string): Promise<UserAgent | undefined> {
    const key = this.#keys.user(uaid);
    const reply = await this.#redis.call(["HGETALL", key], { key, type: "hash" });
    const hash = hashOf(key, reply);
    if (hash === undefined) return undefined;
    const connectedAt = integerField(hash, "connected_at");
    if (connectedAt <= this.#clock.wallNow() - this.#userLifetimeMs) return undefined;
    return { uaid, connectedAt };
  }

  /** Creates the user agent or refreshes its `connectedAt`; one that has lapsed starts anew. */
  async saveUser({ uaid, connectedAt }: UserAgent): Promise<void> {
    await this.#run(SAVE_USER, uaid, [connectedAt]);
  }

  /** Refreshes the `connectedAt` of a known user agent; `false` when it is unknown or has lapsed. */
  async refreshUser({ uaid, connectedAt }: UserAgent): Promise<boolean> {
    return integerReply(await this.#run(REFRESH_USER, uaid, [connectedAt])) === 1;
  }

  /** Removes the user agent with its channels and messages; unknown is fine. */
  async removeUser(uaid: string): Promise<void> {
    await this.#run(REMOVE_USER, uaid, []);
  }

  /** Adds a channel (again is fine) unless the user agent would then have more than `channelsMax`. */
  async addChannel(uaid: string, channelId: string, channelsMax: number): Promise<ChannelOutcome> {
    const reply = await this.#run(ADD_CHANNEL, uaid, [channelId, channelsMax]);
    return oneOf(CHANNEL_OUTCOMES, reply);
  }

  /** Removes a channel with its waiting messages; says whether it existed. */
  async removeChannel(uaid: string, channelId: string): Promise<boolean> {
    return integerReply(await this.#run(REMOVE_CHANNEL, uaid, [channelId])) === 1;
  }

  /** Whether this channel is subscribed now. */
  async subscription(uaid: string, channelId: string): Promise<SubscriptionState> {
    return oneOf(SUBSCRIPTIONS, await this.#run(SUBSCRIPTION, uaid, [channelId]));
  }

  /**
   * Stores a message; one with a topic replaces the waiting message of the same user agent, channel
   * and topic (RFC 8030 section 5.4). Refused with `"over_limit"` when the user agent already has
   * more than `waitingMax` messages waiting, expired ones not counted; and with the largest sort key
   * that the user agent was ever given a message under, when the message's is not larger.
   */
  async saveMessage(message: PushMessage, waitingMax: number): Promise<SaveOutcome> {
    const { uaid, channelId, sortKey, expiresAt, topic } = message;
    const rest = [channelId, sortKey, expiresAt, waitingMax, encodeMessage(message)];
    const last = this.#keys.last(uaid.slice(0, 2));
    const args = topic === undefined ? rest : [...rest, topic];
    const reply = await this.#run(SAVE_MESSAGE, uaid, args, last);
    if (!Array.isArray(reply)) return oneOf(SAVE_OUTCOMES, reply);
    return { behind: sortKeyReply(reply[0]) };
  }

  /** A page of waiting messages in ascending sort key; at most a thousand. */
  async messages({ uaid, kind, limit, nowSeconds }: PageRequest): Promise<readonly PushMessage[]> {
    const args = [INDEXES[kind], nowSeconds, Math.min(limit, PAGE_MAX)];
    const reply = arrayReply(await this.#run(MESSAGES, uaid, args));
    const key = this.#keys.messages(uaid);
    const messages: PushMessage[] = [];
    for (let place = 0; place < reply.length; place += 2) {
      const sortKey = sortKeyReply(reply[place]);
      messages.push(decodeMessage({ key, uaid, sortKey }, bytesReply(reply[place + 1])));
    }
    return messages;
  }

  /** Removes these messages of a user agent; unknown sort keys are fine. */
  async removeMessages(uaid: string, sortKeys: readonly number[]): Promise<void> {
    for (let from = 0; from < sortKeys.length; from += REMOVED_PER_CALL) {
      await this.#run(REMOVE_MESSAGES, uaid, sortKeys.slice(from, from + REMOVED_PER_CALL));
    }
  }

  /**
   * Removes up to `limit` expired messages and as many lapsed user agents with all that is theirs; says
   * how many messages and user agents were due in all. Several nodes may sweep at once.
   */
  async sweep(nowSeconds: number, limit: number): Promise<number> {
    const due = await Promise.all(PLACES.map((place) => this.#due(place, nowSeconds)));
    const left = { messages: limit, users: limit };
    for (const [place, uaids] of due.entries()) {
      let page = uaids;
      while (page.length > 0 && left.messages > 0 && left.users > 0) {
        for (const uaid of page) await this.#sweepUser(uaid, nowSeconds, left);
        page = page.length < SWEEP_USERS ? [] : await this.#due(PLACES[place] ?? "", nowSeconds);
      }
    }
    return 2 * limit - left.messages - left.users;
  }

  /** The largest sort key ever stored, 0 when none was; it survives the removal of the message. */
  async lastSortKey(): Promise<number> {
    const replies = await Promise.all(PLACES.map((place) => {
      const key = this.#keys.last(place);
      return this.#redis.call(["GET", key], { key, type: "string" });
    }));
    return replies.reduce<number>(
      (last, reply) => reply === null ? last : Math.max(last, sortKeyReply(reply)),
      0,
    );
  }

  /** Resolves when Redis reads and writes; in a cluster, when every master answers and one writes. */
  async ping(): Promise<void> {
    const key = this.#keys.probe();
    await this.#redis.ping();
    await this.#redis.call(["SET", key, "1", "EX", 60], { key });
  }

  /** From now on this is where the user agent is; answers where it was until now. */
  async arrive(uaid: string, at: Whereabouts): Promise<Whereabouts | undefined> {
    return this.#whereaboutsOf(uaid, await this.#run(ARRIVE, uaid, [at.node, at.session]));
  }

  /** Forgets that the user agent is here, unless it has arrived elsewhere since. */
  async depart(uaid: string, at: Whereabouts): Promise<void> {
    await this.#run(DEPART, uaid, [at.node, at.session]);
  }

  /** Where each of these user agents is, by place. */
  async whereabouts(uaids: readonly string[]): Promise<readonly (Whereabouts | undefined)[]> {
    const found: (Whereabouts | undefined)[] = [];
    for (let from = 0; from < uaids.length; from += LOOKUPS_AT_ONCE) {
      const page = uaids.slice(from, from + LOOKUPS_AT_ONCE);
      found.push(
        ...await Promise.all(page.map(async (uaid) => {
          const key = this.#keys.at(uaid);
          const command = ["HMGET", key, "node", "session"];
          return this.#whereaboutsOf(uaid, await this.#redis.call(command, { key, type: "hash" }));
        })),
      );
    }
    return found;
  }

  /** Enters this node, or prolongs its lease from now on, by Redis's clock. */
  renew(node: NodeRecord, leaseMs: number): Promise<void> {
    return renewNode(this.#redis, this.#keys, node, leaseMs);
  }

  /** Removes a node; unknown is fine. */
  leave(id: string): Promise<void> {
    return removeNode(this.#redis, this.#keys, id);
  }

  /** All nodes whose lease lasts, by their start, and the ids of at most a hundred whose lease has ended. */
  nodes(): Promise<NodesFound> {
    return readNodes(this.#redis, this.#keys);
  }

  /** Refuses further calls, waits for those on their way and disconnects; again is fine. */
  close(): Promise<void> {
    return this.#redis.close();
  }

  /** The same as {@link RedisMessageStore.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #run(
    script: RedisScript,
    uaid: string,
    args: readonly Argument[],
    ...keys: readonly string[]
  ): Promise<unknown> {
    const all = [uaid, this.#clock.wallNow(), this.#userLifetimeMs, ...args];
    return this.#redis.run(script, [...this.#keys.ofUser(uaid), ...keys], all);
  }

  /** Some user agents of a place for whom something is due, the earliest first. */
  async #due(place: string, nowSeconds: number): Promise<readonly string[]> {
    const key = this.#keys.due(place);
    const command = ["ZRANGEBYSCORE", key, "-inf", nowSeconds, "LIMIT", 0, SWEEP_USERS];
    return arrayReply(await this.#redis.call(command, { key, type: "zset" })).map(textReply);
  }

  async #sweepUser(
    uaid: string,
    nowSeconds: number,
    left: { messages: number; users: number },
  ): Promise<void> {
    const args = [nowSeconds, Math.min(left.messages, REMOVED_PER_CALL), Math.min(left.users, 1)];
    const [messages, users] = arrayReply(await this.#run(SWEEP_USER, uaid, args));
    left.messages -= integerReply(messages);
    left.users -= integerReply(users);
  }

  #whereaboutsOf(uaid: string, reply: unknown): Whereabouts | undefined {
    const hash = hashOfNames(this.#keys.at(uaid), ["node", "session"], reply);
    return hash && { node: textField(hash, "node"), session: textField(hash, "session") };
  }
}

/**
 * Opens the store in a Redis.
 *
 * @throws {StoreOpenError} When that Redis cannot be used; its `code` says why and its message what to
 * do.
 */
export function openRedisMessageStore(
  options: RedisMessageStoreOptions,
): Promise<RedisMessageStore> {
  return RedisMessageStore.open(options);
}

/** The one of these outcomes that a script answered. */
function oneOf<T extends string>(outcomes: readonly T[], reply: unknown): T {
  const text = textReply(reply);
  const outcome = outcomes.find((candidate) => candidate === text);
  invariant(outcome !== undefined, `a script answered "${text}"`);
  return outcome;
}

/** A sort key as scripts write it. */
function sortKeyReply(reply: unknown): number {
  return integerReply(Number(textReply(reply)));
}
