/**
 * The queue's functions in the database: which batches are due, whose turn it is, and the leases on
 * them.
 *
 * Invariants: of a rated notification one batch at most is claimed at a time, and none before its pace
 * allows; the token of a batch grows with each claim; a claim takes lanes in turn, the one served
 * longest ago first, and within a lane the least virtual time, which is start-time fair queueing: a
 * batch added to a busy lane comes after the batches now in turn, not after all that wait.
 *
 * Why in the database: a claim looks at one index after another, each look depending on the last, and
 * no two claims may do so at once. This way a node waits for one answer, and the others for one call.
 *
 * @module
 */

/** Counts recipients of batches that the caller has locked as cancelled, and ends their notifications. */
const CANCEL = `
CREATE FUNCTION end_if_done(p_seq int8, p_now int8) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE notification SET finished_at = p_now,
    state = CASE state WHEN 'cancelled' THEN 'cancelled' ELSE 'done' END
  WHERE seq = p_seq AND batches = 0 AND expand_at IS NULL AND state <> 'open'
    AND finished_at IS NULL;
  RETURN FOUND;
END $$;

CREATE FUNCTION cancel_batches(p_ids int8[], p_now int8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_one record;
BEGIN
  PERFORM 1 FROM notification WHERE seq IN (SELECT seq FROM batch WHERE id = ANY (p_ids))
    ORDER BY seq FOR NO KEY UPDATE;
  FOR v_one IN
    WITH gone AS (DELETE FROM batch WHERE id = ANY (p_ids) RETURNING seq, lane_id, count)
    SELECT seq, platform, sum(count) AS recipients, count(*) AS batches
    FROM gone JOIN lane ON lane.id = lane_id GROUP BY seq, platform ORDER BY seq, platform
  LOOP
    UPDATE progress SET cancelled = cancelled + v_one.recipients
    WHERE seq = v_one.seq AND platform = v_one.platform;
    UPDATE notification SET batches = batches - v_one.batches WHERE seq = v_one.seq;
    PERFORM end_if_done(v_one.seq, p_now);
  END LOOP;
END $$;`;

/**
 * Moves what became due to where it is claimed from. Batches that somebody works on at this moment are
 * passed over: that is a result, or a lease that is prolonged, which came in time after all.
 */
const COLLECT = `
CREATE FUNCTION collect_due(p_now int8, p_max int4) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_ids int8[];
BEGIN
  WITH due AS MATERIALIZED (
    SELECT id FROM batch WHERE place < 2 AND due_at <= p_now
    ORDER BY due_at, id LIMIT p_max FOR UPDATE SKIP LOCKED)
  UPDATE batch SET node = NULL,
    place = CASE WHEN rate IS NULL OR expires_at <= p_now THEN 2 ELSE 3 END
  FROM due, notification
  WHERE batch.id = due.id AND notification.seq = batch.seq AND state <> 'cancelled';
  -- What was cancelled under a lease that ended is not sent again.
  v_ids := ARRAY (
    SELECT id FROM batch WHERE place = 1 AND due_at <= p_now
      AND seq IN (SELECT seq FROM notification WHERE state = 'cancelled' AND finished_at IS NULL)
    ORDER BY id LIMIT p_max FOR UPDATE SKIP LOCKED);
  IF v_ids <> '{}' THEN PERFORM cancel_batches(v_ids, p_now); END IF;
  -- What has expired is not paced.
  UPDATE batch SET place = 2 WHERE id = ANY (ARRAY (
    SELECT batch.id FROM notification JOIN batch ON batch.seq = notification.seq AND place = 3
    WHERE rate IS NOT NULL AND finished_at IS NULL AND expires_at <= p_now LIMIT p_max));
END $$;`;

