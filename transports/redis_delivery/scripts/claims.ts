/**
 * Scripts of the queue: claims and leases.
 *
 * Invariants: of a rated notification at most one batch on each platform is ready, and none before its
 * pace allows; the token of a batch grows with each claim; a claim takes lanes in turn, the one served
 * longest ago first, and within a lane the least turn, which is start-time fair queueing: a batch added
 * to a busy lane comes after the batches now in turn, not after all that wait.
 *
 * @module
 */

import { BATCHES } from "./batches.ts";
import { script } from "./core.ts";

/** Moves to where it is claimed from what has become due; what was cancelled meanwhile is not sent again. */
const COLLECT = String.raw`
local function drop(n, b)
  cancel(n, b)
  end_if_done(n, now)
end

local function collect(budget)
  for _, id in ipairs(call('ZRANGE', base .. 'leases', '-inf', now, 'BYSCORE', 'LIMIT', 0, budget)) do
    local b = batch(id)
    local n = notification(b.notification)
    unlease(n, b)
    if n.state == 'cancelled' then
      drop(n, b)
    else
      enqueue(n, b.platform, id, b.turn)
      promote(n, b.platform, id, b.turn, now)
    end
    budget = budget - 1
  end
  for _, heads in ipairs({ 'due', 'due:paused' }) do
    local lanes = call('ZRANGE', base .. heads, '-inf', now, 'BYSCORE', 'LIMIT', 0, math.max(budget, 0))
    -- A lane with much that is due does not keep the others waiting.
    local share = math.max(1, math.floor(budget / math.max(#lanes, 1)))
    for _, lane in ipairs(lanes) do
      local key = base .. 'waiting:' .. lane
      for _, id in ipairs(call('ZRANGE', key, '-inf', now, 'BYSCORE', 'LIMIT', 0, share)) do
        local b = batch(id)
        local n = notification(b.notification)
        if n.state == 'cancelled' then
          dequeue(n, b)
          drop(n, b)
        else
          call('ZREM', key, id)
          promote(n, b.platform, id, b.turn, now)
        end
        budget = budget - 1
      end
    end
  end
end
`;

/** Readies the first batch on each platform of every rated notification whose pace allows one. */
const PACE = String.raw`
local function hold_back(n, platform)
  local flow, lane = flow_of(n, platform), lane_of(n, platform)
  local id = call('HGET', base .. 'tally:' .. flow, 'allowed')
  if not id then return end
  call('HDEL', base .. 'tally:' .. flow, 'allowed')
  local turn = call('ZSCORE', base .. 'ready:' .. lane, id)
  call('ZREM', base .. 'ready:' .. lane, id)
  call('ZADD', base .. 'paced:' .. flow, turn, id)
  touched[lane] = true
end

local function allow(n, platform, limit)
  local lane, paced = lane_of(n, platform), base .. 'paced:' .. flow_of(n, platform)
  local batches = call('ZRANGE', paced, 0, limit - 1, 'WITHSCORES')
  for place = 1, #batches, 2 do
    call('ZREM', paced, batches[place])
    call('ZADD', base .. 'ready:' .. lane, batches[place + 1], batches[place])
    touched[lane] = true
  end
  return batches[1]
end

local function pace(limit)
  for _, id in ipairs(call('ZRANGE', base .. 'rated', '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)) do
    local n = notification(id)
    rerated[id] = n
    for platform = 0, 2 do
      if n.expires_at <= now then
        allow(n, platform, limit)
      else
        hold_back(n, platform)
        local first = allow(n, platform, 1)
        if first then call('HSET', base .. 'tally:' .. flow_of(n, platform), 'allowed', first) end
      end
    end
  end
end
`;

/** Takes the first batch of a lane, and says when the next one is due. */
const TAKE = String.raw`
-- The first batch of a lane; where nothing is to be sent now, only of what has expired.
local function first_batch(lane, restricted)
  if not restricted then return (first_of('ready:' .. lane)) end
  local platform, best, least = string.match(lane, ',(%d)$'), nil, nil
  local expired = call('ZRANGE', base .. 'expiring:' .. lane, '-inf', now, 'BYSCORE')
  for _, id in ipairs(expired) do
    local first, turn = first_of('queue:' .. id .. ':' .. platform)
    if first and (not best or turn < least or (turn == least and first < best)) then
      best, least = first, turn
    end
  end
  return best
end

local function lease(n, b, node, until_)
  local lane = lane_of(n, b.platform)
  dequeue(n, b)
  b.token, b.deliveries = b.token + 1, b.deliveries + 1
  call('HSET', base .. b.key, 'token', b.token, 'deliveries', b.deliveries, 'node', node)
  call('ZADD', base .. 'leases', until_, b.id)
  call('HINCRBY', base .. 'lane:' .. lane, 'leased', 1)
  local turn = math.max(turn_of('lane:' .. lane), b.turn)
  call('HSET', base .. 'lane:' .. lane, 'turn', turn, 'served', call('INCR', base .. 'last:served'))
  if not n.started_at then put(n, 'started_at', now) end
  if n.state == 'scheduled' then put(n, 'state', 'sending') end
  if n.rate and n.expires_at > now then
    put(n, 'paced_at', math.max(n.paced_at, now) + math.ceil(b.count * 1000 / n.rate))
    for platform = 0, 2 do hold_back(n, platform) end
  end
end

-- When the next batch becomes due that nothing but time holds back.
local function next_due()
  local _, least = first_of('leases')
  local function consider(at)
    if at and (not least or at < least) then least = at end
  end
  local _, due = first_of('due')
  consider(due)
  local paused = call('HKEYS', base .. 'pauses')
  for _, lane in ipairs(paused) do
    local next = call('ZRANGE', base .. 'expiring:' .. lane, '(' .. now, '+inf', 'BYSCORE',
      'LIMIT', 0, 1, 'WITHSCORES')
    consider(tonumber(next[2]))
  end
  local is_paused = {}
  for _, lane in ipairs(paused) do is_paused[lane] = true end
  local rated = call('ZRANGE', base .. 'rated', '(' .. now, '+inf', 'BYSCORE',
    'LIMIT', 0, 1000, 'WITHSCORES')
  for place = 1, #rated, 2 do
    local at = tonumber(rated[place + 1])
    if least and at >= least then break end
    local n = notification(rated[place])
    for platform = 0, 2 do
      local waits = call('EXISTS', base .. 'paced:' .. flow_of(n, platform)) == 1
      if waits and not is_paused[lane_of(n, platform)] then consider(at) end
    end
  end
  return least
end
`;

