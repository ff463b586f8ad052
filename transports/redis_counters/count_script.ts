/**
 * The script that counts a page: all of it or nothing, and only if the counters stand where the caller
 * thinks they do.
 *
 * It reads and checks everything before it writes anything: Redis does not undo the writes of a script
 * that fails later. When memory or disk forbid writes, Redis refuses the first one.
 *
 * Keys: the marks, then the hashes of counts. Arguments: the store's name, its mark before and after,
 * then for each hash the second at which it expires (0 for never), how many fields, and each field
 * with what to add. It answers the mark as it is then; or key, field and value of what is no count.
 *
 * @module
 */

import { RedisScript } from "../redis/script.ts";

/** See the module. */
export const COUNT_PAGE: RedisScript = new RedisScript(
  "count deliveries",
  ["hash"],
  `local function whole(text)
     return #text <= 15 and string.match(text, '^%d+$')
   end
   local known = redis.call('HGET', KEYS[1], ARGV[1]) or '0:0'
   if known ~= ARGV[2] then return known end
   local place, expiries, sums = 4, {}, {}
   for index = 2, #KEYS do
     local count = tonumber(ARGV[place + 1])
     local names = {}
     for number = 1, count do names[number] = ARGV[place + 2 * number] end
     local found = redis.call('HMGET', KEYS[index], unpack(names))
     local fields = {}
     for number = 1, count do
       local old = found[number] or '0'
       if not whole(old) then return {KEYS[index], names[number], old} end
       local sum = tonumber(old) + tonumber(ARGV[place + 2 * number + 1])
       fields[2 * number - 1] = names[number]
       fields[2 * number] = string.format('%.0f', sum)
     end
     expiries[index], sums[index] = ARGV[place], fields
     place = place + 2 + 2 * count
   end
   for index = 2, #KEYS do
     redis.call('HSET', KEYS[index], unpack(sums[index]))
     if expiries[index] ~= '0' then redis.call('EXPIREAT', KEYS[index], expiries[index]) end
   end
   redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
   return ARGV[3]`,
);
