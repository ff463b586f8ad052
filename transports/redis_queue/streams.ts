/**
 * The streams of the queue, one for each lane in which batches are, and what belongs to them.
 *
 * | key | type | content |
 * | --- | --- | --- |
 * | `…:{queue}:STORE:lanes` | sorted set | lanes in which batches wait, by turn: the one served longest ago is first |
 * | `…:{queue}:STORE:streams` | set | lanes that have a stream |
 * | `…:{queue}:STORE:lane:PLATFORM:APP` | stream | batches that wait or are at work, with the group `nodes` |
 * | `…:{queue}:STORE:lane:overdue` | stream | batches whose time is over, of lanes that are held or paused |
 * | `…:{queue}:dead` | stream | entries that no node can use, with the reason |
 *
 * `STORE` is the identity of the store that the batches are in. An entry names its batch by a number
 * which another store gives to another batch: so two stores that share a Redis and a prefix, or one that
 * followed another, never meet. What a store leaves that is gone expires a day after its last entry.
 *
 * One hash tag for all of them, `{queue}`: a claim reads several lanes in one step, and an entry stands
 * for up to a thousand requests, so that one node of a cluster has work for all others. A stream is
 * removed with its last entry; nothing but what is dead stays in Redis when there is no work.
 *
 * @module
 */

import { arrayReply, integerReply, textReply } from "../redis/replies.ts";
import type { Redis } from "../redis/redis.ts";
import { DEAD_ENTRIES_MAX, LANES_MAX } from "./limits.ts";
import { ABANDON, COUNT, DROP, HAND_OVER, RENEW, TAKE, TAKE_OLD, TAKE_OVER } from "./scripts.ts";

/** The consumer group of all nodes. */
export const GROUP = "nodes";

/** Streams that one call of a script looks at: it holds up Redis for a millisecond at most. */
const STREAMS_PER_CALL = 128;

/** Where an entry is. */
export interface Place {
  /** Its lane. */
  readonly lane: string;
  /** Its id in the lane's stream. */
  readonly id: string;
}

/** An entry as it was read. */
export interface StreamEntry extends Place {
  /** Its fields, name after value, as the reply has them. */
  readonly fields: unknown;
  /** Its counter, see the scripts. */
  readonly tenths: number;
}

/** An entry under a lease. */
export interface Holding extends Place {
  /** Who holds it. */
  readonly consumer: string;
}

/** Who holds an entry. */
export type Holder = "self" | "other" | "nobody";

/** What was found with its lease at its end. */
export interface TakenOver {
  /** Taken over. */
  readonly entries: readonly StreamEntry[];
  /** Left as they are. */
  readonly stayed: readonly Place[];
  /** Milliseconds until the next one has been idle for so long, of the oldest that others hold. */
  readonly nextMs: number | undefined;
}

/** An entry that no node can use. */
export interface DeadEntry extends Place {
  /** Why. */
  readonly reason: string;
  /** Its beginning. */
  readonly body: string;
  /** When it was set aside. */
  readonly at: number;
}

/** The queue's keys and scripts on one connection. */
export class Streams {
  readonly #redis: Redis;
  readonly #base: string;
  readonly #lanes: string;
  readonly #streams: string;
  readonly #dead: string;

  /** On this connection, for batches of the store with this identity. */
  constructor(redis: Redis, store: string) {
    this.#redis = redis;
    this.#base = redis.key("{queue}", store);
    this.#lanes = `${this.#base}:lanes`;
    this.#streams = `${this.#base}:streams`;
    this.#dead = redis.key("{queue}", "dead");
  }

  /** The key of a lane's stream. */
  keyOf(lane: string): string {
    return `${this.#base}:lane:${lane}`;
  }