/**
 * Takes leases on batches that are due. `ARGV`: node, now, length of the leases, batches at most,
 * batches at most of a lane, batches that become due at most, and of each lane that has batches in
 * flight or is held: its name, how many, and 1 when it is held. Answers when the next one is due, and
 * app, platform, batch, token, deliveries, deaths, notification, count and attempt of each.
 */
export const CLAIM = script(
  "claim batches",
  "local now = tonumber(ARGV[2])",
  BATCHES,
  COLLECT,
  PACE,
  TAKE,
  String.raw`
local node, lease_ms, left, share = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local in_flight, held_lanes = {}, {}
for place = 7, #ARGV, 3 do
  in_flight[ARGV[place]] = tonumber(ARGV[place + 1])
  held_lanes[ARGV[place]] = ARGV[place + 2] == '1'
end
-- Lanes in turn: as many more as are asked for when those at hand are through, and again from the
-- first one that gave a batch.
local PAGE = 64
local lanes, at, pages, claimed = {}, 1, 0, {}
local function next_lane()
  while not lanes[at] and pages do
    local page = call('ZRANGE', base .. 'turns', pages * PAGE, pages * PAGE + PAGE - 1)
    for _, lane in ipairs(page) do lanes[#lanes + 1] = lane end
    pages = #page == PAGE and pages + 1 or nil
  end
  at = at + 1
  return lanes[at - 1]
end
local again = {}
local function serve(lane)
  if (in_flight[lane] or 0) >= share then return end
  local restricted = held_lanes[lane] or call('HEXISTS', base .. 'pauses', lane) == 1
  local id = first_batch(lane, restricted)
  while id do
    local b = batch(id)
    local n = notification(b.notification)
    if n.state ~= 'cancelled' then
      lease(n, b, node, now + lease_ms)
      in_flight[lane] = (in_flight[lane] or 0) + 1
      again[#again + 1] = lane
      for _, value in ipairs({ n.app, b.platform, b.id, b.token, b.deliveries, b.deaths, n.id,
        b.count, b.attempt }) do
        claimed[#claimed + 1] = value
      end
      left = left - 1
      return
    end
    -- It was cancelled in steps, and this one is still to come.
    dequeue(n, b)
    drop(n, b)
    id = first_batch(lane, restricted)
  end
end
local function run()
  collect(tonumber(ARGV[6]))
  finish()
  pace(tonumber(ARGV[6]))
  finish()
  while left > 0 do
    local lane = next_lane()
    if not lane then
      if #again == 0 then break end
      lanes, again, at = again, {}, 1
    else
      serve(lane)
    end
  end
end
-- A batch that makes no sense must not keep back for ever what became ready before it.
local done, problem = pcall(run)
finish()
-- Redis 7.0 gives the text of an error, later ones the error.
if not done then return type(problem) == 'table' and problem or redis.error_reply(problem) end
return { tostring(next_due() or ''), claimed }
`,
);

/** Prolongs leases, `ARGV`: until when, then batch and token of each; answers 1 for each that is held. */
export const RENEW = script(
  "renew leases",
  BATCHES,
  String.raw`
local answers = {}
for place = 2, #ARGV, 2 do
  local b = held(ARGV[place], ARGV[place + 1])
  if b then call('ZADD', base .. 'leases', ARGV[1], b.id) end
  answers[#answers + 1] = b and 1 or 0
end
return answers
`,
);

/** Hands a batch back untouched, `ARGV`: batch, token, not before, now. */
export const RELEASE = script(
  "hand back a batch",
  BATCHES,
  String.raw`
local b, n = held(ARGV[1], ARGV[2])
if b then hand_back(n, b, tonumber(ARGV[3]), tonumber(ARGV[4])) end
finish()
return 0
`,
);

/**
 * Ends the leases of a node, `ARGV`: node, now, at most. That it was killed is hardly their fault: only
 * each tenth time counts as a delivery. Answers how many there were.
 */
export const ABANDON = script(
  "end the leases of a node",
  BATCHES,
  String.raw`
local node, now, left = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local count = 0
for _, id in ipairs(call('ZRANGE', base .. 'leases', 0, -1)) do
  if count < left and call('HGET', base .. 'batch:' .. id, 'node') == node then
    local b = batch(id)
    call('HINCRBY', base .. b.key, 'deaths', 1)
    hand_back(notification(b.notification), b, now, now)
    count = count + 1
  end
end
finish()
return count
`,
);
