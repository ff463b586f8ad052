/**
 * What Redis does in one step for the source. `KEYS[1]` is the stream; `ARGV` begins with the group.
 *
 * @module
 */

import { RedisScript } from "../redis/script.ts";
import { CONSUMER_IDLE_MS, DELIVERIES_WITH_FIELDS_MAX } from "./limits.ts";

/** The next entry that was left behind: this consumer's own first, which it has forgotten; then idle ones, by the whole cursor. */
export const TAKE_LEFT: RedisScript = new RedisScript(
  "take entries that were left behind",
  ["stream"],
  `
local stream, group, consumer, idleMs = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
-- The group is made where it is missing only: a Redis that is full refuses that, and lets entries be taken.
local consumers = redis.call('EXISTS', stream) == 1 and redis.pcall('XINFO', 'CONSUMERS', stream, group)
if not consumers or consumers.err and string.find(consumers.err, 'NOGROUP') then
  redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
  consumers = {}
end
if consumers.err then return consumers end

for _, reply in ipairs(consumers) do
  local info = {}
  for place = 1, #reply, 2 do info[reply[place]] = reply[place + 1] end
  if info.pending == 0 and info.idle >= ${CONSUMER_IDLE_MS} and info.name ~= consumer then
    redis.call('XGROUP', 'DELCONSUMER', stream, group, info.name)
  end
end

local function counted(entry)
  local count = redis.call('XPENDING', stream, group, entry[1], entry[1], 1)[1][4]
  return {entry[1], count > ${DELIVERIES_WITH_FIELDS_MAX} and {} or entry[2], count}
end

while true do
  local own = redis.call('XPENDING', stream, group, '-', '+', 1, consumer)[1]
  if not own then break end
  local entry = redis.call('XCLAIM', stream, group, consumer, 0, own[1])[1]
  if entry then return counted(entry) end
  redis.call('XACK', stream, group, own[1])
end
local cursor = '0-0'
repeat
  local page = redis.call('XAUTOCLAIM', stream, group, consumer, idleMs, cursor, 'COUNT', 1)
  if page[2][1] then return counted(page[2][1]) end
  cursor = page[1]
until cursor == '0-0'
return {}
`,
);

/** Shows that this consumer still has an entry; one that another has is left alone. */
export const SHOW_LIFE: RedisScript = new RedisScript(
  "keep an entry",
  ["stream"],
  `
local stream, group, consumer, id = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local own = redis.call('XPENDING', stream, group, id, id, 1, consumer)[1]
if own then redis.call('XCLAIM', stream, group, consumer, 0, id, 'JUSTID') end
return own and 1 or 0
`,
);

/** Removes an entry. */
export const REMOVE: RedisScript = new RedisScript(
  "remove an entry",
  ["stream"],
  `
-- A stream without the group has nothing to acknowledge.
local _ = redis.pcall('XACK', KEYS[1], ARGV[1], ARGV[2])
return redis.call('XDEL', KEYS[1], ARGV[2])
`,
);
