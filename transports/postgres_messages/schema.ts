/**
 * The tables of the Web Push half's store in PostgreSQL.
 *
 * Why these: a user agent's row is what its writers lock, so that they come one after the other wherever
 * they run; its small number keeps the other tables and their indexes small. A message's key begins
 * with the user agent, so what waits for one is together and in reading order, and another user
 * agent may have a message of the same sort key from another node. Topics are unique by an index,
 * which also replaces. Bodies are encrypted and do not compress: they are kept as they are.
 * The largest sort key of a user agent outlives its messages, so that a key never names two of them.
 * Pages of what is changed in place have room for that, so that indexes need not be.
 * What a node says of itself is text and not JSON: nothing is looked for in it, and its length bounds what
 * is read.
 * Presence has a table of its own, for a session may be of a user agent that is not stored.
 *
 * @module
 */

import type { SchemaPart } from "../postgres/mod.ts";
import { SORT_KEY_MARKS } from "./limits.ts";

/** The migrations of this store, for `migrate`. */
export const MESSAGES_PART: SchemaPart = {
  name: "messages",
  migrations: [
    `CREATE TABLE user_agent (
       id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
       uaid uuid NOT NULL UNIQUE,
       connected_at int8 NOT NULL,
       last_sort_key int8 NOT NULL DEFAULT 0
     ) WITH (fillfactor = 85);
     CREATE INDEX user_agent_by_connection ON user_agent (connected_at);
     CREATE TABLE channel (
       user_id int8 NOT NULL REFERENCES user_agent ON DELETE CASCADE,
       channel_id uuid NOT NULL,
       PRIMARY KEY (user_id, channel_id)
     );
     CREATE TABLE message (
       user_id int8 NOT NULL REFERENCES user_agent ON DELETE CASCADE,
       sort_key int8 NOT NULL CHECK (sort_key > 0),
       channel_id uuid NOT NULL,
       version text NOT NULL,
       ttl_seconds int8 NOT NULL,
       expires_at int8 NOT NULL,
       topic text,
       encoding text,
       encryption text,
       crypto_key text,
       body bytea,
       CHECK ((encoding IS NULL) = (body IS NULL)),
       PRIMARY KEY (user_id, sort_key)
     );
     ALTER TABLE message ALTER COLUMN body SET STORAGE EXTERNAL;
     CREATE UNIQUE INDEX message_by_topic ON message (user_id, channel_id, topic)
       WHERE topic IS NOT NULL;
     CREATE INDEX message_by_expiry ON message (expires_at);
     CREATE TABLE sort_key_mark (slot int8 PRIMARY KEY, largest int8 NOT NULL);
     INSERT INTO sort_key_mark SELECT slot, 0 FROM generate_series(0, ${
      SORT_KEY_MARKS - 1
    }) AS slot;
     CREATE TABLE presence (
       uaid uuid PRIMARY KEY,
       node text NOT NULL,
       session text NOT NULL,
       node_before text,
       session_before text
     ) WITH (fillfactor = 85);
     CREATE TABLE node (
       id text PRIMARY KEY,
       url text,
       roles jsonb NOT NULL,
       version text NOT NULL,
       keys jsonb NOT NULL,
       started_at int8 NOT NULL,
       lease_ends_at timestamptz NOT NULL
     );`,
    "ALTER TABLE node ADD COLUMN facts text;",
  ],
};