/** When time alone lets the next batch be claimed. Not in SQL, whose functions are planned at each call. */
const DUE = `
CREATE FUNCTION next_due(p_now int8) RETURNS int8 LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN least(
    (SELECT due_at FROM batch JOIN lane ON lane.id = lane_id
      WHERE place < 2 AND (place = 1 OR pause_reason IS NULL) ORDER BY due_at LIMIT 1),
    (SELECT min(least(paced_at, expires_at)) FROM notification AS one
      WHERE rate IS NOT NULL AND finished_at IS NULL AND paced_at > p_now
        AND EXISTS (SELECT 1 FROM lane JOIN batch ON batch.lane_id = lane.id
          WHERE app_id = one.app_id AND pause_reason IS NULL AND seq = one.seq AND place = 3)),
    (SELECT min(expires_at) FROM notification AS one
      WHERE finished_at IS NULL AND expires_at > p_now
        AND app_id IN (SELECT app_id FROM lane WHERE pause_reason IS NOT NULL)
        AND EXISTS (SELECT 1 FROM lane JOIN batch ON batch.lane_id = lane.id
          WHERE app_id = one.app_id AND pause_reason IS NOT NULL AND seq = one.seq
            AND place IN (0, 2, 3))));
END $$;

-- Whether it is worth waiting for the queue's lock.
CREATE FUNCTION may_claim(p_now int8) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN EXISTS (SELECT 1 FROM batch WHERE place = 2)
    OR EXISTS (SELECT 1 FROM batch WHERE place < 2 AND due_at <= p_now)
    OR EXISTS (SELECT 1 FROM notification
      WHERE rate IS NOT NULL AND finished_at IS NULL AND (paced_at <= p_now OR expires_at <= p_now));
END $$;`;

/**
 * Which batches are in turn. Served lanes go behind all others, so the turns are rounds over the lanes
 * in one order until each has nothing more to give.
 */
const CHOOSE = `
CREATE FUNCTION next_batch(p_lane int4, p_app int4, p_expired boolean, p_time int8, p_id int8,
  p_rated int8[], p_now int8, OUT id int8, OUT seq int8, OUT virtual_time int8, OUT place int2)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  IF p_expired THEN
    SELECT batch.id, batch.seq, batch.virtual_time, batch.place INTO id, seq, virtual_time, place
    FROM notification JOIN batch ON batch.seq = notification.seq AND place = 2 AND lane_id = p_lane
    WHERE app_id = p_app AND finished_at IS NULL AND expires_at <= p_now
      AND (virtual_time, batch.id) > (p_time, p_id)
    ORDER BY virtual_time, batch.id LIMIT 1;
    RETURN;
  END IF;
  SELECT one.id, one.seq, one.virtual_time, one.place INTO id, seq, virtual_time, place FROM (
    (SELECT id, seq, virtual_time, place FROM batch
      WHERE place = 2 AND lane_id = p_lane AND (virtual_time, id) > (p_time, p_id)
      ORDER BY virtual_time, id LIMIT 1)
    UNION ALL
    SELECT first.* FROM notification AS owner CROSS JOIN LATERAL (
      SELECT id, seq, virtual_time, place FROM batch
      WHERE seq = owner.seq AND place = 3 AND lane_id = p_lane
      ORDER BY virtual_time, id LIMIT 1) AS first
    WHERE owner.seq = ANY (p_rated) AND app_id = p_app) AS one
  ORDER BY virtual_time, id LIMIT 1;
END $$;

CREATE FUNCTION open_lanes(p_rated int8[], p_lane_max int4, p_apps text[], p_platforms int2[],
  p_in_flight int4[], p_held boolean[])
RETURNS TABLE (id int4, app_id int4, expired boolean, free int4, served_at int8, app text,
  platform int2) LANGUAGE sql STABLE AS $$
  WITH RECURSIVE ready (id) AS (
    SELECT min(lane_id) FROM batch WHERE place = 2
    UNION ALL
    SELECT (SELECT min(lane_id) FROM batch WHERE place = 2 AND lane_id > ready.id)
    FROM ready WHERE ready.id IS NOT NULL),
  ours (id) AS (
    SELECT id FROM ready WHERE id IS NOT NULL
    UNION
    SELECT lane.id FROM notification JOIN lane ON lane.app_id = notification.app_id
    WHERE seq = ANY (p_rated) AND EXISTS (SELECT 1 FROM batch
      WHERE batch.seq = notification.seq AND place = 3 AND lane_id = lane.id))
  SELECT lane.id, lane.app_id, pause_reason IS NOT NULL OR coalesce(held, false),
    p_lane_max - coalesce(in_flight, 0), lane.served_at, app.name, lane.platform
  FROM ours JOIN lane ON lane.id = ours.id JOIN app ON app.id = lane.app_id
  LEFT JOIN unnest(p_apps, p_platforms, p_in_flight, p_held) AS load (app, platform, in_flight, held)
    ON load.app = app.name AND load.platform = lane.platform
$$;`;

