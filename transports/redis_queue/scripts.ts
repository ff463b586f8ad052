/**
 * What Redis does in one step for the queue.
 *
 * All scripts are given the keys they touch, and all keys of a queue share one hash tag, so that each
 * script finds them on one node of a cluster. Everywhere `KEYS[1]` is the sorted set of the lanes in
 * which batches wait, by turn, `KEYS[2]` the set of all streams that exist, and streams follow;
 * `ARGV[1]` is the name of the consumer group.
 *
 * A group is made where it is missing: somebody may have removed it, or everything. It is not tried
 * elsewhere, for a Redis that is full refuses that and lets everything be taken.
 *
 * The counter of an entry's deliveries counts tenths: reading makes it 1, the end of a lease adds
 * {@linkcode DEATHS_PER_DELIVERY}, and the end of a node 1.
 *
 * @module
 */

import { DEATHS_PER_DELIVERY } from "../delivery_store/limits.ts";
import { RedisScript } from "../redis/script.ts";
import { ENTRY_ITEMS } from "./entry.ts";
import {
  CONSUMER_IDLE_MS,
  GIVE_BACK_MAX,
  KEYS_KEPT_MS,
  LANE_WAITING_MAX,
  LANES_MAX,
  PAGE,
} from "./limits.ts";

/** The consumer that holds what dead nodes worked on until somebody takes it; no node has a name of this form. */
export const ABANDONED = "(abandoned)";

/** The consumer that holds what is given back to the store. */
export const GIVING_BACK = "(giving back)";

const COMMON = `
local group = ARGV[1]

local function ensureGroup(stream)
  local made = redis.pcall('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
  if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP') then
    error(made)
  end
end

-- The reply of a command that needs the group; made when it is missing.
local function grouped(stream, ...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    if not string.find(reply.err, 'NOGROUP') then error(reply) end
    if redis.call('EXISTS', stream) == 0 then return {} end
    ensureGroup(stream)
    return redis.call(...)
  end
  return reply
end

-- Entries that nobody has read: all that are not pending, since what is done is deleted.
local function waiting(stream)
  local pending = grouped(stream, 'XPENDING', stream, group)[1] or 0
  return redis.call('XLEN', stream) - pending
end

-- Forgets a lane in which nothing waits, and a stream in which nothing is.
local function tidy(stream, lane)
  local left = waiting(stream)
  if left <= 0 then redis.call('ZREM', KEYS[1], lane) end
  if redis.call('XLEN', stream) == 0 then
    redis.call('DEL', stream)
    redis.call('SREM', KEYS[2], lane)
  end
  return left
end

local function lastTurn()
  return tonumber(redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or '0')
end
`;

/** The first two keys, then streams. */
const KEY_TYPES = ["zset", "set", "stream"] as const;

function script(action: string, source: string): RedisScript {
  return new RedisScript(action, KEY_TYPES, COMMON + source);
}

/**
 * Adds entries. `KEYS[3…]` is the stream of each of them and `ARGV[2…]` its lane and its fields.
 * Answers 1 for each that was added, 0 where the lane is full.
 */
export const HAND_OVER: RedisScript = script(
  "hand batches over to the queue",
  `
local added = {}
local turn = lastTurn() + 1
local width = ${ENTRY_ITEMS + 1}
for place = 1, #KEYS - 2 do
  local stream = KEYS[place + 2]
  local first = 2 + (place - 1) * width
  local lane = ARGV[first]
  ensureGroup(stream)
  local full = waiting(stream) >= ${LANE_WAITING_MAX}
    or (redis.call('ZCARD', KEYS[1]) >= ${LANES_MAX} and not redis.call('ZSCORE', KEYS[1], lane))
  if full then
    added[place] = 0
    tidy(stream, lane)
  else
    redis.call('XADD', stream, '*', unpack(ARGV, first + 1, first + width - 1))
    redis.call('ZADD', KEYS[1], 'NX', turn, lane)
    redis.call('SADD', KEYS[2], lane)
    redis.call('PEXPIRE', stream, ${KEYS_KEPT_MS})
    added[place] = 1
  end
end
for place = 1, 2 do redis.call('PEXPIRE', KEYS[place], ${KEYS_KEPT_MS}) end
return added
`,
);

