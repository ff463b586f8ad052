/**
 * Claims batches, loads their recipients, and records what they came to.
 *
 * @module
 */

import { KEYS_BYTES, platformOf } from "../delivery_store/codes.ts";
import { Buffer } from "node:buffer";
import { DEATHS_PER_DELIVERY } from "../delivery_store/limits.ts";
import {
  type BatchResult,
  type Claimed,
  type ClaimedBatch,
  type ClaimRequest,
  type CommitOutcome,
  type LaneStatus,
  type Lease,
  type LoadedBatch,
  OUTCOMES,
  type Platform,
  type Recipients,
} from "../delivery_store/records.ts";
import { invariant } from "../redis/errors.ts";
import { damaged, integerField, optionalTextField, textField } from "../redis/hashes.ts";
import { arrayReply, integerReply, optionalTextReply, textReply } from "../redis/replies.ts";
import { copyKeys, laneName, laneOf, parsed, recipientOf } from "./codes.ts";
import { inSlices, type Keyspace, numberReply, textsReply } from "./keyspace.ts";
import { CLAIM_MAX, DUE_MAX } from "./limits.ts";
import { CLAIM } from "./scripts/claims.ts";
import { COMMIT } from "./scripts/results.ts";
import { readPauses } from "./status.ts";

/** Values of one batch in the answer to a claim. */
const CLAIMED_VALUES = 9;

/** Lanes asked for at once. */
const LANES_AT_ONCE = 500;

/** The name of a batch in keys: its number in as many digits as make names sort as numbers do. */
export function batchName(batch: number): string {
  return String(batch).padStart(14, "0");
}

/** Takes leases on batches that are due. */
export async function claim(keys: Keyspace, request: ClaimRequest): Promise<Claimed> {
  const { node, now, leaseMs, laneBatchesMax, lanes } = request;
  const batchesMax = Math.min(request.batchesMax, CLAIM_MAX);
  const loads = lanes.flatMap((load) => [laneName(load), load.inFlight, load.held ? 1 : 0]);
  const [dueAt, values] = arrayReply(
    await keys.run(CLAIM, node, now, leaseMs, batchesMax, laneBatchesMax, DUE_MAX, ...loads),
  );
  const all = arrayReply(values);
  const count = all.length / CLAIMED_VALUES;
  const batches = Array.from({ length: count }, (_, place) => {
    const start = place * CLAIMED_VALUES;
    return claimedOf(all.slice(start, start + CLAIMED_VALUES));
  });
  const due = textReply(dueAt);
  return { batches, dueAt: due === "" ? undefined : Number(due) };
}

function claimedOf(values: readonly unknown[]): ClaimedBatch {
  const [app, platform, batch, token, deliveries, deaths, notification, count, attempt] = values;
  return {
    app: textReply(app),
    platform: platformOf(integerReply(platform)),
    lease: { batch: numberReply(batch), token: integerReply(token) },
    deliveries: integerReply(deliveries) +
      Math.floor(integerReply(deaths) / DEATHS_PER_DELIVERY),
    notification: textReply(notification),
    count: integerReply(count),
    attempt: integerReply(attempt),
  };
}

const BATCH_FIELDS = ["token", "node", "platform", "count", "chunk", "notification"] as const;

/** The recipients of a batch. */
export async function load(
  keys: Keyspace,
  { batch, token }: Lease,
): Promise<LoadedBatch | "stale" | "unreadable"> {
  const name = batchName(batch);
  const [hash, text] = await Promise.all([
    keys.fields(`batch:${name}`, BATCH_FIELDS),
    keys.command("string", "GET", `numbers:${name}`).then(optionalTextReply),
  ]);
  if (hash === undefined || integerField(hash, "token") !== token) return "stale";
  if (textField(hash, "node") === "") return "stale";
  const platform = platformOf(integerField(hash, "platform"));
  const numbers = numbersOf(text, integerField(hash, "count"));
  if (numbers === undefined) return "unreadable";
  const chunk = textField(hash, "chunk");
  if (chunk === "") return await loadDevices(keys, platform, numbers);
  const where = `chunk:${textField(hash, "notification")}:${chunk}`;
  const recipients = await loadDirect(keys, platform, numbers, where);
  return recipients === undefined ? "unreadable" : { recipients, gone: [] };
}

/** The numbers of a batch, `undefined` when the text is not what a script wrote. */
function numbersOf(text: string | undefined, count: number): readonly number[] | undefined {
  try {
    const numbers: unknown = JSON.parse(`[${text}]`);
    if (!Array.isArray(numbers) || numbers.length !== count) return undefined;
    return numbers.every(Number.isSafeInteger) ? numbers : undefined;
  } catch {
    return undefined;
  }
}

