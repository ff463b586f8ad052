/**
 * The connection that reads: committed data only, synchronously, on the caller's own thread.
 *
 * Why here and not on the writer's thread: a read from the page cache takes some microseconds, less
 * than the way to another thread and back, and does not wait for a commit in progress.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { invariant } from "./errors.ts";
import { MESSAGE_SCHEMA } from "./message_schema.ts";
import type { Outcome } from "./operations.ts";
import type { Receipt } from "./protocol.ts";
import type {
  Content,
  ContentHeaders,
  PageRequest,
  PushMessage,
  SubscriptionState,
  UserAgent,
} from "../message_store/records.ts";
import { bytesColumn, integerColumn, optionalTextColumn, type Row, textColumn } from "./rows.ts";
import { openForReading } from "./schema.ts";
import { receiptReader } from "./transactions.ts";

/** Prepares the statements of the reader. */
function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    user: sql("SELECT connected_at FROM user WHERE uaid = ? AND connected_at > ?"),
    subscription: sql(`SELECT EXISTS
      (SELECT 1 FROM channel WHERE user_id = user.id AND channel_id = ?) AS subscribed
      FROM user WHERE uaid = ? AND connected_at > ?`),
    messages: sql(`SELECT sort_key, channel_id, version, ttl_seconds, expires_at, topic,
        encoding, encryption, crypto_key, body FROM message
      WHERE user_id = (SELECT id FROM user WHERE uaid = ? AND connected_at > ?)
        AND (topic IS NULL) = ? AND expires_at > ?
      ORDER BY sort_key LIMIT ?`),
    lastSortKey: sql("SELECT last_sort_key FROM state"),
  };
}

/** The body of a message with its headers, `undefined` when it has none. */
function contentOf(row: Row): Content | undefined {
  const encoding = optionalTextColumn(row, "encoding");
  if (encoding === undefined) return undefined;
  invariant(encoding === "aes128gcm" || encoding === "aesgcm", `unknown encoding "${encoding}"`);
  const encryption = optionalTextColumn(row, "encryption");
  const cryptoKey = optionalTextColumn(row, "crypto_key");
  const headers: ContentHeaders = {
    encoding,
    ...(encryption !== undefined && { encryption }),
    ...(cryptoKey !== undefined && { crypto_key: cryptoKey }),
  };
  return { body: bytesColumn(row, "body"), headers };
}

/** A reading connection to the file of one store; it needs the writer to have opened the file first. */
export class Reader implements Disposable {
  readonly #database: DatabaseSync;
  readonly #sql: ReturnType<typeof prepare>;
  /** The last batch on the disk. */
  readonly receipt: () => Receipt<Outcome>;

  /** Opens the file at `path`, which must exist with the newest schema. */
  constructor(path: string) {
    this.#database = openForReading(path, MESSAGE_SCHEMA);
    this.#sql = prepare(this.#database);
    this.receipt = receiptReader(this.#database);
  }

  /** The user agent, unless it was last seen at or before `lapsedAt`, in milliseconds since 1970. */
  user(uaid: string, lapsedAt: number): UserAgent | undefined {
    const row = this.#sql.user.get(uaid, lapsedAt);
    return row && { uaid, connectedAt: integerColumn(row, "connected_at") };
  }

  /** Whether this channel is subscribed, by a user agent seen after `lapsedAt`. */
  subscription(uaid: string, channelId: string, lapsedAt: number): SubscriptionState {
    const row = this.#sql.subscription.get(channelId, uaid, lapsedAt);
    if (row === undefined) return "no_user";
    return integerColumn(row, "subscribed") === 1 ? "subscribed" : "no_channel";
  }

  /** A page of waiting messages in ascending sort key, of a user agent seen after `lapsedAt`. */
  messages(page: PageRequest, lapsedAt: number): readonly PushMessage[] {
    const { uaid, kind, nowSeconds, limit } = page;
    const plain = kind === "plain" ? 1 : 0;
    const rows = this.#sql.messages.all(uaid, lapsedAt, plain, nowSeconds, limit);
    return rows.map((row) => ({
      uaid,
      channelId: textColumn(row, "channel_id"),
      ttlSeconds: integerColumn(row, "ttl_seconds"),
      topic: optionalTextColumn(row, "topic"),
      content: contentOf(row),
      sortKey: integerColumn(row, "sort_key"),
      version: textColumn(row, "version"),
      expiresAt: integerColumn(row, "expires_at"),
    }));
  }

  /** The largest sort key ever stored. */
  lastSortKey(): number {
    return integerColumn(this.#sql.lastSortKey.get(), "last_sort_key");
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    this.#database.close();
  }
}