  /** Lanes in which batches wait, the one served longest ago first. */
  async waitingLanes(): Promise<readonly string[]> {
    const on = { key: this.#lanes, type: "zset" } as const;
    return texts(await this.#redis.call(["ZRANGE", this.#lanes, 0, LANES_MAX - 1], on));
  }

  /** Lanes that have a stream. */
  async lanes(): Promise<readonly string[]> {
    const on = { key: this.#streams, type: "set" } as const;
    return texts(await this.#redis.call(["SMEMBERS", this.#streams], on));
  }

  /** Adds entries; says of each whether there was room. */
  async handOver(
    entries: readonly { readonly lane: string; readonly fields: readonly string[] }[],
  ): Promise<readonly boolean[]> {
    const keys = this.#keys(entries);
    const args = entries.flatMap(({ lane, fields }) => [lane, ...fields]);
    const reply = await this.#redis.run(HAND_OVER, keys, [GROUP, ...args]);
    return arrayReply(reply).map((added) => integerReply(added) === 1);
  }

  /** Reads for this consumer up to `max` entries that wait, of each lane what is free; says what waits still. */
  async take(
    consumer: string,
    max: number,
    lanes: readonly { readonly lane: string; readonly free: number }[],
  ): Promise<{
    readonly entries: readonly StreamEntry[];
    readonly waiting: ReadonlyMap<string, number>;
  }> {
    const args = lanes.flatMap(({ lane, free }) => [lane, free]);
    const reply = await this.#redis.run(TAKE, this.#keys(lanes), [GROUP, consumer, max, ...args]);
    const [taken, counts] = arrayReply(reply);
    const waiting = new Map(
      arrayReply(counts).map((count, place) => [lanes[place]?.lane ?? "", integerReply(count)]),
    );
    return { entries: placed(taken, lanes), waiting };
  }

  /** Takes over up to `max` entries that were idle for so long, of each lane what is free; `known` ones stay as they are. */
  async takeOver(
    consumer: string,
    { idleMs, max, freeOf, known }: {
      readonly idleMs: number;
      readonly max: number;
      readonly freeOf: (lane: string) => number;
      readonly known: readonly Place[];
    },
  ): Promise<TakenOver> {
    let left = max;
    const parts = await this.#inParts(async (lanes) => {
      const places = new Map(lanes.map(({ lane }, place) => [lane, place + 1]));
      const kept = known.filter(({ lane }) => places.has(lane)).map(({ lane, id }) =>
        `${places.get(lane)} ${id}`
      );
      const free = lanes.map(({ lane }) => freeOf(lane));
      const args = [GROUP, consumer, idleMs, left, ...free, ...kept];
      const reply = await this.#redis.run(TAKE_OVER, this.#keys(lanes), args);
      const [taken, stayed, nextMs] = arrayReply(reply);
      const entries = placed(taken, lanes);
      left -= entries.length;
      return { entries, stayed: stayedOf(stayed, lanes), nextMs: integerReply(nextMs) };
    });
    const times = parts.map(({ nextMs }) => nextMs).filter((nextMs) => nextMs >= 0);
    return {
      entries: parts.flatMap(({ entries }) => entries),
      stayed: parts.flatMap(({ stayed }) => stayed),
      nextMs: times.length === 0 ? undefined : Math.min(...times),
    };
  }

  /** Prolongs leases; says of each who holds it. */
  async renew(holdings: readonly Holding[]): Promise<readonly Holder[]> {
    if (holdings.length === 0) return [];
    const args = holdings.flatMap(({ consumer, id }) => [consumer, id]);
    const reply = await this.#redis.run(RENEW, this.#keys(holdings), [GROUP, ...args]);
    return arrayReply(reply).map(holderOf);
  }

  /** Removes an entry, unless another consumer than this one holds it; says who did. */
  async drop({ lane, id }: Place, consumer?: string): Promise<Holder> {
    const args = [GROUP, lane, id, consumer ?? ""];
    return holderOf(await this.#redis.run(DROP, this.#keys([{ lane }]), args));
  }

  /** Reads what was handed over before this time and nobody has read. */
  async takeOld(before: number): Promise<readonly StreamEntry[]> {
    const parts = await this.#inParts(async (lanes) => {
      const args = [GROUP, before, ...lanes.map(({ lane }) => lane)];
      return placed(await this.#redis.run(TAKE_OLD, this.#keys(lanes), args), lanes);
    });
    return parts.flat();
  }

  /** Ends the leases of a consumer and removes it; says how many there were. */
  async abandon(consumer: string): Promise<number> {
    const parts = await this.#inParts(async (lanes) =>
      integerReply(await this.#redis.run(ABANDON, this.#keys(lanes), [GROUP, consumer]))
    );
    return parts.reduce((sum, part) => sum + part, 0);
  }

  /** How many entries of each lane wait, and how many are at work. */
  async counts(): Promise<
    readonly { readonly lane: string; readonly waiting: number; readonly atWork: number }[]
  > {
    const parts = await this.#inParts(async (lanes) => {
      const reply = arrayReply(await this.#redis.run(COUNT, this.#keys(lanes), [GROUP]));
      return lanes.map(({ lane }, place) => {
        const [waiting, atWork] = arrayReply(reply[place]);
        return { lane, waiting: integerReply(waiting), atWork: integerReply(atWork) };
      });
    });
    return parts.flat();
  }

  /** Sets an entry aside, for people: written down first, removed after it. */
  async bury(entry: DeadEntry): Promise<void> {
    const { lane, id, reason, body, at } = entry;
    const fields = ["stream", this.keyOf(lane), "id", id, "reason", reason, "body", body, "at", at];
    const on = { key: this.#dead, type: "stream" } as const;
    await this.#redis.call(
      ["XADD", this.#dead, "MAXLEN", "~", DEAD_ENTRIES_MAX, "*", ...fields],
      on,
    );
    await this.drop(entry);
  }

  /** How many entries are set aside. */
  async dead(): Promise<number> {
    const on = { key: this.#dead, type: "stream" } as const;
    return integerReply(await this.#redis.call(["XLEN", this.#dead], on));
  }

  #keys(lanes: readonly { readonly lane: string }[]): readonly string[] {
    return [this.#lanes, this.#streams, ...lanes.map(({ lane }) => this.keyOf(lane))];
  }

  /** Does something with all lanes, some at a time. */
  async #inParts<T>(
    step: (lanes: readonly { readonly lane: string }[]) => Promise<T>,
  ): Promise<readonly T[]> {
    const lanes = (await this.lanes()).map((lane) => ({ lane }));
    const parts: T[] = [];
    for (let first = 0; first < lanes.length; first += STREAMS_PER_CALL) {
      parts.push(await step(lanes.slice(first, first + STREAMS_PER_CALL)));
    }
    return parts;
  }
}

function texts(reply: unknown): readonly string[] {
  return arrayReply(reply).map(textReply);
}

/** Entries that name their stream by its place among these lanes, counted from 1. */
function placed(
  reply: unknown,
  lanes: readonly { readonly lane: string }[],
): readonly StreamEntry[] {
  return arrayReply(reply).map((item) => {
    const [place, id, fields, tenths = 1] = arrayReply(item);
    const lane = lanes[integerReply(place) - 1]?.lane ?? "";
    return { lane, id: textReply(id), fields, tenths: integerReply(tenths) };
  });
}

function stayedOf(
  reply: unknown,
  lanes: readonly { readonly lane: string }[],
): readonly Place[] {
  return texts(reply).map((text) => {
    const [place, id = ""] = text.split(" ");
    return { lane: lanes[Number(place) - 1]?.lane ?? "", id };
  });
}

function holderOf(reply: unknown): Holder {
  const answer = integerReply(reply);
  return answer === 1 ? "self" : answer === 0 ? "other" : "nobody";
}
