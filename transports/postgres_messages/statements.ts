/**
 * The statements of the writes, each over a list of them in which a user agent comes once.
 *
 * Lists of lists are one parameter for each column, put together by `unnest`; `WITH ORDINALITY` numbers
 * the writes from 1, and answers carry the number. All statements of a transaction come after the
 * one that locked the user agents: what they read of those is what is true until the commit. A row is
 * looked for by `(SELECT true …)` and not by `EXISTS`, for which the planner may read a whole table
 * into memory.
 *
 * @module
 */

import { sql, type Statement } from "../postgres/mod.ts";
import type { OperationOf } from "./operations.ts";

/** Removes user agents that have lapsed, with all that is theirs. */
export function removeLapsedUsers(saves: readonly OperationOf<"save_user">[]): Statement {
  return sql`DELETE FROM user_agent
    USING unnest(${saves.map(({ user }) => user.uaid)}::uuid[],
      ${saves.map(({ lapsedAt }) => lapsedAt)}::int8[]) AS given (uaid, lapsed_at)
    WHERE user_agent.uaid = given.uaid AND connected_at <= lapsed_at`;
}

/** Creates user agents, or sets when they were seen. */
export function saveUsers(saves: readonly OperationOf<"save_user">[]): Statement {
  return sql`INSERT INTO user_agent (uaid, connected_at)
    SELECT * FROM unnest(${saves.map(({ user }) => user.uaid)}::uuid[],
      ${saves.map(({ user }) => user.connectedAt)}::int8[]) AS given (uaid, connected_at)
    ORDER BY uaid
    ON CONFLICT (uaid) DO UPDATE SET connected_at = excluded.connected_at`;
}

/** Sets when user agents were seen; a row for each that is known. */
export function refreshUsers(refreshed: readonly OperationOf<"refresh_user">[]): Statement {
  return sql`UPDATE user_agent SET connected_at = given.seen_at
    FROM unnest(${refreshed.map(({ user }) => user.uaid)}::uuid[],
      ${refreshed.map(({ user }) => user.connectedAt)}::int8[],
      ${refreshed.map(({ lapsedAt }) => lapsedAt)}::int8[])
      WITH ORDINALITY AS given (uaid, seen_at, lapsed_at, place)
    WHERE user_agent.uaid = given.uaid AND connected_at > lapsed_at
    RETURNING place`;
}

/** Removes user agents with all that is theirs. */
export function removeUsers(removed: readonly OperationOf<"remove_user">[]): Statement {
  return sql`DELETE FROM user_agent WHERE uaid = ANY(${removed.map(({ uaid }) => uaid)}::uuid[])`;
}

/** Adds channels within their limits; a row with the outcome for each. */
export function addChannels(added: readonly OperationOf<"add_channel">[]): Statement {
  return sql`WITH judged AS (
      SELECT place, id AS user_id, given.channel_id, CASE
        WHEN id IS NULL THEN 'no_user'
        WHEN (SELECT true FROM channel
          WHERE user_id = id AND channel.channel_id = given.channel_id) THEN 'added'
        WHEN (SELECT count(*) FROM (SELECT 1 FROM channel WHERE user_id = id
          LIMIT channels_max) AS counted) >= channels_max THEN 'over_limit'
        ELSE 'added' END AS outcome
      FROM unnest(${added.map(({ uaid }) => uaid)}::uuid[],
        ${added.map(({ channelId }) => channelId)}::uuid[],
        ${added.map(({ channelsMax }) => channelsMax)}::int8[],
        ${added.map(({ lapsedAt }) => lapsedAt)}::int8[])
        WITH ORDINALITY AS given (uaid, channel_id, channels_max, lapsed_at, place)
      LEFT JOIN user_agent ON user_agent.uaid = given.uaid AND connected_at > lapsed_at
    ), inserted AS (
      INSERT INTO channel (user_id, channel_id)
      SELECT user_id, channel_id FROM judged WHERE outcome = 'added'
      ON CONFLICT DO NOTHING
    )
    SELECT place, outcome FROM judged`;
}

/** Removes channels with their waiting messages; a row for each that existed. */
export function removeChannels(removed: readonly OperationOf<"remove_channel">[]): Statement {
  return sql`WITH chosen AS (
      SELECT place, id AS user_id, channel_id
      FROM unnest(${removed.map(({ uaid }) => uaid)}::uuid[],
        ${removed.map(({ channelId }) => channelId)}::uuid[],
        ${removed.map(({ lapsedAt }) => lapsedAt)}::int8[])
        WITH ORDINALITY AS given (uaid, channel_id, lapsed_at, place)
      JOIN user_agent ON user_agent.uaid = given.uaid AND connected_at > lapsed_at
    ), emptied AS (
      DELETE FROM message USING chosen
      WHERE message.user_id = chosen.user_id AND message.channel_id = chosen.channel_id
    )
    DELETE FROM channel USING chosen
    WHERE channel.user_id = chosen.user_id AND channel.channel_id = chosen.channel_id
    RETURNING place`;
}

/** Removes messages of user agents. */
export function removeMessages(removed: readonly OperationOf<"remove_messages">[]): Statement {
  const uaids = removed.flatMap(({ uaid, sortKeys }) => sortKeys.map(() => uaid));
  const sortKeys = removed.flatMap(({ sortKeys }) => sortKeys);
  // With the offset each is looked up by both parts of its key, and not among all that wait for its owner.
  return sql`DELETE FROM message
    USING (SELECT id, sort_key FROM unnest(${uaids}::uuid[], ${sortKeys}::int8[])
      AS given (uaid, sort_key) JOIN user_agent USING (uaid) OFFSET 0) AS gone
    WHERE message.user_id = id AND message.sort_key = gone.sort_key`;
}

