/**
 * The part of scripts that moves batches: what they are, where they wait, and when their notification
 * has ended.
 *
 * A batch that nobody holds is in `queue:` of its notification and platform, and in exactly one of
 * `waiting:` (for its time), `ready:` and `paced:` (ready but for the rate of its notification); one
 * that is held is in `leases`. What follows from these sets (which lanes have something ready, when the
 * next batch is due) is brought up to date once, when a script ends: by `finish`.
 *
 * @module
 */

/** Reads notifications and batches, adds, places and removes batches. */
export const BATCHES = String.raw`
local known, touched, rerated = {}, {}, {}

local function notification(id)
  if known[id] ~= nil then return known[id] end
  local key = 'notification:' .. id
  local n = fields(key, { 'app', 'app_id', 'state', 'direct', 'send_at', 'expires_at', 'rate',
    'paced_at', 'batches', 'expand_at', 'started_at', 'finished_at', 'numbered', 'chunks', 'seq' }) or
    false
  if n then
    n.id, n.key = id, key
    for _, name in ipairs({ 'send_at', 'expires_at', 'paced_at', 'batches', 'numbered', 'chunks',
      'seq' }) do
      n[name] = whole(key, name, n[name])
    end
    if n.rate then n.rate = whole(key, 'rate', n.rate) end
  end
  known[id] = n
  return n
end

local function put(n, name, value)
  n[name] = value
  call('HSET', base .. n.key, name, value)
end

local function batch(id)
  local key = 'batch:' .. id
  local b = fields(key, { 'notification', 'platform', 'count', 'attempt', 'token', 'deliveries',
    'deaths', 'turn', 'node', 'chunk' })
  if not b then return nil end
  b.id, b.key = id, key
  for _, name in ipairs({ 'platform', 'count', 'attempt', 'token', 'deliveries', 'deaths', 'turn' }) do
    b[name] = whole(key, name, b[name])
  end
  return b
end

-- The batch and notification of a lease that still holds; nil when it does not.
local function held(id, token)
  local b = batch(id)
  if not b or b.node == '' or b.token ~= tonumber(token) then return nil end
  return b, notification(b.notification)
end

local function lane_of(n, platform) return n.app .. ',' .. platform end

local function flow_of(n, platform) return n.id .. ':' .. platform end

-- When a batch is due that is not to be sent before this time: what has expired is due.
local function due_at(n, not_before)
  return math.min(math.max(n.send_at, not_before), n.expires_at)
end

-- Counts a batch among those nobody holds; whoever calls this also says where it waits.
local function enqueue(n, platform, id, turn)
  local lane = lane_of(n, platform)
  call('ZADD', base .. 'queue:' .. flow_of(n, platform), turn, id)
  call('ZADD', base .. 'expiring:' .. lane, n.expires_at, n.id)
  call('HINCRBY', base .. 'lane:' .. lane, 'waiting', 1)
  touched[lane] = true
end

local function await(n, platform, id, due)
  call('ZADD', base .. 'waiting:' .. lane_of(n, platform), due, id)
end

-- The time of a batch has come: it is ready, or waits for the rate of its notification.
local function promote(n, platform, id, turn, now)
  local lane = lane_of(n, platform)
  touched[lane] = true
  if n.rate and n.expires_at > now then
    call('ZADD', base .. 'paced:' .. flow_of(n, platform), turn, id)
    rerated[n.id] = n
  else
    call('ZADD', base .. 'ready:' .. lane, turn, id)
  end
end

-- Takes a batch that nobody holds out of every set it is in.
local function dequeue(n, b)
  local lane, flow = lane_of(n, b.platform), flow_of(n, b.platform)
  call('ZREM', base .. 'waiting:' .. lane, b.id)
  call('ZREM', base .. 'ready:' .. lane, b.id)
  if n.rate then
    call('ZREM', base .. 'paced:' .. flow, b.id)
    local tally = base .. 'tally:' .. flow
    if call('HGET', tally, 'allowed') == b.id then call('HDEL', tally, 'allowed') end
    rerated[n.id] = n
  end
  call('ZREM', base .. 'queue:' .. flow, b.id)
  if call('EXISTS', base .. 'queue:' .. flow) == 0 then
    call('ZREM', base .. 'expiring:' .. lane, n.id)
  end
  call('HINCRBY', base .. 'lane:' .. lane, 'waiting', -1)
  touched[lane] = true
end

-- Adds a batch that waits until part.due.
local function add(n, platform, part)
  local id = string.format('%014d', call('INCR', base .. 'last:batch'))
  call('HSET', base .. 'batch:' .. id, 'notification', n.id, 'platform', platform,
    'count', part.count, 'attempt', part.attempt, 'token', 0, 'deliveries', 0, 'deaths', 0,
    'turn', part.turn, 'node', '', 'chunk', part.chunk)
  call('SET', base .. 'numbers:' .. id, part.numbers)
  if part.chunk ~= '' then
    call('HINCRBY', base .. 'chunk:' .. n.id .. ':' .. part.chunk, 'batches', 1)
  end
  enqueue(n, platform, id, part.turn)
  await(n, platform, id, part.due)
  if n.state == 'open' then call('RPUSH', base .. 'open:' .. n.id, id) end
  n.batches = call('HINCRBY', base .. n.key, 'batches', 1)
end

-- Recipients in a batch: of a rated notification only what it may send in this part of a second.
local function size_of(n, batch_max, seconds)
  if not n.rate then return batch_max end
  return math.max(1, math.min(batch_max, math.floor(n.rate * seconds)))
end

local function turn_of(key) return whole(key, 'turn', call('HGET', base .. key, 'turn') or 0) end

-- Adds new batches; the turn of each comes after the last one of its notification.
local function add_all(n, platform, parts)
  local lane, tally = lane_of(n, platform), 'tally:' .. flow_of(n, platform)
  call('SADD', base .. 'lanes', lane)
  local turn, total = math.max(turn_of(tally), turn_of('lane:' .. lane)), 0
  -- An open notification waits for being closed.
  local due = n.state == 'open' and n.expires_at or due_at(n, 0)
  for _, part in ipairs(parts) do
    turn = turn + 1
    part.turn, part.attempt, part.due = turn, 0, due
    add(n, platform, part)
    total = total + part.count
  end
  call('HSET', base .. tally, 'turn', turn)
  call('HINCRBY', base .. tally, 'total', total)
end

-- Removes a batch whose recipients are counted elsewhere; its chunk goes with the last batch of it.
local function remove(n, b)
  call('DEL', base .. b.key, base .. 'numbers:' .. b.id)
  if b.chunk ~= '' then
    local chunk = base .. 'chunk:' .. n.id .. ':' .. b.chunk
    if call('HINCRBY', chunk, 'batches', -1) <= 0 then call('DEL', chunk) end
  end
  n.batches = call('HINCRBY', base .. n.key, 'batches', -1)
end

local function cancel(n, b)
  call('HINCRBY', base .. 'tally:' .. flow_of(n, b.platform), 'cancelled', b.count)
  remove(n, b)
end

local function unlease(n, b)
  call('ZREM', base .. 'leases', b.id)
  call('HSET', base .. b.key, 'node', '')
  call('HINCRBY', base .. 'lane:' .. lane_of(n, b.platform), 'leased', -1)
end

-- Ends a notification whose whole audience has its outcomes; says whether it has.
local function end_if_done(n, now)
  if n.batches > 0 or n.expand_at or n.state == 'open' then return false end
  if n.finished_at then return true end
  if n.state ~= 'cancelled' then put(n, 'state', 'done') end
  put(n, 'finished_at', now)
  call('ZADD', base .. 'ended', now, n.id)
  call('HINCRBY', base .. 'app:' .. n.app, 'unfinished', -1)
  call('DEL', base .. 'audience:' .. n.id)
  return true
end

-- Hands a batch back that is held; one of a cancelled notification is not sent any more.
local function hand_back(n, b, not_before, now)
  unlease(n, b)
  if n.state == 'cancelled' then
    cancel(n, b)
    end_if_done(n, now)
  else
    call('HINCRBY', base .. b.key, 'deliveries', -1)
    enqueue(n, b.platform, b.id, b.turn)
    await(n, b.platform, b.id, due_at(n, not_before))
  end
end

local function first_of(key)
  local first = call('ZRANGE', base .. key, 0, 0, 'WITHSCORES')
  return first[1], tonumber(first[2])
end

-- Which lanes have something ready, and when the next batch of each is due.
local function finish()
  for lane in pairs(touched) do
    local due = 'due'
    if call('HEXISTS', base .. 'pauses', lane) == 1 then due = 'due:paused' end
    local _, at = first_of('waiting:' .. lane)
    if at then call('ZADD', base .. due, at, lane) else call('ZREM', base .. due, lane) end
    if call('EXISTS', base .. 'ready:' .. lane) == 1 then
      local served = call('HGET', base .. 'lane:' .. lane, 'served') or 0
      call('ZADD', base .. 'turns', served, lane)
    else
      call('ZREM', base .. 'turns', lane)
    end
  end
  for id, n in pairs(rerated) do
    local paced = base .. 'paced:' .. id .. ':'
    if call('EXISTS', paced .. 0, paced .. 1, paced .. 2) > 0 then
      call('ZADD', base .. 'rated', math.min(n.paced_at, n.expires_at), id)
    else
      call('ZREM', base .. 'rated', id)
    end
  end
end
`;
