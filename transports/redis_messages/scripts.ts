/**
 * The steps of the message store that must not be torn apart, as scripts.
 *
 * All of them are called with the keys of one user agent in the order of `Keys.ofUser`, the save with
 * one more; and with the user agent's id, the caller's clock and the user lifetime, both in
 * milliseconds, as their first arguments. Whoever was last seen a lifetime ago counts as absent.
 *
 * @module
 */

import { type KeyType, RedisScript } from "../redis/script.ts";
import { EXPIRED_PER_SAVE, MARGIN_MS } from "./limits.ts";

/** Types of the keys of a user agent, then of the largest sort key. */
const TYPES: readonly KeyType[] = [
  "hash",
  "set",
  "zset",
  "zset",
  "zset",
  "hash",
  "hash",
  "zset",
  "string",
];

/** What the scripts share. Numbers become texts by format: Lua would write large ones with an exponent. */
const COMMON = `
local USER, CHANNELS, PLAIN, TOPICS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local EXPIRY, MESSAGES, AT, DUE = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local call = redis.call
local uaid, now_ms, lifetime_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function text(number) return string.format('%.0f', number) end

-- When the user agent was last seen, in milliseconds; false when there is none, nil when it is not said.
local function seen_ms()
  local seen = call('HGET', USER, 'connected_at')
  if seen then return tonumber(seen) end
  if call('EXISTS', USER) == 1 then return nil end
  return false
end

local function lapsed(seen) return seen <= now_ms - lifetime_ms end

local DAMAGED = redis.error_reply('DAMAGED 1 connected_at')

-- How long Redis keeps what belongs to a user agent that was last seen then.
local function kept_ms(seen)
  return text(math.max(seen + lifetime_ms - now_ms, 0) + ${MARGIN_MS})
end

local function remove_user()
  call('ZREM', DUE, uaid)
  call('UNLINK', USER, CHANNELS, PLAIN, TOPICS, EXPIRY, MESSAGES)
end

-- Looks at all keys of messages before the first is written: Redis does not undo the writes of a script
-- that finds something else later.
local function look()
  for _, key in ipairs({PLAIN, TOPICS, EXPIRY, DUE}) do call('ZCARD', key) end
  call('HLEN', MESSAGES)
end

-- Removes one message, whichever kind it is of.
local function drop(sort_key)
  if call('ZREMRANGEBYSCORE', PLAIN, sort_key, sort_key) == 0 then
    call('ZREMRANGEBYSCORE', TOPICS, sort_key, sort_key)
  end
  call('ZREM', EXPIRY, sort_key)
  call('HDEL', MESSAGES, sort_key)
end

local function drop_expired(now_seconds, limit)
  local expired = call('ZRANGEBYSCORE', EXPIRY, '-inf', now_seconds, 'LIMIT', 0, limit)
  for _, sort_key in ipairs(expired) do drop(sort_key) end
  return #expired
end

-- The expiries first: a full Redis refuses to set a field, unless the script has written something already,
-- and a user agent that takes its messages makes room.
local function touch(seen)
  local kept = kept_ms(seen)
  for place = 1, 7 do call('PEXPIRE', KEYS[place], kept) end
  call('HSET', USER, 'connected_at', text(seen))
  call('PEXPIRE', USER, kept)
end

-- There will be something to sweep in that second, if nothing is due before.
local function due(seconds) call('ZADD', DUE, 'LT', text(seconds), uaid) end
`;

function script(action: string, body: string): RedisScript {
  return new RedisScript(action, TYPES, COMMON + body);
}

/** Creates or refreshes a user agent; one that has lapsed starts anew. Arguments: connected at. */
export const SAVE_USER = script(
  "save a user agent",
  `
local connected = tonumber(ARGV[4])
local seen = seen_ms()
if not seen or lapsed(seen) then
  -- A full Redis refuses this one, and with it all others: it takes no more user agents.
  call('HSET', USER, 'connected_at', text(connected))
  remove_user()
end
touch(connected)
due(math.ceil((connected + lifetime_ms) / 1000))
`,
);

