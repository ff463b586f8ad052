/**
 * Scripts for what surrounds deliveries: positions of sinks, dead letters, and the removal of what is
 * old.
 *
 * @module
 */

import { freeingScript, script } from "./core.ts";
import { LAST_ROWS } from "./last_rows.ts";

const SINK = String.raw`
-- How far a sink has come; one that is new begins at the newest entry of its log.
local function position(name, log)
  local newest = call('GET', base .. (log == 'rows' and 'last:row' or 'last:tally')) or 0
  call('HSETNX', base .. 'sinks', name, newest)
  return call('HGET', base .. 'sinks', name)
end
`;

/** How far a sink has come, `ARGV`: its name and its log. */
export const SINK_POSITION = script(
  "read the position of a sink",
  SINK,
  String.raw`return position(ARGV[1], ARGV[2])`,
);

/** Remembers how far a sink has come, `ARGV`: its name and the position; it never goes back. */
export const SAVE_SINK_POSITION = script(
  "save the position of a sink",
  String.raw`
local position = tonumber(call('HGET', base .. 'sinks', ARGV[1]) or 0)
call('HSET', base .. 'sinks', ARGV[1], string.format('%.0f', math.max(position, tonumber(ARGV[2]))))
return 0
`,
);

/**
 * Takes the lease on a sink, prolongs it, or gives it up. `ARGV`: sink, log, node, now, how long.
 * Answers the position, or nothing while another node has the lease.
 */
export const CLAIM_SINK = script(
  "claim a sink",
  SINK,
  String.raw`
local name, node, now, lease_ms = ARGV[1], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local leases = base .. 'sink_leases'
local text = call('HGET', leases, name)
if text then
  local ends, holder = string.match(text, '^(%d+) (.*)$')
  if holder ~= node and whole('sink_leases', name, ends) > now then return false end
end
if lease_ms > 0 then
  call('HSET', leases, name, string.format('%.0f %s', now + lease_ms, node))
else
  call('HDEL', leases, name)
end
return position(name, ARGV[2])
`,
);

/** Ends the leases of a node, `ARGV[1]`, on sinks. */
export const ABANDON_SINKS = script(
  "end the leases of a node on sinks",
  String.raw`
local leases = call('HGETALL', base .. 'sink_leases')
for place = 1, #leases, 2 do
  if string.match(leases[place + 1], '^%d+ (.*)$') == ARGV[1] then
    call('HDEL', base .. 'sink_leases', leases[place])
  end
end
return 0
`,
);

/** Sets an entry aside, `ARGV`: what names it, the entry, how many are kept; the oldest are forgotten. */
export const BURY = script(
  "set an entry aside",
  String.raw`
call('ZADD', base .. 'letters', call('INCR', base .. 'last:letter'), ARGV[1])
call('HSET', base .. 'letter', ARGV[1], ARGV[2])
for _, name in ipairs(call('ZRANGE', base .. 'letters', 0, -1 - ARGV[3])) do
  call('ZREM', base .. 'letters', name)
  call('HDEL', base .. 'letter', name)
end
return 0
`,
);

/**
 * Removes tallies recorded before a time, then rows of notifications that ended before it, then those
 * notifications. `ARGV`: the time, and how much at most. Answers how much. A sink that is as far behind
 * misses them: one that nobody runs any more must not fill the memory.
 */
export const SWEEP = freeingScript(
  "remove what is old",
  LAST_ROWS,
  String.raw`
local before, left, max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[2])

-- Removes the first rows of one value; the others keep their positions, which are counted from its end.
local function trim(key, count)
  local text, from = call('HGET', base .. key, 'rows'), 1
  for _ = 1, count do from = string.find(text, '\n', from, true) + 1 end
  call('HSET', base .. key, 'rows', string.sub(text, from))
  call('HINCRBY', base .. key, 'count', -count)
end

local function sweep_rows(id)
  for _, last in ipairs(call('ZRANGE', base .. 'rows:' .. id, 0, left)) do
    if left == 0 then return false end
    local key = 'row:' .. last
    local count = whole(key, 'count', call('HGET', base .. key, 'count'))
    if call('HGET', base .. key, 'direct') == '0' then
      local text = call('HGET', base .. key, 'rows')
      point_away(string.format('%.0f', tonumber(last)), text, math.min(count, left))
    end
    if count > left then
      trim(key, left)
      left = 0
      return false
    end
    left = left - count
    call('DEL', base .. key)
    call('ZREM', base .. 'rows', last)
    call('ZREM', base .. 'rows:' .. id, last)
  end
  return left > 0
end

local function sweep_one(id)
  if not sweep_rows(id) then return false end
  local key = base .. 'notification:' .. id
  local app, idempotency = unpack(call('HMGET', key, 'app_id', 'key'))
  if idempotency and idempotency ~= '' then call('HDEL', base .. 'keys:' .. app, idempotency) end
  call('ZREM', base .. 'notifications:' .. app, id)
  call('ZREM', base .. 'notifications', id)
  call('ZREM', base .. 'ended', id)
  call('DEL', key, base .. 'open:' .. id)
  for platform = 0, 2 do call('DEL', base .. 'tally:' .. id .. ':' .. platform) end
  for kind = 0, 5 do call('DEL', base .. 'rows:' .. id .. ':' .. kind) end
  left = left - 1
  return true
end

local last
for _, entry in ipairs(call('XRANGE', base .. 'tallies', '-', '+', 'COUNT', left)) do
  local found = {}
  for place = 1, #entry[2], 2 do found[entry[2][place]] = entry[2][place + 1] end
  if whole('tallies', 'at', found.at) >= tonumber(before) then break end
  last = entry[1]
  left = left - 1
end
if last then call('XTRIM', base .. 'tallies', 'MINID', tonumber(string.match(last, '^%d+')) + 1) end
local ended = call('ZRANGE', base .. 'ended', '-inf', '(' .. before, 'BYSCORE', 'LIMIT', 0, left)
for _, id in ipairs(left > 0 and ended or {}) do
  if not sweep_one(id) then break end
end
return max - left
`,
);
