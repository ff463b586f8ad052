/**
 * A Lua script that Redis runs as one step.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** What a key holds, as `TYPE` names it. */
export type KeyType = "string" | "hash" | "set" | "zset" | "list" | "stream";

/**
 * A script with the types of the keys it is called with, by place: when Redis finds another type, the
 * error names the key that has it. The last type stands for all keys that follow.
 */
export class RedisScript {
  /** What it does, as in "Cannot save a message". */
  readonly action: string;
  /** Its source. */
  readonly source: string;
  /** SHA-1 of the source, by which Redis knows it. */
  readonly sha: string;
  readonly #types: readonly KeyType[];

  /** Makes a script; it is given to Redis when it is first run. */
  constructor(action: string, types: readonly KeyType[], source: string) {
    this.action = action;
    this.source = source;
    this.sha = createHash("sha1").update(source).digest("hex");
    this.#types = types;
  }

  /** What the key at this place must hold. */
  typeAt(place: number): KeyType | undefined {
    return this.#types[Math.min(place, this.#types.length - 1)];
  }
}
