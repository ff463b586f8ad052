/**
 * The functions of notifications in the database: submission, direct recipients, closing, cancelling,
 * and the steps of an expansion.
 *
 * Invariants: the cursor of an expansion moves in the transaction that adds the batches, under the
 * notification's lock; devices are visited in the order of their numbers, so each is found once,
 * however many of its tags match and however many nodes expand; devices registered after the first step
 * are not in the audience.
 *
 * Why in the database: an audience never comes to the node, and a step is one call.
 *
 * @module
 */

import { RATED_BATCH_SECONDS } from "../limits.ts";

/** Adds batches; the turn of each comes after the last one of its notification. The caller has locked the notification. */
const ADD_BATCHES = `
CREATE FUNCTION batch_due(p_owner notification) RETURNS int8 LANGUAGE sql IMMUTABLE AS $$
  -- An open notification waits for being closed.
  SELECT CASE p_owner.state WHEN 'open' THEN p_owner.expires_at
    ELSE least(p_owner.send_at, p_owner.expires_at) END
$$;

-- The virtual time after which the next batch of a notification on a platform comes.
CREATE FUNCTION last_turn(p_seq int8, p_app int4, p_platform int2) RETURNS int8
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN greatest(
    (SELECT virtual_time FROM progress WHERE seq = p_seq AND platform = p_platform),
    (SELECT virtual_time FROM lane WHERE app_id = p_app AND platform = p_platform));
END $$;

CREATE FUNCTION count_batches(p_seq int8, p_platform int2, p_virtual_time int8, p_total int8,
  p_batches int8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO progress (seq, platform, virtual_time, total)
  VALUES (p_seq, p_platform, p_virtual_time, p_total)
  ON CONFLICT (seq, platform) DO UPDATE SET virtual_time = excluded.virtual_time,
    total = progress.total + excluded.total;
  UPDATE notification SET batches = batches + p_batches WHERE seq = p_seq;
END $$;

CREATE FUNCTION add_devices(p_owner notification, p_platform int2, p_numbers int8[], p_size int4)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_turn int8 := last_turn(p_owner.seq, p_owner.app_id, p_platform);
  v_total int4 := cardinality(p_numbers);
  v_parts int4 := ceil(v_total::float8 / p_size);
BEGIN
  IF p_numbers IS NULL THEN RETURN; END IF;
  INSERT INTO batch (seq, lane_id, count, attempt, due_at, virtual_time, numbers)
  SELECT p_owner.seq, lane.id, least(p_size, v_total - (part - 1) * p_size), 0,
    batch_due(p_owner), v_turn + part, p_numbers[(part - 1) * p_size + 1 : part * p_size]
  FROM lane, generate_series(1, v_parts) AS part
  WHERE app_id = p_owner.app_id AND platform = p_platform ORDER BY part;
  PERFORM count_batches(p_owner.seq, p_platform, v_turn + v_parts, v_total, v_parts);
END $$;

-- Numbers direct recipients, which come in parts of one platform each, platform by platform.
CREATE FUNCTION add_direct(p_owner notification, p_call uuid, p_platforms int2[],
  p_counts int4[], p_addresses text[], p_keys bytea[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_last int8 := p_owner.numbered;
  v_turn int8;
  v_chunk int8;
  v_platform int2;
  v_due int8 := batch_due(p_owner);
BEGIN
  FOR i IN 1 .. cardinality(p_platforms) LOOP
    IF v_platform IS DISTINCT FROM p_platforms[i] THEN
      v_platform := p_platforms[i];
      v_turn := last_turn(p_owner.seq, p_owner.app_id, v_platform);
    END IF;
    v_turn := v_turn + 1;
    INSERT INTO chunk (seq, call, first_number, addresses, keys)
    VALUES (p_owner.seq, p_call, v_last + 1, p_addresses[i], p_keys[i]) RETURNING id INTO v_chunk;
    INSERT INTO batch (seq, lane_id, chunk_id, count, attempt, due_at, virtual_time, numbers)
    SELECT p_owner.seq, id, v_chunk, p_counts[i], 0, v_due, v_turn,
      ARRAY (SELECT generate_series(v_last + 1, v_last + p_counts[i]))
    FROM lane WHERE app_id = p_owner.app_id AND platform = v_platform;
    PERFORM count_batches(p_owner.seq, v_platform, v_turn, p_counts[i], 1);
    v_last := v_last + p_counts[i];
  END LOOP;
  UPDATE notification SET numbered = v_last WHERE seq = p_owner.seq;
END $$;`;

