/**
 * What breaks in the middle of a campaign and comes back: the disk, and a provider that answers 503 to
 * all. Nothing is counted twice, and an outage is not answered with more load.
 *
 * `CAMPAIGN_OUTAGE_MS=60000 CAMPAIGN_RECIPIENTS=100000` make a longer outage.
 */

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { CampaignService, numbersOf, sized } from "../support/campaign_service.ts";
import { chooseSeed, report } from "../support/seeded.ts";
import { hasNameSpaces, NAME_SPACE } from "../transports/sqlite/child_process.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

Deno.test({
  name:
    "A campaign on a full disk, then on a failing one, is counted once, and submissions are refused",
  ignore: !hasNameSpaces,
  async fn() {
    const disk = await Deno.makeTempDir({ prefix: "heliograph-disk-" });
    try {
      const mounted = 'mount -t tmpfs -o size=16m small_disk "$1" && disk="$1" && shift && ' +
        'exec "$@" "$disk"';
      const program = [Deno.execPath(), "run", "-A", "tests/end_to_end/campaign_small_disk.ts"];
      const [command = "", ...args] = [...NAME_SPACE, "sh", "-c", mounted, "sh", disk];
      const { code, stdout, stderr } = await new Deno.Command(command, {
        args: [...args, ...program],
        cwd: ROOT,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      report(new TextDecoder().decode(stdout).trimEnd());
    } finally {
      await Deno.remove(disk, { recursive: true });
    }
  },
});

const RECIPIENTS = sized("CAMPAIGN_RECIPIENTS", 6_000);
const OUTAGE_MS = sized("CAMPAIGN_OUTAGE_MS", 6_000);
/** After an outage its origin is tried again within the longest pause of a circuit; the rest is work. */
const END_MS = 90_000 + RECIPIENTS;

Deno.test("A provider that answers 503 to all is asked ever less, and sent everything when it is well", async () => {
  const seed = chooseSeed();
  const outage = { shares: { unavailable: 1 }, refusals: 1_000_000, latencyMs: 20 };
  await using world = await CampaignService.open({ seed, change: outage });
  const { standIn } = world;
  await world.register("shop", numbersOf("apns", RECIPIENTS));
  await world.register("browsers", numbersOf("webpush", 100));
  await standIn.behave({ shares: {} }, ["webpush"]);
  const id = await world.send("shop");
  const bySecond: number[] = [];
  for (let second = 1; second <= OUTAGE_MS / 1_000; second++) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const before = bySecond.reduce((sum, one) => sum + one, 0);
    bySecond.push((await standIn.seen()).apns.requests - before);
  }
  const during = (await standIn.seen()).apns.requests;
  const { counts: { delivered, pending } } = await world.notification(id);
  assertEquals([delivered, pending], [0, RECIPIENTS]);
  // What goes elsewhere goes on meanwhile.
  assertEquals((await world.ended(await world.send("browsers"), 5_000)).counts.delivered, 100);
  await standIn.behave({ shares: {} });
  const began = performance.now();
  const { counts } = await world.ended(id, END_MS);
  const { apns } = await standIn.seen();
  report(
    `(HELIOGRAPH_SEED=${seed}) ${RECIPIENTS} recipients, requests by the second of the outage: ` +
      `${bySecond.join()}; ${apns.requests} in all; ended ${
        Math.round(performance.now() - began)
      } ms after it`,
  );
  assertEquals(
    [counts.total, counts.delivered, counts.failed, counts.pending],
    [RECIPIENTS, RECIPIENTS, 0, 0],
  );
  assertEquals([apns.accepted, apns.acceptedAgain], [RECIPIENTS, 0]);
  assertEquals([apns.requests, counts.retries], [RECIPIENTS + apns.deferred, apns.deferred]);
  const [first = 0, ...others] = bySecond;
  const later = others.slice(1);
  assertGreater(first, 0);
  assert(later.length > 0 && Math.max(...later) < first / 10, `${bySecond}`);
  assertLess(during, RECIPIENTS);
});