/** Refreshes a user agent; answers 1, or 0 when it is not there. Arguments: connected at. */
export const REFRESH_USER = script(
  "refresh a user agent",
  `
local seen = seen_ms()
if seen == nil then return DAMAGED end
if not seen or lapsed(seen) then return 0 end
touch(tonumber(ARGV[4]))
return 1
`,
);

/** Removes a user agent with what is its own. */
export const REMOVE_USER = script("remove a user agent", "remove_user()");

/** Adds a channel; answers the outcome. Arguments: channel, most channels. */
export const ADD_CHANNEL = script(
  "add a channel",
  `
local seen = seen_ms()
if seen == nil then return DAMAGED end
if not seen or lapsed(seen) then return 'no_user' end
if call('SISMEMBER', CHANNELS, ARGV[4]) == 1 then return 'added' end
local count = call('SCARD', CHANNELS)
if count >= tonumber(ARGV[5]) then return 'over_limit' end
call('SADD', CHANNELS, ARGV[4])
if count == 0 then call('PEXPIRE', CHANNELS, kept_ms(seen)) end
return 'added'
`,
);

/** Removes a channel with its messages; answers 1 when it was there. Arguments: channel. */
export const REMOVE_CHANNEL = script(
  "remove a channel",
  `
local seen = seen_ms()
if seen == nil then return DAMAGED end
if not seen or lapsed(seen) then return 0 end
look()
if call('SREM', CHANNELS, ARGV[4]) == 0 then return 0 end
local start = ARGV[4] .. ' '
for _, index in ipairs({PLAIN, TOPICS}) do
  local waiting = call('ZRANGE', index, 0, -1, 'WITHSCORES')
  for place = 1, #waiting, 2 do
    if string.sub(waiting[place], 1, #start) == start then
      drop(text(tonumber(waiting[place + 1])))
    end
  end
end
return 1
`,
);

/** Answers whether a channel is subscribed. Arguments: channel. */
export const SUBSCRIPTION = script(
  "read a subscription",
  `
local seen = seen_ms()
if seen == nil then return DAMAGED end
if not seen or lapsed(seen) then return 'no_user' end
if call('SISMEMBER', CHANNELS, ARGV[4]) == 0 then return 'no_channel' end
return 'subscribed'
`,
);

/**
 * Stores a message; answers the outcome, or the largest sort key that the user agent was given a message
 * under, when it is not smaller.
 * Arguments: channel, sort key, second of expiry, most waiting, the message, and its topic when it has
 * one.
 */
export const SAVE_MESSAGE = script(
  "save a message",
  `
local LAST = KEYS[9]
local channel, sort_key, expires, waiting_max = ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
local message, topic = ARGV[8], ARGV[9]
local seen = seen_ms()
if seen == nil then return DAMAGED end
if not seen or lapsed(seen) then return 'no_user' end
if call('SISMEMBER', CHANNELS, channel) == 0 then return 'no_channel' end

-- Messages that are gone count as well: so no key ever names two messages of a user agent.
local behind = tonumber(call('HGET', USER, 'last_sort_key') or 0)
if not behind then return redis.error_reply('DAMAGED 1 last_sort_key') end
if behind >= tonumber(sort_key) then return {text(behind)} end
local last = tonumber(call('GET', LAST) or 0)
if not last then return redis.error_reply('DAMAGED 9 value') end
look()

-- What has expired does not count; what is left of it when there is much is removed by later saves.
local waiting = call('ZCARD', EXPIRY)
if waiting > waiting_max then
  local now_seconds = text(math.floor(now_ms / 1000))
  drop_expired(now_seconds, ${EXPIRED_PER_SAVE})
  if call('ZCOUNT', EXPIRY, '(' .. now_seconds, '+inf') > waiting_max then return 'over_limit' end
end

local index, member = PLAIN, channel .. ' ' .. sort_key
if topic then
  index, member = TOPICS, channel .. ' ' .. topic
  local replaced = call('ZSCORE', TOPICS, member)
  if replaced then drop(text(tonumber(replaced))) end
end
call('ZADD', index, sort_key, member)
call('ZADD', EXPIRY, expires, sort_key)
call('HSET', MESSAGES, sort_key, message)
if call('ZCARD', index) == 1 or call('ZCARD', EXPIRY) == 1 then
  local kept = kept_ms(seen)
  for _, key in ipairs({index, EXPIRY, MESSAGES}) do call('PEXPIRE', key, kept) end
end
due(tonumber(expires))
call('HSET', USER, 'last_sort_key', sort_key)
if last < tonumber(sort_key) then call('SET', LAST, sort_key) end
return 'stored'
`,
);