/** Submits a notification, unless it or its key is there already, maybe by another node at this moment. */
const SUBMIT = `
CREATE FUNCTION submit(p_app text, p_id text, p_key text, p_digest text, p_direct boolean,
  p_send_at int8, p_expires_at int8, p_rate float8, p_state text, p_expand_at int8,
  p_created_at int8, p_body text, p_audience text, p_names text[], p_platforms int2[],
  p_counts int4[], p_addresses text[], p_keys bytea[], OUT kind text, OUT id text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_app int4;
  v_owner notification;
  v_same notification;
BEGIN
  -- The app stays while this goes on.
  SELECT app.id INTO v_app FROM app WHERE name = p_app AND credentials IS NOT NULL FOR KEY SHARE;
  IF NOT FOUND THEN
    kind := 'no_app';
    RETURN;
  END IF;
  LOOP
    SELECT * INTO v_same FROM notification WHERE app_id = v_app AND idempotency_key = p_key;
    IF FOUND THEN
      kind := CASE v_same.digest WHEN p_digest THEN 'repeated' ELSE 'conflict' END;
      id := v_same.id;
      RETURN;
    END IF;
    SELECT * INTO v_same FROM notification WHERE notification.id = p_id;
    IF FOUND THEN
      kind := CASE WHEN v_same.app_id = v_app AND v_same.digest = p_digest THEN 'accepted'
        ELSE 'conflict' END;
      id := p_id;
      RETURN;
    END IF;
    -- Waits for another one with this key or id, and then looks again.
    INSERT INTO notification (id, app_id, idempotency_key, digest, direct, send_at, expires_at,
      rate, state, expand_at)
    VALUES (p_id, v_app, p_key, p_digest, p_direct, p_send_at, p_expires_at, p_rate, p_state,
      p_expand_at)
    ON CONFLICT DO NOTHING RETURNING * INTO v_owner;
    EXIT WHEN FOUND;
  END LOOP;
  INSERT INTO campaign (seq, body, audience, names)
  VALUES (v_owner.seq, p_body, p_audience, p_names);
  IF p_direct THEN
    PERFORM add_direct(v_owner, NULL, p_platforms, p_counts, p_addresses, p_keys);
    PERFORM end_if_done(v_owner.seq, p_created_at);
  END IF;
  kind := 'accepted';
  id := p_id;
END $$;

-- A call that comes again, for its answer was lost, has been done.
CREATE FUNCTION add_recipients(p_id text, p_call uuid, p_platforms int2[], p_counts int4[],
  p_addresses text[], p_keys bytea[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_owner notification;
BEGIN
  SELECT * INTO v_owner FROM notification WHERE id = p_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN 'unknown'; END IF;
  PERFORM 1 FROM chunk WHERE seq = v_owner.seq AND call = p_call LIMIT 1;
  IF FOUND THEN RETURN 'added'; END IF;
  IF v_owner.state <> 'open' THEN RETURN 'closed'; END IF;
  PERFORM add_direct(v_owner, p_call, p_platforms, p_counts, p_addresses, p_keys);
  RETURN 'added';
END $$;`;

