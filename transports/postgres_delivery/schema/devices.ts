/**
 * The functions of apps, devices and their tags.
 *
 * Every statement names the app: no call reaches another tenant's devices. Rows of devices are locked in
 * the order of their numbers before any is changed, and new ones are added in the order of their ids.
 *
 * @module
 */

/** Apps. Whoever submits or registers holds the app's key, so that it cannot be removed under them. */
const APPS = `
CREATE FUNCTION save_app(p_name text, p_credentials text) RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
  v_app int4;
  v_version int4;
BEGIN
  -- One at a time; readers, and those who hold keys of apps, go on.
  LOCK TABLE app IN SHARE ROW EXCLUSIVE MODE;
  SELECT coalesce(max(version), 0) + 1 INTO v_version FROM app WHERE name = p_name;
  UPDATE app SET version = v_version, credentials = p_credentials
  WHERE name = p_name AND credentials IS NOT NULL RETURNING id INTO v_app;
  IF FOUND THEN
    PERFORM 1 FROM lane WHERE app_id = v_app ORDER BY id FOR NO KEY UPDATE;
    UPDATE lane SET pause_reason = NULL, paused_at = NULL
    WHERE app_id = v_app AND pause_reason IS NOT NULL;
  ELSE
    INSERT INTO app (name, version, credentials) VALUES (p_name, v_version, p_credentials)
    RETURNING id INTO v_app;
    INSERT INTO lane (app_id, platform) SELECT v_app, platform FROM generate_series(0, 2) AS platform;
  END IF;
  RETURN v_version;
END $$;

CREATE FUNCTION remove_app(p_name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_app int4;
BEGIN
  SELECT id INTO v_app FROM app WHERE name = p_name AND credentials IS NOT NULL FOR UPDATE;
  IF NOT FOUND THEN RETURN 'unknown'; END IF;
  PERFORM 1 FROM notification WHERE app_id = v_app AND finished_at IS NULL LIMIT 1;
  IF FOUND THEN RETURN 'busy'; END IF;
  UPDATE app SET credentials = NULL WHERE id = v_app;
  DELETE FROM lane WHERE app_id = v_app;
  RETURN 'removed';
END $$;`;

/** Removes devices that the caller has locked, or only their tags. */
const REMOVE = `
CREATE FUNCTION forget_tags(p_numbers int8[]) RETURNS void LANGUAGE sql AS $$
  DELETE FROM device_tag USING (
    SELECT number, tag.id FROM device
    CROSS JOIN LATERAL json_array_elements_text(tags::json) AS one (name)
    JOIN tag ON tag.app_id = device.app_id AND tag.name = one.name
    WHERE number = ANY (p_numbers)) AS gone
  WHERE device_tag.tag_id = gone.id AND device_tag.number = gone.number
$$;

CREATE FUNCTION remove_devices(p_numbers int8[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM forget_tags(p_numbers);
  DELETE FROM device WHERE number = ANY (p_numbers);
END $$;

CREATE FUNCTION remove_device(p_id text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_number int8;
BEGIN
  SELECT number INTO v_number FROM device WHERE id = p_id FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM remove_devices(ARRAY[v_number]);
  RETURN true;
END $$;

-- Devices of removed apps, and then their tags.
CREATE FUNCTION clear_removed_apps(p_limit int4) RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
  v_numbers int8[];
  v_tags int4;
BEGIN
  v_numbers := ARRAY (SELECT number FROM app CROSS JOIN LATERAL (
      SELECT number FROM device WHERE app_id = app.id ORDER BY app_id, state, number
      LIMIT p_limit) AS one
    WHERE credentials IS NULL LIMIT p_limit);
  v_numbers := ARRAY (SELECT number FROM device WHERE number = ANY (v_numbers) ORDER BY number
    FOR UPDATE SKIP LOCKED);
  IF v_numbers <> '{}' THEN
    PERFORM remove_devices(v_numbers);
    RETURN cardinality(v_numbers);
  END IF;
  -- Of devices that somebody else is removing at this moment, tags are still needed.
  DELETE FROM tag WHERE id = ANY (ARRAY (SELECT tag.id FROM app JOIN tag ON tag.app_id = app.id
    WHERE credentials IS NULL AND NOT EXISTS (SELECT 1 FROM device WHERE app_id = app.id)
    LIMIT p_limit));
  GET DIAGNOSTICS v_tags = ROW_COUNT;
  RETURN v_tags;
END $$;`;

/**
 * Registers devices of different ids. Answers for those that were not saved why: \`no_app\`, \`taken\`, or
 * \`raced\` when another node is registering the id at this moment, and the caller is to look again.
 */
