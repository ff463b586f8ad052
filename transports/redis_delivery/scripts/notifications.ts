/**
 * Scripts that write notifications, from their submission to their end.
 *
 * @module
 */

import { BATCHES } from "./batches.ts";
import { script } from "./core.ts";

/**
 * Adds direct recipients. From one place of `ARGV` on: recipients in a batch at most, the part of a
 * second that a batch of a rated notification holds, then platform, count, addresses and keys of each
 * chunk. A chunk is kept once for all of its batches.
 */
const DIRECT = String.raw`
local function add_direct(n, start)
  local size = size_of(n, tonumber(ARGV[start]), tonumber(ARGV[start + 1]))
  local parts = { {}, {}, {} }
  local numbered, chunks = n.numbered, n.chunks
  for place = start + 2, #ARGV, 4 do
    local platform, count = tonumber(ARGV[place]), tonumber(ARGV[place + 1])
    chunks = chunks + 1
    call('HSET', base .. 'chunk:' .. n.id .. ':' .. chunks, 'first', numbered + 1,
      'addresses', ARGV[place + 2], 'keys', ARGV[place + 3], 'batches', 0)
    for first = 1, count, size do
      local numbers = {}
      for number = first, math.min(first + size - 1, count) do
        numbers[#numbers + 1] = numbered + number
      end
      table.insert(parts[platform + 1],
        { count = #numbers, numbers = table.concat(numbers, ','), chunk = chunks })
    end
    numbered = numbered + count
  end
  for platform = 0, 2 do
    if #parts[platform + 1] > 0 then add_all(n, platform, parts[platform + 1]) end
  end
  put(n, 'numbered', numbered)
  put(n, 'chunks', chunks)
end
`;

/** Gives batches of a notification that was open their time, so many in one step; says whether it was the last. */
const PLACE = String.raw`
local function place_some(n, limit)
  local ids = call('LPOP', base .. 'open:' .. n.id, limit) or {}
  for _, id in ipairs(ids) do
    -- One whose time was over was claimed already.
    local b = batch(id)
    if b and b.node == '' then
      local lane = lane_of(n, b.platform)
      if call('ZSCORE', base .. 'waiting:' .. lane, id) then
        await(n, b.platform, id, due_at(n, 0))
        touched[lane] = true
      end
    end
  end
  if #ids < limit then
    call('HDEL', base .. n.key, 'expand_at')
    call('ZREM', base .. 'expand', string.format('%014d %s', n.seq, n.id))
    n.expand_at = nil
    return true
  end
  return false
end

local function close(n, now, limit)
  put(n, 'state', n.send_at > now and 'scheduled' or 'sending')
  local last = place_some(n, limit)
  -- What is left to do is due at once, for this caller or for whoever expands.
  if not last then call('ZADD', base .. 'expand', 0, string.format('%014d %s', n.seq, n.id)) end
  end_if_done(n, now)
  return last
end
`;

/**
 * Accepts a notification. `ARGV`: app, id, key (`=` before it, empty when there is none), digest,
 * state, 1 when its recipients are direct, sendAt, expiresAt, rate (or empty), when to expand (or
 * empty), createdAt, body, kind of audience, how many names it has, the names, and direct recipients. Answers what became of it, and the id that has the key.
 */
