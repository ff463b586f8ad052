/**
 * Reads what surrounds deliveries: what is to be expanded, and dead letters.
 *
 * @module
 */

import type { DeadLetter, Expandable } from "../delivery_store/records.ts";
import { damaged } from "../redis/hashes.ts";
import { arrayReply } from "../redis/replies.ts";
import { parsed } from "./codes.ts";
import { type Keyspace, numberReply, textsReply } from "./keyspace.ts";
import { DEAD_LETTERS_MAX, EXPANDABLE_MAX } from "./limits.ts";
import { BURY } from "./scripts/housekeeping.ts";

/** Ids of notifications to expand, oldest first: the index names each by its number and its id. */
export async function readExpandable(
  keys: Keyspace,
  now: number,
  limit: number,
): Promise<Expandable> {
  const [due, next] = await Promise.all([
    keys.command("zset", "ZRANGE", "expand", "-inf", now, "BYSCORE", "LIMIT", 0, EXPANDABLE_MAX)
      .then(textsReply),
    keys.command(
      "zset",
      "ZRANGE",
      "expand",
      `(${now}`,
      "+inf",
      "BYSCORE",
      "LIMIT",
      0,
      1,
      "WITHSCORES",
    ).then(arrayReply),
  ]);
  const ids = due.toSorted().slice(0, limit).map((name) => name.slice(name.indexOf(" ") + 1));
  const [, dueAt] = next;
  return { ids, dueAt: dueAt === undefined ? undefined : numberReply(dueAt) };
}

/** Sets an entry aside. */
export async function bury(keys: Keyspace, letter: DeadLetter): Promise<void> {
  const { source, id, reason, body, at } = letter;
  const name = JSON.stringify([source, id]);
  const entry = JSON.stringify([source, id, reason, body, at]);
  await keys.run(BURY, name, entry, DEAD_LETTERS_MAX);
}

/** Entries set aside, newest first. */
export async function readDeadLetters(
  keys: Keyspace,
  limit: number,
): Promise<readonly DeadLetter[]> {
  if (limit <= 0) return [];
  const names = textsReply(await keys.command("zset", "ZRANGE", "letters", 0, limit - 1, "REV"));
  const texts = await keys.values("letter", names);
  const key = keys.key("letter");
  return texts.flatMap((text, place) => {
    // It was forgotten meanwhile.
    if (text === undefined) return [];
    return [letterOf(key, names[place] ?? "", text.toString())];
  });
}

function letterOf(key: string, field: string, text: string): DeadLetter {
  const values = parsed(key, field, text);
  if (Array.isArray(values)) {
    const [source, id, reason, body, at]: readonly unknown[] = values;
    if (
      typeof source === "string" && typeof id === "string" && typeof reason === "string" &&
      typeof body === "string" && typeof at === "number"
    ) {
      return { source, id, reason, body, at };
    }
  }
  throw damaged(key, field, "is no dead letter");
}
