/**
 * A campaign on two nodes survives that each engine is away for a while, stopped or frozen, one after
 * the other: no wrong answer meanwhile, the node says what it misses, and goes on by itself afterwards.
 *
 * The queue's Redis is killed and keeps nothing, so that all of it comes again from the store. A longer
 * run: `deno task node-kills`, with a minute for each outage.
 */

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { BATCH_RECIPIENTS_MAX } from "../../actors/push/delivery/limits.ts";
import { sized } from "../support/campaign_service.ts";
import { NodesCampaign, pass } from "../support/nodes_campaign.ts";
import { PushClient } from "../support/push_client.ts";
import { startPostgres } from "../support/postgres_server.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";
import { chooseSeed, report } from "../support/seeded.ts";
import { opaqueBody, post } from "../support/sender.ts";
import type { Service } from "../support/service.ts";

const RECIPIENTS = sized("CAMPAIGN_RECIPIENTS", 40_000);
const AWAY_MS = sized("ENGINE_AWAY_MS", 2_000);
const BATCHES_MAX = 4;
/** So slow that the campaign goes on until the last outage is over, and so fast that batches end in each. */
const PACE = { latencyMs: AWAY_MS / 20, streamsMax: 25 };
const CONNECTIONS = ["apns", "fcm", "webpush"].flatMap((platform) => [
  `--${platform}-connections`,
  "2",
]);
/** How soon a node says that an engine is away, or back. */
const NOTICED_MS = 20_000;
const END_MS = 120_000 + RECIPIENTS;
const RECORDED_MS = 60_000;
/** The most memory of a node, in bytes. */
const MEMORY_MAX = 400 * 2 ** 20;

/** The head of a message to a device. */
const MESSAGE = { "ttl": "600", "content-encoding": "aes128gcm" };

/** How an engine goes away and comes back. */
interface Outage {
  readonly how: "stopped" | "killed" | "frozen";
  away(): Promise<void> | void;
  back(): Promise<void> | void;
}

/** What a node is asked while an engine is away. */
interface Part {
  /** Its name in `/readyz`. */
  readonly name: "queue" | "counters" | "results_database" | "store";
  readonly outages: readonly Outage[];
}

function redisOutages(redis: RedisServer, how: "stopped" | "killed"): readonly Outage[] {
  const away = () => how === "killed" ? redis.kill9() : redis.stop();
  return [
    { how, away, back: () => redis.start() },
    { how: "frozen", away: () => redis.pause(), back: () => redis.resume() },
  ];
}

function postgresOutages(postgres: Awaited<ReturnType<typeof startPostgres>>): readonly Outage[] {
  return [
    { how: "stopped", away: () => postgres.stop(), back: () => postgres.start() },
    { how: "frozen", away: () => postgres.freeze(), back: () => postgres.thaw() },
  ];
}

/** What `/readyz` says is wrong; nothing when the node is ready. */
async function missing({ apiPort }: Service): Promise<readonly string[]> {
  const response = await fetch(`http://127.0.0.1:${apiPort}/readyz`);
  const { ready, checks }: {
    readonly ready: boolean;
    readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
  } = await response.json();
  const names = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  assertEquals([ready, response.status], names.length === 0 ? [true, 200] : [false, 503]);
  return names;
}

/** Waits until a node misses this, or nothing. */
async function untilMissing(service: Service, part: Part["name"] | undefined): Promise<void> {
  const deadline = performance.now() + NOTICED_MS;
  for (;;) {
    const found = await missing(service);
    if (part === undefined ? found.length === 0 : found.includes(part)) return;
    assert(performance.now() < deadline, `${part ?? "nothing"} is not what is missing: ${found}`);
    await pass(50);
  }
}

