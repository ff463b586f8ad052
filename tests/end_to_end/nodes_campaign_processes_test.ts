/**
 * A campaign on the two processes of one machine goes on while each of them in turn is killed with
 * `kill -9` in the middle: the parent starts it again, and every recipient has one outcome.
 *
 * Play a run again with `HELIOGRAPH_SEED=…`; the processes' own timing is not in the seed.
 */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { BATCH_RECIPIENTS_MAX } from "../../actors/push/delivery/limits.ts";
import { sized } from "../support/campaign_service.ts";
import { NodesCampaign, pass } from "../support/nodes_campaign.ts";
import { startPostgres } from "../support/postgres_server.ts";
import { startRedis } from "../support/redis_server.ts";
import { chooseSeed, report, Seeded } from "../support/seeded.ts";
import type { Service } from "../support/service.ts";

/** A child that is killed more often than three times in a minute is not started again. */
const KILLS = 2;
const RECIPIENTS = sized("CAMPAIGN_RECIPIENTS", 9_000);
const KILL_MS_MIN = 50;
const KILL_MS_MAX = 1_500;
const BATCHES_MAX = 2;
/** So slow that every kill finds requests in flight. */
const SLOW_MS = 700;
const END_MS = 120_000 + RECIPIENTS;
const RECORDED_MS = 60_000;

/** Processes of the children that were ready so far, the newest last. */
function children({ stderr }: Service): readonly number[] {
  return stderr.split("\n")
    .filter((line) => line.startsWith("{") && line.includes('"child_ready"'))
    .map((line) => Number(JSON.parse(line).pid));
}

/** Waits until so many children have been ready. */
async function untilReady(service: Service, count: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (children(service).length < count) {
    assert(performance.now() < deadline, `The children were not ready: ${service.stderr}`);
    await pass(50);
  }
}

Deno.test("kill -9 of either process leaves every recipient with one outcome", async () => {
  const seed = chooseSeed();
  const random = new Seeded(seed);
  await using postgres = await startPostgres();
  await using redis = await startRedis();
  await using campaign = await NodesCampaign.open({
    ...{ stand: "postgres_and_redis_queue", seed, servers: { postgres, redis } },
    ...{ recipients: RECIPIENTS, nodes: 1 },
    change: { shares: { dead: 0.02 }, latencyMs: SLOW_MS, streamsMax: 100 },
    flags: ["--processes", "2", "--batches-max", `${BATCHES_MAX}`],
  });
  const { service, standIn } = campaign.world;
  await untilReady(service, 2);
  const id = await campaign.send();
  for (let kill = 0; kill < KILLS; kill++) {
    await pass(random.between(KILL_MS_MIN, KILL_MS_MAX));
    const [oldest = 0] = children(service).slice(kill);
    Deno.kill(oldest, "SIGKILL");
    await untilReady(service, 3 + kill);
  }
  assertGreater(await campaign.pending(id, END_MS), 0, "it had ended before the last kill");
  await standIn.behave({ latencyMs: 0 });
  const answer = await campaign.ended(id, END_MS);
  const repeated = await campaign.assertExact(id, answer, RECORDED_MS);
  report(
    `${KILLS} kills of one of two processes (HELIOGRAPH_SEED=${seed}): ${RECIPIENTS} recipients, ` +
      `${repeated} requests repeated`,
  );
  assert(repeated <= KILLS * BATCHES_MAX * BATCH_RECIPIENTS_MAX, `${repeated} repeated`);
  assertEquals(await service.stop(), { code: 0, signal: null });
});
