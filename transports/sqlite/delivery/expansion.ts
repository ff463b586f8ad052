/**
 * Turns audiences into batches, step by step.
 *
 * Invariants: the cursor moves in the transaction that adds the batches; devices are visited in the
 * order of their numbers, so each is found once, however many of its tags match; devices registered
 * after the first step are not in the audience.
 *
 * Why ranges of numbers for users and tags: their devices come from many places of an index. A range
 * of numbers bounds what has to be sorted, and the next member tells where the next range begins, so a
 * rare tag among millions is found without walking them.
 *
 * @module
 */

import { platformNumber, PLATFORMS } from "../../delivery_store/codes.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Audience, Expanded } from "../../delivery_store/records.ts";
import { invariant } from "../errors.ts";
import { integerColumn, optionalNumberColumn, type Row, textColumn } from "../rows.ts";
import { type Batches, type BatchOwner, ownerOf } from "./batches.ts";
import { EXPAND_MAX, RANGE_MAX, RANGES_MAX } from "./limits.ts";
import type { Notifications } from "./notifications.ts";

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    find: sql(`SELECT notification.*, audience FROM notification JOIN campaign USING (seq)
      WHERE id = ? AND expand_at IS NOT NULL`),
    newest: sql("SELECT coalesce(max(number), 0) AS number FROM device"),
    move: sql(`UPDATE notification SET cursor = ?, last_device = ?, state = ?, expand_at = ?
      WHERE seq = ?`),
    all: sql(`SELECT number, platform FROM device
      WHERE app_id = ? AND state = 0 AND number > ? AND number <= ? ORDER BY number LIMIT ?`),
    devices: sql(`SELECT number, platform FROM json_each(?) AS one
      CROSS JOIN device INDEXED BY device_by_id ON device.id = one.value AND app_id = ?
      WHERE state = 0 AND number > ? AND number <= ? ORDER BY number LIMIT ?`),
    users: sql(`SELECT number, platform FROM json_each(?) AS one
      CROSS JOIN device INDEXED BY device_by_user ON app_id = ? AND user = one.value
      WHERE state = 0 AND number > ? AND number <= ? ORDER BY number LIMIT ?`),
    nextOfUsers: sql(`SELECT min(number) AS number FROM (SELECT
        (SELECT min(number) FROM device INDEXED BY device_by_user
          WHERE app_id = ? AND user = one.value AND number > ?) AS number
      FROM json_each(?) AS one)`),
    tagIds: sql(`SELECT json_group_array(id) AS ids FROM tag
      WHERE app_id = ? AND name IN (SELECT value FROM json_each(?))`),
    tags: sql(`SELECT DISTINCT device.number, platform FROM json_each(?) AS one
      CROSS JOIN device_tag ON tag_id = one.value AND device_tag.number > ?
        AND device_tag.number <= ?
      CROSS JOIN device ON device.number = device_tag.number
      WHERE app_id = ? AND state = 0 ORDER BY device.number LIMIT ?`),
    nextOfTags: sql(`SELECT min(number) AS number FROM (SELECT
        (SELECT min(number) FROM device_tag WHERE tag_id = one.value AND number > ?) AS number
      FROM json_each(?) AS one)`),
  };
}

/** Reads an audience, part by part. */
interface Members {
  /** The first number after this one that may be a member; `undefined` when there is none. */
  next(after: number): number | undefined;
  /** Active members above `after`, up to `until`, in order, at most `limit`. */
  between(after: number, until: number, limit: number): readonly Row[];
  /** Whether members come from an index in order, so that no range is needed. */
  readonly ordered: boolean;
}

/** The steps of all expansions. */
export class Expansion {
  readonly #sql: ReturnType<typeof prepare>;
  readonly #batches: Batches;
  readonly #notifications: Notifications;

  /** Prepares the statements. */
  constructor(database: DatabaseSync, notifications: Notifications, batches: Batches) {
    this.#sql = prepare(database);
    this.#notifications = notifications;
    this.#batches = batches;
  }

