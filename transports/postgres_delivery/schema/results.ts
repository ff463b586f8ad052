/**
 * The functions that record what batches came to.
 *
 * Invariants: every recipient of a batch is counted once, under an outcome or in a remainder; a result
 * whose lease was lost changes nothing; rows and tallies get their positions under the lock of the
 * logs, which is held until the commit.
 *
 * Why two: everything that waits for other rows is done before the lock of the logs is taken, for all
 * nodes that record results wait for that one.
 *
 * @module
 */

/** Locks the batches of leases that still hold, their notifications, and the devices to be marked, each in order. */
const HOLD = `
CREATE FUNCTION hold_results(p_batches int8[], p_tokens int4[], p_devices int8[], p_pausing int8[])
RETURNS TABLE (place int8, count int4, notification text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_held int8[];
BEGIN
  v_held := ARRAY (SELECT id FROM batch JOIN unnest(p_batches, p_tokens) AS lease (batch_id, held)
      ON id = batch_id AND token = held
    WHERE batch.place = 1 ORDER BY id FOR UPDATE OF batch);
  PERFORM 1 FROM notification WHERE seq IN (SELECT seq FROM batch WHERE id = ANY (v_held))
    ORDER BY seq FOR NO KEY UPDATE;
  IF p_pausing <> '{}' THEN
    PERFORM 1 FROM lane WHERE id IN (SELECT lane_id FROM batch WHERE id = ANY (p_pausing))
      ORDER BY id FOR NO KEY UPDATE;
  END IF;
  IF p_devices <> '{}' THEN
    PERFORM 1 FROM device WHERE number = ANY (p_devices) ORDER BY number FOR NO KEY UPDATE;
  END IF;
  RETURN QUERY SELECT lease.place - 1, batch.count, notification.id
    FROM unnest(p_batches) WITH ORDINALITY AS lease (batch_id, place)
    JOIN batch ON batch.id = batch_id JOIN notification USING (seq)
    WHERE batch.id = ANY (v_held);
END $$;`;

/**
 * Records a result under the locks of \`hold_results\`, but for the logs. Answers how many of what was left
 * was dropped, since the notification was cancelled.
 */
const SETTLE = `
CREATE FUNCTION settle_batch(p_batch int8, p_outcomes int4[], p_retries int4, p_numbers int8[],
  p_counts int4[], p_attempts int4[], p_not_before int8[], p_marked int8[], p_cleared int8[],
  p_pause text, p_at int8, OUT dropped int4, OUT done boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_batch batch;
  v_owner notification;
  v_platform int2;
  v_turn int8;
  v_added int4 := 0;
  v_from int4 := 1;
BEGIN
  DELETE FROM batch WHERE id = p_batch RETURNING * INTO STRICT v_batch;
  SELECT * INTO STRICT v_owner FROM notification WHERE seq = v_batch.seq;
  SELECT platform, virtual_time + 1 INTO v_platform, v_turn FROM lane WHERE id = v_batch.lane_id;
  dropped := 0;
  IF v_owner.state = 'cancelled' THEN
    dropped := cardinality(p_numbers);
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
    cancelled = cancelled + p_outcomes[6] + dropped, retries = retries + p_retries
  WHERE seq = v_batch.seq AND platform = v_platform;
  IF p_pause IS NOT NULL THEN
    UPDATE lane SET pause_reason = p_pause, paused_at = p_at
    WHERE id = v_batch.lane_id AND pause_reason IS NULL;
  END IF;
  UPDATE notification SET batches = batches + v_added - 1 WHERE seq = v_batch.seq;
  done := end_if_done(v_batch.seq, p_at);
  IF v_owner.direct THEN RETURN; END IF;
  IF p_marked <> '{}' THEN
    UPDATE device SET suspect = true
    WHERE number = ANY (p_marked) AND app_id = v_owner.app_id AND NOT suspect;
  END IF;
  IF p_cleared <> '{}' THEN
    UPDATE device SET suspect = false
    WHERE number = ANY (p_cleared) AND app_id = v_owner.app_id AND suspect;
  END IF;
END $$;`;

/** Adds rows and a tally to the logs; the caller has the lock of the logs. */
const RECORD = `
CREATE FUNCTION record_result(p_notification text, p_platform int2, p_at int8, p_outcomes int4[],
  p_retries int4, p_attempts int4, p_numbers int8[], p_addresses text[], p_kinds int2[],
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
    p_outcomes[5], p_outcomes[6], p_notification, name
  FROM app WHERE id = v_owner.app_id;
END $$;`;

/** The functions of results. */
export const RESULTS: string = [HOLD, SETTLE, RECORD].join("\n");
