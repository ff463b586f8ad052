/**
 * The functions that record what batches came to.
 *
 * Invariants: every recipient of a batch is counted once, under an outcome or in a remainder; a result
 * whose lease was lost changes nothing; rows and tallies get their positions under the lock of the
 * logs, which is held until the commit.
 *
 * Why several: results are recorded in groups, and what others wait for comes last. A group marks its
 * devices, then takes its notifications, for which all results of a campaign wait, then lanes, and
 * then the logs, for which all nodes wait.
 *
 * @module
 */

/** Locks the batches of leases that still hold, says whether their results fit them, and marks the devices of those that do. */
const HOLD = `
CREATE FUNCTION hold_results(p_batches int8[], p_tokens int4[], p_counts int4[],
  p_notifications text[], p_devices int8[], p_marks boolean[], p_of int8[])
RETURNS TABLE (place int8, seq int8, count int4, fits boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_held int8[];
BEGIN
  v_held := ARRAY (SELECT id FROM batch JOIN unnest(p_batches, p_tokens) AS lease (batch_id, held)
      ON id = batch_id AND token = held
    WHERE batch.place = 1 ORDER BY id FOR UPDATE OF batch);
  IF p_devices <> '{}' THEN
    PERFORM 1 FROM device WHERE number = ANY (p_devices) ORDER BY number FOR NO KEY UPDATE;
    -- The sign keeps the planner from walking all devices of the app. Batches with chunks have no devices.
    UPDATE device SET suspect = mark
    FROM unnest(p_devices, p_marks, p_of) AS one (number, mark, batch_id)
    JOIN unnest(p_batches, p_counts, p_notifications) AS result (batch_id, count, notification)
      ON result.batch_id = one.batch_id
    JOIN batch ON batch.id = result.batch_id AND batch.count = result.count
    JOIN notification ON notification.seq = batch.seq AND notification.id = result.notification
    WHERE device.number = one.number AND device.app_id + 0 = notification.app_id
      AND suspect <> mark AND chunk_id IS NULL AND batch.id = ANY (v_held);
  END IF;
  RETURN QUERY SELECT result.place - 1, batch.seq, batch.count,
      batch.count = result.count AND notification.id = result.notification
    FROM unnest(p_batches, p_counts, p_notifications) WITH ORDINALITY
      AS result (batch_id, count, notification, place)
    JOIN batch ON batch.id = batch_id JOIN notification USING (seq)
    WHERE batch.id = ANY (v_held) ORDER BY batch.seq, result.place;
END $$;`;

/** Records a result that fits, but for the logs; answers whether it was the notification's last. */
const SETTLE = `
CREATE FUNCTION settle_batch(p_batch int8, p_outcomes int4[], p_retries int4, p_numbers int8[],
  p_counts int4[], p_attempts int4[], p_not_before int8[], p_at int8)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_batch batch;
  v_owner notification;
  v_platform int2;
  v_turn int8;
  v_dropped int4 := 0;
  v_added int4 := 0;
  v_from int4 := 1;
BEGIN
  SELECT * INTO STRICT v_batch FROM batch WHERE id = p_batch;
  SELECT * INTO STRICT v_owner FROM notification WHERE seq = v_batch.seq FOR NO KEY UPDATE;
  DELETE FROM batch WHERE id = p_batch;
  SELECT platform, virtual_time + 1 INTO v_platform, v_turn FROM lane WHERE id = v_batch.lane_id;
  IF v_owner.state = 'cancelled' THEN
    v_dropped := cardinality(p_numbers);
  ELSE
    -- What is tried again comes into its lane's present turn, for its recipients have waited for theirs.
    FOR i IN 1 .. cardinality(p_counts) LOOP
      INSERT INTO batch (seq, lane_id, chunk_id, count, attempt, due_at, virtual_time, numbers)
      VALUES (v_batch.seq, v_batch.lane_id, v_batch.chunk_id, p_counts[i], p_attempts[i],
        least(greatest(v_owner.send_at, p_not_before[i]), v_owner.expires_at), v_turn,
        p_numbers[v_from : v_from + p_counts[i] - 1]);
      v_from := v_from + p_counts[i];
      v_added := v_added + 1;
    END LOOP;
  END IF;
  UPDATE progress SET delivered = delivered + p_outcomes[1],
    token_invalid = token_invalid + p_outcomes[2], rejected = rejected + p_outcomes[3],
    expired = expired + p_outcomes[4], failed = failed + p_outcomes[5],
    cancelled = cancelled + p_outcomes[6] + v_dropped, retries = retries + p_retries
  WHERE seq = v_batch.seq AND platform = v_platform;
  UPDATE notification SET batches = batches + v_added - 1 WHERE seq = v_batch.seq;
  RETURN end_if_done(v_batch.seq, p_at);
END $$;

-- Pauses lanes for the first reason each; one that is paused keeps its own.
CREATE FUNCTION pause_lanes(p_apps text[], p_platforms int2[], p_reasons text[], p_times int8[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_one record;
BEGIN
  FOR v_one IN
    SELECT lane.id, reason, at FROM unnest(p_apps, p_platforms, p_reasons, p_times)
      WITH ORDINALITY AS one (app, platform, reason, at, place)
    JOIN app ON app.name = one.app AND credentials IS NOT NULL
    JOIN lane ON lane.app_id = app.id AND lane.platform = one.platform
    ORDER BY lane.id, one.place
  LOOP
    UPDATE lane SET pause_reason = v_one.reason, paused_at = v_one.at
    WHERE id = v_one.id AND pause_reason IS NULL;
  END LOOP;
END $$;`;

/** Adds rows and a tally to the logs; the caller has their lock, and the notification's. */
const RECORD = `
CREATE FUNCTION record_result(p_notification text, p_platform int2, p_at int8, p_outcomes int4[],
  p_retries int4, p_left int4, p_attempts int4, p_numbers int8[], p_addresses text[], p_kinds int2[],
  p_statuses int4[], p_reasons text[], p_registered_before int8[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_owner notification;
BEGIN
  SELECT * INTO STRICT v_owner FROM notification WHERE id = p_notification;
  INSERT INTO delivery (seq, number, at, registered_before, status, attempts, platform, outcome,
    address, reason)
  SELECT v_owner.seq, number, p_at, registered_before, status, p_attempts, p_platform, kind,
    address, reason
  FROM unnest(p_numbers, p_addresses, p_kinds, p_statuses, p_reasons, p_registered_before)
    AS one (number, address, kind, status, reason, registered_before);
  INSERT INTO tally (at, platform, retries, delivered, token_invalid, rejected, expired, failed,
    cancelled, notification, app)
  SELECT p_at, p_platform, p_retries, p_outcomes[1], p_outcomes[2], p_outcomes[3], p_outcomes[4],
    p_outcomes[5],
    p_outcomes[6] + CASE v_owner.state WHEN 'cancelled' THEN p_left ELSE 0 END, p_notification, name
  FROM app WHERE id = v_owner.app_id;
END $$;`;

/** The functions of results. */
export const RESULTS: string = [HOLD, SETTLE, RECORD].join("\n");
