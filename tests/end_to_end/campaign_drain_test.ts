/**
 * A node that is asked to stop in the middle of a campaign ends what is in flight, hands back the rest
 * and exits 0: the next one goes on at once, every recipient has one outcome, and nobody is reached twice.
 *
 * The moments of the stops are drawn from the seed. Play a run again with `HELIOGRAPH_SEED=…`, and a
 * longer one with `CAMPAIGN_STOPS=50 CAMPAIGN_RECIPIENTS=200000`; the processes' own timing is not in
 * the seed.
 */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { BATCH_DRAIN_MS, LEASE_MS } from "../../actors/push/delivery/limits.ts";
import { DRAIN_MS } from "../../actors/push/limits.ts";
import { expectedCounts } from "../../transports/provider_stand_in/mod.ts";
import { CampaignService, numbersOf, sized, total } from "../support/campaign_service.ts";
import { chooseSeed, report, Seeded } from "../support/seeded.ts";

const APP = "shop";
const SHARES = { dead: 0.02 };
/** Of those whose senders need not wait for ten seconds, as Google's have to. */
const RETRIED = { ...SHARES, unavailable: 0.01 };
const STOPS = sized("CAMPAIGN_STOPS", 3);
const RECIPIENTS = sized("CAMPAIGN_RECIPIENTS", 8_000);
/** The moment of a stop, in milliseconds after the service is ready. */
const STOP_MS_MIN = 100;
const STOP_MS_MAX = 900;
/** Batches end first, then the doors; the rest is for a busy machine. */
const STOPPED_MS_MAX = BATCH_DRAIN_MS + DRAIN_MS + 5_000;

Deno.test("SIGTERM during a campaign hands it over: everybody gets it once, and nobody waits for a lease", async () => {
  const seed = chooseSeed();
  const random = new Seeded(seed);
  // Slow enough that every stop finds requests in flight, and in batches so few that most are not claimed yet.
  const change = { shares: SHARES, latencyMs: 60, streamsMax: 100, goawayEveryMs: 2_000 };
  await using world = await CampaignService.open({ seed, change, flags: ["--batches-max", "2"] });
  const { standIn, service } = world;
  await standIn.behave({ shares: RETRIED }, ["apns", "webpush"]);
  await world.register(APP, Array.from({ length: RECIPIENTS }, (_, number) => number));
  const id = await world.send(APP);
  const leftAtStops: number[] = [];
  let slowestMs = 0;
  for (let stop = 1; stop <= STOPS; stop++) {
    await new Promise((resolve) => setTimeout(resolve, random.between(STOP_MS_MIN, STOP_MS_MAX)));
    leftAtStops.push((await world.notification(id)).counts.pending);
    const began = performance.now();
    assertEquals(await service.stop(), { code: 0, signal: null }, service.stderr);
    slowestMs = Math.max(slowestMs, performance.now() - began);
    assertEquals(world.leased(), 0, `stop ${stop}: batches nobody may claim before ${LEASE_MS} ms`);
    await service.startAgain();
  }
  const { counts } = await world.ended(id, 60_000 + RECIPIENTS);
  const seen = await standIn.seen();
  const requests = total(seen, (one) => one.requests);
  report(
    `${STOPS} stops (HELIOGRAPH_SEED=${seed}), with ${leftAtStops.join()} of ${RECIPIENTS} left, ` +
      `the slowest ${Math.round(slowestMs)} ms; ${requests} requests`,
  );
  const expected = expectedCounts(RECIPIENTS, { seed, shares: SHARES, origins: standIn.origins });
  assertEquals(
    [counts.total, counts.delivered, counts.tokenInvalid, counts.failed, counts.pending],
    [RECIPIENTS, expected.delivered, expected.token_invalid, 0, 0],
  );
  assertEquals(total(seen, (one) => one.accepted), expected.delivered);
  assertEquals(total(seen, (one) => one.acceptedAgain), 0);
  assertEquals(requests, total(seen, (one) => one.recipients + one.deferred));
  assertLess(slowestMs, STOPPED_MS_MAX);
  assertLess(0, Math.min(...leftAtStops), "the campaign had ended before the last stop");
});

/** Recipients of the slow providers' campaign: more than their connections take in the time of a drain. */
const SLOW_RECIPIENTS = 12_000;

Deno.test("SIGTERM hands back what a slow provider has not been sent yet", async () => {
  // What one connection has been given would take it forty seconds; the drain has ten.
  await using world = await CampaignService.open({ change: { latencyMs: 1_000, streamsMax: 50 } });
  await world.register(APP, numbersOf("apns", SLOW_RECIPIENTS));
  const id = await world.send(APP);
  await sent(world, 50);
  assertEquals(await world.service.stop(), { code: 0, signal: null }, world.service.stderr);
  assertEquals(world.leased(), 0);
  const { apns } = await world.standIn.seen();
  assertLess(apns.requests, SLOW_RECIPIENTS / 2);
  await world.standIn.behave({ latencyMs: 0 });
  await world.service.startAgain();
  const { counts } = await world.ended(id, 30_000);
  report(`${apns.requests} of ${SLOW_RECIPIENTS} were sent before the stop, the others after it`);
  assertEquals([counts.delivered, counts.retries], [SLOW_RECIPIENTS, 0]);
  const { apns: after } = await world.standIn.seen();
  assertEquals([after.requests, after.acceptedAgain], [SLOW_RECIPIENTS, 0]);
});

Deno.test("SIGTERM while a provider does not answer ends in time, with the number of batches that were cut", async () => {
  await using world = await CampaignService.open({ change: { latencyMs: 3_600_000 } });
  await world.register(APP, numbersOf("apns", 100));
  const id = await world.send(APP);
  await sent(world, 1);
  const began = performance.now();
  assertEquals(await world.service.stop(), { code: 1, signal: null });
  assertLess(performance.now() - began, STOPPED_MS_MAX);
  assertMatch(world.service.stderr, /"event":"stopped","cut_requests":0,"cut_batches":1}/);
  await world.standIn.behave({ latencyMs: 0 });
  await world.service.startAgain();
  assertEquals((await world.ended(id, 20_000)).counts.delivered, 100);
});

/** Waits until the provider has seen so many requests. */
async function sent({ standIn }: CampaignService, requests: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  while ((await standIn.seen()).apns.requests < requests) {
    assert(performance.now() < deadline, "nothing is sent");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