/**
 * Reads entries that nobody has read: lanes in turn, one of each. `ARGV` has the consumer, how many at
 * most, and for each stream its lane and how many of it may be read. Answers the entries as
 * `{place of the stream, id, fields}`, and what is left waiting in each stream.
 */
export const TAKE: RedisScript = script(
  "claim batches from the queue",
  `
local consumer = ARGV[2]
local left = tonumber(ARGV[3])
local turn = lastTurn()
local streams = #KEYS - 2
local free = {}
for place = 1, streams do free[place] = tonumber(ARGV[3 + place * 2]) end
local taken = {}
local found = true
while found and left > 0 do
  found = false
  for place = 1, streams do
    if left > 0 and free[place] > 0 then
      local stream = KEYS[place + 2]
      local reply = grouped(stream, 'XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', stream, '>')
      local entry = reply and reply[1] and reply[1][2][1]
      if entry then
        taken[#taken + 1] = {place, entry[1], entry[2]}
        free[place] = free[place] - 1
        left = left - 1
        turn = turn + 1
        redis.call('ZADD', KEYS[1], turn, ARGV[2 + place * 2])
        found = true
      else
        free[place] = 0
      end
    end
  end
end
local waits = {}
for place = 1, streams do waits[place] = tidy(KEYS[place + 2], ARGV[2 + place * 2]) end
return {taken, waits}
`,
);

/**
 * Takes entries over whose lease has ended: those of dead nodes first, then all that were idle for so
 * long, by the whole cursor. `ARGV` has the consumer, the idle time, how many at most, for each stream how
 * many of it, and then, as `PLACE ID`, entries that this consumer believes to hold: they stay as they are, for
 * now. Answers `{taken as {place of the stream, id, fields, tenths}, stayed as PLACE ID, milliseconds
 * until the next of the oldest that others hold is idle or -1}`.
 */
export const TAKE_OVER: RedisScript = script(
  "take over batches in the queue",
  `
local consumer, idleMs, left = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local streams = #KEYS - 2
local known = {}
for item = 5 + streams, #ARGV do known[ARGV[item]] = true end
local taken, stayed, nextMs = {}, {}, -1

for place = 1, streams do
  local stream = KEYS[place + 2]
  local free = math.min(tonumber(ARGV[4 + place]), left)

  local function take(id, tenths)
    if known[place .. ' ' .. id] then
      stayed[#stayed + 1] = place .. ' ' .. id
      return
    end
    local entry = redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', tenths)[1]
    if entry then
      taken[#taken + 1] = {place, id, entry[2], tenths}
      free = free - 1
      left = left - 1
    end
  end

  if free > 0 and redis.call('EXISTS', stream) == 1 then
    for _, item in ipairs(grouped(stream, 'XPENDING', stream, group, '-', '+', free, '${ABANDONED}')) do
      take(item[1], item[4])
    end
    local cursor = '0-0'
    while free > 0 do
      local page = redis.call('XAUTOCLAIM', stream, group, consumer, idleMs, cursor, 'COUNT', math.min(free, ${PAGE}), 'JUSTID')
      for _, id in ipairs(page[2]) do
        local item = redis.call('XPENDING', stream, group, id, id, 1)[1]
        take(id, item[4] + ${DEATHS_PER_DELIVERY})
      end
      cursor = page[1]
      if cursor == '0-0' then break end
    end
    for _, item in ipairs(redis.call('XPENDING', stream, group, '-', '+', ${PAGE})) do
      local restMs = math.max(idleMs - item[3], 0)
      if item[2] ~= consumer and (nextMs < 0 or restMs < nextMs) then nextMs = restMs end
    end
  end
end
return {taken, stayed, nextMs}
`,
);

/**
 * Prolongs leases: `KEYS[3…]` is the stream of each, and `ARGV[2…]` consumer and id of each. Answers
 * for each 1 when it is still this consumer's, 0 when it is another's, and -1 when there is no such entry.
 */