async function loadDevices(
  keys: Keyspace,
  platform: Platform,
  numbers: readonly number[],
): Promise<LoadedBatch> {
  const key = keys.key("devices");
  const records = await keys.values("devices", numbers);
  const found: number[] = [];
  const addresses: string[] = [];
  const suspects: number[] = [];
  const gone: LoadedBatch["gone"][number][] = [];
  const joined = platform === "webpush"
    ? new Uint8Array(numbers.length * KEYS_BYTES)
    : new Uint8Array();
  for (const [place, number] of numbers.entries()) {
    const record = records[place];
    if (record === undefined) {
      gone.push({ number, address: "", why: "removed" });
      continue;
    }
    const { active, suspect, address, keysStart } = recipientOf(key, number, record);
    if (!active) {
      gone.push({ number, address, why: "invalid" });
      continue;
    }
    if (platform === "webpush") {
      copyKeys(key, number, record, keysStart, joined.subarray(found.length * KEYS_BYTES));
    }
    if (suspect) suspects.push(found.length);
    found.push(number);
    addresses.push(address);
  }
  const ownKeys = platform === "webpush" ? joined.subarray(0, found.length * KEYS_BYTES) : joined;
  return { recipients: { platform, numbers: found, addresses, keys: ownKeys, suspects }, gone };
}

/** Direct recipients from their chunk, `undefined` when they are not in it. */
async function loadDirect(
  keys: Keyspace,
  platform: Platform,
  numbers: readonly number[],
  where: string,
): Promise<Recipients | undefined> {
  const chunk = await keys.fields(where, ["first", "addresses", "keys"]);
  if (chunk === undefined) return undefined;
  const first = integerField(chunk, "first");
  const all = parsed(chunk.key, "addresses", textField(chunk, "addresses"));
  if (!Array.isArray(all)) throw damaged(chunk.key, "addresses", "is no list");
  const addresses = numbers.flatMap((number) => {
    const address: unknown = all[number - first];
    return typeof address === "string" ? [address] : [];
  });
  if (addresses.length !== numbers.length) return undefined;
  if (platform !== "webpush") {
    return { platform, numbers, addresses, keys: new Uint8Array(), suspects: [] };
  }
  const joined = new Uint8Array(numbers.length * KEYS_BYTES);
  const allKeys = Buffer.from(textField(chunk, "keys"), "base64");
  if (allKeys.length !== all.length * KEYS_BYTES) {
    throw damaged(chunk.key, "keys", "is not as long as the addresses need");
  }
  for (const [place, number] of numbers.entries()) {
    const start = (number - first) * KEYS_BYTES;
    joined.set(allKeys.subarray(start, start + KEYS_BYTES), place * KEYS_BYTES);
  }
  return { platform, numbers, addresses, keys: joined, suspects: [] };
}

/** Records what a batch came to. */
export async function commit(keys: Keyspace, result: BatchResult): Promise<CommitOutcome> {
  const { lease, notification, outcomes, rows, remainders, suspects, attempts, at } = result;
  const kinds = OUTCOMES.flatMap((outcome, kind) =>
    rows.some((row) => row.outcome === outcome) ? [kind] : []
  );
  const [answer, value] = arrayReply(
    await keys.run(
      COMMIT,
      batchName(lease.batch),
      lease.token,
      notification,
      attempts,
      at,
      ...OUTCOMES.map((outcome) => outcomes[outcome]),
      suspects.marked.join(),
      suspects.cleared.join(),
      result.pause === undefined ? "" : `=${result.pause}`,
      rows.length,
      kinds.join(""),
      rowLines(result),
      ...remainders.flatMap(({ numbers, attempt, notBefore }) => [
        numbers.length,
        numbers.join(),
        attempt,
        notBefore,
      ]),
    ),
  );
  const word = textReply(answer);
  if (word === "stale") return { kind: "stale" };
  const left = remainders.reduce((sum, { numbers }) => sum + numbers.length, 0);
  const ended = OUTCOMES.reduce((sum, outcome) => sum + outcomes[outcome], 0);
  invariant(
    word === "committed",
    `batch ${lease.batch} of ${
      integerReply(value)
    } came to ${ended} ended and ${left} left of ${notification}`,
  );
  return { kind: "committed", notificationDone: integerReply(value) === 1 };
}

/** Rows as they are kept: a line of JSON for each, so that a script can take away the first ones. */
function rowLines({ rows }: BatchResult): string {
  return rows.map(({ number, address, outcome, status, reason, registeredBefore }) => {
    const kind = OUTCOMES.indexOf(outcome);
    return JSON.stringify([number, address, kind, status, reason, registeredBefore ?? null]);
  }).join("\n");
}

/** How full the lanes are that have batches or are paused. */
export async function readLanes(keys: Keyspace): Promise<readonly LaneStatus[]> {
  const [names, pauses] = await Promise.all([
    keys.command("set", "SMEMBERS", "lanes").then(textsReply),
    readPauses(keys),
  ]);
  const lanes = await inSlices(names.toSorted(), LANES_AT_ONCE, async (name) => {
    const hash = await keys.fields(`lane:${name}`, ["waiting", "leased"]);
    const of = (field: string) =>
      hash === undefined || optionalTextField(hash, field) === undefined
        ? 0
        : integerField(hash, field);
    return {
      ...laneOf(name),
      waiting: of("waiting"),
      leased: of("leased"),
      pause: pauses.get(name),
    };
  });
  return lanes.filter(({ waiting, leased, pause }) => waiting + leased > 0 || pause !== undefined);
}
