/**
 * The functions of sinks, dead letters and the sweep.
 *
 * @module
 */

/** Sinks. A new one begins at the newest entry that is committed: nobody draws positions under the lock of the logs. */
const SINKS = `
CREATE FUNCTION sink_position(p_name text, p_log text) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  v_position int8;
BEGIN
  SELECT position INTO v_position FROM sink WHERE name = p_name;
  IF FOUND THEN RETURN v_position; END IF;
  PERFORM lock_logs();
  INSERT INTO sink (name, position) SELECT p_name, CASE p_log
      WHEN 'rows' THEN (SELECT CASE WHEN is_called THEN last_value ELSE 0 END
        FROM delivery_position_seq)
      ELSE (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tally_position_seq) END
  ON CONFLICT DO NOTHING;
  SELECT position INTO STRICT v_position FROM sink WHERE name = p_name;
  RETURN v_position;
END $$;

CREATE FUNCTION claim_sink(p_name text, p_log text, p_node text, p_now int8, p_until int8)
RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  v_position int8;
BEGIN
  PERFORM sink_position(p_name, p_log);
  UPDATE sink SET node = CASE WHEN p_until > p_now THEN p_node END, until = p_until
  WHERE name = p_name AND (node IS NULL OR node = p_node OR until <= p_now)
  RETURNING position INTO v_position;
  RETURN v_position;
END $$;`;

/** Dead letters. */
const LETTERS = `
CREATE FUNCTION bury(p_source text, p_entry text, p_reason text, p_body text, p_at int8,
  p_max int4) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM dead_letter WHERE source = p_source AND entry = p_entry;
  -- Buried by another node at this moment, it is buried.
  INSERT INTO dead_letter (source, entry, reason, body, at)
  VALUES (p_source, p_entry, p_reason, p_body, p_at) ON CONFLICT DO NOTHING;
  DELETE FROM dead_letter WHERE id <= (SELECT id FROM dead_letter ORDER BY id DESC
    LIMIT 1 OFFSET p_max);
END $$;`;

/**
 * The sweep: what other nodes are sweeping at this moment is passed over. Arrays, for the planner would
 * read a whole table to find a limited number of its rows.
 */
const SWEEP = `
CREATE FUNCTION sweep(p_ended_before int8, p_limit int4, p_notifications int4) RETURNS int4
LANGUAGE plpgsql AS $$
DECLARE
  v_left int4 := p_limit;
  v_some int4;
  v_seq int8;
BEGIN
  DELETE FROM tally WHERE position = ANY (ARRAY (SELECT position FROM tally
    WHERE at < p_ended_before ORDER BY at, position LIMIT v_left FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS v_some = ROW_COUNT;
  v_left := v_left - v_some;
  IF v_left = 0 THEN RETURN p_limit; END IF;
  FOR v_seq IN SELECT seq FROM notification WHERE finished_at < p_ended_before
    ORDER BY finished_at LIMIT p_notifications FOR UPDATE SKIP LOCKED
  LOOP
    DELETE FROM delivery WHERE position = ANY (ARRAY (SELECT position FROM delivery
      WHERE seq = v_seq LIMIT v_left));
    GET DIAGNOSTICS v_some = ROW_COUNT;
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
  RETURN p_limit - v_left;
END $$;`;

/** The functions of sinks, dead letters and the sweep. */
export const HOUSEKEEPING: string = [SINKS, LETTERS, SWEEP].join("\n");
