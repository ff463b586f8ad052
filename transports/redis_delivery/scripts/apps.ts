/**
 * Scripts that write apps and lanes.
 *
 * @module
 */

import { BATCHES } from "./batches.ts";
import { freeingScript, script } from "./core.ts";

const RESUME = String.raw`
local function resume(lane)
  local paused = call('HDEL', base .. 'pauses', lane) == 1
  call('ZREM', base .. 'due:paused', lane)
  touched[lane] = true
  return paused
end
`;

/** Saves an app, `ARGV`: name and credentials, as its next version; its pauses end. Answers the version. */
export const SAVE_APP = script(
  "save an app",
  BATCHES,
  RESUME,
  String.raw`
local name, key = ARGV[1], base .. 'app:' .. ARGV[1]
if not app_id(name) then
  local id = call('INCR', base .. 'last:app')
  call('HSET', key, 'id', id, 'unfinished', 0)
  call('HSET', base .. 'apps', id, name)
end
call('HSET', key, 'name', name, 'credentials', ARGV[2])
for platform = 0, 2 do resume(lane_of({ app = name }, platform)) end
finish()
return call('HINCRBY', key, 'version', 1)
`,
);

/** Takes an app away, `ARGV[1]`; its devices are removed by steps that follow. */
export const REMOVE_APP = freeingScript(
  "remove an app",
  String.raw`
local name, id = ARGV[1], app_id(ARGV[1])
if not id then return 'unknown' end
local key = 'app:' .. name
if whole(key, 'unfinished', call('HGET', base .. key, 'unfinished')) > 0 then return 'busy' end
call('HDEL', base .. key, 'id', 'name', 'credentials', 'unfinished')
call('HDEL', base .. 'apps', id)
call('SADD', base .. 'removed', id)
for platform = 0, 2 do
  local lane = name .. ',' .. platform
  call('DEL', base .. 'lane:' .. lane)
  call('SREM', base .. 'lanes', lane)
  call('HDEL', base .. 'pauses', lane)
end
return 'removed'
`,
);

/** Stops claims from a lane, `ARGV`: app, platform, time and reason; one that is paused keeps its first. */
export const PAUSE = script(
  "pause a lane",
  BATCHES,
  String.raw`
if not app_id(ARGV[1]) then return 0 end
local lane = lane_of({ app = ARGV[1] }, ARGV[2])
call('SADD', base .. 'lanes', lane)
call('HSETNX', base .. 'pauses', lane, ARGV[3] .. ' ' .. ARGV[4])
call('ZREM', base .. 'due', lane)
touched[lane] = true
finish()
return 1
`,
);

/** Allows claims from a lane again, `ARGV`: app and platform; answers whether it was paused. */
export const RESUME_LANE = script(
  "resume a lane",
  BATCHES,
  RESUME,
  String.raw`
local paused = app_id(ARGV[1]) and resume(lane_of({ app = ARGV[1] }, ARGV[2]))
finish()
return paused and 1 or 0
`,
);
