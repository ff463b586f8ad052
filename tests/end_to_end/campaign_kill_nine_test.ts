/**
 * A campaign goes on after `kill -9`: every recipient has one outcome, the counts are exact, the bars of
 * the last hour come to the same, and requests beyond one for each recipient are at most what was in flight.
 *
 * The service is killed at moments drawn from the seed and started again on the same data. Play a run
 * again with `HELIOGRAPH_SEED=… deno test …`, and a longer one with
 * `CAMPAIGN_KILLS=50 CAMPAIGN_RECIPIENTS=200000`; the processes' own timing is not in the seed.
 */

import { assert, assertEquals } from "@std/assert";
import type { BarsView } from "../../actors/push/delivery/bar_spans.ts";
import { BATCH_RECIPIENTS_MAX } from "../../actors/push/delivery/limits.ts";
import { OUTCOMES } from "../../actors/push/delivery/records.ts";
import { ApiClient } from "../../transports/api_client/api_client.ts";
import type { NotificationAnswer } from "../../transports/api_client/answers.ts";
import {
  expectedCounts,
  makeCertificate,
  type Platform,
  recipientRow,
  type Seen,
  type StandIn,
  startStandIn,
} from "../../transports/provider_stand_in/mod.ts";
import { chooseSeed, report, Seeded } from "../support/seeded.ts";
import { Service } from "../support/service.ts";
import { MADE } from "../support/stand_in.ts";

const APP = "shop";
const SHARES = { dead: 0.02, throttled: 0.01 };
const KILLS = Number(Deno.env.get("CAMPAIGN_KILLS") ?? 3);
const RECIPIENTS = Number(Deno.env.get("CAMPAIGN_RECIPIENTS") ?? 20_000);
/** The moment of a kill, in milliseconds after the service is ready. */
const KILL_MS_MIN = 50;
const KILL_MS_MAX = 1_500;
/** Batches in flight at once: few, so that the bound on what a kill repeats says something. */
const BATCHES_MAX = 4;
/** Recipients in flight at once. */
const IN_FLIGHT_MAX = BATCHES_MAX * BATCH_RECIPIENTS_MAX;
/** What a bar counts. */
const KEYS = [...OUTCOMES, "retries"] as const;
const NOTHING = {
  ...{ delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 },
  retries: 0,
};
/** How long the end may take after the last kill. */
const END_MS = 240_000;

Deno.test("kill -9 during a campaign leaves every recipient with one outcome", async () => {
  const seed = chooseSeed();
  const random = new Seeded(seed);
  const folder = await Deno.makeTempDir({ prefix: "heliograph-campaign-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const { tls, caPem } = makeCertificate();
  await Deno.writeTextFile(`${folder}/ca.pem`, caPem);
  const standIn = stack.use(await startStandIn({ seed, accounts: MADE.accounts, tls }));
  // Slow enough that every kill finds requests in flight.
  await standIn.behave({ shares: SHARES, latencyMs: 50, goawayEveryMs: 3_000 });
  const service = stack.use(
    await Service.start({
      flags: [
        ...["--ca-file", `${folder}/ca.pem`, "--allowed-push-origin", standIn.origins.webpush],
        ...["--batches-max", `${BATCHES_MAX}`],
      ],
    }),
  );
  const id = await begin(service, standIn);
  for (let kill = 1; kill <= KILLS; kill++) {
    await wait(random.between(KILL_MS_MIN, KILL_MS_MAX));
    await service.kill9();
    await service.startAgain();
  }
  const { counts } = await ended(await client(service), id);
  const expected = expectedCounts(RECIPIENTS, { seed, shares: SHARES, origins: standIn.origins });
  const seen = await standIn.seen();
  const repeated = total(seen, (one) => one.requests - one.recipients - one.deferred);
  report(`${KILLS} kills (HELIOGRAPH_SEED=${seed}): ${repeated} requests repeated`);
  assertEquals(
    [counts.total, counts.delivered, counts.tokenInvalid, counts.failed, counts.pending],
    [RECIPIENTS, expected.delivered, expected.token_invalid, 0, 0],
  );
  assertEquals(total(seen, (one) => one.accepted), expected.delivered);
  assert(repeated <= KILLS * IN_FLIGHT_MAX, `${repeated} repeated`);
  assertEquals(await hourOf(service, RECIPIENTS), {
    ...{ delivered: counts.delivered, token_invalid: counts.tokenInvalid, retries: counts.retries },
    ...{ rejected: 0, expired: 0, failed: 0, cancelled: 0 },
  });
});

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function total(seen: Readonly<Record<Platform, Seen>>, of: (one: Seen) => number): number {
  return Object.values(seen).reduce((sum, one) => sum + of(one), 0);
}

async function client(service: Service): Promise<ApiClient> {
  const token = (await Deno.readTextFile(`${service.dataDir}/api-token`)).trim();
  return new ApiClient({ origin: `http://127.0.0.1:${service.apiPort}`, token });
}

/** The sums of the last hour's bars, when so many have ended in them: the history follows in a second or two. */
async function hourOf(service: Service, count: number): Promise<Readonly<Record<string, number>>> {
  const token = (await Deno.readTextFile(`${service.dataDir}/api-token`)).trim();
  const headers = { authorization: `Bearer ${token}` };
  const deadline = Date.now() + END_MS;
  for (;;) {
    const url = `http://127.0.0.1:${service.apiPort}/v1/bars?span=hour`;
    const view: BarsView = await (await fetch(url, { headers })).json();
    const sums = { ...NOTHING };
    for (const { platforms } of view.bars) {
      for (const bar of Object.values(platforms)) {
        for (const key of KEYS) sums[key] += bar[key];
      }
    }
    const { retries, ...outcomes } = sums;
    const ended = Object.values(outcomes).reduce((all, some) => all + some, 0);
    if (ended >= count) return { ...outcomes, retries };
    if (Date.now() > deadline) throw new Error(`Not in the history: ${JSON.stringify(sums)}`);
    await wait(250);
  }
}

/** Registers all recipients and sends to them. */
async function begin(service: Service, standIn: StandIn): Promise<string> {
  const api = await client(service);
  const { origins } = standIn;
  assertEquals((await api.putApp(APP, MADE.credentials(origins))).kind, "ok");
  const world = { origins, keys: MADE.receiver };
  const rows = Array.from(
    { length: RECIPIENTS },
    (_, number) => JSON.stringify(recipientRow(number, APP, world)),
  );
  const bytes = new Blob([`${rows.join("\n")}\n`]).stream();
  const imported = await api.importDevices(bytes, { app: APP, format: "ndjson" }, () => {});
  assertEquals(imported.kind === "ok" && imported.value.imported, RECIPIENTS);
  const sent = await api.submit({ app: APP, content: { title: "Hello" }, to: { all: true } });
  return sent.kind === "ok" ? sent.value : "";
}

async function ended(api: ApiClient, id: string): Promise<NotificationAnswer> {
  const deadline = Date.now() + END_MS;
  for (;;) {
    const result = await api.notification(id);
    if (result.kind === "ok" && result.value.status === "done") return result.value;
    if (Date.now() > deadline) throw new Error(`Not ended: ${JSON.stringify(result)}`);
    await wait(250);
  }
}
