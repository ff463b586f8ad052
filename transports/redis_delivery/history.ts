/**
 * What ended when, over days.
 *
 * The slots of an hour are fields of one hash, `SECOND,PLATFORM`: seven counts in the order of the outcomes,
 * the last of what is to be tried again. A sorted set tells which hours there are.
 *
 * @module
 */

import { platformNumber, PLATFORMS } from "../delivery_store/codes.ts";
import {
  checkSpan,
  foldTallies,
  HISTORY_SINK,
  historyBegin,
  sumSlots,
} from "../delivery_store/history.ts";
import {
  type HistorySlot,
  type HistorySpan,
  OUTCOMES,
  type Tally,
} from "../delivery_store/records.ts";
import { StoreError } from "../redis/errors.ts";
import { damaged, type Hash, textField } from "../redis/hashes.ts";
import { optionalTextReply } from "../redis/replies.ts";
import { inSlices, type Keyspace, numberReply, textsReply } from "./keyspace.ts";
import { HISTORY_HOURS_MAX, HISTORY_RACES_MAX } from "./limits.ts";
import { ADD_TO_HISTORY } from "./scripts/history.ts";

/** Hours asked for at once: at most 1,080 slots each. */
const HOURS_AT_ONCE = 12;

const HOUR_SECONDS = 3_600;

/** Adds tallies that have not been counted to their slots, and forgets what is too old. */
export async function addToHistory(
  keys: Keyspace,
  tallies: readonly Tally[],
  now: number,
): Promise<void> {
  const saved = optionalTextReply(await keys.command("hash", "HGET", "sinks", HISTORY_SINK));
  let counted = Number(saved ?? 0);
  for (let race = 0; race <= HISTORY_RACES_MAX; race++) {
    const { slots, position } = foldTallies(tallies, counted, now);
    const args = slots.flatMap(({ second, platform, outcomes, retries }) => [
      second,
      platformNumber(platform),
      ...OUTCOMES.map((outcome) => outcomes[outcome]),
      retries,
    ]);
    const begin = historyBegin(now);
    const moved = await keys.run(ADD_TO_HISTORY, HISTORY_SINK, counted, position, begin, ...args);
    if (moved === null) return;
    counted = numberReply(moved);
  }
  throw new StoreError("busy", "Cannot add to the history: others do all the time");
}

/** The history of a span, summed by step. */
export async function readHistory(
  keys: Keyspace,
  span: HistorySpan,
  now: number,
): Promise<readonly HistorySlot[]> {
  checkSpan(span);
  const from = Math.max(span.from, historyBegin(now));
  const [first, last] = [from, span.to - 1].map((second) => Math.floor(second / HOUR_SECONDS));
  const range = [first ?? 0, last ?? 0, "BYSCORE", "LIMIT", 0, HISTORY_HOURS_MAX] as const;
  const hours = textsReply(await keys.command("zset", "ZRANGE", "history", ...range));
  const hashes = await inSlices(hours, HOURS_AT_ONCE, (hour) => keys.hash(`history:${hour}`));
  const within = hashes.flatMap((hash) => hash === undefined ? [] : slotsOf(hash))
    .filter(({ second }) => second >= from && second < span.to);
  return sumSlots(within, span.stepSeconds);
}

function slotsOf(hash: Hash): readonly HistorySlot[] {
  return [...hash.fields.keys()].map((field) => {
    const [, second, number] = /^(\d{1,16}),(\d)$/.exec(field) ?? [];
    const platform = PLATFORMS[Number(number)];
    const counts = textField(hash, field).split(" ").map(Number);
    const [delivered, invalid, rejected, expired, failed, cancelled, retries, more] = counts;
    if (
      platform === undefined || !counts.every(Number.isSafeInteger) || more !== undefined ||
      delivered === undefined || invalid === undefined || rejected === undefined ||
      expired === undefined || failed === undefined || cancelled === undefined ||
      retries === undefined
    ) {
      throw damaged(hash.key, field, "is no slot");
    }
    const outcomes = { delivered, token_invalid: invalid, rejected, expired, failed, cancelled };
    return { second: Number(second), platform, outcomes, retries };
  });
}
