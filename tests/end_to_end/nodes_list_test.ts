/**
 * Nodes that share a store know each other's numbers, whatever they do and however they end, and
 * whatever somebody else writes between them.
 */

import { assert, assertEquals, assertGreater } from "@std/assert";
import type { NodesFound } from "../../transports/api/serve_api.ts";
import type { ReadyCheck } from "../../transports/api/serve_api.ts";
import { openPostgres, sql } from "../../transports/postgres/mod.ts";
import { openPostgresMessageStore } from "../../transports/postgres_messages/mod.ts";
import { openRedis } from "../../transports/redis/redis.ts";
import { openRedisMessageStore } from "../../transports/redis_messages/mod.ts";
import { factsOf } from "../support/node_facts.ts";
import { pass } from "../support/nodes_campaign.ts";
import { PushClient } from "../support/push_client.ts";
import { Service } from "../support/service.ts";
import { type EngineName, ENGINES, startEngine } from "../support/shared_engine.ts";
import { TwoNodes } from "../support/two_nodes.ts";

/** Between two looks, and how long to look: a lease and two looks at the directory, on a busy machine. */
const LOOK_MS = 100;
const FOUND_MS = 30_000;

/** The answer to `GET /v1/nodes`. */
interface Listed extends Pick<NodesFound, "nodes"> {
  readonly now: string;
  readonly checks: readonly ReadyCheck[];
}

/** Asks a node for all. */
async function list({ apiPort, dataDir }: Service): Promise<Listed> {
  const token = (await Deno.readTextFile(`${dataDir}/api-token`)).trim();
  const response = await fetch(`http://127.0.0.1:${apiPort}/v1/nodes`, {
    headers: { authorization: `Bearer ${token}` },
  });
  assertEquals(response.status, 200);
  return await response.json();
}

/** Asks until the answer is right. */
async function listed(service: Service, right: (found: Listed) => boolean): Promise<Listed> {
  const deadline = performance.now() + FOUND_MS;
  for (;;) {
    const found = await list(service);
    if (right(found)) return found;
    assert(performance.now() < deadline, JSON.stringify(found, undefined, 2));
    await pass(LOOK_MS);
  }
}

/** Enters a node with markup in its texts, whose lease lasts a minute. */
async function enterForeigner(name: EngineName, url: string): Promise<void> {
  const node = {
    ...{ id: `<img src=x onerror="alert(1)">`, url: "javascript:alert(1)", roles: ["</script>"] },
    ...{ version: "'\"><b>", keys: [], startedAt: 2 ** 52, facts: factsOf({ deno: "<i>" }) },
  };
  const options = { url, userLifetimeSeconds: 60 };
  await using store = name === "postgres"
    ? await openPostgresMessageStore(options)
    : await openRedisMessageStore(options);
  await store.renew(node, 60_000);
}

/** Makes its roles a number. */
async function damageForeigner(name: EngineName, url: string): Promise<void> {
  if (name === "postgres") {
    await using postgres = await openPostgres({ url });
    await postgres.query("damage", sql`UPDATE node SET roles = '5' WHERE url LIKE 'javascript%'`);
    return;
  }
  await using redis = await openRedis({ url });
  const key = redis.key("{nodes}", "node", `<img src=x onerror="alert(1)">`);
  await redis.call(["HSET", key, "roles", "5"], { key });
}

