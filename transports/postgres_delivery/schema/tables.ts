/**
 * The tables of the delivery store in PostgreSQL.
 *
 * Why these tables: a changed row is written as a whole, so what changes with every claim and result
 * (`batch`, `progress`) is apart from what is written once (`campaign`, `chunk`); the numbers of a
 * batch are stored beside its row by PostgreSQL itself. A device's number is never given again, since
 * it names the recipient in batches; an id that changes its platform gets a new one. Texts that order
 * pages compare by their bytes, the same in every locale.
 *
 * A batch is in one of four places: it waits for its time, is leased until a time, is ready in the
 * order of virtual time, or is ready but for the rate of its notification. So what is due is found
 * by one short look at an index, however many batches there are.
 *
 * Locks are taken in one order everywhere, so that no two calls wait for each other: the queue's lock
 * (whoever moves batches that it has no lease on), apps, leased batches by id, devices by number,
 * notifications by number, lanes by number, and the lock of the logs last, just before positions are
 * drawn. It is held until the commit: whoever has seen a position has seen all before it. Batches without
 * a lease are nobody's but the holder's of the queue's lock.
 *
 * @module
 */

/** Apps, lanes and devices. A removed app has no credentials; its row keeps the version, and the owner of old notifications. */
const DIRECTORY = `
CREATE TABLE app (
  id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  version int4 NOT NULL,
  credentials text
);
CREATE UNIQUE INDEX app_by_name ON app (name) WHERE credentials IS NOT NULL;
CREATE INDEX app_by_version ON app (name, version);
CREATE INDEX app_removed ON app (id) WHERE credentials IS NULL;

CREATE TABLE lane (
  id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app_id int4 NOT NULL,
  platform int2 NOT NULL,
  virtual_time int8 NOT NULL DEFAULT 0,
  served_at int8 NOT NULL DEFAULT 0,
  pause_reason text,
  paused_at int8,
  UNIQUE (app_id, platform)
) WITH (fillfactor = 70);
CREATE INDEX lane_paused ON lane (app_id) WHERE pause_reason IS NOT NULL;
CREATE SEQUENCE turn;

-- state: 0 active, 1 invalid.
CREATE TABLE device (
  number int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app_id int4 NOT NULL,
  platform int2 NOT NULL,
  state int2 NOT NULL DEFAULT 0,
  suspect boolean NOT NULL DEFAULT false,
  registered_at int8 NOT NULL,
  id text COLLATE "C" NOT NULL,
  address text NOT NULL,
  keys bytea,
  person text COLLATE "C",
  tags text,
  reason text
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX device_by_id ON device (id) INCLUDE (app_id);
CREATE INDEX device_in_audience ON device (app_id, state, number) INCLUDE (platform);
CREATE INDEX device_of_person ON device (app_id, person, number) WHERE person IS NOT NULL;

CREATE TABLE tag (
  id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app_id int4 NOT NULL,
  name text COLLATE "C" NOT NULL,
  UNIQUE (app_id, name)
);
CREATE TABLE device_tag (
  tag_id int4 NOT NULL,
  number int8 NOT NULL,
  PRIMARY KEY (tag_id, number)
);`;

/**
 * Notifications and their batches. expand_at: when the audience is to be expanded, NULL once it is or when
 * there is none; call: the name of the call that added recipients.
 */
