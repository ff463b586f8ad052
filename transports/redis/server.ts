/**
 * What kind of Redis answers, and whether it is one that can be worked with.
 *
 * @module
 */

import type { RedisAddress } from "./address.ts";
import { replyWord, StoreOpenError } from "./errors.ts";
import type { Link } from "./link.ts";
import { textReply } from "./replies.ts";

/** The oldest Redis that has everything used here: flags of scripts came with 7.0. */
const VERSION_MIN = [7, 0] as const;

/** The fields of an answer to `INFO`. */
export function infoFields(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split(/\r?\n/).flatMap((line) => {
      const colon = line.indexOf(":");
      return line.startsWith("#") || colon < 0
        ? []
        : [[line.slice(0, colon), line.slice(colon + 1)] as const];
    }),
  );
}

/**
 * Makes sure of version, role and kind. Who may not ask (`INFO` forbidden to the user) is taken at the
 * address's word.
 *
 * @throws {StoreOpenError} When it cannot be worked with.
 */
export async function checkServer(link: Link, address: RedisAddress): Promise<void> {
  const fields = await info(link);
  if (fields === undefined) return;
  const refuse = (
    code: "too_old" | "cluster_mismatch" | "replica" | "loading" | "not_redis",
    words: string,
  ) => {
    throw new StoreOpenError(code, `Cannot use Redis at ${address.place}: ${words}`);
  };
  const version = fields.get("redis_version");
  if (version === undefined) return refuse("not_redis", "it does not tell its version");
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])) {
    refuse(
      "too_old",
      `it is version ${version}, and ${VERSION_MIN.join(".")} is the oldest that will do`,
    );
  }
  const cluster = fields.get("cluster_enabled") === "1";
  if (cluster && !address.cluster) {
    refuse("cluster_mismatch", 'it is a node of a cluster. Add "?cluster=true" to the address');
  }
  if (fields.get("loading") === "1") {
    refuse("loading", "it still reads its data from the disk. Wait until it has, and start again");
  }
  if (fields.get("role") === "slave" && !cluster) {
    refuse("replica", "it is a replica, which takes no writes. Name the primary");
  }
}

async function info(link: Link): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    const [reply] = await link.sendToAll(["INFO"]);
    return infoFields(textReply(reply));
  } catch (error) {
    if (replyWord(error) === "NOPERM") return undefined;
    throw error;
  }
}
