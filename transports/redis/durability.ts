/**
 * What is lost when Redis crashes, in sentences for the operator: Redis decides that, not its clients.
 *
 * @module
 */

import { quoted, StoreError } from "./errors.ts";
import type { Redis } from "./redis.ts";
import { arrayReply, textReply } from "./replies.ts";
import { infoFields } from "./server.ts";

/** What was found out about a Redis. */
export interface Durability {
  /** How much of what was answered a crash loses: what the sync of the append-only file leaves open, or all since the last snapshot. */
  readonly loses: "nothing" | "a_second" | "half_a_minute" | "since_snapshot" | "unknown";
  /** Whether it may remove keys when its memory is full; `undefined` when it was not told. */
  readonly evicts: boolean | undefined;
  /** The same in sentences, without a stop at the end of the last. */
  readonly text: string;
}

/** Reads how Redis writes to its disk, and what it does when its memory is full. */
export async function readDurability(redis: Redis): Promise<Durability> {
  const [persistence, memory] = await Promise.all([
    redis.callAll(["INFO", "persistence"]).then(fieldsOf),
    redis.callAll(["INFO", "memory"]).then(fieldsOf),
  ]).catch((error): [Fields, Fields] => refused(error, [new Map(), new Map()]));
  const config = await redis.callAll(["CONFIG", "GET", "appendfsync"]).then(configOf)
    .catch((error): Fields => refused(error, new Map()));
  const loses = losesOf(persistence.get("aof_enabled"), config.get("appendfsync"));
  const policy = memory.get("maxmemory_policy");
  const evicts = policy === undefined ? undefined : policy !== "noeviction";
  return { loses, evicts, text: [LOSES[loses], ...evictionText(evicts, policy)].join(". ") };
}

type Fields = ReadonlyMap<string, string>;

/** What stands for an answer that Redis refuses to give, as managed services do. */
function refused<T>(error: unknown, instead: T): T {
  if (!(error instanceof StoreError) || error.code === "io") return instead;
  throw error;
}

const LOSES: Readonly<Record<Durability["loses"], string>> = {
  nothing: "A crash of Redis loses nothing that was answered (appendonly yes, appendfsync always)",
  a_second:
    "A crash of Redis may lose what was answered in the last second or two (appendonly yes, appendfsync everysec); appendfsync always loses nothing",
  half_a_minute:
    "A crash of the machine may lose what was answered in the last half a minute: when the append-only file reaches the disk is left to the system (appendonly yes, appendfsync no). Set appendfsync always to lose nothing",
  since_snapshot:
    "A crash of Redis loses everything since its last snapshot: it writes no append-only file (appendonly no). Set appendonly yes and appendfsync always to lose nothing",
  unknown:
    "Redis does not tell how it writes to its disk, so what a crash of it loses is not known",
};

function losesOf(aof: string | undefined, appendfsync: string | undefined): Durability["loses"] {
  if (aof === "0") return "since_snapshot";
  if (aof === undefined) return "unknown";
  switch (appendfsync) {
    case "always":
      return "nothing";
    case "everysec":
      return "a_second";
    case "no":
      return "half_a_minute";
    default:
      return "unknown";
  }
}

function evictionText(evicts: boolean | undefined, policy: string | undefined): readonly string[] {
  if (evicts !== true) return [];
  return [
    `When its memory is full it removes keys (maxmemory-policy ${
      quoted(policy)
    }), and with them messages: set maxmemory-policy noeviction`,
  ];
}

function fieldsOf(replies: readonly unknown[]): Fields {
  return infoFields(textReply(replies[0]));
}

function configOf(replies: readonly unknown[]): Fields {
  const items = arrayReply(replies[0]).map(textReply);
  return new Map(items.flatMap((name, place) => {
    const value = items[place + 1];
    return place % 2 === 0 && value !== undefined ? [[name, value] as const] : [];
  }));
}
