/**
 * The connection that reads the delivery store: committed data only, synchronously, on the caller's
 * own thread.
 *
 * Why here and not on the writer's thread: the recipients of a batch take a fifth of a microsecond
 * each, since SQLite joins their addresses to one JSON text, and would take longer to be copied from
 * another thread (`bench/delivery_store.md`); and a read does not wait for a commit in progress.
 *
 * @module
 */

import { KEYS_BYTES, platformOf } from "../../delivery_store/codes.ts";
import { Buffer } from "node:buffer";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type {
  App,
  AppListing,
  Campaign,
  DeadLetter,
  Device,
  DevicesPage,
  Expandable,
  LaneStatus,
  Lease,
  LoadedBatch,
  Pause,
  Platform,
  Recipients,
} from "../../delivery_store/records.ts";
import type { Receipt } from "../protocol.ts";
import {
  bytesColumn,
  integerColumn,
  optionalNumberColumn,
  optionalTextColumn,
  type Row,
  textColumn,
} from "../rows.ts";
import { openForReading } from "../schema.ts";
import { receiptReader } from "../transactions.ts";
import { HistoryReader } from "./history.ts";
import { PAGE_MAX, SORTED_DEVICES_MAX } from "./limits.ts";
import { NotificationReader } from "./notification_reader.ts";
import type { Outcome } from "./operations.ts";
import { DELIVERY_SCHEMA } from "./schema.ts";

/** The columns of a device. */
const DEVICE = `SELECT device.id, app.name AS app, platform, address, keys, user, tags,
    registered_at, state, reason
  FROM device JOIN app ON app.id = app_id`;

/** Devices narrowed down by one of these conditions; each takes the app and one value. */
const NARROWED = {
  user: "SELECT number FROM device INDEXED BY device_by_user WHERE app_id = ? AND user = ?",
  tag: `SELECT number FROM device_tag
    WHERE tag_id = (SELECT id FROM tag WHERE app_id = ? AND name = ?)`,
  state: "SELECT number FROM device WHERE app_id = ? AND state = ?",
} as const;

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    app: sql(`SELECT id, name, version, credentials FROM app
      WHERE name = ? AND credentials IS NOT NULL`),
    apps: sql(`SELECT id, name, version, credentials FROM app
      WHERE credentials IS NOT NULL ORDER BY name`),
    pauses: sql(`SELECT platform, pause_reason, paused_at FROM lane
      WHERE app_id = ? AND pause_reason IS NOT NULL ORDER BY platform`),
    device: sql(`${DEVICE} WHERE device.id = ? AND credentials IS NOT NULL`),
    expandable: sql(`SELECT id FROM notification INDEXED BY notification_to_expand
      WHERE expand_at <= ? ORDER BY seq LIMIT ?`),
    expandableNext: sql(`SELECT min(expand_at) AS due_at FROM notification WHERE expand_at > ?`),
    campaign: sql(`SELECT body, app.name, version, credentials FROM notification
      JOIN campaign USING (seq) JOIN app ON app.id = app_id
      WHERE notification.id = ? AND credentials IS NOT NULL`),
    batch: sql(`SELECT batch.count, chunk_id, lane.platform, lane.app_id, numbers
      FROM batch JOIN lane ON lane.id = lane_id
      LEFT JOIN recipients ON recipients.batch_id = batch.id
      WHERE batch.id = ? AND token = ? AND place = 1`),
    // The rows come in the order of the numbers, as the first table of a join is walked.
    addresses: sql(`SELECT json_group_array(CASE state WHEN 0 THEN address END) AS addresses,
        json_group_array(one.key) FILTER (WHERE state IS NOT 0) AS missing,
        json_group_array(one.key) FILTER (WHERE state = 0 AND suspect = 1) AS suspects
      FROM json_each(?) AS one LEFT JOIN device ON number = one.value AND +app_id = ?`),
    keys: sql(`SELECT group_concat(hex(keys), '') AS keys
      FROM json_each(?) AS one CROSS JOIN device ON number = one.value AND +app_id = ?`),
    invalid: sql("SELECT address FROM device WHERE number = ? AND app_id = ?"),
    chunk: sql("SELECT first_number, addresses, keys FROM chunk WHERE id = ?"),
    lanes: sql(`SELECT app.name AS app, platform, pause_reason, paused_at,
        (SELECT count(*) FROM batch WHERE lane_id = lane.id AND place <> 1) AS waiting,
        (SELECT count(*) FROM batch WHERE lane_id = lane.id AND place = 1) AS leased
      FROM lane JOIN app ON app.id = app_id ORDER BY app.name, platform`),
    deadLetters: sql(`SELECT source, entry, reason, body, at FROM dead_letter
      ORDER BY id DESC LIMIT ?`),
  };
}

/** A reading connection to the file of one store; it needs the writer to have opened the file first. */
export class DeliveryReader implements Disposable {
  readonly #database: DatabaseSync;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #devicePages = new Map<string, StatementSync>();
  /** The last batch on the disk. */
  readonly receipt: () => Receipt<Outcome>;
  /** Notifications and rows. */
  readonly notifications: NotificationReader;
  /** What ended when. */
  readonly history: HistoryReader;

