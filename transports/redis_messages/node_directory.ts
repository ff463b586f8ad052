/**
 * The nodes that share a Redis, each under a lease that Redis's own clock measures.
 *
 * @module
 */

import { nodeFactsText, readNodeFacts } from "../message_store/node_facts.ts";
import type { NodeRecord, NodesFound } from "../message_store/records.ts";
import {
  damaged,
  type Hash,
  hashOf,
  integerField,
  optionalTextField,
  textField,
} from "../redis/hashes.ts";
import type { Redis } from "../redis/redis.ts";
import { arrayReply, textReply } from "../redis/replies.ts";
import { RedisScript } from "../redis/script.ts";
import type { Keys } from "./keys.ts";
import { ENDED_KEPT_MS, ENDED_MAX } from "./limits.ts";

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
`;

/** Arguments: id, lease in milliseconds, then fields and values. */
const RENEW = new RedisScript(
  "renew the lease of a node",
  ["zset", "hash"],
  `${NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now - ${ENDED_KEPT_MS}))
redis.call('ZADD', KEYS[1], text(now + ARGV[2]), ARGV[1])
redis.call('DEL', KEYS[2])
for place = 3, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[place], ARGV[place + 1]) end
redis.call('PEXPIRE', KEYS[2], text(ARGV[2] + ${ENDED_KEPT_MS}))
`,
);

const NODES = new RedisScript(
  "read the nodes",
  ["zset"],
  `${NOW}
return {
  redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. text(now), '+inf'),
  redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now), 'LIMIT', 0, ${ENDED_MAX}),
}
`,
);

/** Enters a node, or prolongs its lease from now on. */
export async function renewNode(
  redis: Redis,
  keys: Keys,
  node: NodeRecord,
  leaseMs: number,
): Promise<void> {
  const facts = nodeFactsText(node.facts);
  const fields = [
    ...["roles", JSON.stringify(node.roles)],
    ...["version", node.version],
    ...["keys", JSON.stringify(node.keys)],
    ...["started_at", String(node.startedAt)],
    ...(node.url === undefined ? [] : ["url", node.url]),
    ...(facts === undefined ? [] : ["facts", facts]),
  ];
  await redis.run(RENEW, [keys.leases(), keys.node(node.id)], [node.id, leaseMs, ...fields]);
}

/** Removes a node; unknown is fine. */
export async function removeNode(redis: Redis, keys: Keys, id: string): Promise<void> {
  const leases = keys.leases();
  await Promise.all([
    redis.call(["ZREM", leases, id], { key: leases, type: "zset" }),
    redis.call(["UNLINK", keys.node(id)], { key: keys.node(id) }),
  ]);
}

/** All nodes whose lease lasts, by their start, and ids of some whose lease has ended. */
export async function readNodes(redis: Redis, keys: Keys): Promise<NodesFound> {
  const [alive, ended] = arrayReply(await redis.run(NODES, [keys.leases()], []));
  const found = await Promise.all(
    arrayReply(alive).map(async (reply) => {
      const id = textReply(reply);
      const key = keys.node(id);
      const hash = hashOf(key, await redis.call(["HGETALL", key], { key, type: "hash" }));
      // One that left between the two reads.
      return hash === undefined ? [] : [nodeOf(id, hash)];
    }),
  );
  return {
    alive: found.flat().toSorted((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1)),
    ended: arrayReply(ended).map(textReply),
  };
}

function nodeOf(id: string, hash: Hash): NodeRecord {
  return {
    id,
    url: optionalTextField(hash, "url"),
    roles: textsField(hash, "roles"),
    version: textField(hash, "version"),
    keys: textsField(hash, "keys"),
    startedAt: integerField(hash, "started_at"),
    facts: readNodeFacts(optionalTextField(hash, "facts")),
  };
}

/** The list of texts in this field, as JSON. */
function textsField(hash: Hash, field: string): readonly string[] {
  let value: unknown;
  try {
    value = JSON.parse(textField(hash, field));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
    throw damaged(hash.key, field, "is no JSON list of texts");
  }
  return value;
}
