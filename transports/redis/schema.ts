/**
 * The version of what is kept in Redis, one for each part that keeps something: a hash from part to
 * version. Keys are made when something is first kept in them, so a new Redis needs no migration.
 *
 * @module
 */

import { StoreOpenError } from "./errors.ts";
import { hashOfNames, integerField } from "./hashes.ts";
import { invariant } from "./errors.ts";
import type { Redis } from "./redis.ts";

/**
 * Says which version of its keys a part reads and writes: it is written down when the part is new here.
 *
 * @throws {StoreOpenError} When a newer version of this program has written them.
 */
export async function claimSchema(redis: Redis, part: string, version: number): Promise<void> {
  const key = redis.key("schema");
  const on = { key, type: "hash" } as const;
  await redis.call(["HSETNX", key, part, version], on);
  const hash = hashOfNames(key, [part], await redis.call(["HMGET", key, part], on));
  invariant(hash !== undefined, "the schema version is gone as soon as it was written");
  const found = integerField(hash, part);
  if (found > version) {
    throw new StoreOpenError(
      "newer_schema",
      `Cannot use Redis at ${redis.place}: schema version ${found} of "${part}" was written by a newer version of this program, which knows ${version}`,
    );
  }
}