  /** Opens the file at `path`, which must exist with the newest schema. */
  constructor(path: string) {
    this.#database = openForReading(path, DELIVERY_SCHEMA);
    this.#sql = prepare(this.#database);
    this.receipt = receiptReader(this.#database);
    this.notifications = new NotificationReader(this.#database);
    this.history = new HistoryReader(this.#database);
  }

  /** An app by its name. */
  app(name: string): App | undefined {
    const row = this.#sql.app.get(name);
    return row && appOf(row);
  }

  /** All apps by name, with their pauses. */
  apps(): readonly AppListing[] {
    return this.#sql.apps.all().map((row) => {
      const pauses = this.#sql.pauses.all(integerColumn(row, "id")).flatMap((lane) =>
        pauseOf(lane) ?? []
      );
      return { app: appOf(row), pauses };
    });
  }

  /** A device by its id. */
  device(id: string): Device | undefined {
    const row = this.#sql.device.get(id);
    return row && deviceOf(row);
  }

  /** A page of an app's devices, ordered by id. */
  devices(page: DevicesPage): readonly Device[] {
    const app = this.#sql.app.get(page.app);
    if (app === undefined) return [];
    const owner = integerColumn(app, "id");
    const state = page.state === undefined ? undefined : page.state === "active" ? 0 : 1;
    const narrow = page.user !== undefined
      ? { by: "user", value: page.user } as const
      : page.tag !== undefined
      ? { by: "tag", value: page.tag } as const
      : state === 1
      ? { by: "state", value: state } as const
      : undefined;
    const few = narrow !== undefined && this.#areFew(narrow.by, owner, narrow.value);
    const values: (string | number)[] = [owner, page.after ?? ""];
    let where = `WHERE device.app_id = ? AND device.id > ?`;
    if (state !== undefined) {
      where += " AND state = ?";
      values.push(state);
    }
    if (page.user !== undefined) {
      where += " AND user = ?";
      values.push(page.user);
    }
    if (page.tag !== undefined) {
      where += ` AND number IN (${NARROWED.tag})`;
      values.push(owner, page.tag);
    }
    if (few && narrow.by !== "tag") {
      where += ` AND number IN (${NARROWED[narrow.by]})`;
      values.push(owner, narrow.value);
    }
    const index = few ? "device" : "device INDEXED BY device_by_id";
    const text = DEVICE.replace("FROM device", `FROM ${index}`);
    return this.#page(`${text} ${where} ORDER BY device.id LIMIT ?`)
      .all(...values, Math.min(page.limit, PAGE_MAX)).map(deviceOf);
  }

  #areFew(by: keyof typeof NARROWED, app: number, value: string | number): boolean {
    const text = `SELECT count(*) AS count FROM (${NARROWED[by]} LIMIT ?)`;
    const count = integerColumn(this.#page(text).get(app, value, SORTED_DEVICES_MAX + 1), "count");
    return count <= SORTED_DEVICES_MAX;
  }

