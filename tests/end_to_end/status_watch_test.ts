/**
 * `status --watch` as a person calls it, on a node that runs campaigns and is killed meanwhile: what it prints
 * adds up to the counts of the notifications.
 */

import { assert, assertEquals } from "@std/assert";
import { CampaignService } from "../support/campaign_service.ts";
import { Arrivals } from "../support/arrivals.ts";
import { eachLine } from "../support/service.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Recipients of each campaign. */
const RECIPIENTS = 2_000;

/** How long anything may take. */
const WITHIN_MS = 30_000;

const OUTCOMES = {
  ...{ delivered: "delivered", tokenInvalid: "token_invalid", rejected: "rejected" },
  ...{ expired: "expired", failed: "failed", cancelled: "cancelled", retries: "retries" },
} as const;

/** The command on its own, as a process. */
function startWatch({ service }: CampaignService, ...flags: readonly string[]): Deno.ChildProcess {
  const permissions = ["--allow-net", "--allow-read", "--allow-env=HELIOGRAPH_*"];
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", ...permissions, "mod.ts", "status", "--watch", ...flags],
    cwd: ROOT,
    env: {
      HELIOGRAPH_API_URL: `http://127.0.0.1:${service.apiPort}`,
      HELIOGRAPH_DATA: service.dataDir,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** The last bar of each second, summed over all of them by outcome. */
class Sums {
  readonly #bars = new Map<number, ReadonlyMap<string, number>>();

  /** Takes a line; the sums now. */
  take(line: string): Readonly<Record<string, number>> {
    const { second, platforms } = JSON.parse(line);
    const counts = new Map<string, number>();
    for (const outcome of Object.values(OUTCOMES)) {
      const of = (name: string) => Number(platforms[name][outcome]);
      counts.set(outcome, of("apns") + of("fcm") + of("webpush"));
    }
    this.#bars.set(second, counts);
    return this.all;
  }

  get all(): Readonly<Record<string, number>> {
    const sum = (outcome: string) =>
      this.#bars.values().reduce((all, one) => all + (one.get(outcome) ?? 0), 0);
    return Object.fromEntries(Object.values(OUTCOMES).map((name) => [name, sum(name)]));
  }
}

Deno.test("status --watch --json adds up to the counts of notifications, over a node that was killed; Ctrl-C ends it", async () => {
  const shares = { dead: 0.05, refused: 0.02, throttled: 0.02 };
  await using campaign = await CampaignService.open({ change: { shares } });
  await campaign.register("news", Array.from({ length: RECIPIENTS }, (_, number) => number));
  const before = await campaign.ended(await campaign.send("news"), WITHIN_MS);
  const child = startWatch(campaign, "--json");
  const [lines, problems] = [
    new Arrivals<Readonly<Record<string, number>>>(),
    new Arrivals<string>(),
  ];
  const sums = new Sums();
  const read = Promise.all([
    eachLine(child.stdout, (line) => lines.add(sums.take(line))),
    eachLine(child.stderr, (line) => problems.add(line)),
  ]);
  const everything = Object.entries(OUTCOMES);
  const expected = (notifications: readonly typeof before[]) =>
    Object.fromEntries(everything.map(([name, outcome]) => {
      const counts = notifications.map((one) => new Map(Object.entries(one.counts)).get(name) ?? 0);
      return [outcome, counts.reduce((sum, count) => sum + count, 0)];
    }));
  const until = (notifications: readonly typeof before[]) => {
    const wanted = JSON.stringify(expected(notifications));
    return lines.next((seen) => JSON.stringify(seen) === wanted, {
      what: `bars that sum up to ${wanted}`,
      withinMs: WITHIN_MS,
    });
  };
  await until([before]);
  const during = await campaign.ended(await campaign.send("news"), WITHIN_MS);
  assert(during.counts.delivered > 0 && before.counts.tokenInvalid > 0);
  await until([before, during]);
  await campaign.service.kill9();
  await campaign.service.startAgain();
  const after = await campaign.ended(await campaign.send("news"), WITHIN_MS);
  await until([before, during, after]);
  child.kill("SIGINT");
  const { code, signal } = await child.status;
  await read;
  assertEquals([code, signal], [130, null]);
  assertEquals(sums.all, expected([before, during, after]));
  assertEquals(problems.all, []);
});
