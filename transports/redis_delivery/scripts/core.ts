/**
 * What all scripts of the delivery store begin with.
 *
 * Every key is made from `KEYS[1]`, which carries the hash tag: a script reaches keys whose names it
 * learns only as it runs, and all of them are on the shard of that one.
 * The first line makes Redis refuse a script as a whole when its memory is full or it may not write;
 * without it, a script could fail half way. Scripts that free memory, or only read, are let through.
 *
 * Redis does not undo what a script wrote that fails later. So what a script counts with is read, and
 * found to be numbers, before it writes.
 *
 * @module
 */

import { RedisScript } from "../../redis/script.ts";

const CORE = String.raw`
local base, call = KEYS[1], redis.call

-- A number out of a hash that outlives this program, or an error that names key and field.
local function whole(key, field, value)
  local number = tonumber(value)
  if number then return number end
  local problem = 'is missing'
  if value then problem = 'is "' .. string.sub(value, 1, 40) .. '", expected a number' end
  error({ err = 'DAMAGED key "' .. base .. key .. '": field "' .. field .. '" ' .. problem })
end

-- These fields of a hash by name; nil when it has none of them.
local function fields(key, names)
  local values, found, any = call('HMGET', base .. key, unpack(names)), {}, false
  for place, name in ipairs(names) do
    if values[place] then
      found[name] = values[place]
      any = true
    end
  end
  return any and found or nil
end

-- Makes sure that these fields of a hash, as far as it has them, can be counted with.
local function countable(key, names)
  for name, value in pairs(fields(key, names) or {}) do whole(key, name, value) end
end

-- The number of an app that was not removed, or false.
local function app_id(name)
  return call('HGET', base .. 'app:' .. name, 'id')
end
`;

function made(first: string, action: string, parts: readonly string[]): RedisScript {
  return new RedisScript(action, ["string"], [first, CORE, ...parts].join("\n"));
}

/** A script of this store, made of the common beginning and these parts. */
export function script(action: string, ...parts: readonly string[]): RedisScript {
  return made("#!lua", action, parts);
}

/** A script that only reads, and so runs whatever state Redis is in. */
export function readingScript(action: string, ...parts: readonly string[]): RedisScript {
  return made("#!lua flags=no-writes", action, parts);
}

/** A script that mostly removes, and so runs though the memory is full. */
export function freeingScript(action: string, ...parts: readonly string[]): RedisScript {
  return made("#!lua flags=allow-oom", action, parts);
}