/** Ends the waiting of an open notification, or everything that waits. Both move batches of others: they take the queue's lock. */
const END = `
CREATE FUNCTION close_notification(p_id text, p_now int8) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_owner notification;
BEGIN
  PERFORM lock_queue();
  SELECT * INTO v_owner FROM notification WHERE id = p_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN 'unknown'; END IF;
  IF v_owner.state <> 'open' THEN RETURN 'already_closed'; END IF;
  UPDATE notification SET expand_at = NULL,
    state = CASE WHEN send_at > p_now THEN 'scheduled' ELSE 'sending' END
  WHERE seq = v_owner.seq;
  UPDATE batch SET place = 0, due_at = least(v_owner.send_at, v_owner.expires_at)
  WHERE seq = v_owner.seq AND place <> 1;
  PERFORM end_if_done(v_owner.seq, p_now);
  RETURN 'closed';
END $$;

CREATE FUNCTION cancel_notification(p_id text, p_now int8) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_owner notification;
BEGIN
  PERFORM lock_queue();
  SELECT * INTO v_owner FROM notification WHERE id = p_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN 'unknown'; END IF;
  IF v_owner.state IN ('done', 'cancelled') THEN RETURN 'already_ended'; END IF;
  UPDATE notification SET state = 'cancelled', expand_at = NULL WHERE seq = v_owner.seq;
  PERFORM cancel_batches(
    ARRAY (SELECT id FROM batch WHERE seq = v_owner.seq AND place <> 1), p_now);
  PERFORM end_if_done(v_owner.seq, p_now);
  RETURN 'cancelled';
END $$;`;

/**
 * One step through an audience. Pairs and triples are compared as a whole, and signs added, where the
 * planner knows too little: it would walk all devices in their order for the few of a small app.
 * Members are looked for by an index in the order of their numbers, and those found then sorted out by
 * their devices, so a step's work is bounded, however rare a tag is and however many devices are
 * invalid.
 */