/**
 * A page of waiting messages, in turns a sort key and its message. Arguments: the place of the index in
 * `KEYS`, the current second, the most messages.
 */
export const MESSAGES = script(
  "read messages",
  `
local index, now_seconds, limit = KEYS[tonumber(ARGV[4])], tonumber(ARGV[5]), tonumber(ARGV[6])
local seen = seen_ms()
if seen == nil then return DAMAGED end
if not seen or lapsed(seen) then return {} end
local page, from = {}, 0
while #page < 2 * limit do
  local waiting = call('ZRANGE', index, from, from + limit - 1, 'WITHSCORES')
  if #waiting == 0 then break end
  from = from + limit
  for place = 2, #waiting, 2 do
    local sort_key = text(tonumber(waiting[place]))
    local expires = call('ZSCORE', EXPIRY, sort_key)
    if not expires then return redis.error_reply('DAMAGED 5 ' .. sort_key) end
    if tonumber(expires) > now_seconds and #page < 2 * limit then
      local message = call('HGET', MESSAGES, sort_key)
      if not message then return redis.error_reply('DAMAGED 6 ' .. sort_key) end
      page[#page + 1] = sort_key
      page[#page + 1] = message
    end
  end
end
return page
`,
);

/** Removes messages. Arguments: their sort keys. */
export const REMOVE_MESSAGES = script(
  "remove messages",
  `
for place = 4, #ARGV do drop(ARGV[place]) end
`,
);

/**
 * Removes what is due of a user agent; answers how many messages and how many user agents. Arguments:
 * the current second, the most messages, the most user agents.
 */
export const SWEEP_USER = script(
  "sweep a user agent",
  `
local now_seconds, limit, users_max = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local dropped = 0
if limit > 0 then dropped = drop_expired(ARGV[4], limit) end
local seen = seen_ms()
-- A damaged one is left to whoever mends it, and to Redis's own expiry.
if seen == nil then
  call('ZREM', DUE, uaid)
  return {dropped, 0}
end
-- Redis has let go of it already.
if not seen then
  remove_user()
  return {dropped, 0}
end
local lapses = math.ceil((seen + lifetime_ms) / 1000)
if lapses <= now_seconds then
  if users_max == 0 then return {dropped, 0} end
  remove_user()
  return {dropped, 1}
end
local first = call('ZRANGE', EXPIRY, 0, 0, 'WITHSCORES')[2]
-- Removed first: a full Redis refuses to add, unless the script has written something already, and a
-- sweep is what a full one needs.
call('ZREM', DUE, uaid)
call('ZADD', DUE, text(math.min(lapses, tonumber(first) or lapses)), uaid)
return {dropped, 0}
`,
);

/** Says where a user agent is from now on; answers where it was. Arguments: node, session. */
export const ARRIVE = script(
  "say where a user agent is",
  `
local before = call('HMGET', AT, 'node', 'session')
-- Removed first, so that a full Redis lets whoever takes its messages be there.
call('DEL', AT)
call('HSET', AT, 'node', ARGV[4], 'session', ARGV[5])
call('PEXPIRE', AT, kept_ms(now_ms))
return before
`,
);

/** Forgets where a user agent is, if it is still there. Arguments: node, session. */
export const DEPART = script(
  "forget where a user agent is",
  `
local at = call('HMGET', AT, 'node', 'session')
if at[1] == ARGV[4] and at[2] == ARGV[5] then call('DEL', AT) end
`,
);
