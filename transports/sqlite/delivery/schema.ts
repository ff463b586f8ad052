/**
 * The tables of the delivery store.
 *
 * Why these tables: what changes with every claim and every result (`batch`, `tally`, `lane`) is in
 * short rows apart from what is written once and may be long (`campaign`, `recipients`, `chunk`), for
 * a changed row is written as a whole. A device's number is never given again, since it names the
 * recipient in batches; an id that changes its platform gets a new one. Ids of devices are unique by
 * the writer's care: their index carries the app, so that a page of one app's devices is read from
 * the index alone, and a second index would cost a third of the speed of an import.
 *
 * A batch is in one of four places: it waits for its time, is leased until a time, is ready in the
 * order of virtual time, or is ready but for the rate of its notification. So what is due is found
 * by one short look at an index, however many batches there are.
 *
 * The newest row about a device is in a table of its own, a number for each device: it is written in the
 * order of the devices and does not grow with campaigns, where an index of all rows by device would.
 *
 * @module
 */

import type { Schema } from "../schema.ts";
import { CHECKPOINT_PAGES, READER_CACHE_KIB, WRITER_CACHE_KIB } from "./limits.ts";

/** The file of the delivery store, marked by the letters `HELD`. */
export const DELIVERY_SCHEMA: Schema = {
  applicationId: 0x48454c44,
  writerCacheKib: WRITER_CACHE_KIB,
  readerCacheKib: READER_CACHE_KIB,
  checkpointPages: CHECKPOINT_PAGES,
  migrations: [
    `CREATE TABLE state (
       id INTEGER PRIMARY KEY CHECK (id = 1),
       batch INTEGER NOT NULL,
       results TEXT NOT NULL
     ) STRICT;
     INSERT INTO state VALUES (1, 0, '[]');

     -- A removed app has no credentials; its row keeps the version, and the owner of old notifications.
     CREATE TABLE app (
       id INTEGER PRIMARY KEY,
       name TEXT NOT NULL,
       version INTEGER NOT NULL,
       credentials TEXT
     ) STRICT;
     CREATE UNIQUE INDEX app_by_name ON app (name) WHERE credentials IS NOT NULL;
     CREATE INDEX app_by_version ON app (name, version);

     CREATE TABLE lane (
       id INTEGER PRIMARY KEY,
       app_id INTEGER NOT NULL,
       platform INTEGER NOT NULL,
       virtual_time INTEGER NOT NULL DEFAULT 0,
       served_at INTEGER NOT NULL DEFAULT 0,
       pause_reason TEXT,
       paused_at INTEGER,
       UNIQUE (app_id, platform)
     ) STRICT;
     CREATE INDEX lane_paused ON lane (app_id) WHERE pause_reason IS NOT NULL;

     -- state: 0 active, 1 invalid.
     CREATE TABLE device (
       number INTEGER PRIMARY KEY AUTOINCREMENT,
       app_id INTEGER NOT NULL,
       id TEXT NOT NULL,
       platform INTEGER NOT NULL,
       address TEXT NOT NULL,
       keys BLOB,
       user TEXT,
       tags TEXT,
       registered_at INTEGER NOT NULL,
       state INTEGER NOT NULL DEFAULT 0,
       reason TEXT,
       suspect INTEGER NOT NULL DEFAULT 0
     ) STRICT;
     CREATE INDEX device_by_id ON device (id, app_id);
     CREATE INDEX device_in_audience ON device (app_id, state, number, platform);
     CREATE INDEX device_by_user ON device (app_id, user) WHERE user IS NOT NULL;

     CREATE TABLE tag (
       id INTEGER PRIMARY KEY,
       app_id INTEGER NOT NULL,
       name TEXT NOT NULL,
       UNIQUE (app_id, name)
     ) STRICT;
     CREATE TABLE device_tag (
       tag_id INTEGER NOT NULL,
       number INTEGER NOT NULL,
       PRIMARY KEY (tag_id, number)
     ) STRICT, WITHOUT ROWID;

     -- expand_at: when its audience is to be expanded, NULL once it is or when there is none.
     CREATE TABLE notification (
       seq INTEGER PRIMARY KEY AUTOINCREMENT,
       id TEXT NOT NULL UNIQUE,
       app_id INTEGER NOT NULL,
       idempotency_key TEXT,
       digest TEXT NOT NULL,
       direct INTEGER NOT NULL,
       send_at INTEGER NOT NULL,
       expires_at INTEGER NOT NULL,
       rate REAL,
       state TEXT NOT NULL,
       expand_at INTEGER,
       last_device INTEGER,
       cursor INTEGER NOT NULL DEFAULT 0,
       numbered INTEGER NOT NULL DEFAULT 0,
       batches INTEGER NOT NULL DEFAULT 0,
       paced_at INTEGER NOT NULL DEFAULT 0,
       started_at INTEGER,
       finished_at INTEGER
     ) STRICT;
     CREATE UNIQUE INDEX notification_by_key ON notification (app_id, idempotency_key)
       WHERE idempotency_key IS NOT NULL;
     CREATE INDEX notification_by_app ON notification (app_id);
     CREATE INDEX notification_to_expand ON notification (expand_at) WHERE expand_at IS NOT NULL;
     CREATE INDEX notification_unfinished ON notification (expires_at) WHERE finished_at IS NULL;
     CREATE INDEX notification_unfinished_of_app ON notification (app_id)
       WHERE finished_at IS NULL;
     CREATE INDEX notification_paced ON notification (paced_at)
       WHERE rate IS NOT NULL AND finished_at IS NULL;
     CREATE INDEX notification_finished ON notification (finished_at)
       WHERE finished_at IS NOT NULL;
     CREATE TABLE campaign (
       seq INTEGER PRIMARY KEY,
       body TEXT NOT NULL,
       audience TEXT NOT NULL
     ) STRICT;
     CREATE TABLE tally (
       seq INTEGER NOT NULL,
       platform INTEGER NOT NULL,
       virtual_time INTEGER NOT NULL,
       total INTEGER NOT NULL,
       delivered INTEGER NOT NULL DEFAULT 0,
       token_invalid INTEGER NOT NULL DEFAULT 0,
       rejected INTEGER NOT NULL DEFAULT 0,
       expired INTEGER NOT NULL DEFAULT 0,
       failed INTEGER NOT NULL DEFAULT 0,
       cancelled INTEGER NOT NULL DEFAULT 0,
       retries INTEGER NOT NULL DEFAULT 0,
       PRIMARY KEY (seq, platform)
     ) STRICT, WITHOUT ROWID;

     -- place: 0 waits until due_at, 1 leased until due_at, 2 ready, 3 ready but for its notification's rate.
     CREATE TABLE batch (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       seq INTEGER NOT NULL,
       lane_id INTEGER NOT NULL,
       chunk_id INTEGER,
       count INTEGER NOT NULL,
       attempt INTEGER NOT NULL,
       token INTEGER NOT NULL DEFAULT 0,
       deliveries INTEGER NOT NULL DEFAULT 0,
       deaths INTEGER NOT NULL DEFAULT 0,
       place INTEGER NOT NULL DEFAULT 0,
       due_at INTEGER NOT NULL,
       virtual_time INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX batch_due ON batch (due_at) WHERE place < 2;
     CREATE INDEX batch_ready ON batch (lane_id, virtual_time) WHERE place = 2;
     CREATE INDEX batch_of_notification ON batch (seq, place, lane_id, virtual_time);
     CREATE INDEX batch_of_lane ON batch (lane_id, place);
     CREATE TABLE recipients (
       batch_id INTEGER PRIMARY KEY,
       numbers TEXT NOT NULL
     ) STRICT;
     CREATE TABLE chunk (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       seq INTEGER NOT NULL,
       first_number INTEGER NOT NULL,
       addresses TEXT NOT NULL,
       keys BLOB
     ) STRICT;
     CREATE INDEX chunk_of_notification ON chunk (seq);

     CREATE TABLE delivery (
       position INTEGER PRIMARY KEY AUTOINCREMENT,
       seq INTEGER NOT NULL,
       number INTEGER NOT NULL,
       platform INTEGER NOT NULL,
       address TEXT NOT NULL,
       outcome INTEGER NOT NULL,
       status INTEGER NOT NULL,
       reason TEXT NOT NULL,
       attempts INTEGER NOT NULL,
       at INTEGER NOT NULL,
       registered_before INTEGER
     ) STRICT;
     CREATE INDEX delivery_of_notification ON delivery (seq, outcome);
     CREATE TABLE sink (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE dead_letter (
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       source TEXT NOT NULL,
       entry TEXT NOT NULL,
       reason TEXT NOT NULL,
       body TEXT NOT NULL,
       at INTEGER NOT NULL,
       UNIQUE (source, entry)
     ) STRICT;`,
    `-- Who holds a lease, so that those of one node can be ended.
     ALTER TABLE batch ADD COLUMN node TEXT;
     ALTER TABLE sink ADD COLUMN node TEXT;
     ALTER TABLE sink ADD COLUMN until INTEGER NOT NULL DEFAULT 0;

     -- One row for each result of a batch, in the order of recording.
     CREATE TABLE tally_log (
       position INTEGER PRIMARY KEY AUTOINCREMENT,
       seq INTEGER NOT NULL,
       platform INTEGER NOT NULL,
       at INTEGER NOT NULL,
       delivered INTEGER NOT NULL,
       token_invalid INTEGER NOT NULL,
       rejected INTEGER NOT NULL,
       expired INTEGER NOT NULL,
       failed INTEGER NOT NULL,
       cancelled INTEGER NOT NULL,
       retries INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX tally_log_by_time ON tally_log (at);`,
    `-- What ended when, in slots of ten seconds; its sink begins with all that is in the log.
     CREATE TABLE history (
       second INTEGER NOT NULL,
       platform INTEGER NOT NULL,
       delivered INTEGER NOT NULL,
       token_invalid INTEGER NOT NULL,
       rejected INTEGER NOT NULL,
       expired INTEGER NOT NULL,
       failed INTEGER NOT NULL,
       cancelled INTEGER NOT NULL,
       retries INTEGER NOT NULL,
       PRIMARY KEY (second, platform)
     ) STRICT, WITHOUT ROWID;
     INSERT OR IGNORE INTO sink (name, position) VALUES ('history', 0);

     -- The newest row about each device; the row may have been swept since.
     CREATE TABLE last_row (
       number INTEGER PRIMARY KEY,
       position INTEGER NOT NULL
     ) STRICT;
     INSERT OR REPLACE INTO last_row (number, position)
       SELECT delivery.number, delivery.position FROM delivery
         CROSS JOIN notification USING (seq)
         CROSS JOIN device ON device.number = delivery.number
       WHERE direct = 0 ORDER BY delivery.position;`,
  ],
};