const EXPAND = `
CREATE FUNCTION members(p_audience text, p_names text[], p_tags int4[], p_app int4, p_after int8,
  p_until int8, p_limit int4) RETURNS int8[] LANGUAGE plpgsql STABLE AS $$
BEGIN
  CASE p_audience
  WHEN 'devices' THEN
    RETURN ARRAY (SELECT number FROM device
      WHERE id = ANY (p_names) AND app_id + 0 = p_app AND number + 0 > p_after
        AND number + 0 <= p_until
      ORDER BY number + 0 LIMIT p_limit);
  WHEN 'users' THEN
    RETURN ARRAY (SELECT number FROM unnest(p_names) AS name CROSS JOIN LATERAL (
        SELECT number FROM device
        WHERE app_id = p_app AND person = name AND number > p_after AND number <= p_until
        ORDER BY number LIMIT p_limit) AS one
      ORDER BY number LIMIT p_limit);
  WHEN 'tags' THEN
    RETURN ARRAY (SELECT DISTINCT number FROM unnest(p_tags) AS tag CROSS JOIN LATERAL (
        SELECT number FROM device_tag
        WHERE tag_id = tag AND number > p_after AND number <= p_until
        ORDER BY number LIMIT p_limit) AS one
      ORDER BY number LIMIT p_limit);
  END CASE;
END $$;

CREATE FUNCTION expand(p_id text, p_limit int4, p_batch_max int4, p_looks int4, p_now int8,
  OUT added int8, OUT done boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_owner notification;
  v_state text;
  v_audience text;
  v_names text[];
  v_tags int4[];
  v_found int8[];
  v_parts record;
  v_cursor int8;
  v_until int8;
  v_size int4;
  v_apns int8[] := '{}';
  v_fcm int8[] := '{}';
  v_webpush int8[] := '{}';
BEGIN
  added := 0;
  done := true;
  SELECT state INTO v_state FROM notification WHERE id = p_id AND expand_at IS NOT NULL;
  IF v_state = 'open' THEN
    PERFORM close_notification(id, p_now) FROM notification WHERE id = p_id AND expires_at <= p_now;
    RETURN;
  END IF;
  SELECT * INTO v_owner FROM notification WHERE id = p_id AND expand_at IS NOT NULL
    FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  SELECT audience, names INTO v_audience, v_names FROM campaign WHERE seq = v_owner.seq;
  v_tags := ARRAY (SELECT tag.id FROM tag WHERE app_id = v_owner.app_id AND name = ANY (v_names));
  v_cursor := v_owner.cursor;
  v_until := coalesce(v_owner.last_device, (SELECT max(number) FROM device), 0);
  FOR look IN 1 .. p_looks LOOP
    EXIT WHEN v_cursor >= v_until OR added >= p_limit;
    IF v_audience = 'all' THEN
      SELECT array_agg(number) FILTER (WHERE platform = 0) AS apns,
        array_agg(number) FILTER (WHERE platform = 1) AS fcm,
        array_agg(number) FILTER (WHERE platform = 2) AS webpush, count(*) AS count,
        max(number) AS last
      INTO v_parts FROM (SELECT number, platform FROM device
        WHERE (app_id, state, number) > (v_owner.app_id, 0, v_cursor)
          AND (app_id, state, number) <= (v_owner.app_id, 0, v_until)
        ORDER BY app_id, state, number LIMIT p_limit) AS found;
      added := v_parts.count;
      v_cursor := CASE WHEN added < p_limit THEN v_until ELSE v_parts.last END;
      v_apns := v_parts.apns;
      v_fcm := v_parts.fcm;
      v_webpush := v_parts.webpush;
      EXIT;
    END IF;
    v_found := members(v_audience, v_names, v_tags, v_owner.app_id, v_cursor, v_until,
      p_limit - added::int4);
    v_cursor := CASE WHEN cardinality(v_found) < p_limit - added THEN v_until
      ELSE v_found[cardinality(v_found)] END;
    SELECT array_agg(number) FILTER (WHERE platform = 0) AS apns,
      array_agg(number) FILTER (WHERE platform = 1) AS fcm,
      array_agg(number) FILTER (WHERE platform = 2) AS webpush, count(*) AS count
    INTO v_parts FROM (SELECT found AS number, platform
      FROM unnest(v_found) WITH ORDINALITY AS one (found, place)
      -- Each is looked up: without the offset all devices would be read for some thousand of them.
      CROSS JOIN LATERAL (SELECT platform FROM device
        WHERE number = found AND app_id = v_owner.app_id AND state = 0 OFFSET 0) AS device
      ORDER BY place) AS found;
    v_apns := v_apns || v_parts.apns;
    v_fcm := v_fcm || v_parts.fcm;
    v_webpush := v_webpush || v_parts.webpush;
    added := added + v_parts.count;
  END LOOP;
  v_size := greatest(1, least(floor(v_owner.rate * ${RATED_BATCH_SECONDS}), p_batch_max));
  IF v_apns <> '{}' THEN PERFORM add_devices(v_owner, 0::int2, v_apns, v_size); END IF;
  IF v_fcm <> '{}' THEN PERFORM add_devices(v_owner, 1::int2, v_fcm, v_size); END IF;
  IF v_webpush <> '{}' THEN PERFORM add_devices(v_owner, 2::int2, v_webpush, v_size); END IF;
  done := v_cursor >= v_until;
  UPDATE notification SET cursor = v_cursor, last_device = v_until,
    state = CASE WHEN done THEN 'sending' ELSE 'expanding' END,
    expand_at = CASE WHEN done THEN NULL ELSE send_at END
  WHERE seq = v_owner.seq;
  IF done THEN PERFORM end_if_done(v_owner.seq, p_now); END IF;
END $$;`;

/** The functions of notifications. */
export const NOTIFICATIONS: string = [ADD_BATCHES, SUBMIT, END, EXPAND].join("\n");