export const SUBMIT = script(
  "accept a notification",
  BATCHES,
  DIRECT,
  String.raw`
local app, id, key, digest = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local owner = app_id(app)
if not owner then return { 'no_app' } end
local earlier = key ~= '' and call('HGET', base .. 'keys:' .. owner, key)
if earlier then
  local same = call('HGET', base .. 'notification:' .. earlier, 'digest') == digest
  return same and { 'repeated', earlier } or { 'conflict' }
end
local there = fields('notification:' .. id, { 'app_id', 'digest' })
if there then
  local same = there.app_id == owner and there.digest == digest
  return same and { 'accepted', id } or { 'conflict' }
end
local seq = call('INCR', base .. 'last:notification')
call('HSET', base .. 'notification:' .. id, 'seq', seq, 'app', app, 'app_id', owner, 'key', key,
  'digest', digest, 'state', ARGV[5], 'direct', ARGV[6], 'send_at', ARGV[7], 'expires_at', ARGV[8],
  'paced_at', 0, 'batches', 0, 'numbered', 0, 'chunks', 0, 'cursor', 0, 'body', ARGV[12],
  'audience', ARGV[13])
if ARGV[9] ~= '' then call('HSET', base .. 'notification:' .. id, 'rate', ARGV[9]) end
if ARGV[10] ~= '' then
  call('HSET', base .. 'notification:' .. id, 'expand_at', ARGV[10])
  call('ZADD', base .. 'expand', ARGV[10], string.format('%014d %s', seq, id))
end
if key ~= '' then call('HSET', base .. 'keys:' .. owner, key, id) end
call('ZADD', base .. 'notifications', seq, id)
call('ZADD', base .. 'notifications:' .. owner, seq, id)
call('HINCRBY', base .. 'app:' .. app, 'unfinished', 1)
local names = tonumber(ARGV[14])
for place = 15, 14 + names, 1000 do
  local last = math.min(place + 999, 14 + names)
  call('RPUSH', base .. 'audience:' .. id, unpack(ARGV, place, last))
end
local n = notification(id)
add_direct(n, 15 + names)
end_if_done(n, tonumber(ARGV[11]))
finish()
return { 'accepted', id }
`,
);

/**
 * Adds recipients to an open notification. `ARGV`: id, the name of this call, how long to remember it,
 * and the recipients. A call that was made before adds nothing again.
 */
export const ADD_RECIPIENTS = script(
  "add recipients",
  BATCHES,
  DIRECT,
  String.raw`
local n = notification(ARGV[1])
if not n then return 'unknown' end
if n.state ~= 'open' then return call('EXISTS', base .. 'added:' .. ARGV[2]) == 1 and 'added' or 'closed' end
if call('SET', base .. 'added:' .. ARGV[2], 1, 'NX', 'PX', ARGV[3]) then
  add_direct(n, 4)
  finish()
end
return 'added'
`,
);

/** Closes an open notification, `ARGV`: id, now, batches in a step. Answers what became of it, and 1 when steps are left. */
export const CLOSE_NOTIFICATION = script(
  "close a notification",
  BATCHES,
  PLACE,
  String.raw`
local n = notification(ARGV[1])
if not n then return { 'unknown', 0 } end
local answer, last = 'already_closed', true
if n.state == 'open' then
  answer, last = 'closed', close(n, tonumber(ARGV[2]), tonumber(ARGV[3]))
elseif n.expand_at and call('HGET', base .. n.key, 'audience') == 'open' then
  last = place_some(n, tonumber(ARGV[3]))
end
finish()
return { answer, last and 0 or 1 }
`,
);

/**
 * Stops what has not been claimed, `ARGV`: id, now, batches in a step. Answers what became of it, and 1
 * when steps are left; one that was cancelled goes on with them, and claims take care of what is left.
 */
export const CANCEL = script(
  "cancel a notification",
  BATCHES,
  String.raw`
local n = notification(ARGV[1])
if not n then return { 'unknown', 0 } end
if n.state == 'done' or n.finished_at then return { 'already_ended', 0 } end
local answer, now, left = 'already_ended', tonumber(ARGV[2]), tonumber(ARGV[3])
if n.state ~= 'cancelled' then
  answer = 'cancelled'
  put(n, 'state', 'cancelled')
  call('HDEL', base .. n.key, 'expand_at')
  call('ZREM', base .. 'expand', string.format('%014d %s', n.seq, n.id))
  call('DEL', base .. 'open:' .. n.id)
  n.expand_at = nil
end
for platform = 0, 2 do
  local queue = base .. 'queue:' .. flow_of(n, platform)
  for _, id in ipairs(left > 0 and call('ZRANGE', queue, 0, left - 1) or {}) do
    local b = batch(id)
    dequeue(n, b)
    cancel(n, b)
    left = left - 1
  end
end
end_if_done(n, now)
finish()
return { answer, left > 0 and 0 or 1 }
`,
);

/** Closes a notification or goes on with it, for {@link EXPAND}. */
export const CLOSING = PLACE;