  /** Takes one step through a notification's audience; an open one is closed when its time is over. */
  step(
    id: string,
    { limit, batchMax, now }: {
      readonly limit: number;
      readonly batchMax: number;
      readonly now: number;
    },
  ): Expanded {
    const row = this.#sql.find.get(id);
    if (row === undefined) return { added: 0, done: true };
    const owner = ownerOf(row);
    if (owner.state === "open") {
      if (owner.expiresAt <= now) this.#notifications.close(id, now);
      return { added: 0, done: true };
    }
    const until = optionalNumberColumn(row, "last_device") ??
      integerColumn(this.#sql.newest.get(), "number");
    const audience: Audience = JSON.parse(textColumn(row, "audience"));
    const members = this.#members(audience, owner.app);
    const take = Math.min(limit, EXPAND_MAX);
    const { found, cursor } = collect(members, integerColumn(row, "cursor"), until, take);
    for (const platform of PLATFORMS) {
      const own = found.filter((device) =>
        integerColumn(device, "platform") === platformNumber(platform)
      );
      if (own.length === 0) continue;
      const numbers = own.map((device) => integerColumn(device, "number"));
      this.#batches.addDevices(owner, platform, numbers, batchMax);
    }
    const done = cursor >= until;
    this.#sql.move.run(
      cursor,
      until,
      done ? "sending" : "expanding",
      done ? null : owner.sendAt,
      owner.seq,
    );
    if (done) this.#batches.endIfDone(owner.seq, now);
    return { added: found.length, done };
  }

  #members(audience: Audience, app: BatchOwner["app"]): Members {
    const sql = this.#sql;
    switch (audience.kind) {
      case "all":
        return {
          ordered: true,
          next: (after) => after + 1,
          between: (after, until, limit) => sql.all.all(app, after, until, limit),
        };
      case "devices": {
        const ids = JSON.stringify(audience.devices);
        return {
          ordered: true,
          next: (after) => after + 1,
          between: (after, until, limit) => sql.devices.all(ids, app, after, until, limit),
        };
      }
      case "users": {
        const users = JSON.stringify(audience.users);
        return {
          ordered: false,
          next: (after) => optionalNumberColumn(sql.nextOfUsers.get(app, after, users), "number"),
          between: (after, until, limit) => sql.users.all(users, app, after, until, limit),
        };
      }
      case "tags": {
        const tags = textColumn(sql.tagIds.get(app, JSON.stringify(audience.tags)), "ids");
        return {
          ordered: false,
          next: (after) => optionalNumberColumn(sql.nextOfTags.get(after, tags), "number"),
          between: (after, until, limit) => sql.tags.all(tags, after, until, app, limit),
        };
      }
      case "direct":
      case "open":
        throw new Error(`Invariant broken: an audience "${audience.kind}" has no cursor`);
    }
  }
}

/** Collects up to `limit` members above the cursor, and says how far it looked. */
function collect(
  members: Members,
  start: number,
  until: number,
  limit: number,
): { readonly found: readonly Row[]; readonly cursor: number } {
  invariant(limit > 0, `a step of ${limit} recipients`);
  const found: Row[] = [];
  let cursor = start;
  let width = limit;
  for (let ranges = 0; ranges < RANGES_MAX && cursor < until && found.length < limit; ranges++) {
    const next = members.next(cursor);
    if (next === undefined || next > until) return { found, cursor: until };
    const end = members.ordered ? until : Math.min(until, next - 1 + width);
    const wanted = limit - found.length;
    const rows = members.between(next - 1, end, wanted);
    found.push(...rows);
    cursor = rows.length < wanted ? end : integerColumn(rows.at(-1), "number");
    if (rows.length * 4 < width) width = Math.min(width * 4, RANGE_MAX);
  }
  return { found, cursor };
}
