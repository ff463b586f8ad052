/**
 * The key space of the message store. Every key begins with the prefix of the address; `xx` are the
 * first two digits of the user agent's id.
 *
 * | key | type | content | expires |
 * | --- | --- | --- | --- |
 * | `{xx}:user:UAID` | hash | `connected_at`, milliseconds since 1970; `last_sort_key`, the largest it was given a message under | with the user agent |
 * | `{xx}:channels:UAID` | set | ids of its channels | with the user agent |
 * | `{xx}:plain:UAID` | sorted set | "CHANNEL SORT_KEY" by sort key: waiting messages without a topic | with the user agent |
 * | `{xx}:topics:UAID` | sorted set | "CHANNEL TOPIC" by sort key: waiting messages with a topic | with the user agent |
 * | `{xx}:expiry:UAID` | sorted set | sort keys by the second they expire in | with the user agent |
 * | `{xx}:messages:UAID` | hash | sort key to message, see `message_text.ts` | with the user agent |
 * | `{xx}:at:UAID` | hash | `node` and `session` where it is connected | a user lifetime after it connected |
 * | `{xx}:due` | sorted set | user agents by the earliest second in which something of theirs expires, or earlier | never; empty when there is none |
 * | `{xx}:last` | string | the largest sort key stored for these user agents | never: at most 256 |
 * | `{nodes}:leases` | sorted set | node ids by the millisecond their lease ends in, by Redis's clock | never; pruned |
 * | `{nodes}:node:ID` | hash | `url`, `roles`, `version`, `keys`, `started_at`, `facts` | a week after the lease |
 * | `schema` | hash | `messages`: version of all these | never |
 * | `probe` | string | written to see whether Redis writes | after a minute |
 *
 * "With the user agent" is a day after it lapses. These expiries only give space back; what has expired
 * is decided by the times in the keys, against the clock of whoever asks.
 *
 * Why the hash tag is not the whole id: the largest sort key and the index of what is due must change
 * in one step with the message, so they must live where it does; 256 places are enough to spread over a
 * cluster, and few enough to ask each of them when a node starts or sweeps.
 *
 * @module
 */

import type { Redis } from "../redis/redis.ts";

/** The version of this key space. */
export const SCHEMA_VERSION = 1;

/** The name of this part in the hash of versions. */
export const SCHEMA_PART = "messages";

/** All places, as in `{xx}`. */
export const PLACES: readonly string[] = Array.from(
  { length: 256 },
  (_, place) => place.toString(16).padStart(2, "0"),
);

/** The keys by name. */
export class Keys {
  readonly #redis: Redis;

  /** Makes the keys under the prefix of this connection. */
  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Keys of a user agent, in the order in which every script is given them. */
  ofUser(uaid: string): readonly string[] {
    const tag = `{${uaid.slice(0, 2)}}`;
    const own = ["user", "channels", "plain", "topics", "expiry", "messages", "at"];
    return [...own.map((name) => this.#redis.key(tag, name, uaid)), this.#redis.key(tag, "due")];
  }

  /** The hash of a user agent. */
  user(uaid: string): string {
    return this.#redis.key(`{${uaid.slice(0, 2)}}`, "user", uaid);
  }

  /** The hash of its messages. */
  messages(uaid: string): string {
    return this.#redis.key(`{${uaid.slice(0, 2)}}`, "messages", uaid);
  }

  /** Where it is connected. */
  at(uaid: string): string {
    return this.#redis.key(`{${uaid.slice(0, 2)}}`, "at", uaid);
  }

  /** The index of what is due at one of {@link PLACES}. */
  due(place: string): string {
    return this.#redis.key(`{${place}}`, "due");
  }

  /** The largest sort key at one of {@link PLACES}. */
  last(place: string): string {
    return this.#redis.key(`{${place}}`, "last");
  }

  /** The index of nodes. */
  leases(): string {
    return this.#redis.key("{nodes}", "leases");
  }

  /** The hash of a node. */
  node(id: string): string {
    return this.#redis.key("{nodes}", "node", id);
  }

  /** What is written to see whether Redis writes. */
  probe(): string {
    return this.#redis.key("probe");
  }
}
