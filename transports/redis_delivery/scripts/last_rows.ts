/**
 * Scripts for the last row about a device.
 *
 * Each value of rows has a position, that of its last row; of a device the store keeps the position of the
 * value that has the newest row about it, for as long as that is there. A hundred devices share a hash,
 * which Redis keeps as one packed array of some ten bytes each, where one hash of all would take eighty.
 *
 * @module
 */

import { readingScript } from "./core.ts";

/** Remembers which value has the last row about devices, and reads rows in the text of a value. */
export const LAST_ROWS = String.raw`
local function last_rows(number)
  return 'last_rows:' .. math.floor(number / 100)
end

-- Calls a function with each of the first rows in a text: its number, where it begins and ends.
local function each_row(text, count, take)
  local from = 1
  for _ = 1, count do
    local number = string.match(text, '^%[(%d+),', from)
    if not number then return end
    local stop = string.find(text, '\n', from, true) or #text + 1
    take(number, from, stop - 1)
    from = stop + 1
  end
end

-- Calls a function with the numbers of the first rows in a text, as far as they follow each other in one hash.
local function each_hundred(text, count, take)
  local hundred, numbers = nil, {}
  each_row(text, count, function(number)
    local its = math.floor(number / 100)
    if its ~= hundred then
      if hundred then take(base .. last_rows(numbers[1]), numbers) end
      hundred, numbers = its, {}
    end
    numbers[#numbers + 1] = number
  end)
  if hundred then take(base .. last_rows(numbers[1]), numbers) end
end

-- The value at this position has the newest rows about the devices that are in it.
local function point_to(last, text, count)
  each_hundred(text, count, function(key, numbers)
    local entries = {}
    for place, number in ipairs(numbers) do
      entries[2 * place - 1] = number
      entries[2 * place] = last
    end
    call('HSET', key, unpack(entries))
  end)
end

-- The first rows of the value at this position are to be removed: no older ones take their place.
local function point_away(last, text, count)
  each_hundred(text, count, function(key, numbers)
    local gone = {}
    for place, found in ipairs(call('HMGET', key, unpack(numbers))) do
      if found == last then gone[#gone + 1] = numbers[place] end
    end
    if #gone > 0 then call('HDEL', key, unpack(gone)) end
  end)
end
`;

/** Answers the positions of the values that have the last rows about the devices with these numbers, `ARGV`. */
export const FIND_LAST_ROWS = readingScript(
  "find the last rows about devices",
  LAST_ROWS,
  String.raw`
local found = {}
for place, number in ipairs(ARGV) do
  local last = call('HGET', base .. last_rows(number), number)
  found[place] = last and whole(last_rows(number), number, last)
end
return found
`,
);

/** The fields of a value that all its rows have in common. */
export const COMMON_FIELDS = [
  "notification",
  "app",
  "app_id",
  "direct",
  "platform",
  "attempts",
  "at",
  "count",
] as const;

/**
 * Reads rows of one value. `ARGV`: its position as in its key, and numbers of recipients. Answers
 * {@link COMMON_FIELDS}, and of each row that was found its place, from 0, and its text.
 */
export const READ_ROWS_OF = readingScript(
  "read the last rows about devices",
  LAST_ROWS,
  String.raw`
local key, wanted, found = 'row:' .. ARGV[1], {}, {}
local text = call('HGET', base .. key, 'rows')
if not text then return {} end
for place = 2, #ARGV do wanted[ARGV[place]] = true end
local row = 0
each_row(text, whole(key, 'count', call('HGET', base .. key, 'count')), function(number, from, to)
  if wanted[number] then
    found[#found + 1] = row
    found[#found + 1] = string.sub(text, from, to)
  end
  row = row + 1
end)
return { call('HMGET', base .. key, ${COMMON_FIELDS.map((name) => `'${name}'`).join(", ")}), found }
`,
);
