/**
 * Reads apps, and notifications with their progress.
 *
 * @module
 */

import { PLATFORMS } from "../delivery_store/codes.ts";
import {
  type App,
  type AppListing,
  type Counts,
  type Credentials,
  type Notification,
  type NotificationState,
  type NotificationStatus,
  type Outcome,
  OUTCOMES,
  type Pause,
} from "../delivery_store/records.ts";
import {
  damaged,
  type Hash,
  hashOfNames,
  integerField,
  oneOfField,
  optionalTextField,
  textField,
} from "../redis/hashes.ts";
import { arrayReply } from "../redis/replies.ts";
import { laneOf, parsed } from "./codes.ts";
import { inSlices, type Keyspace, numberReply, textsReply } from "./keyspace.ts";
import { STATUS, STATUS_FIELDS, TALLY_FIELDS } from "./scripts/status.ts";

const STATES: readonly NotificationState[] = [
  "open",
  "scheduled",
  "expanding",
  "sending",
  "done",
  "cancelled",
];

/** Reads asked for at once: replies of some 100 KiB. */
const AT_ONCE = 100;

/** An app by its name, with its number. */
export async function readApp(
  keys: Keyspace,
  name: string,
): Promise<{ readonly id: string; readonly app: App } | undefined> {
  const hash = await keys.hash(`app:${name}`);
  const id = hash && optionalTextField(hash, "id");
  return hash && id !== undefined ? { id, app: appOf(hash, name) } : undefined;
}

function appOf(hash: Hash, name: string): App {
  const credentials: unknown = parsed(hash.key, "credentials", textField(hash, "credentials"));
  if (!isObject<Credentials>(credentials)) {
    throw damaged(hash.key, "credentials", "is no JSON object");
  }
  return { name, version: integerField(hash, "version"), credentials };
}

/** Whether a JSON value is an object; what it has was checked before it was written. */
function isObject<T extends object>(value: unknown): value is T {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** All apps by name, with their pauses. */
export async function readApps(keys: Keyspace): Promise<readonly AppListing[]> {
  const [names, pauses] = await Promise.all([
    keys.command("hash", "HVALS", "apps").then(textsReply),
    readPauses(keys),
  ]);
  const found = await inSlices(names.toSorted(), AT_ONCE, (name) => readApp(keys, name));
  return found.flatMap((one) => {
    if (one === undefined) return [];
    const lanes = PLATFORMS.map((platform) => ({ app: one.app.name, platform }));
    return [{
      app: one.app,
      pauses: lanes.flatMap(({ app, platform }) =>
        pauses.get(`${app},${PLATFORMS.indexOf(platform)}`) ?? []
      ),
    }];
  });
}

/** The pauses of all lanes, by the lane's name. */
export async function readPauses(keys: Keyspace): Promise<ReadonlyMap<string, Pause>> {
  const hash = await keys.hash("pauses");
  const pauses = new Map<string, Pause>();
  for (const lane of hash?.fields.keys() ?? []) {
    if (hash === undefined) break;
    const [, since, reason] = /^(\d{1,16}) ([^]*)$/.exec(textField(hash, lane)) ?? [];
    if (since === undefined || reason === undefined) {
      throw damaged(hash.key, lane, "is no pause");
    }
    pauses.set(lane, { platform: laneOf(lane).platform, reason, since: Number(since) });
  }
  return pauses;
}

/** Notifications with their progress, in the order of their ids; those that are gone are left out. */
export async function readStatuses(
  keys: Keyspace,
  ids: readonly string[],
): Promise<readonly NotificationStatus[]> {
  const found = await inSlices(ids, AT_ONCE, (id) => readStatus(keys, id));
  return found.flatMap((status) => status ?? []);
}

/** A notification with its progress: content and counts of one moment. */
export async function readStatus(
  keys: Keyspace,
  id: string,
): Promise<NotificationStatus | undefined> {
  const [fields, ...rest] = arrayReply(await keys.run(STATUS, id));
  const hash = hashOfNames(keys.key(`notification:${id}`), STATUS_FIELDS, fields);
  if (hash === undefined) return undefined;
  const tallies = PLATFORMS.flatMap((platform, place) => {
    const key = keys.key(`tally:${id}:${place}`);
    const tally = hashOfNames(key, TALLY_FIELDS, rest[place]);
    return tally === undefined ? [] : [{ platform, counts: countsOf(tally) }];
  });
  const finishedAt = optionalInteger(hash, "finished_at");
  return {
    notification: notificationOf(hash),
    state: oneOfField(hash, "state", STATES),
    sendingDone: finishedAt !== undefined,
    counts: tallies.reduce((sum, { counts }) => added(sum, counts), NOBODY),
    platforms: Object.fromEntries(tallies.map(({ platform, counts }) => [platform, counts])),
    startedAt: optionalInteger(hash, "started_at"),
    finishedAt,
  };
}

/** A notification from the field `body`; JSON has lost what is `undefined`. */
export function notificationOf(hash: Hash): Notification {
  const body = parsed(hash.key, "body", textField(hash, "body"));
  if (!isObject<Notification>(body)) throw damaged(hash.key, "body", "is no JSON object");
  return { ...body, topic: body.topic, ratePerSecond: body.ratePerSecond };
}

function optionalInteger(hash: Hash, field: string): number | undefined {
  return hash.fields.has(field) ? integerField(hash, field) : undefined;
}

const NOBODY: Counts = {
  total: 0,
  delivered: 0,
  tokenInvalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
  pending: 0,
  retries: 0,
};

function added(one: Counts, other: Counts): Counts {
  return {
    total: one.total + other.total,
    delivered: one.delivered + other.delivered,
    tokenInvalid: one.tokenInvalid + other.tokenInvalid,
    rejected: one.rejected + other.rejected,
    expired: one.expired + other.expired,
    failed: one.failed + other.failed,
    cancelled: one.cancelled + other.cancelled,
    pending: one.pending + other.pending,
    retries: one.retries + other.retries,
  };
}

function countsOf(tally: Hash): Counts {
  // What has never been counted has no field.
  const of = (field: Outcome | "retries") => optionalInteger(tally, field) ?? 0;
  const total = integerField(tally, "total");
  return {
    total,
    delivered: of("delivered"),
    tokenInvalid: of("token_invalid"),
    rejected: of("rejected"),
    expired: of("expired"),
    failed: of("failed"),
    cancelled: of("cancelled"),
    pending: OUTCOMES.reduce((left, outcome) => left - of(outcome), total),
    retries: of("retries"),
  };
}

/** Ids of notifications, newest first, after this one. */
export async function readNotificationIds(
  keys: Keyspace,
  index: string,
  after: string | undefined,
  limit: number,
): Promise<readonly string[]> {
  let before = "+inf";
  if (after !== undefined) {
    const seq = await keys.command("zset", "ZSCORE", "notifications", after);
    if (seq === null) return [];
    before = `(${numberReply(seq)}`;
  }
  const range = ["-inf", "BYSCORE", "REV", "LIMIT", 0, limit] as const;
  return textsReply(await keys.command("zset", "ZRANGE", index, before, ...range));
}
