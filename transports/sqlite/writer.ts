/**
 * The one connection that writes the messages of the Web Push half.
 *
 * @module
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { COUNTED_USERS_MAX } from "./limits.ts";
import type { Operation, Outcome } from "./operations.ts";
import type { Result } from "./protocol.ts";
import type { ChannelOutcome, PushMessage, SaveOutcome } from "../message_store/records.ts";
import { integerColumn } from "./rows.ts";
import { MESSAGE_SCHEMA } from "./message_schema.ts";
import { openForWriting } from "./schema.ts";
import { Transactions } from "./transactions.ts";

/** Prepares the statements of the writer, once for all batches. */
function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    state: sql("SELECT batch, last_sort_key FROM state"),
    saveState: sql("UPDATE state SET batch = ?, results = ?, last_sort_key = ?"),
    user: sql("SELECT id FROM user WHERE uaid = ? AND connected_at > ?"),
    removeLapsedUser: sql("DELETE FROM user WHERE uaid = ? AND connected_at <= ?"),
    saveUser: sql(`INSERT INTO user (uaid, connected_at) VALUES (?, ?)
      ON CONFLICT (uaid) DO UPDATE SET connected_at = excluded.connected_at`),
    refreshUser: sql("UPDATE user SET connected_at = ? WHERE uaid = ? AND connected_at > ?"),
    removeUser: sql("DELETE FROM user WHERE uaid = ?"),
    channel: sql("SELECT 1 FROM channel WHERE user_id = ? AND channel_id = ?"),
    countChannels: sql(`SELECT count(*) AS count FROM
      (SELECT 1 FROM channel WHERE user_id = ? LIMIT ?)`),
    addChannel: sql("INSERT INTO channel (user_id, channel_id) VALUES (?, ?)"),
    removeChannel: sql("DELETE FROM channel WHERE user_id = ? AND channel_id = ?"),
    removeChannelMessages: sql("DELETE FROM message WHERE user_id = ? AND channel_id = ?"),
    countMessages: sql(`SELECT count(*) AS count FROM
      (SELECT 1 FROM message WHERE user_id = ? LIMIT ?)`),
    removeExpiredOfUser: sql("DELETE FROM message WHERE user_id = ? AND expires_at <= ?"),
    removeTopic: sql("DELETE FROM message WHERE user_id = ? AND channel_id = ? AND topic = ?"),
    saveMessage: sql(`INSERT INTO message (sort_key, user_id, channel_id, version, ttl_seconds,
      expires_at, topic, encoding, encryption, crypto_key, body)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    removeMessage: sql(`DELETE FROM message WHERE sort_key = ?
      AND user_id = (SELECT id FROM user WHERE uaid = ?)`),
    sweepMessages: sql(`DELETE FROM message WHERE sort_key IN
      (SELECT sort_key FROM message WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`),
    sweepUsers: sql(`DELETE FROM user WHERE id IN
      (SELECT id FROM user WHERE connected_at <= ? ORDER BY connected_at LIMIT ?)`),
  };
}

/** The writing connection to one file. All its calls are synchronous: it lives on its own thread. */
export class Writer implements Disposable {
  readonly #database: DatabaseSync;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #userLifetimeMs: number;
  /** No more messages than this wait for each user: its last count, and what was saved since. */
  readonly #waitingAtMost = new Map<number, number>();
  readonly #transactions: Transactions<Operation, Outcome>;
  #lastSortKey: number;

  /**
   * Opens the file at `path`, creates it when missing and brings its schema up to date.
   *
   * @throws What `schemaVersion` throws, and SQLite's own errors.
   */
  constructor(path: string, userLifetimeMs: number) {
    this.#database = openForWriting(path, MESSAGE_SCHEMA);
    this.#userLifetimeMs = userLifetimeMs;
    try {
      this.#sql = prepare(this.#database);
      const state = this.#sql.state.get();
      this.#lastSortKey = integerColumn(state, "last_sort_key");
      this.#transactions = new Transactions(this.#database, {
        batch: integerColumn(state, "batch"),
        apply: (operation) => this.#apply(operation),
        save: (batch, results) => this.#sql.saveState.run(batch, results, this.#lastSortKey),
        begin: () => {
          const lastSortKey = this.#lastSortKey;
          return () => this.#lastSortKey = lastSortKey;
        },
      });
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** The number of the last batch on the disk, 0 for a new file. */
  get batch(): number {
    return this.#transactions.batch;
  }

  /**
   * Applies these operations as the transaction number `batch`, synced when this returns.
   *
   * @throws SQLite's error when the transaction could not be written: then none was applied.
   */
  commit(batch: number, operations: readonly Operation[]): readonly Result<Outcome>[] {
    return this.#transactions.commit(batch, operations);
  }

  /** Closes the connection, copying the write-ahead log into the file. */
  [Symbol.dispose](): void {
    this.#database.close();
  }

  #apply(operation: Operation): Outcome {
    switch (operation.kind) {
      case "save_user": {
        const { uaid, connectedAt } = operation.user;
        // Who has lapsed starts anew, whether or not the sweep has been there.
        this.#sql.removeLapsedUser.run(uaid, operation.nowMs - this.#userLifetimeMs);
        this.#sql.saveUser.run(uaid, connectedAt);
        return null;
      }
      case "refresh_user": {
        const { uaid, connectedAt } = operation.user;
        const lapsedAt = operation.nowMs - this.#userLifetimeMs;
        return this.#sql.refreshUser.run(connectedAt, uaid, lapsedAt).changes > 0;
      }
      case "remove_user":
        this.#sql.removeUser.run(operation.uaid);
        return null;
      case "add_channel":
        return this.#addChannel(operation);
      case "remove_channel": {
        const user = this.#user(operation.uaid, operation.nowMs);
        if (user === undefined) return false;
        this.#sql.removeChannelMessages.run(user, operation.channelId);
        return this.#sql.removeChannel.run(user, operation.channelId).changes > 0;
      }
      case "save_message":
        return this.#saveMessage(operation.message, operation.waitingMax, operation.nowMs);
      case "remove_messages":
        for (const key of operation.sortKeys) this.#sql.removeMessage.run(key, operation.uaid);
        return null;
      case "sweep": {
        const { nowSeconds, limit } = operation;
        const lapsedAt = nowSeconds * 1000 - this.#userLifetimeMs;
        const messages = Number(this.#sql.sweepMessages.run(nowSeconds, limit).changes);
        return messages + Number(this.#sql.sweepUsers.run(lapsedAt, limit).changes);
      }
      case "touch":
        return null;
    }
  }

  #user(uaid: string, nowMs: number): number | undefined {
    const row = this.#sql.user.get(uaid, nowMs - this.#userLifetimeMs);
    return row && integerColumn(row, "id");
  }

  #addChannel(operation: Extract<Operation, { kind: "add_channel" }>): ChannelOutcome {
    const { channelId, channelsMax } = operation;
    const user = this.#user(operation.uaid, operation.nowMs);
    if (user === undefined) return "no_user";
    if (this.#sql.channel.get(user, channelId) !== undefined) return "added";
    const channels = integerColumn(this.#sql.countChannels.get(user, channelsMax), "count");
    if (channels >= channelsMax) return "over_limit";
    this.#sql.addChannel.run(user, channelId);
    return "added";
  }

  #saveMessage(message: PushMessage, waitingMax: number, nowMs: number): SaveOutcome {
    const { channelId, topic, content, sortKey } = message;
    const user = this.#user(message.uaid, nowMs);
    if (user === undefined) return "no_user";
    if (this.#sql.channel.get(user, channelId) === undefined) return "no_channel";
    if (this.#isOver(user, waitingMax)) {
      // Expired messages do not count. Removing them here, and only here, keeps the count cheap: a
      // user never has more rows than the limit allows, however short-lived its messages are.
      this.#sql.removeExpiredOfUser.run(user, Math.floor(nowMs / 1000));
      if (this.#isOver(user, waitingMax)) return "over_limit";
    }
    if (topic !== undefined) this.#sql.removeTopic.run(user, channelId, topic);
    const headers = content?.headers;
    this.#sql.saveMessage.run(
      sortKey,
      user,
      channelId,
      message.version,
      message.ttlSeconds,
      message.expiresAt,
      topic ?? null,
      headers?.encoding ?? null,
      headers?.encryption ?? null,
      headers?.crypto_key ?? null,
      content?.body ?? null,
    );
    this.#lastSortKey = Math.max(this.#lastSortKey, sortKey);
    return "stored";
  }

  /**
   * Counting walks the index, so it is done only when the upper bound does not answer. Removals and
   * saves that were rolled back leave the bound too high, which costs a count and no mistake.
   */
  #isOver(user: number, waitingMax: number): boolean {
    let waiting = this.#waitingAtMost.get(user) ?? Infinity;
    if (waiting > waitingMax) {
      waiting = integerColumn(this.#sql.countMessages.get(user, waitingMax + 1), "count");
    }
    if (this.#waitingAtMost.size >= COUNTED_USERS_MAX) this.#waitingAtMost.clear();
    this.#waitingAtMost.set(user, waiting + 1);
    return waiting > waitingMax;
  }
}