/** Says where user agents are now; a row for each with where it was, NULL when it was nowhere. */
export function arrivals(arrived: readonly OperationOf<"arrive">[]): Statement {
  return sql`WITH given AS (
      SELECT * FROM unnest(${arrived.map(({ uaid }) => uaid)}::uuid[],
        ${arrived.map(({ at }) => at.node)}::text[],
        ${arrived.map(({ at }) => at.session)}::text[])
        WITH ORDINALITY AS given (uaid, node, session, place)
    ), placed AS (
      INSERT INTO presence (uaid, node, session)
      SELECT uaid, node, session FROM given ORDER BY uaid
      ON CONFLICT (uaid) DO UPDATE SET node = excluded.node, session = excluded.session,
        node_before = presence.node, session_before = presence.session
      RETURNING uaid, node_before, session_before
    )
    SELECT place, node_before AS node, session_before AS session FROM placed JOIN given USING (uaid)`;
}

/** Forgets where user agents are, unless they have arrived elsewhere since. */
export function departures(departed: readonly OperationOf<"depart">[]): Statement {
  return sql`DELETE FROM presence
    USING unnest(${departed.map(({ uaid }) => uaid)}::uuid[],
      ${departed.map(({ at }) => at.node)}::text[],
      ${departed.map(({ at }) => at.session)}::text[]) AS given (uaid, node, session)
    WHERE presence.uaid = given.uaid AND presence.node = given.node
      AND presence.session = given.session`;
}

/** Writes something that changes nothing. */
export function touch(slot: number): Statement {
  return sql`UPDATE sort_key_mark SET largest = largest WHERE slot = ${slot}`;
}

/**
 * Stores messages; a row with the outcome for each. One with a topic takes the place of the one before.
 *
 * Expired messages do not count for the limit. They are removed here, and only where the limit is
 * reached, which keeps the count cheap: a user agent never has more rows than the limit allows,
 * however short-lived its messages are.
 */
export function saveMessages(
  saves: readonly OperationOf<"save_message">[],
  slot: number,
): Statement {
  const messages = saves.map(({ message }) => message);
  const headers = messages.map(({ content }) => content?.headers);
  return sql`WITH given AS (
      SELECT *,
        last_sort_key AS largest,
        (SELECT count(*) FROM (SELECT 1 FROM message WHERE user_id = user_agent.id
          LIMIT waiting_max + 1) AS counted) AS rows
      FROM unnest(${messages.map(({ uaid }) => uaid)}::uuid[],
        ${messages.map(({ channelId }) => channelId)}::uuid[],
        ${messages.map(({ sortKey }) => sortKey)}::int8[],
        ${messages.map(({ version }) => version)}::text[],
        ${messages.map(({ ttlSeconds }) => ttlSeconds)}::int8[],
        ${messages.map(({ expiresAt }) => expiresAt)}::int8[],
        ${messages.map(({ topic }) => topic ?? null)}::text[],
        ${headers.map((header) => header?.encoding ?? null)}::text[],
        ${headers.map((header) => header?.encryption ?? null)}::text[],
        ${headers.map((header) => header?.crypto_key ?? null)}::text[],
        ${messages.map(({ content }) => content?.body ?? null)}::bytea[],
        ${saves.map(({ waitingMax }) => waitingMax)}::int8[],
        ${saves.map(({ lapsedAt }) => lapsedAt)}::int8[],
        ${saves.map(({ nowMs }) => Math.floor(nowMs / 1000))}::int8[])
        WITH ORDINALITY AS offered (offered_uaid, channel_id, sort_key, version, ttl_seconds,
          expires_at, topic, encoding, encryption, crypto_key, body,
          waiting_max, lapsed_at, now, place)
      LEFT JOIN user_agent ON user_agent.uaid = offered_uaid AND connected_at > lapsed_at
    ), judged AS (
      SELECT *, CASE
        WHEN id IS NULL THEN 'no_user'
        WHEN (SELECT true FROM channel WHERE user_id = given.id
          AND channel.channel_id = given.channel_id) IS NULL THEN 'no_channel'
        WHEN rows > waiting_max AND (SELECT count(*) FROM message
          WHERE user_id = given.id AND message.expires_at > now) > waiting_max THEN 'over_limit'
        WHEN largest >= sort_key THEN 'behind'
        ELSE 'stored' END AS outcome
      FROM given
    ), cleared AS (
      DELETE FROM message USING given WHERE rows > waiting_max
        AND message.user_id = given.id AND message.expires_at <= now
    ), stored AS (
      INSERT INTO message (user_id, sort_key, channel_id, version, ttl_seconds, expires_at, topic,
        encoding, encryption, crypto_key, body)
      SELECT id, sort_key, channel_id, version, ttl_seconds, expires_at, topic, encoding,
        encryption, crypto_key, body
      FROM judged WHERE outcome = 'stored'
      ON CONFLICT (user_id, channel_id, topic) WHERE topic IS NOT NULL DO UPDATE SET
        sort_key = excluded.sort_key, version = excluded.version,
        ttl_seconds = excluded.ttl_seconds, expires_at = excluded.expires_at,
        encoding = excluded.encoding, encryption = excluded.encryption,
        crypto_key = excluded.crypto_key, body = excluded.body
    ), placed AS (
      UPDATE user_agent SET last_sort_key = judged.sort_key FROM judged
      WHERE user_agent.id = judged.id AND outcome = 'stored'
    ), marked AS (
      UPDATE sort_key_mark SET largest = greatest(largest,
        (SELECT max(sort_key) FROM judged WHERE outcome = 'stored'))
      WHERE slot = ${slot} AND largest <
        (SELECT max(sort_key) FROM judged WHERE outcome = 'stored')
    )
    SELECT place, outcome, largest FROM judged`;
}