export const RENEW: RedisScript = script(
  "renew leases in the queue",
  `
local answers = {}
for place = 1, #KEYS - 2 do
  local stream = KEYS[place + 2]
  local consumer, id = ARGV[place * 2], ARGV[place * 2 + 1]
  local item = grouped(stream, 'XPENDING', stream, group, id, id, 1)[1]
  if not item then
    answers[place] = -1
  elseif item[2] ~= consumer then
    answers[place] = 0
  else
    local kept = redis.call('XCLAIM', stream, group, consumer, 0, id, 'JUSTID')
    answers[place] = #kept == 1 and 1 or -1
  end
end
return answers
`,
);

/**
 * Removes an entry: `ARGV` has its lane, its id, and the consumer that must hold it, or nothing when
 * whoever holds it works in vain. Answers 1, 0 when another consumer holds it, and -1 when it is not there.
 */
export const DROP: RedisScript = script(
  "remove a batch from the queue",
  `
local stream, lane, id, consumer = KEYS[3], ARGV[2], ARGV[3], ARGV[4]
local item = grouped(stream, 'XPENDING', stream, group, id, id, 1)[1]
if item and consumer ~= '' and item[2] ~= consumer then return 0 end
local _ = redis.pcall('XACK', stream, group, id)
local removed = redis.call('XDEL', stream, id)
tidy(stream, lane)
return removed == 1 and 1 or -1
`,
);

/**
 * Reads what has waited for too long, to give it back: `ARGV` has the time before which it was handed over
 * and the lanes of the streams. Answers entries as {@linkcode TAKE} does. Forgets idle consumers, too.
 */
export const TAKE_OLD: RedisScript = script(
  "give waiting batches back",
  `
local before = tonumber(ARGV[2])
local taken = {}

local function field(fields, name)
  for place = 1, #fields, 2 do
    if fields[place] == name then return fields[place + 1] end
  end
end

local function named(reply)
  local map = {}
  for place = 1, #reply, 2 do map[reply[place]] = reply[place + 1] end
  return map
end

for place = 1, #KEYS - 2 do
  local stream, lane = KEYS[place + 2], ARGV[place + 2]
  if redis.call('EXISTS', stream) == 1 then
    for _, reply in ipairs(grouped(stream, 'XINFO', 'CONSUMERS', stream, group)) do
      local consumer = named(reply)
      if consumer.pending == 0 and consumer.idle >= ${CONSUMER_IDLE_MS} then
        redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer.name)
      end
    end
    local last
    for _, reply in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
      local info = named(reply)
      if info.name == group then last = info['last-delivered-id'] end
    end
    local old = 0
    for _, entry in ipairs(redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', ${GIVE_BACK_MAX})) do
      local at = tonumber(field(entry[2], 'at') or '0') or 0
      if at >= before then break end
      old = old + 1
    end
    if old > 0 then
      local reply = redis.call('XREADGROUP', 'GROUP', group, '${GIVING_BACK}', 'COUNT', old, 'STREAMS', stream, '>')
      for _, entry in ipairs(reply[1][2]) do taken[#taken + 1] = {place, entry[1], entry[2]} end
    end
  end
  tidy(stream, lane)
end
return taken
`,
);

/**
 * Ends all leases of a consumer, `ARGV[2]`, and removes it. Answers how many there were.
 */
export const ABANDON: RedisScript = script(
  "end a node's leases in the queue",
  `
local consumer = ARGV[2]
local ended = 0
for place = 3, #KEYS do
  local stream = KEYS[place]
  while true do
    local page = grouped(stream, 'XPENDING', stream, group, '-', '+', ${PAGE}, consumer)
    for _, item in ipairs(page) do
      local moved = redis.call('XCLAIM', stream, group, '${ABANDONED}', 0, item[1], 'RETRYCOUNT', item[4] + 1, 'JUSTID')
      ended = ended + #moved
    end
    if #page < ${PAGE} then break end
  end
  if redis.call('EXISTS', stream) == 1 then
    redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
  end
end
return ended
`,
);

/** Counts: answers `{waiting, at work}` for each stream. */
export const COUNT: RedisScript = script(
  "count the batches in the queue",
  `
local counts = {}
for place = 3, #KEYS do
  local left = waiting(KEYS[place])
  counts[place - 2] = {left, redis.call('XLEN', KEYS[place]) - left}
end
return counts
`,
);
