/**
 * The version of what is kept in Redis, one for each part that keeps something: a hash from part to
 * version. Keys are made when something is first kept in them, so a new Redis needs no migration.
 *
 * @module
 */

import { asOpenError, invariant, StoreError, StoreOpenError } from "./errors.ts";
import { hashOfNames, integerField } from "./hashes.ts";
import type { Redis } from "./redis.ts";

/**
 * Says which version of its keys a part reads and writes: it is written down when the part is new here.
 *
 * @throws {StoreOpenError} When a newer version of this program has written them, or they cannot be read.
 */
export async function claimSchema(redis: Redis, part: string, version: number): Promise<void> {
  const found = await versionOf(redis, part, version).catch((error: unknown) => {
    throw error instanceof StoreError ? asOpenError(redis.place, error) : error;
  });
  if (found > version) {
    throw new StoreOpenError(
      "newer_schema",
      `Cannot use Redis at ${redis.place}: schema version ${found} of "${part}" was written by a newer version of this program, which knows ${version}`,
    );
  }
}

/** The version of a part, written down when there is none: a Redis that takes no writes now can be opened again. */
async function versionOf(redis: Redis, part: string, version: number): Promise<number> {
  const key = redis.key("schema");
  const on = { key, type: "hash" } as const;
  const read = async () => hashOfNames(key, [part], await redis.call(["HMGET", key, part], on));
  let hash = await read();
  if (hash === undefined) {
    await redis.call(["HSETNX", key, part, version], on);
    hash = await read();
  }
  invariant(hash !== undefined, "the schema version is gone as soon as it was written");
  return integerField(hash, part);
}
