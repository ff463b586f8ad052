/** The store over a cluster of three nodes: every script's keys are together, and every place is reached. */

import { assertEquals, assertRejects } from "@std/assert";
import {
  openRedisMessageStore,
  StoreError,
} from "../../../transports/redis_messages/redis_message_store.ts";
import { redisFixture } from "../../conformance/fixtures.ts";
import { messageStoreSuite } from "../../conformance/message_store.ts";
import { ALICE, uaidOf, WallClock, World } from "../../conformance/store_world.ts";
import { startRedisCluster } from "../../support/redis_server.ts";

const cluster = await startRedisCluster();
globalThis.addEventListener("unload", () => cluster.nodes.forEach((node) => node.abandon()));

messageStoreSuite(
  "RedisMessageStore on a cluster",
  redisFixture(() => cluster.freshUrl()),
  "several",
);

Deno.test("user agents are spread over all nodes of a cluster", async () => {
  const before = await Promise.all(cluster.nodes.map((node) => node.cli("DBSIZE")));
  await using store = await openRedisMessageStore({ url: cluster.freshUrl() });
  const uaids = Array.from(
    { length: 256 },
    (_, index) => index.toString(16).padStart(2, "0").repeat(16),
  );
  await Promise.all(uaids.map((uaid) => store.saveUser({ uaid, connectedAt: Date.now() })));
  const after = await Promise.all(cluster.nodes.map((node) => node.cli("DBSIZE")));
  // Each has a key for itself and one for what is due there; with fewer than 50 a node would be idle.
  const added = after.map((size, index) => Number(size) - Number(before[index]));
  assertEquals(added.every((count) => count > 100), true, added.join(" "));
});

Deno.test("a slot that moves to another node while messages are saved loses none", async () => {
  const clock = new WallClock();
  const url = cluster.freshUrl();
  await using store = await openRedisMessageStore({ url, clock });
  await using world = new World(clock, {
    store,
    reopen: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => store.close(),
  });
  await world.subscribe();
  const [first] = cluster.nodes;
  const slot = await first?.cli("CLUSTER", "KEYSLOT", "{aa}") ?? "";
  const owners = await Promise.all(
    cluster.nodes.map(async (node) => Number(await node.cli("CLUSTER", "COUNTKEYSINSLOT", slot))),
  );
  const from = owners.findIndex((count) => count > 0);
  const [source, target] = [cluster.nodes[from], cluster.nodes[(from + 1) % 3]];
  if (source === undefined || target === undefined) throw new Error("nobody has the slot");
  const saving = async () => {
    for (let sortKey = 1; sortKey <= 300;) {
      // While the keys of the slot are on both nodes, calls for them are refused: the caller comes again.
      const outcome = await store.saveMessage(world.message(sortKey), 1_000).catch(codeOf);
      if (outcome !== "unavailable") assertEquals(outcome, "stored");
      if (outcome === "stored") sortKey++;
    }
  };
  const ids = await Promise.all([source, target].map((node) => node.cli("CLUSTER", "MYID")));
  await Promise.all([saving(), move(slot, [source, target], ids)]);
  assertEquals((await world.keys()).length, 300);
});

function codeOf(error: unknown): string {
  return error instanceof StoreError ? error.code : String(error);
}

type Server = (typeof cluster.nodes)[number];

/** Moves a slot as `redis-cli --cluster reshard` does. */
async function move(
  slot: string,
  [source, target]: readonly Server[],
  [sourceId = "", targetId = ""]: readonly string[],
): Promise<void> {
  if (source === undefined || target === undefined) throw new Error("two nodes are needed");
  await target.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", sourceId);
  await source.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", targetId);
  for (;;) {
    const keys = await source.cli("CLUSTER", "GETKEYSINSLOT", slot, "100");
    if (keys === "") break;
    const port = String(target.port);
    await source.cli(
      ...["MIGRATE", "127.0.0.1", port, "", "0", "5000", "KEYS"],
      ...keys.split("\n"),
    );
  }
  for (const node of [target, source]) {
    await node.cli("CLUSTER", "SETSLOT", slot, "NODE", targetId);
  }
}

Deno.test("without one node of three, the one of the address, ping() fails and the others' user agents are served", async () => {
  await using store = await openRedisMessageStore({
    url: cluster.freshUrl(),
    callTimeoutMs: 1_000,
  });
  const uaids = Array.from({ length: 16 }, (_, digit) => uaidOf(digit));
  const served = async () => {
    const users = await Promise.allSettled(uaids.map((uaid) => store.user(uaid)));
    return users.filter(({ status }) => status === "fulfilled").length;
  };
  const [first] = cluster.nodes;
  first?.pause();
  try {
    const found = await served();
    assertEquals(found > 0 && found < 16, true, String(found));
    const error = await assertRejects(() => store.ping(), StoreError);
    assertEquals(error.code, "unavailable");
    // By now the connection was replaced, through a node that the address does not name.
    await until(async () => await served() === found);
  } finally {
    first?.resume();
  }
  await until(() => store.ping().then(() => true, (error) => codeOf(error) !== "unavailable"));
  assertEquals(await store.user(ALICE), undefined);
});

/** Resolves when this holds; the test's own limit ends it otherwise. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!await holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}