const SAVE = `
CREATE FUNCTION save_devices(p_now int8, p_apps text[], p_ids text[], p_platforms int2[],
  p_addresses text[], p_keys bytea[], p_persons text[], p_tags text[], p_tag_places int4[],
  p_tag_names text[]) RETURNS TABLE (place int4, why text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_owners int4[];
  v_kinds text[];
  v_numbers int8[];
  v_new text[];
BEGIN
  PERFORM 1 FROM app WHERE name = ANY (p_apps) AND credentials IS NOT NULL ORDER BY id
    FOR KEY SHARE;
  v_owners := ARRAY (SELECT app.id FROM unnest(p_apps) WITH ORDINALITY AS one (name, place)
    LEFT JOIN app ON app.name = one.name AND credentials IS NOT NULL ORDER BY one.place);
  WITH known AS MATERIALIZED (
    SELECT * FROM device WHERE id = ANY (p_ids) ORDER BY number FOR UPDATE)
  SELECT array_agg(number ORDER BY place), array_agg(CASE
      WHEN owner IS NULL THEN 'no_app'
      WHEN number IS NULL THEN 'add'
      WHEN app_id = owner AND known.platform = one.platform
        THEN CASE WHEN known.tags IS NOT DISTINCT FROM one.tags THEN 'keep' ELSE 'replace' END
      WHEN app_id = owner OR credentials IS NULL THEN 'renew'
      ELSE 'taken' END ORDER BY place)
  INTO v_numbers, v_kinds
  FROM unnest(p_ids, v_owners, p_platforms, p_tags) WITH ORDINALITY
    AS one (id, owner, platform, tags, place)
  LEFT JOIN known USING (id) LEFT JOIN app ON app.id = app_id;
  RETURN QUERY SELECT (place - 1)::int4, kind FROM unnest(v_kinds) WITH ORDINALITY
    AS one (kind, place) WHERE kind IN ('no_app', 'taken');
  PERFORM forget_tags(ARRAY (SELECT number FROM unnest(v_kinds, v_numbers) AS one (kind, number)
    WHERE kind = 'replace'));
  -- On another platform it is another recipient: batches know it by its number.
  PERFORM remove_devices(ARRAY (SELECT number FROM unnest(v_kinds, v_numbers) AS one (kind, number)
    WHERE kind = 'renew'));
  UPDATE device SET address = one.address, keys = one.keys, person = one.person, tags = one.tags,
    registered_at = p_now, state = 0, reason = NULL, suspect = false
  FROM unnest(v_kinds, v_numbers, p_addresses, p_keys, p_persons, p_tags)
    AS one (kind, number, address, keys, person, tags)
  WHERE kind IN ('keep', 'replace') AND device.number = one.number;
  WITH added AS (
    INSERT INTO device (app_id, platform, registered_at, id, address, keys, person, tags)
    SELECT owner, platform, p_now, id, address, keys, person, tags
    FROM unnest(v_kinds, v_owners, p_platforms, p_ids, p_addresses, p_keys, p_persons, p_tags)
      AS one (kind, owner, platform, id, address, keys, person, tags)
    WHERE kind IN ('add', 'renew') ORDER BY id
    ON CONFLICT (id) DO NOTHING RETURNING number, id)
  SELECT array_agg(coalesce(added.number, known.number) ORDER BY place),
    array_agg(CASE WHEN kind IN ('add', 'renew') AND added.number IS NULL THEN 'raced'
      ELSE kind END ORDER BY place)
  INTO v_numbers, v_kinds
  FROM unnest(p_ids, v_kinds, v_numbers) WITH ORDINALITY AS known (id, kind, number, place)
  LEFT JOIN added USING (id);
  RETURN QUERY SELECT (place - 1)::int4, kind FROM unnest(v_kinds) WITH ORDINALITY
    AS one (kind, place) WHERE kind = 'raced';
  PERFORM add_tags(v_owners, v_kinds, v_numbers, p_tag_places, p_tag_names);
END $$;

CREATE FUNCTION add_tags(p_owners int4[], p_kinds text[], p_numbers int8[], p_places int4[],
  p_names text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tag (app_id, name)
  SELECT DISTINCT p_owners[place], name FROM unnest(p_places, p_names) AS one (place, name)
  WHERE p_kinds[place] IN ('add', 'renew', 'replace')
    AND NOT EXISTS (SELECT 1 FROM tag WHERE app_id = p_owners[place] AND tag.name = one.name)
  ORDER BY 1, 2 ON CONFLICT DO NOTHING;
  INSERT INTO device_tag (tag_id, number)
  SELECT tag.id, p_numbers[place] FROM unnest(p_places, p_names) AS one (place, name)
  JOIN tag ON app_id = p_owners[place] AND tag.name = one.name
  WHERE p_kinds[place] IN ('add', 'renew', 'replace')
  ORDER BY 1, 2;
END $$;`;

/** Marks devices as invalid that are still what rows say, in the order of the rows; says how many. */
const INVALIDATE = `
CREATE FUNCTION invalidate(p_ids text[], p_apps text[], p_platforms int2[], p_addresses text[],
  p_before int8[], p_reasons text[]) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  v_count int8;
BEGIN
  PERFORM 1 FROM device WHERE id = ANY (p_ids) ORDER BY number FOR NO KEY UPDATE;
  WITH meant AS (
    SELECT DISTINCT ON (number) number, one.reason
    FROM unnest(p_ids, p_apps, p_platforms, p_addresses, p_before, p_reasons) WITH ORDINALITY
      AS one (id, app, platform, address, before, reason, place)
    JOIN app ON app.name = one.app AND credentials IS NOT NULL
    JOIN device ON device.id = one.id AND app_id + 0 = app.id AND device.platform = one.platform
      AND device.address = one.address AND registered_at <= before AND state + 0 = 0
    ORDER BY number, one.place)
  UPDATE device SET state = 1, reason = meant.reason FROM meant
  WHERE device.number = meant.number;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END $$;`;

/** The functions of apps and devices. */
export const DEVICES: string = [APPS, REMOVE, SAVE, INVALIDATE].join("\n");