const NOTIFICATIONS = `
CREATE TABLE notification (
  seq int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  app_id int4 NOT NULL,
  idempotency_key text COLLATE "C",
  digest text NOT NULL,
  direct boolean NOT NULL,
  send_at int8 NOT NULL,
  expires_at int8 NOT NULL,
  rate float8,
  state text NOT NULL,
  expand_at int8,
  last_device int8,
  cursor int8 NOT NULL DEFAULT 0,
  numbered int8 NOT NULL DEFAULT 0,
  batches int4 NOT NULL DEFAULT 0,
  paced_at int8 NOT NULL DEFAULT 0,
  started_at int8,
  finished_at int8
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX notification_by_key ON notification (app_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX notification_by_app ON notification (app_id, seq);
CREATE INDEX notification_to_expand ON notification (expand_at) WHERE expand_at IS NOT NULL;
CREATE INDEX notification_unfinished ON notification (app_id, expires_at)
  WHERE finished_at IS NULL;
CREATE INDEX notification_paced ON notification (paced_at)
  WHERE rate IS NOT NULL AND finished_at IS NULL;
CREATE INDEX notification_finished ON notification (finished_at) WHERE finished_at IS NOT NULL;
CREATE TABLE campaign (
  seq int8 PRIMARY KEY,
  body text NOT NULL,
  audience text NOT NULL,
  names text[] NOT NULL
);
CREATE TABLE progress (
  seq int8 NOT NULL,
  platform int2 NOT NULL,
  virtual_time int8 NOT NULL,
  total int8 NOT NULL,
  delivered int8 NOT NULL DEFAULT 0,
  token_invalid int8 NOT NULL DEFAULT 0,
  rejected int8 NOT NULL DEFAULT 0,
  expired int8 NOT NULL DEFAULT 0,
  failed int8 NOT NULL DEFAULT 0,
  cancelled int8 NOT NULL DEFAULT 0,
  retries int8 NOT NULL DEFAULT 0,
  PRIMARY KEY (seq, platform)
) WITH (fillfactor = 70);

-- place: 0 waits until due_at, 1 leased until due_at, 2 ready, 3 ready but for its notification's rate.
CREATE TABLE batch (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seq int8 NOT NULL,
  lane_id int4 NOT NULL,
  chunk_id int8,
  count int4 NOT NULL,
  attempt int4 NOT NULL,
  token int4 NOT NULL DEFAULT 0,
  deliveries int4 NOT NULL DEFAULT 0,
  deaths int4 NOT NULL DEFAULT 0,
  place int2 NOT NULL DEFAULT 0,
  due_at int8 NOT NULL,
  virtual_time int8 NOT NULL,
  node text,
  numbers int8[]
);
CREATE INDEX batch_due ON batch (due_at) WHERE place < 2;
CREATE INDEX batch_ready ON batch (lane_id, virtual_time, id) WHERE place = 2;
CREATE INDEX batch_of_notification ON batch (seq, place, lane_id, virtual_time, id);
CREATE TABLE chunk (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seq int8 NOT NULL,
  call uuid,
  first_number int8 NOT NULL,
  addresses text NOT NULL,
  keys bytea
);
CREATE INDEX chunk_of_notification ON chunk (seq, call);`;

/** What sinks follow, and what surrounds it. A tally names its notification itself, which may be removed before. */
const LOGS = `
CREATE TABLE delivery (
  position int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seq int8 NOT NULL,
  number int8 NOT NULL,
  at int8 NOT NULL,
  registered_before int8,
  status int4 NOT NULL,
  attempts int4 NOT NULL,
  platform int2 NOT NULL,
  outcome int2 NOT NULL,
  address text NOT NULL,
  reason text NOT NULL
);
CREATE INDEX delivery_of_notification ON delivery (seq, outcome, position);
CREATE TABLE tally (
  position int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at int8 NOT NULL,
  platform int2 NOT NULL,
  retries int4 NOT NULL,
  delivered int4 NOT NULL,
  token_invalid int4 NOT NULL,
  rejected int4 NOT NULL,
  expired int4 NOT NULL,
  failed int4 NOT NULL,
  cancelled int4 NOT NULL,
  notification text NOT NULL,
  app text NOT NULL
);
CREATE INDEX tally_by_time ON tally (at);
CREATE TABLE sink (
  name text PRIMARY KEY,
  position int8 NOT NULL,
  node text,
  until int8 NOT NULL DEFAULT 0
);
-- Written to see whether writing works.
CREATE TABLE pulse (beats int8 NOT NULL);
INSERT INTO pulse VALUES (0);
CREATE TABLE dead_letter (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text NOT NULL,
  entry text NOT NULL,
  reason text NOT NULL,
  body text NOT NULL,
  at int8 NOT NULL,
  UNIQUE (source, entry)
);`;

/** Marks these advisory locks among those of other programs in the database: the letters `HELD`. */
const LOCK_CLASS = 0x48454c44;

/** Locks are numbered by the tables they stand for, so that each schema has its own. */
const LOCKS = `
CREATE FUNCTION lock_queue() RETURNS void LANGUAGE sql
AS $$ SELECT pg_advisory_xact_lock(${LOCK_CLASS}, 'batch'::regclass::oid::int4) $$;
CREATE FUNCTION lock_logs() RETURNS void LANGUAGE sql
AS $$ SELECT pg_advisory_xact_lock(${LOCK_CLASS}, 'delivery'::regclass::oid::int4) $$;`;

/** All tables, and the locks that stand for them. */
export const TABLES: string = [DIRECTORY, NOTIFICATIONS, LOGS, LOCKS].join("\n");