/** What the API and the push endpoint answer: what needs the store, that it is away for now; else, that it is done. */
async function assertAnswers(
  campaign: NodesCampaign,
  { part, id, endpoint }: {
    readonly part: Part["name"];
    readonly id: string;
    readonly endpoint: string;
  },
): Promise<void> {
  const { service } = campaign.world;
  const token = (await Deno.readTextFile(`${service.dataDir}/api-token`)).trim();
  const headers = { authorization: `Bearer ${token}` };
  const api = `http://127.0.0.1:${service.apiPort}/v1`;
  const answers: readonly (readonly [answer: Response, good: number])[] = [
    [await fetch(`${api}/notifications/${id}`, { headers }), 200],
    [await fetch(`${api}/apps`, { headers }), 200],
    [await fetch(endpoint, { method: "POST", headers: MESSAGE, body: opaqueBody(100) }), 201],
  ];
  for (const [answer, good] of answers) {
    const text = await answer.text();
    assertEquals(answer.status, part === "store" ? 503 : good, text);
    if (part === "store") assertGreater(Number(answer.headers.get("retry-after")), 0);
  }
}

Deno.test("a campaign on two nodes survives each engine stopped, killed and frozen, and ends exactly", async () => {
  const seed = chooseSeed();
  await using postgres = await startPostgres();
  await using results = await startPostgres();
  await using redis = await startRedis();
  await using counters = await startRedis({ appendfsync: "always" });
  const parts: readonly Part[] = [
    { name: "counters", outages: redisOutages(counters, "stopped") },
    { name: "results_database", outages: postgresOutages(results) },
    { name: "queue", outages: redisOutages(redis, "killed") },
    { name: "store", outages: postgresOutages(postgres) },
  ];
  await using campaign = await NodesCampaign.open({
    ...{ stand: "postgres_and_redis_queue", seed, recipients: RECIPIENTS },
    servers: { postgres, results, redis, counters },
    change: { shares: { dead: 0.02 }, ...PACE },
    flags: ["--batches-max", `${BATCHES_MAX}`, ...CONNECTIONS],
  });
  const { nodes, service } = campaign.world;
  await using device = await PushClient.connect(service.deviceUrl);
  const { endpoint } = await device.register();
  const id = await campaign.send();
  let outages = 0;
  for (const part of parts) {
    for (const outage of part.outages) {
      await outage.away();
      const began = performance.now();
      for (const node of nodes) await untilMissing(node, part.name);
      const noticedMs = performance.now() - began;
      await assertAnswers(campaign, { part: part.name, id, endpoint });
      await pass(Math.max(0, AWAY_MS - (performance.now() - began)));
      await outage.back();
      const returned = performance.now();
      for (const node of nodes) await untilMissing(node, undefined);
      outages++;
      report(
        `${part.name} ${outage.how}: noticed after ${Math.round(noticedMs)} ms, back after ` +
          `${Math.round(performance.now() - returned)} ms, ${await campaign.pending(
            id,
            END_MS,
          )} left`,
      );
    }
  }
  assertGreater(await campaign.pending(id, END_MS), 0, "it had ended before the last outage");
  await campaign.world.standIn.behave({ latencyMs: 0, streamsMax: 1_000 });
  const answer = await campaign.ended(id, END_MS);
  const repeated = await campaign.assertExact(id, answer, RECORDED_MS);
  const peak = Math.max(...nodes.map((node) => node.peakBytes()));
  report(
    `${outages} outages of ${AWAY_MS} ms (HELIOGRAPH_SEED=${seed}): ${RECIPIENTS} recipients, ${repeated} ` +
      `requests repeated, a node had at most ${Math.round(peak / 2 ** 20)} MiB`,
  );
  assert(repeated <= outages * nodes.length * BATCHES_MAX * BATCH_RECIPIENTS_MAX, `${repeated}`);
  assertLess(peak, MEMORY_MAX);
  // What was accepted while engines were away has come, and the nodes are those that were started.
  assertEquals((await post(endpoint, opaqueBody(101))).status, 201);
  const accepted = outages - 2 + 1;
  await device.notifications.until(() => true, { what: "what was accepted", count: accepted });
});
