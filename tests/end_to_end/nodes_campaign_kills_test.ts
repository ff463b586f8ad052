/**
 * A campaign on two nodes goes on while each of them in turn is killed with `kill -9` and started again:
 * every recipient has one outcome, all that counts it says the same, and what is repeated is at most what
 * was in flight.
 *
 * The moments are drawn from the seed. Play a run again with `HELIOGRAPH_SEED=…`, and a longer one
 * with `deno task node-kills`; the processes' own timing is not in the seed.
 */

import { assert, assertGreater } from "@std/assert";
import { BATCH_RECIPIENTS_MAX } from "../../actors/push/delivery/limits.ts";
import { sized } from "../support/campaign_service.ts";
import { NodesCampaign, pass, type Stand } from "../support/nodes_campaign.ts";
import { startPostgres } from "../support/postgres_server.ts";
import { startRedis } from "../support/redis_server.ts";
import { chooseSeed, report, Seeded } from "../support/seeded.ts";

const ROUNDS = sized("NODE_KILLS", 2);
const RECIPIENTS = sized("CAMPAIGN_RECIPIENTS", 9_000);
const SHARES = { dead: 0.02 };
/** Of those whose senders need not wait for ten seconds, as Google's have to. */
const THROTTLED = { ...SHARES, throttled: 0.01 };
/** The moment of a kill, in milliseconds after both nodes are ready. */
const KILL_MS_MIN = 50;
const KILL_MS_MAX = 1_500;
/** Batches of a node in flight: few, so that the bound on what a kill repeats says something. */
const BATCHES_MAX = 2;
const IN_FLIGHT_MAX = BATCHES_MAX * BATCH_RECIPIENTS_MAX;
/** So slow that every kill finds requests in flight and the campaign going on. */
const SLOW_MS = 700;
const END_MS = 120_000 + RECIPIENTS;
/** A sink that a lost node had is another's when that node's lease is over; the rest is for a busy machine. */
const RECORDED_MS = 60_000;

const STANDS: readonly Stand[] = ["postgres_and_redis_queue", "postgres", "redis"];

for (const stand of STANDS) {
  Deno.test(`kill -9 of either node leaves every recipient with one outcome: ${stand}`, async () => {
    const seed = chooseSeed();
    const random = new Seeded(seed);
    await using postgres = await startPostgres();
    await using redis = await startRedis();
    await using campaign = await NodesCampaign.open({
      ...{ stand, seed, servers: { postgres, redis }, recipients: RECIPIENTS },
      change: { shares: SHARES, latencyMs: SLOW_MS, streamsMax: 100, goawayEveryMs: 3_000 },
      flags: ["--batches-max", `${BATCHES_MAX}`],
    });
    await campaign.world.standIn.behave({ shares: THROTTLED }, ["apns", "webpush"]);
    const began = performance.now();
    const id = await campaign.send();
    for (let round = 0; round < ROUNDS; round++) {
      await pass(random.between(KILL_MS_MIN, KILL_MS_MAX));
      await campaign.node(round).kill9();
      await campaign.node(round).startAgain();
    }
    assertGreater(await campaign.pending(id, END_MS), 0, "it had ended before the last kill");
    await campaign.world.standIn.behave({ latencyMs: 0 });
    const answer = await campaign.ended(id, END_MS);
    const seconds = (performance.now() - began) / 1_000;
    const repeated = await campaign.assertExact(id, answer, RECORDED_MS);
    report(
      `${ROUNDS} kills of one of two nodes on ${stand} (HELIOGRAPH_SEED=${seed}): ${RECIPIENTS} recipients in ` +
        `${seconds.toFixed(1)} s, ${repeated} requests repeated, ${answer.counts.retries} retries`,
    );
    assert(repeated <= ROUNDS * IN_FLIGHT_MAX, `${repeated} repeated`);
  });
}