  /** The statement of this text; there are as many as there are combinations of filters. */
  #page(text: string): StatementSync {
    const statement = this.#devicePages.get(text) ?? this.#database.prepare(text);
    this.#devicePages.set(text, statement);
    return statement;
  }

  /** Ids of notifications to expand, oldest first. */
  expandable(now: number, limit: number): Expandable {
    const rows = this.#sql.expandable.all(now, Math.min(limit, PAGE_MAX));
    const dueAt = optionalNumberColumn(this.#sql.expandableNext.get(now), "due_at");
    return { ids: rows.map((row) => textColumn(row, "id")), dueAt };
  }

  /** A notification with the app it is sent for. */
  campaign(id: string): Campaign | undefined {
    const row = this.#sql.campaign.get(id);
    return row && { notification: NotificationReader.notificationOf(row), app: appOf(row) };
  }

  /** The recipients of a batch. */
  load({ batch, token }: Lease): LoadedBatch | "stale" | "unreadable" {
    const row = this.#sql.batch.get(batch, token);
    if (row === undefined) return "stale";
    const platform = platformOf(integerColumn(row, "platform"));
    const numbers = numbersOf(optionalTextColumn(row, "numbers"), integerColumn(row, "count"));
    if (numbers === undefined) return "unreadable";
    const chunk = optionalNumberColumn(row, "chunk_id");
    if (chunk === undefined) {
      return this.#loadDevices(platform, numbers, integerColumn(row, "app_id"));
    }
    const recipients = directRecipients(platform, numbers, this.#sql.chunk.get(chunk));
    return recipients === undefined ? "unreadable" : { recipients, gone: [] };
  }

  #loadDevices(platform: Platform, numbers: readonly number[], app: number): LoadedBatch {
    const row = this.#sql.addresses.get(JSON.stringify(numbers), app);
    const addresses: readonly string[] = JSON.parse(textColumn(row, "addresses"));
    const missing: readonly number[] = JSON.parse(textColumn(row, "missing"));
    const suspects: readonly number[] = JSON.parse(textColumn(row, "suspects"));
    if (missing.length === 0) {
      const keys = this.#keys(platform, numbers, app);
      return { recipients: { platform, numbers, addresses, keys, suspects }, gone: [] };
    }
    const lost = new Set(missing);
    const kept = numbers.filter((_, place) => !lost.has(place));
    const places = new Map(
      numbers.map((_, place) => place).filter((place) => !lost.has(place)).map((
        place,
        at,
      ) => [place, at]),
    );
    const recipients = {
      platform,
      numbers: kept,
      addresses: addresses.filter((_, place) => !lost.has(place)),
      keys: this.#keys(platform, kept, app),
      suspects: suspects.flatMap((place) => places.get(place) ?? []),
    };
    const gone = numbers.filter((_, place) => lost.has(place)).map((number) => {
      const device = this.#sql.invalid.get(number, app);
      return device === undefined
        ? { number, address: "", why: "removed" } as const
        : { number, address: textColumn(device, "address"), why: "invalid" } as const;
    });
    return { recipients, gone };
  }

  #keys(platform: Platform, numbers: readonly number[], app: number): Uint8Array {
    if (platform !== "webpush" || numbers.length === 0) return new Uint8Array();
    const row = this.#sql.keys.get(JSON.stringify(numbers), app);
    return new Uint8Array(Buffer.from(textColumn(row, "keys"), "hex"));
  }

  /** How full the lanes are that have batches or are paused. */
  lanes(): readonly LaneStatus[] {
    return this.#sql.lanes.all()
      .map((row) => ({
        app: textColumn(row, "app"),
        platform: platformOf(integerColumn(row, "platform")),
        waiting: integerColumn(row, "waiting"),
        leased: integerColumn(row, "leased"),
        pause: pauseOf(row),
      }))
      .filter(({ waiting, leased, pause }) => waiting + leased > 0 || pause !== undefined);
  }

  /** Entries set aside, newest first. */
  deadLetters(limit: number): readonly DeadLetter[] {
    return this.#sql.deadLetters.all(Math.min(limit, PAGE_MAX)).map((row) => ({
      source: textColumn(row, "source"),
      id: textColumn(row, "entry"),
      reason: textColumn(row, "reason"),
      body: textColumn(row, "body"),
      at: integerColumn(row, "at"),
    }));
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function appOf(row: Row): App {
  return {
    name: textColumn(row, "name"),
    version: integerColumn(row, "version"),
    credentials: JSON.parse(textColumn(row, "credentials")),
  };
}

function pauseOf(row: Row): Pause | undefined {
  const reason = optionalTextColumn(row, "pause_reason");
  if (reason === undefined) return undefined;
  const platform = platformOf(integerColumn(row, "platform"));
  return { platform, reason, since: integerColumn(row, "paused_at") };
}

function deviceOf(row: Row): Device {
  return {
    id: textColumn(row, "id"),
    app: textColumn(row, "app"),
    platform: platformOf(integerColumn(row, "platform")),
    address: textColumn(row, "address"),
    keys: row?.["keys"] === null ? undefined : bytesColumn(row, "keys"),
    user: optionalTextColumn(row, "user"),
    tags: JSON.parse(optionalTextColumn(row, "tags") ?? "[]"),
    state: integerColumn(row, "state") === 0 ? "active" : "invalid",
    registeredAt: integerColumn(row, "registered_at"),
    reason: optionalTextColumn(row, "reason"),
  };
}

/** The numbers of a batch, `undefined` when the text is not what a writer wrote. */
function numbersOf(text: string | undefined, count: number): readonly number[] | undefined {
  try {
    const numbers: unknown = JSON.parse(text ?? "");
    if (!Array.isArray(numbers) || numbers.length !== count) return undefined;
    return numbers.every(Number.isSafeInteger) ? numbers : undefined;
  } catch {
    return undefined;
  }
}

/** Direct recipients from their chunk, `undefined` when they are not in it. */
function directRecipients(
  platform: Platform,
  numbers: readonly number[],
  chunk: Row,
): Recipients | undefined {
  if (chunk === undefined) return undefined;
  const first = integerColumn(chunk, "first_number");
  const all: readonly string[] = JSON.parse(textColumn(chunk, "addresses"));
  const addresses = numbers.flatMap((number) => all[number - first] ?? []);
  if (addresses.length !== numbers.length) return undefined;
  if (platform !== "webpush") {
    return { platform, numbers, addresses, keys: new Uint8Array(), suspects: [] };
  }
  const keys = new Uint8Array(numbers.length * KEYS_BYTES);
  const allKeys = bytesColumn(chunk, "keys");
  for (const [place, number] of numbers.entries()) {
    const start = (number - first) * KEYS_BYTES;
    keys.set(allKeys.subarray(start, start + KEYS_BYTES), place * KEYS_BYTES);
  }
  return { platform, numbers, addresses, keys, suspects: [] };
}
