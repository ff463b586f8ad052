/**
 * Whole campaigns over three platforms: the pipeline with its real connections against a stand-in for
 * Apple, Google and a push service, errors included. What is counted is compared with what was computed
 * beforehand and with what the stand-in saw.
 */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { MemoryDeliveryStore } from "../../transports/memory/memory_delivery_store.ts";
import type { Platform, Seen } from "../../transports/provider_stand_in/mod.ts";
import { Campaign, type CampaignOptions } from "../support/campaign.ts";

const RECIPIENTS = 20_000;
/** Streams on one connection: the most that one which breaks can leave without an answer. */
const STREAMS_MAX = 1_000;
const SHARES = { dead: 0.02, throttled: 0.01, refused: 0.005 };

async function open(change: CampaignOptions["change"], seed: number): Promise<Campaign> {
  const store = new MemoryDeliveryStore();
  return await Campaign.open({ store, recipients: RECIPIENTS, seed, change });
}

/** The sum of a number over all platforms. */
function total(seen: Readonly<Record<Platform, Seen>>, of: (one: Seen) => number): number {
  return Object.values(seen).reduce((sum, one) => sum + of(one), 0);
}

Deno.test("a campaign with dead, throttled and refusing recipients and GOAWAYs is counted exactly", async () => {
  await using campaign = await open({ shares: SHARES, goawayEveryRequests: 2_000 }, 11);
  const id = await campaign.send();
  const { counts, platforms } = await campaign.ended(id);
  const { expected } = campaign;
  assertEquals(
    [counts.total, counts.delivered, counts.tokenInvalid, counts.rejected],
    [RECIPIENTS, expected.delivered, expected.token_invalid, expected.rejected],
  );
  assertEquals([counts.expired, counts.failed, counts.cancelled, counts.pending], [0, 0, 0, 0]);
  const seen = await campaign.standIn.seen();
  for (const [platform, one] of Object.entries(seen)) {
    assertGreater(one.goaways, 0, platform);
    assertEquals(one.refused, {}, platform);
    // A request that was not answered because of a GOAWAY was not processed either: nobody got two.
    assertEquals([one.requests, one.acceptedAgain], [one.recipients + one.deferred, 0], platform);
  }
  assertEquals(total(seen, (one) => one.recipients), RECIPIENTS);
  const { apns, fcm, webpush } = seen;
  assertEquals(
    [platforms.apns, platforms.fcm, platforms.webpush].map((one) => one?.delivered),
    [apns, fcm, webpush].map((one) => one.accepted),
  );
  const failures = await campaign.failures(id);
  assertEquals(Object.fromEntries(failures), {
    token_invalid: expected.token_invalid,
    rejected: expected.rejected,
  });
});

Deno.test("a campaign marks the devices that are dead, and the next one leaves them out", async () => {
  await using campaign = await open({ shares: { dead: 0.02 } }, 12);
  const first = await campaign.ended(await campaign.send());
  assertGreater(first.counts.tokenInvalid, 0);
  await campaign.feedback(first.counts.tokenInvalid);
  const second = await campaign.ended(await campaign.send());
  assertEquals(
    [second.counts.total, second.counts.delivered, second.counts.tokenInvalid],
    [RECIPIENTS - first.counts.tokenInvalid, first.counts.delivered, 0],
  );
});

Deno.test("a campaign over connections that break repeats what is uncertain, and counts each recipient once", async () => {
  const faults = { cutEveryRequests: 3_001, resetEveryRequests: 1_000, resetCodes: [7, 2, 8, 11] };
  await using campaign = await open({ shares: SHARES, ...faults }, 13);
  const id = await campaign.send();
  const { counts } = await campaign.ended(id);
  const { expected } = campaign;
  assertEquals(
    [counts.delivered, counts.tokenInvalid, counts.rejected, counts.failed, counts.pending],
    [expected.delivered, expected.token_invalid, expected.rejected, 0, 0],
  );
  const seen = await campaign.standIn.seen();
  assertGreater(total(seen, (one) => one.cuts), 0);
  assertGreater(total(seen, (one) => one.resets), 0);
  assertEquals(total(seen, (one) => one.accepted), expected.delivered);
  // Who was asked twice had a request whose answer was lost: one for a reset, all in flight for a cut.
  const repeated = total(seen, (one) => one.requests - one.recipients - one.deferred);
  const lostMax = total(seen, (one) => one.resets + one.cuts * STREAMS_MAX);
  assertGreater(total(seen, (one) => one.acceptedAgain), 0);
  assert(repeated <= lostMax, `${repeated} repeated, at most ${lostMax} lost`);
});
