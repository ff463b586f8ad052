/**
 * The script that writes what batches came to.
 *
 * Invariants: every recipient of the batch is counted once, under an outcome or in a remainder; a
 * result whose lease was lost changes nothing; positions of rows and of tallies grow with each script,
 * and scripts follow one another: a reader never misses a smaller one that comes later.
 *
 * @module
 */

import { BATCHES } from "./batches.ts";
import { script } from "./core.ts";
import { GROUPS } from "./groups.ts";
import { LAST_ROWS } from "./last_rows.ts";

/** Names of the outcomes as fields of a tally, in the order in which the script is given them. */
const OUTCOME_FIELDS =
  "{ 'delivered', 'token_invalid', 'rejected', 'expired', 'failed', 'cancelled' }";

/** The parts of a result. */
const PARTS = String.raw`
local OUTCOMES = ${OUTCOME_FIELDS}

-- Rows of one result are one value: their positions end with that of its key.
local function record_rows(n, b, count, kinds, attempts, at, text)
  local position = call('INCRBY', base .. 'last:row', count)
  local last = string.format('%014d', position)
  call('HSET', base .. 'row:' .. last, 'notification', n.id, 'app', n.app, 'app_id', n.app_id,
    'direct', n.direct, 'platform', b.platform, 'attempts', attempts, 'at', at, 'count', count,
    'rows', text)
  call('ZADD', base .. 'rows', last, last)
  call('ZADD', base .. 'rows:' .. n.id, last, last)
  for kind in string.gmatch(kinds, '.') do
    call('ZADD', base .. 'rows:' .. n.id .. ':' .. kind, last, last)
  end
  if n.direct == '0' then point_to(string.format('%.0f', position), text, count) end
end

-- The records of those of these devices that are to be changed.
local function unlike(n, numbers, suspect)
  local found = {}
  for number in string.gmatch(n.direct == '0' and numbers or '', '%d+') do
    local r = record(number * 4)
    if r and r.app == n.app_id and r.suspect ~= suspect then
      r.suspect = suspect
      found[#found + 1] = r
    end
  end
  return found
end
`;

/**
 * Records a result. `ARGV`: batch, token, notification, attempts, now, the six outcomes, suspects that
 * are marked and that are cleared, the reason of a pause (`=` before it, or empty), how many rows, the
 * digits of their outcomes, the rows, and of each remainder: how many, numbers, attempt, not before.
 * Answers `stale`, `wrong` with the size of the batch, or `committed` with 1 when the notification has
 * ended.
 */
export const COMMIT = script(
  "record a result",
  BATCHES,
  GROUPS,
  LAST_ROWS,
  PARTS,
  String.raw`
local b, n = held(ARGV[1], ARGV[2])
if not b then return { 'stale', 0 } end
local attempts, at, ended, left, retries = tonumber(ARGV[4]), tonumber(ARGV[5]), 0, 0, 0
for place = 6, 11 do ended = ended + tonumber(ARGV[place]) end
for place = 18, #ARGV, 4 do
  left = left + tonumber(ARGV[place])
  -- Those who were handed back without a request have no attempt more than before.
  if tonumber(ARGV[place + 2]) == attempts then retries = retries + tonumber(ARGV[place]) end
end
if ended + left ~= b.count or ARGV[3] ~= n.id then return { 'wrong', b.count } end

local outcomes = {}
for place = 6, 11 do outcomes[place - 5] = tonumber(ARGV[place]) end
local lane, flow = lane_of(n, b.platform), flow_of(n, b.platform)
local tally = base .. 'tally:' .. flow
-- All that is read is read before the first write: a result that fails half way would be repeated.
countable('tally:' .. flow, OUTCOMES)
countable('tally:' .. flow, { 'retries' })
countable('lane:' .. lane, { 'waiting', 'leased' })
countable('app:' .. n.app, { 'unfinished' })
local turn = turn_of('lane:' .. lane) + 1
local marked, cleared = unlike(n, ARGV[12], '1'), unlike(n, ARGV[13], '0')
if n.state == 'cancelled' then
  outcomes[6] = outcomes[6] + left
else
  -- What is tried again comes into its lane's present turn: its recipients have waited for theirs.
  for place = 18, #ARGV, 4 do
    if ARGV[place] ~= '0' then
      add(n, b.platform, { count = ARGV[place], numbers = ARGV[place + 1], attempt = ARGV[place + 2],
        due = due_at(n, tonumber(ARGV[place + 3])), turn = turn, chunk = b.chunk })
    end
  end
end
local entry = { 'notification', n.id, 'app', n.app, 'platform', b.platform, 'at', at,
  'retries', retries }
for place, name in ipairs(OUTCOMES) do
  if outcomes[place] > 0 then call('HINCRBY', tally, name, outcomes[place]) end
  entry[#entry + 1] = name
  entry[#entry + 1] = outcomes[place]
end
if retries > 0 then call('HINCRBY', tally, 'retries', retries) end
call('XADD', base .. 'tallies', call('INCR', base .. 'last:tally') .. '-0', unpack(entry))
if ARGV[15] ~= '0' then
  record_rows(n, b, tonumber(ARGV[15]), ARGV[16], attempts, ARGV[5], ARGV[17])
end
for _, records in ipairs({ marked, cleared }) do
  for _, r in ipairs(records) do keep(r) end
end
unlease(n, b)
remove(n, b)
if ARGV[14] ~= '' then
  call('HSETNX', base .. 'pauses', lane, ARGV[5] .. ' ' .. string.sub(ARGV[14], 2))
  call('ZREM', base .. 'due', lane)
  touched[lane] = true
end
local done = end_if_done(n, at)
finish()
return { 'committed', done and 1 or 0 }
`,
);