/** Takes leases; the last row has no batch, but the time when to ask again. */
const CLAIM = `
CREATE FUNCTION claim_batches(p_node text, p_now int8, p_until int8, p_max int4, p_lane_max int4,
  p_due_max int4, p_apps text[], p_platforms int2[], p_in_flight int4[], p_held boolean[])
RETURNS TABLE (batch int8, token int4, deliveries int4, deaths int4, app text, platform int2,
  notification text, count int4, attempt int4, due_at int8) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_rated int8[];
  v_lanes int4[];
  v_apps int4[];
  v_expired boolean[];
  v_free int4[];
  v_times int8[];
  v_after int8[];
  v_reached int8[];
  v_served int8[];
  v_ids int8[] := '{}';
  v_seqs int8[] := '{}';
  v_one record;
  v_more boolean;
BEGIN
  IF NOT may_claim(p_now) THEN
    batch := NULL;
    due_at := next_due(p_now);
    RETURN NEXT;
    RETURN;
  END IF;
  PERFORM lock_queue();
  PERFORM collect_due(p_now, p_due_max);
  v_rated := ARRAY (SELECT seq FROM notification
    WHERE rate IS NOT NULL AND finished_at IS NULL AND paced_at <= p_now AND expires_at > p_now);
  SELECT array_agg(id), array_agg(app_id), array_agg(expired), array_agg(free),
    array_agg(-1::int8), array_agg(-1::int8), array_agg(0::int8), array_agg(NULL::int8)
  INTO v_lanes, v_apps, v_expired, v_free, v_times, v_after, v_reached, v_served
  FROM (SELECT * FROM open_lanes(v_rated, p_lane_max, p_apps, p_platforms, p_in_flight, p_held)
    ORDER BY served_at, app, platform) AS lanes;
  v_more := v_lanes IS NOT NULL;
  WHILE v_more LOOP
    v_more := false;
    FOR i IN 1 .. cardinality(v_lanes) LOOP
      EXIT WHEN cardinality(v_ids) >= p_max;
      CONTINUE WHEN v_free[i] <= 0;
      v_one := next_batch(v_lanes[i], v_apps[i], v_expired[i], v_times[i], v_after[i], v_rated,
        p_now);
      IF v_one.id IS NULL THEN
        v_free[i] := 0;
        CONTINUE;
      END IF;
      IF v_one.place = 3 THEN
        v_rated := array_remove(v_rated, v_one.seq);
      ELSE
        v_times[i] := v_one.virtual_time;
        v_after[i] := v_one.id;
      END IF;
      v_reached[i] := greatest(v_reached[i], v_one.virtual_time);
      v_served[i] := nextval('turn');
      v_free[i] := v_free[i] - 1;
      v_ids := v_ids || v_one.id;
      v_seqs := v_seqs || v_one.seq;
      v_more := true;
    END LOOP;
  END LOOP;
  IF v_ids <> '{}' THEN
    PERFORM lease_batches(p_node, p_now, p_until, v_ids, v_seqs);
    PERFORM 1 FROM lane WHERE id = ANY (v_lanes) ORDER BY id FOR NO KEY UPDATE;
    UPDATE lane SET served_at = served, virtual_time = greatest(virtual_time, reached)
    FROM unnest(v_lanes, v_served, v_reached) AS turn (lane_id, served, reached)
    WHERE lane.id = lane_id AND served IS NOT NULL;
  END IF;
  RETURN QUERY SELECT batch.id, batch.token, batch.deliveries, batch.deaths, app.name,
      lane.platform, notification.id, batch.count, batch.attempt, NULL::int8
    FROM unnest(v_ids) WITH ORDINALITY AS chosen (id, place) JOIN batch ON batch.id = chosen.id
      JOIN lane ON lane.id = lane_id JOIN app ON app.id = app_id
      JOIN notification ON notification.seq = batch.seq
    ORDER BY chosen.place;
  RETURN QUERY SELECT NULL::int8, NULL::int4, NULL::int4, NULL::int4, NULL::text, NULL::int2,
    NULL::text, NULL::int4, NULL::int4, next_due(p_now);
END $$;

CREATE FUNCTION lease_batches(p_node text, p_now int8, p_until int8, p_ids int8[], p_seqs int8[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE batch SET place = 1, token = token + 1, deliveries = deliveries + 1, due_at = p_until,
    node = p_node
  WHERE id = ANY (p_ids);
  PERFORM 1 FROM notification
    WHERE seq = ANY (p_seqs) AND (started_at IS NULL OR state = 'scheduled' OR rate IS NOT NULL)
    ORDER BY seq FOR NO KEY UPDATE;
  UPDATE notification SET started_at = coalesce(started_at, p_now),
    state = CASE state WHEN 'scheduled' THEN 'sending' ELSE state END
  WHERE seq = ANY (p_seqs) AND (started_at IS NULL OR state = 'scheduled');
  UPDATE notification SET paced_at = greatest(paced_at, p_now) + ceil(count * 1000 / rate)
  FROM batch
  WHERE batch.id = ANY (p_ids) AND notification.seq = batch.seq AND rate IS NOT NULL
    AND expires_at > p_now;
END $$;`;

