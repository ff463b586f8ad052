/**
 * The keys of the delivery store, and how they are read and written.
 *
 * All keys begin with `PREFIX:{delivery}:` (`heliograph:{delivery}:` by default), and share one hash
 * tag. A claim has to see all lanes, and what a batch comes to changes counters, logs and other batches
 * in one step: scripts do that, and in a cluster a script reaches one shard. So the delivery store
 * lives on one shard, whose one processor bounds it (`bench/delivery_store.md`); other parts, whose
 * keys have other tags, spread over the others.
 *
 * | key | type | life | content |
 * | --- | --- | --- | --- |
 * | `last:app`, `last:device`, `last:notification`, `last:batch`, `last:row`, `last:tally`, `last:letter`, `last:served` | string | for ever | the last number given; none is given again |
 * | `apps` | hash | with the app | number to name |
 * | `app:NAME` | hash | `version` for ever | `id`, `name`, `credentials`, `unfinished` notifications |
 * | `removed` | set | until cleared | numbers of removed apps that still have devices |
 * | `lanes` | set | with the app | `APP,PLATFORM` of each lane |
 * | `lane:LANE` | hash | with the app | `turn`, `served`, batches `waiting` and `leased` |
 * | `pauses` | hash | until resumed | lane to since when and why |
 * | `devices` | hash | with the device | number to record, see `codes.ts` |
 * | `ids` | hash | with the device | id to code and number of the app |
 * | `order:APP` | sorted set | with the devices | ids in order |
 * | `group:APP:STATE:CHUNK:GROUP` | set | with the devices | codes of devices of 512 numbers; `*` is all of the app, `#TAG` those with a tag |
 * | `chunks:APP:STATE:GROUP` | sorted set | with the devices | which of these sets there are |
 * | `user:APP:STATE:USER` | set | with the devices | codes of a person's devices |
 * | `notifications`, `notifications:APP` | sorted set | swept | ids in order |
 * | `notification:ID` | hash | swept | content and progress |
 * | `audience:ID` | list | until its end | names of devices, users or tags |
 * | `keys:APP` | hash | swept | idempotency key to id |
 * | `added:CALL` | string | ten minutes | recipients of this call were added |
 * | `open:ID` | list | until closed | batches of an open notification |
 * | `tally:ID:PLATFORM` | hash | swept | counts, last `turn`, the batch its rate allows |
 * | `expand` | sorted set | until expanded | number and id, by when to expand |
 * | `ended` | sorted set | swept | ids by their end |
 * | `batch:BATCH`, `numbers:BATCH` | hash, string | until its result | a batch and its recipients |
 * | `chunk:ID:CHUNK` | hash | until their results | addresses and keys of direct recipients |
 * | `queue:ID:PLATFORM` | sorted set | until empty | batches nobody holds, by turn |
 * | `waiting:LANE`, `ready:LANE`, `paced:ID:PLATFORM` | sorted set | until empty | the same by what they wait for |
 * | `expiring:LANE` | sorted set | until empty | notifications with such batches, by their end |
 * | `due`, `due:paused` | sorted set | until empty | lanes by their first waiting batch |
 * | `turns` | sorted set | until empty | lanes with ready batches, by when they were served |
 * | `rated` | sorted set | until empty | notifications with paced batches, by when they may go on |
 * | `leases` | sorted set | until empty | batches by the end of their lease |
 * | `row:LAST` | hash | swept | rows of one result, the last of which has this position |
 * | `rows`, `rows:ID`, `rows:ID:OUTCOME` | sorted set | swept | these positions |
 * | `last_rows:HUNDRED` | hash | swept | number of a device to the position of the value with the last row about it |
 * | `tallies` | stream | swept | what each result came to |
 * | `history`, `history:HOUR` | sorted set, hash | 48 hours | hours since 1970, and what ended in each, see `history.ts` |
 * | `sinks`, `sink_leases` | hash | for ever | position of each sink, who feeds it |
 * | `letters`, `letter` | sorted set, hash | the newest 10,000 | dead letters |
 * | `identity` | string | for ever | what tells this store from others, for a queue beside it |
 * | `ping` | string | a minute | proof that Redis takes writes |
 *
 * @module
 */

import { slices } from "../delivery_store/codes.ts";
import { Buffer } from "node:buffer";
import { StoreError } from "../redis/errors.ts";
import { type Hash, hashOf, hashOfNames } from "../redis/hashes.ts";
import type { Argument, Redis } from "../redis/redis.ts";
import { arrayReply, bytesReply, integerReply, textReply } from "../redis/replies.ts";
import type { KeyType, RedisScript } from "../redis/script.ts";
import { READ_AT_ONCE } from "./limits.ts";

/** The keys of one delivery store. */
export class Keyspace {
  readonly #redis: Redis;
  readonly #base: string;

  /** On an open connection. */
  constructor(redis: Redis) {
    this.#redis = redis;
    this.#base = `${redis.key("{delivery}")}:`;
  }

  /** The whole key of this name. */
  key(name: string): string {
    return `${this.#base}${name}`;
  }

  /** Runs a script. */
  async run(script: RedisScript, ...args: readonly Argument[]): Promise<unknown> {
    try {
      return await this.#redis.run(script, [this.#base], args);
    } catch (error) {
      // What a script found out is an error of its own, and says all that there is to say.
      const found = error instanceof Error && /^DAMAGED (.*?)(?: script: .*)?$/.exec(error.message);
      if (!found) throw error;
      throw new StoreError("damaged", `Cannot ${script.action}: ${found[1]}`, { cause: error });
    }
  }

  /** Sends a command about the key of this name. */
  command(
    type: KeyType,
    command: string,
    name: string,
    ...args: readonly Argument[]
  ): Promise<unknown> {
    const key = this.key(name);
    return this.#redis.call([command, key, ...args], { key, type });
  }

  /** These fields of a hash; `undefined` when it has none of them. */
  async fields(name: string, names: readonly string[]): Promise<Hash | undefined> {
    const reply = await this.command("hash", "HMGET", name, ...names);
    return hashOfNames(this.key(name), names, reply);
  }

  /** A whole hash; `undefined` when it is not there. */
  async hash(name: string): Promise<Hash | undefined> {
    return hashOf(this.key(name), await this.command("hash", "HGETALL", name));
  }

  /** The values of many fields of a hash, in their order. */
  async values(
    name: string,
    fields: readonly (string | number)[],
  ): Promise<readonly (Buffer | undefined)[]> {
    const found: (Buffer | undefined)[] = [];
    for (const part of slices(fields, READ_AT_ONCE)) {
      const values = arrayReply(await this.command("hash", "HMGET", name, ...part));
      for (const value of values) found.push(Buffer.isBuffer(value) ? value : undefined);
    }
    return found;
  }
}

/** Calls a function for each item, so many at a time, and gives back what it gave. */
export async function inSlices<T, R>(
  list: readonly T[],
  size: number,
  call: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  for (const part of slices(list, size)) results.push(...await Promise.all(part.map(call)));
  return results;
}

/** The texts of a reply. */
export function textsReply(reply: unknown): readonly string[] {
  return arrayReply(reply).map(textReply);
}

/** A whole number that Redis gives as a number or as text. */
export function numberReply(reply: unknown): number {
  return typeof reply === "number" ? integerReply(reply) : integerReply(Number(textReply(reply)));
}

/** The bytes of a reply as a buffer. */
export function bufferReply(reply: unknown): Buffer {
  const { buffer, byteOffset, byteLength } = bytesReply(reply);
  return Buffer.from(buffer, byteOffset, byteLength);
}