for (const name of ENGINES) {
  Deno.test(`GET /v1/nodes of each node on ${name} has all of them, and how they do`, async (t) => {
    await using engine = await startEngine(name);
    await using nodes = await TwoNodes.open({ engine });
    const { a, b } = nodes;
    await using _sender = await Service.start({ flags: [...nodes.flags, "--roles", "delivery"] });
    const [foundByA, foundByB] = await Promise.all([a, b].map((node) => list(node)));
    await t.step("each of them is itself there, and the same for all", () => {
      const seen = (found: Listed | undefined) => found?.nodes.map(({ id, self }) => [id, self]);
      const [first, second, third] = foundByA?.nodes.map(({ id }) => id) ?? [];
      assertEquals(seen(foundByA), [[first, true], [second, false], [third, false]]);
      assertEquals(seen(foundByB), [[first, false], [second, true], [third, false]]);
    });
    await t.step("each says how it does, the one without an API too", () => {
      for (const { url, roles, version, facts } of foundByB?.nodes ?? []) {
        assert(url?.startsWith("http://127.0.0.1:") && /^\d/.test(version), `${url} ${version}`);
        assert(facts !== null && facts.rssBytes > facts.heapBytes, JSON.stringify(facts));
        assertGreater(facts.heapBytes, 1_000_000);
        assertEquals([facts.deno, facts.devices], [Deno.version.deno, 0]);
        assert(facts.cpuPercent >= 0 && facts.loopDelayMs.max >= facts.loopDelayMs.p50);
        assert(Math.abs(facts.at - Date.parse(foundByB?.now ?? "")) < FOUND_MS);
        assert(roles.length === 4 || roles[0] === "delivery");
      }
      const names = foundByA?.checks.map((check) => check.name);
      assertEquals(names, ["listeners", "store", "delivery_store"]);
    });
    await t.step("a device on one is known to the other with the next renewal", async () => {
      await using _device = await PushClient.connect(b.deviceUrl);
      await listed(a, ({ nodes: [, other] }) => other?.facts?.devices === 1);
    });
    await t.step("one that is killed is there until its lease has ended", async () => {
      await b.kill9();
      assertEquals((await list(a)).nodes.length, 3);
      await listed(a, (found) => found.nodes.length === 2);
    });
    await t.step("a name with markup is shown as it is", async () => {
      await enterForeigner(name, nodes.store);
      const { nodes: [, , foreigner] } = await list(a);
      assertEquals(foreigner, {
        ...{ id: `<img src=x onerror="alert(1)">`, self: false, url: "javascript:alert(1)" },
        ...{ roles: ["</script>"], version: "'\"><b>", startedAt: "9999-12-31T00:00:00.000Z" },
        facts: factsOf({ deno: "<i>" }),
      });
    });
    await t.step("a row that nobody can read leaves this node, and the reason", async () => {
      await damageForeigner(name, nodes.store);
      const found = await list(a);
      assertEquals(found.nodes.map(({ self }) => self), [true]);
      const check = found.checks.at(-1);
      assertEquals([check?.name, check?.ok], ["directory", false]);
      assert(/other nodes are not known: .*roles/.test(check?.detail ?? ""), check?.detail);
    });
    await t.step("a store that is away leaves this node, and says so", async () => {
      await engine.stop();
      const found = await list(a);
      assertEquals(found.nodes.map(({ self }) => self), [true]);
      const failed = found.checks.filter(({ ok }) => !ok).map((check) => check.name);
      assertEquals(failed, ["store", "delivery_store", "directory"]);
      await engine.start();
    });
  });
}

Deno.test("GET /v1/nodes has each process of a machine as a node of its own", async () => {
  await using engine = await startEngine("redis");
  const flags = ["--store", await engine.freshStore(), "--processes", "2"];
  await using service = await Service.start({ flags });
  const { nodes } = await listed(service, (found) => found.nodes.length === 2);
  assertEquals(nodes.filter(({ self }) => self).length, 1);
  assertEquals(new Set(nodes.map(({ url }) => url)).size, 2);
});

Deno.test("GET /v1/nodes has the node alone on a store of its own", async () => {
  await using service = await Service.start();
  const { nodes, checks } = await list(service);
  assertEquals(nodes.map(({ self, url, roles }) => [self, url, roles.length]), [[true, null, 4]]);
  assert(nodes[0]?.facts !== null && checks.every(({ ok }) => ok));
});
