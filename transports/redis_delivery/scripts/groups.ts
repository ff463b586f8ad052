/**
 * The part of scripts that keeps the indexes of devices: who is in which audience.
 *
 * A device is named by a *code*, its number times four plus its platform, so that an index tells both.
 * Devices of an app, and those with a tag, are in sets of the codes of 512 numbers each: Redis keeps a
 * set of so few whole numbers as one packed array of 4 bytes each, where a sorted set of all of them
 * would take a hundred, and the union of several such sets is one short command. A sorted set beside
 * them tells which of these sets there are.
 *
 * @module
 */

/** Reads devices and puts them into their audiences, or takes them out. */
export const GROUPS = String.raw`
local CHUNK = 512
-- Codes that are to be added to sets, by the set: a script mostly adds many to few.
local joining = {}

-- A record, see codes.ts; nil when there is none with this code.
local function record(code)
  local number = math.floor(code / 4)
  local text = call('HGET', base .. 'devices', number)
  if not text then return nil end
  local state, suspect, app, address, keys, at, tail, reason =
    string.match(text, '^([ai])([01])(%d+)\n([^\n]*)\n([^\n]*)\n(%d+)\n([^\n]*)\n(.*)$')
  whole('devices', number, app)
  return { number = number, code = code, state = state, suspect = suspect, app = app,
    address = address, keys = keys, at = tonumber(at), tail = tail, reason = reason }
end

local function keep(r)
  call('HSET', base .. 'devices', r.number, table.concat({ r.state .. r.suspect .. r.app, r.address,
    r.keys, string.format('%.0f', r.at), r.tail, r.reason }, '\n'))
end

-- Names of the groups of a device: all devices of its app, and those of each of its tags.
local function groups_of(tail)
  local names = { '*' }
  for _, tag in ipairs(tail[3]) do names[#names + 1] = '#' .. tag end
  return names
end

local function flush()
  for members, part in pairs(joining) do
    call('SADD', members, unpack(part.codes))
    call('ZADD', part.chunks, part.chunk, part.chunk)
  end
  joining = {}
end

-- Whoever calls this calls "flush" in the end, and adds at most some thousands.
local function join(app, state, code, text)
  local tail, chunk = cjson.decode(text), math.floor(code / 4 / CHUNK)
  for _, name in ipairs(groups_of(tail)) do
    local members = base .. 'group:' .. app .. ':' .. state .. ':' .. chunk .. ':' .. name
    local part = joining[members]
    if not part then
      part = { codes = {}, chunk = chunk, chunks = base .. 'chunks:' .. app .. ':' .. state .. ':' .. name }
      joining[members] = part
    end
    part.codes[#part.codes + 1] = code
  end
  if tail[2] ~= cjson.null then
    call('SADD', base .. 'user:' .. app .. ':' .. state .. ':' .. tail[2], code)
  end
end

local function leave(app, state, code, text)
  flush()
  local tail, chunk = cjson.decode(text), math.floor(code / 4 / CHUNK)
  for _, name in ipairs(groups_of(tail)) do
    local members = base .. 'group:' .. app .. ':' .. state .. ':' .. chunk .. ':' .. name
    call('SREM', members, code)
    if call('EXISTS', members) == 0 then
      call('ZREM', base .. 'chunks:' .. app .. ':' .. state .. ':' .. name, chunk)
    end
  end
  if tail[2] ~= cjson.null then
    call('SREM', base .. 'user:' .. app .. ':' .. state .. ':' .. tail[2], code)
  end
end

-- The code of a device and the number of its app; nil when there is no such device.
local function find(id)
  local text = call('HGET', base .. 'ids', id)
  if not text then return nil end
  local code, app = string.match(text, '^(%d+) (%d+)$')
  return whole('ids', id, code), app
end

local function forget(id, code, app)
  local r = record(code)
  if r then leave(app, r.state, code, r.tail) end
  call('HDEL', base .. 'devices', math.floor(code / 4))
  call('HDEL', base .. 'ids', id)
  call('ZREM', base .. 'order:' .. app, id)
end
`;
