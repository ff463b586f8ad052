/**
 * What the second version of the schema adds: the history of what ended when, and the last outcome of a
 * device.
 *
 * A row of `delivery` may be the last one about a device unless its recipient was direct, whose numbers
 * mean no device, or a newer row about the device has been swept: then nothing is known any more, and the
 * older one must not take its place. Such rows are left out of the index.
 *
 * Why an index over rows, and no table from device to row: the table takes an update for each row, under
 * the lock of the logs, which costs three times as much (`bench/delivery_store.md`).
 *
 * Whoever adds to the history holds the row of its sink first and nothing else, so slots are changed by
 * one at a time.
 *
 * @module
 */

/**
 * Slots of ten seconds; `second` is a slot's first one, since 1970. A log that is older than the history is
 * counted from its beginning.
 */
const TABLE = `
CREATE TABLE history (
  second int8 NOT NULL,
  platform int2 NOT NULL,
  delivered int8 NOT NULL,
  token_invalid int8 NOT NULL,
  rejected int8 NOT NULL,
  expired int8 NOT NULL,
  failed int8 NOT NULL,
  cancelled int8 NOT NULL,
  retries int8 NOT NULL,
  PRIMARY KEY (second, platform)
) WITH (fillfactor = 70);
INSERT INTO sink (name, position) SELECT 'history', 0 WHERE EXISTS (SELECT 1 FROM tally)
ON CONFLICT DO NOTHING;

ALTER TABLE delivery ADD COLUMN may_be_last boolean NOT NULL DEFAULT true;
UPDATE delivery SET may_be_last = false FROM notification
WHERE notification.seq = delivery.seq AND notification.direct;
CREATE INDEX delivery_of_device ON delivery (number, position) WHERE may_be_last;`;

/** Adds to slots, forgets those from before a second, and remembers how far tallies have been counted. */
const ADD = `
CREATE FUNCTION add_to_history(p_position int8, p_begin int8, p_seconds int8[], p_platforms int2[],
  p_delivered int8[], p_token_invalid int8[], p_rejected int8[], p_expired int8[], p_failed int8[],
  p_cancelled int8[], p_retries int8[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO history AS slot (second, platform, delivered, token_invalid, rejected, expired, failed,
    cancelled, retries)
  SELECT * FROM unnest(p_seconds, p_platforms, p_delivered, p_token_invalid, p_rejected, p_expired,
    p_failed, p_cancelled, p_retries)
  ON CONFLICT (second, platform) DO UPDATE SET delivered = slot.delivered + excluded.delivered,
    token_invalid = slot.token_invalid + excluded.token_invalid,
    rejected = slot.rejected + excluded.rejected, expired = slot.expired + excluded.expired,
    failed = slot.failed + excluded.failed, cancelled = slot.cancelled + excluded.cancelled,
    retries = slot.retries + excluded.retries;
  DELETE FROM history WHERE second < p_begin;
  UPDATE sink SET position = p_position WHERE name = 'history';
END $$;`;

/** As in the first version, but that rows say whether they may be the last about a device. */
const RECORD = `
CREATE OR REPLACE FUNCTION record_result(p_notification text, p_platform int2, p_at int8,
  p_outcomes int4[], p_retries int4, p_left int4, p_attempts int4, p_numbers int8[],
  p_addresses text[], p_kinds int2[], p_statuses int4[], p_reasons text[],
  p_registered_before int8[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_owner notification;
BEGIN
  SELECT * INTO STRICT v_owner FROM notification WHERE id = p_notification;
  INSERT INTO delivery (seq, number, at, registered_before, status, attempts, platform, outcome,
    may_be_last, address, reason)
  SELECT v_owner.seq, number, p_at, registered_before, status, p_attempts, p_platform, kind,
    NOT v_owner.direct, address, reason
  FROM unnest(p_numbers, p_addresses, p_kinds, p_statuses, p_reasons, p_registered_before)
    AS one (number, address, kind, status, reason, registered_before);
  INSERT INTO tally (at, platform, retries, delivered, token_invalid, rejected, expired, failed,
    cancelled, notification, app)
  SELECT p_at, p_platform, p_retries, p_outcomes[1], p_outcomes[2], p_outcomes[3], p_outcomes[4],
    p_outcomes[5],
    p_outcomes[6] + CASE v_owner.state WHEN 'cancelled' THEN p_left ELSE 0 END, p_notification, name
  FROM app WHERE id = v_owner.app_id;
END $$;`;

/**
 * As in the first version, but that rows which are older than a swept one about the same device may no
 * longer be the last about it. That comes at the end, when the sweep waits for nobody any more: what it
 * marks may be what another node is sweeping.
 */
const SWEEP = `
CREATE FUNCTION mark_older(p_numbers int8[], p_positions int8[]) RETURNS void LANGUAGE sql AS $$
  UPDATE delivery SET may_be_last = false WHERE position = ANY (ARRAY (
    SELECT older.position FROM unnest(p_numbers, p_positions) AS swept (number, newest)
    CROSS JOIN LATERAL (SELECT position FROM delivery WHERE may_be_last
        AND (delivery.number, position) >= (swept.number, 0)
        AND (delivery.number, position) < (swept.number, newest)
      FOR UPDATE SKIP LOCKED) AS older))
$$;

CREATE OR REPLACE FUNCTION sweep(p_ended_before int8, p_limit int4, p_notifications int4)
RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
  v_left int4 := p_limit;
  v_some int4;
  v_seq int8;
  v_numbers int8[] := '{}';
  v_positions int8[] := '{}';
BEGIN
  DELETE FROM tally WHERE position = ANY (ARRAY (SELECT position FROM tally
    WHERE at < p_ended_before ORDER BY at, position LIMIT v_left FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS v_some = ROW_COUNT;
  v_left := v_left - v_some;
  IF v_left = 0 THEN RETURN p_limit; END IF;
  FOR v_seq IN SELECT seq FROM notification WHERE finished_at < p_ended_before
    ORDER BY finished_at LIMIT p_notifications FOR UPDATE SKIP LOCKED
  LOOP
    WITH swept AS (
      DELETE FROM delivery WHERE position = ANY (ARRAY (SELECT position FROM delivery
        WHERE seq = v_seq LIMIT v_left)) RETURNING number, position, may_be_last)
    SELECT count(*), v_numbers || array_agg(number) FILTER (WHERE may_be_last),
      v_positions || array_agg(position) FILTER (WHERE may_be_last)
    INTO v_some, v_numbers, v_positions FROM swept;
    v_left := v_left - v_some;
    EXIT WHEN v_left = 0;
    DELETE FROM chunk WHERE id = ANY (ARRAY (SELECT id FROM chunk WHERE seq = v_seq
      LIMIT v_left));
    GET DIAGNOSTICS v_some = ROW_COUNT;
    v_left := v_left - v_some;
    EXIT WHEN v_left = 0;
    DELETE FROM progress WHERE seq = v_seq;
    DELETE FROM campaign WHERE seq = v_seq;
    DELETE FROM notification WHERE seq = v_seq;
    v_left := v_left - 1;
    EXIT WHEN v_left = 0;
  END LOOP;
  -- What the removal of an app left behind when the node ended in the middle of it.
  IF v_left > 0 THEN v_left := v_left - clear_removed_apps(v_left); END IF;
  PERFORM mark_older(v_numbers, v_positions);
  RETURN p_limit - v_left;
END $$;`;

/** The second version. */
export const HISTORY: string = [TABLE, ADD, RECORD, SWEEP].join("\n");
