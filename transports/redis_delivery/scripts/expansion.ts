/**
 * The script that turns audiences into batches, step by step.
 *
 * Invariants: the cursor moves in the script that adds the batches; devices are visited in the order of
 * their numbers, so each is found once, however many of its tags match; devices registered after the
 * first step are not in the audience. Nothing of an audience leaves Redis.
 *
 * @module
 */

import { BATCHES } from "./batches.ts";
import { script } from "./core.ts";
import { CLOSING } from "./notifications.ts";

/** Collects the next codes of an audience in order, and says how far it looked. */
const COLLECT = String.raw`
local CHUNK = 512

-- Adds what is in the audience after the cursor, in order; says where it stopped when that was enough.
local function take(found, codes, cursor, last, limit)
  local members, sorted = {}, true
  for _, text in ipairs(codes) do
    local code = tonumber(text)
    local number = math.floor(code / 4)
    if number > cursor and number <= last then
      members[#members + 1] = code
      if #members > 1 and members[#members - 1] > code then sorted = false end
    end
  end
  -- Sets as small as those of a group give their members in order already.
  if not sorted then table.sort(members) end
  for _, code in ipairs(members) do
    found[#found + 1] = code
    if #found >= limit then return math.floor(code / 4) end
  end
end

-- Devices that are in one of these groups, set by set.
local function from_groups(app, names, cursor, last, limit, looks)
  local found, of = {}, app .. ':a:'
  while cursor < last and looks > 0 do
    local least
    for _, name in ipairs(names) do
      local next = call('ZRANGE', base .. 'chunks:' .. of .. name, math.floor((cursor + 1) / CHUNK),
        '+inf', 'BYSCORE', 'LIMIT', 0, 1)[1]
      if next and (not least or tonumber(next) < least) then least = tonumber(next) end
    end
    if not least then return found, last end
    local keys = {}
    for _, name in ipairs(names) do keys[#keys + 1] = base .. 'group:' .. of .. least .. ':' .. name end
    local stopped = take(found, call('SUNION', unpack(keys)), cursor, last, limit)
    if stopped then return found, stopped end
    cursor = math.max(cursor, math.min(last, least * CHUNK + CHUNK - 1))
    looks = looks - #names
  end
  return found, cursor
end

-- Devices out of a list of all members, be they before the cursor or after it.
local function from_list(codes, cursor, last, limit)
  local found = {}
  return found, take(found, codes, cursor, last, limit) or last
end

-- Calls "visit" with the names of an audience, so many at a time as one command may have.
local function each_thousand(id, visit)
  for first = 0, call('LLEN', base .. 'audience:' .. id) - 1, 1000 do
    visit(call('LRANGE', base .. 'audience:' .. id, first, first + 999))
  end
end

local function codes_of_users(id, app)
  local codes = {}
  each_thousand(id, function(users)
    local keys = {}
    for place, user in ipairs(users) do keys[place] = base .. 'user:' .. app .. ':a:' .. user end
    for _, code in ipairs(call('SUNION', unpack(keys))) do codes[#codes + 1] = code end
  end)
  return codes
end

local function codes_of_devices(id, app)
  local codes = {}
  each_thousand(id, function(ids)
    local found = {}
    for _, text in ipairs(call('HMGET', base .. 'ids', unpack(ids))) do
      local code, owner
      if text then code, owner = string.match(text, '^(%d+) (%d+)$') end
      if owner == app then found[#found + 1] = tonumber(code) end
    end
    for _, code in ipairs(found) do
      local chunk = math.floor(code / 4 / CHUNK)
      if call('SISMEMBER', base .. 'group:' .. app .. ':a:' .. chunk .. ':*', code) == 1 then
        codes[#codes + 1] = code
      end
    end
  end)
  return codes
end

local function collect(n, kind, cursor, last, limit, looks)
  if kind == 'users' then return from_list(codes_of_users(n.id, n.app_id), cursor, last, limit) end
  if kind == 'devices' then
    return from_list(codes_of_devices(n.id, n.app_id), cursor, last, limit)
  end
  local names = { '*' }
  if kind == 'tags' then
    names = call('LRANGE', base .. 'audience:' .. n.id, 0, -1)
    for place, tag in ipairs(names) do names[place] = '#' .. tag end
    if #names == 0 then return {}, last end
  end
  return from_groups(n.app_id, names, cursor, last, limit, looks)
end
`;

/**
 * Takes one step through a notification's audience; an open one is closed when its time is over.
 * `ARGV`: id, limit, recipients in a batch, now, batches in a step, sets to look at, and the part of a
 * second that a batch of a rated notification holds. Answers
 * how many it added, and 1 when the whole audience is in batches.
 */
export const EXPAND = script(
  "expand a notification",
  BATCHES,
  CLOSING,
  COLLECT,
  String.raw`
local limit, batch_max, now = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local n = notification(ARGV[1])
if not n or not n.expand_at then return { 0, 1 } end
if n.state == 'open' then
  if n.expires_at <= now then close(n, now, tonumber(ARGV[5])) end
  finish()
  return { 0, 1 }
end
local more = fields(n.key, { 'cursor', 'last_device', 'audience' })
if more.audience == 'open' then
  place_some(n, tonumber(ARGV[5]))
  finish()
  return { 0, 1 }
end
local last = more.last_device or call('GET', base .. 'last:device') or 0
last = whole(n.key, 'last_device', last)
batch_max = size_of(n, batch_max, tonumber(ARGV[7]))
-- What bounds a step is recipients, or batches when they are small.
limit = math.min(limit, batch_max * tonumber(ARGV[5]))
local found, cursor = collect(n, more.audience, whole(n.key, 'cursor', more.cursor), last, limit,
  tonumber(ARGV[6]))
local numbers, parts = { {}, {}, {} }, { {}, {}, {} }
local function cut(platform)
  local part = numbers[platform]
  if #part == 0 then return end
  table.insert(parts[platform], { count = #part, numbers = table.concat(part, ','), chunk = '' })
  numbers[platform] = {}
end
for _, code in ipairs(found) do
  local platform = code % 4 + 1
  local part = numbers[platform]
  part[#part + 1] = (code - platform + 1) / 4
  if #part >= batch_max then cut(platform) end
end
for platform = 0, 2 do
  cut(platform + 1)
  if #parts[platform + 1] > 0 then add_all(n, platform, parts[platform + 1]) end
end
local done = cursor >= last
put(n, 'state', done and 'sending' or 'expanding')
call('HSET', base .. n.key, 'cursor', cursor, 'last_device', last)
if done then
  call('HDEL', base .. n.key, 'expand_at')
  call('ZREM', base .. 'expand', string.format('%014d %s', n.seq, n.id))
  n.expand_at = nil
  end_if_done(n, now)
end
finish()
return { #found, done and 1 or 0 }
`,
);