/** Ends leases before their time: one by its holder, or all of a node that has ended. */
const HAND_BACK = `
CREATE FUNCTION release_batch(p_batch int8, p_token int4, p_not_before int8, p_now int8)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_seq int8;
  v_owner record;
BEGIN
  SELECT seq INTO v_seq FROM batch WHERE id = p_batch AND token = p_token AND place = 1 FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  -- Locked, for whoever cancels it at this moment takes the batch for leased.
  SELECT state, send_at, expires_at INTO v_owner FROM notification WHERE seq = v_seq
    FOR NO KEY UPDATE;
  IF v_owner.state = 'cancelled' THEN
    PERFORM cancel_batches(ARRAY[p_batch], p_now);
  ELSE
    UPDATE batch SET place = 0, node = NULL, deliveries = deliveries - 1,
      due_at = least(greatest(v_owner.send_at, p_not_before), v_owner.expires_at)
    WHERE id = p_batch;
  END IF;
END $$;

CREATE FUNCTION abandon_batches(p_node text, p_now int8) RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
  v_ids int8[];
  v_cancelled int8[];
BEGIN
  PERFORM lock_queue();
  UPDATE sink SET node = NULL WHERE node = p_node;
  v_ids := ARRAY (SELECT id FROM batch WHERE place = 1 AND node = p_node ORDER BY id FOR UPDATE);
  IF v_ids = '{}' THEN RETURN 0; END IF;
  PERFORM 1 FROM notification WHERE seq IN (SELECT seq FROM batch WHERE id = ANY (v_ids))
    ORDER BY seq FOR NO KEY UPDATE;
  v_cancelled := ARRAY (SELECT batch.id FROM batch JOIN notification USING (seq)
    WHERE batch.id = ANY (v_ids) AND state = 'cancelled');
  IF v_cancelled <> '{}' THEN PERFORM cancel_batches(v_cancelled, p_now); END IF;
  UPDATE batch SET place = 0, node = NULL, deliveries = deliveries - 1, deaths = deaths + 1,
    due_at = least(greatest(send_at, p_now), expires_at)
  FROM notification WHERE batch.id = ANY (v_ids) AND notification.seq = batch.seq;
  RETURN cardinality(v_ids);
END $$;`;

/** The functions of the queue. */
export const QUEUE: string = [CANCEL, COLLECT, DUE, CHOOSE, CLAIM, HAND_BACK].join("\n");
