/**
 * Scripts that write devices.
 *
 * @module
 */

import { freeingScript, readingScript, script } from "./core.ts";
import { GROUPS } from "./groups.ts";

/**
 * Registers devices, each replacing the one of the same id. One that changes its platform is a new
 * recipient, and so has a new number. `ARGV`: the time, then app, id, platform, address, keys and tail
 * of each. Answers for each 0, 1 when its app is unknown, or 2 when its id is another app's.
 */
export const SAVE_DEVICES = script(
  "save devices",
  GROUPS,
  String.raw`
local now, apps, answers = ARGV[1], {}, {}

local function save(app, id, platform, address, keys, tail)
  local code, owner = find(id)
  if code and owner ~= app then
    if call('HEXISTS', base .. 'apps', owner) == 1 then return 2 end
    -- Its app was removed, and it has only not been removed yet.
    forget(id, code, owner)
    code = nil
  end
  -- On another platform it is another recipient: batches know it by its number.
  if code and code % 4 ~= platform then
    forget(id, code, app)
    code = nil
  end
  local old
  if code then
    old = record(code)
    if old and (old.tail ~= tail or old.state ~= 'a') then leave(app, old.state, code, old.tail) end
  else
    code = call('INCR', base .. 'last:device') * 4 + platform
    call('HSET', base .. 'ids', id, string.format('%.0f %s', code, app))
    call('ZADD', base .. 'order:' .. app, 0, id)
  end
  if not old or old.tail ~= tail or old.state ~= 'a' then join(app, 'a', code, tail) end
  keep({ number = math.floor(code / 4), state = 'a', suspect = '0', app = app, address = address,
    keys = keys, at = now, tail = tail, reason = '' })
  return 0
end

for place = 2, #ARGV, 6 do
  local name = ARGV[place]
  if apps[name] == nil then apps[name] = app_id(name) end
  if apps[name] then
    answers[#answers + 1] = save(apps[name], ARGV[place + 1], tonumber(ARGV[place + 2]),
      ARGV[place + 3], ARGV[place + 4], ARGV[place + 5])
  else
    answers[#answers + 1] = 1
  end
end
flush()
return answers
`,
);

/** Removes a device, `ARGV[1]`; answers whether it was there. */
export const REMOVE_DEVICE = freeingScript(
  "remove a device",
  GROUPS,
  String.raw`
local code, app = find(ARGV[1])
if not code then return 0 end
forget(ARGV[1], code, app)
return call('HEXISTS', base .. 'apps', app)
`,
);

/**
 * Marks devices invalid that are still what rows say. `ARGV`: device, app, platform, address, the time
 * before which it was registered, and the reason of each. Answers how many were marked.
 */
export const INVALIDATE = script(
  "mark devices invalid",
  GROUPS,
  String.raw`
local count = 0
for place = 1, #ARGV, 6 do
  local code, app = find(ARGV[place])
  local meant = code and app == app_id(ARGV[place + 1]) and code % 4 == tonumber(ARGV[place + 2])
  local r = meant and record(code)
  if r and r.state == 'a' and r.address == ARGV[place + 3] and r.at <= tonumber(ARGV[place + 4]) then
    leave(app, 'a', code, r.tail)
    r.state, r.reason = 'i', ARGV[place + 5]
    keep(r)
    join(app, 'i', code, r.tail)
    count = count + 1
  end
end
flush()
return count
`,
);

/** Removes up to `ARGV[1]` devices of a removed app; answers how many, -1 when there is no such app. */
export const CLEAR_REMOVED_APPS = freeingScript(
  "remove the devices of a removed app",
  GROUPS,
  String.raw`
local app = call('SRANDMEMBER', base .. 'removed')
if not app then return -1 end
local ids = call('ZRANGE', base .. 'order:' .. app, 0, ARGV[1] - 1)
for _, id in ipairs(ids) do
  local code, owner = find(id)
  if code and owner == app then forget(id, code, app) else call('ZREM', base .. 'order:' .. app, id) end
end
if call('EXISTS', base .. 'order:' .. app) == 0 then call('SREM', base .. 'removed', app) end
return #ids
`,
);

/**
 * The codes of devices of an app in these groups, for a page of devices. `ARGV`: app, group (`*`, a tag
 * behind `#`, or a user behind `@`), states, and how many are few. Answers them, or nothing when there
 * are more.
 */
export const FEW = readingScript(
  "list devices",
  String.raw`
local app, group, few = ARGV[1], ARGV[2], tonumber(ARGV[4])
local found = {}
local function take(key)
  if #found + call('SCARD', key) > few then return false end
  for _, code in ipairs(call('SMEMBERS', key)) do found[#found + 1] = code end
  return true
end
for state in string.gmatch(ARGV[3], '.') do
  local of = app .. ':' .. state .. ':'
  if string.sub(group, 1, 1) == '@' then
    if not take(base .. 'user:' .. of .. string.sub(group, 2)) then return false end
  else
    if call('ZCARD', base .. 'chunks:' .. of .. group) > few then return false end
    for _, chunk in ipairs(call('ZRANGE', base .. 'chunks:' .. of .. group, 0, -1)) do
      if not take(base .. 'group:' .. of .. chunk .. ':' .. group) then return false end
    end
  end
end
return found
`,
);
