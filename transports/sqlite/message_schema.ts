/**
 * The tables of the Web Push half's store.
 *
 * Why these tables: a message's sort key is its row id, so a new message is appended to the table
 * and an index that ends in the row id is already in reading order. Users are referred to by a small
 * number, not by their 32 digits, which keeps three indexes small. `state` has one row, written by
 * every transaction: the receipt of the last batch and the largest sort key ever, which must
 * outlive the message it belonged to.
 *
 * @module
 */

import { CACHE_KIB, CHECKPOINT_PAGES } from "./limits.ts";
import type { Schema } from "./schema.ts";

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE user (
     id INTEGER PRIMARY KEY,
     uaid TEXT NOT NULL UNIQUE,
     connected_at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX user_by_connection ON user (connected_at);
   CREATE TABLE channel (
     user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
     channel_id TEXT NOT NULL,
     PRIMARY KEY (user_id, channel_id)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE message (
     sort_key INTEGER PRIMARY KEY CHECK (sort_key > 0),
     user_id INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
     channel_id TEXT NOT NULL,
     version TEXT NOT NULL,
     ttl_seconds INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     topic TEXT,
     encoding TEXT,
     encryption TEXT,
     crypto_key TEXT,
     body BLOB,
     CHECK ((encoding IS NULL) = (body IS NULL))
   ) STRICT;
   CREATE INDEX message_by_user ON message (user_id, (topic IS NULL));
   CREATE UNIQUE INDEX message_by_topic ON message (user_id, channel_id, topic)
     WHERE topic IS NOT NULL;
   CREATE INDEX message_by_expiry ON message (expires_at);
   CREATE TABLE state (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     batch INTEGER NOT NULL,
     results TEXT NOT NULL,
     last_sort_key INTEGER NOT NULL
   ) STRICT;
   INSERT INTO state VALUES (1, 0, '[]', 0);`,
];

/** The file of the Web Push half, marked by the letters `HELI`. */
export const MESSAGE_SCHEMA: Schema = {
  applicationId: 0x48454c49,
  migrations: MIGRATIONS,
  writerCacheKib: CACHE_KIB,
  readerCacheKib: CACHE_KIB,
  checkpointPages: CHECKPOINT_PAGES,
};
