/**
 * Counters of deliveries in Redis: the sink that counts, and what reads its counts.
 *
 * @module
 */

export * from "./read_counters.ts";
export * from "./redis_counters_sink.ts";
export type { Counter } from "./keys.ts";
export {
  type Lane,
  type Outcome,
  OUTCOMES,
  type Platform,
  type Tally,
} from "../delivery_store/records.ts";
export type { Argument, KeyType, Redis, RedisScript, Target } from "../redis/redis.ts";
