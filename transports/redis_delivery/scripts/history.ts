/**
 * Scripts for what ended when.
 *
 * @module
 */

import { script } from "./core.ts";

/**
 * Adds to the slots of the history unless the sink has come further than the caller knew, and forgets the
 * hours before a second. `ARGV`: the sink, how far it had come, how far it has then come, that second, and
 * of each slot: second, platform and seven counts. Answers nothing, or how far the sink has come if it was
 * not so far, and nothing is added.
 */
export const ADD_TO_HISTORY = script(
  "add to the history",
  String.raw`
local SLOT, COUNTS = 9, 7
local counted = call('HGET', base .. 'sinks', ARGV[1]) or '0'
if whole('sinks', ARGV[1], counted) ~= tonumber(ARGV[2]) then return counted end

-- The seven counts of a slot with what is added to them.
local function sum_of(key, field, place)
  local counts = {}
  for part in string.gmatch(call('HGET', base .. key, field) or '0 0 0 0 0 0 0', '%S+') do
    counts[#counts + 1] = string.format('%.0f', whole(key, field, part) + (ARGV[place + #counts] or 0))
  end
  if #counts == COUNTS then return table.concat(counts, ' ') end
  error({ err = 'DAMAGED key "' .. base .. key .. '": field "' .. field .. '" is no slot' })
end

local sums = {}
for place = 5, #ARGV, SLOT do
  local hour = math.floor(ARGV[place] / 3600)
  local key, field = 'history:' .. hour, ARGV[place] .. ',' .. ARGV[place + 1]
  sums[#sums + 1] = { hour = hour, key = key, field = field, text = sum_of(key, field, place + 2) }
end
for _, sum in ipairs(sums) do
  call('HSET', base .. sum.key, sum.field, sum.text)
  call('ZADD', base .. 'history', sum.hour, sum.hour)
end
local old = { '-inf', '(' .. math.floor(ARGV[4] / 3600) }
for _, hour in ipairs(call('ZRANGE', base .. 'history', old[1], old[2], 'BYSCORE')) do
  call('DEL', base .. 'history:' .. hour)
end
call('ZREMRANGEBYSCORE', base .. 'history', old[1], old[2])
call('HSET', base .. 'sinks', ARGV[1], ARGV[3])
return false
`,
);
