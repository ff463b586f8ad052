/**
 * A campaign as a real InfluxDB and `/metrics` tell it: every recipient once in the one, the times of
 * providers and queue in the other.
 */

import { assert, assertEquals } from "@std/assert";
import { deliveryFindings } from "../../program/check_delivery.ts";
import { parseCommandLine } from "../../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../../transports/command_line/read_file.ts";
import { expectedCounts } from "../../transports/provider_stand_in/mod.ts";
import { CampaignService } from "../support/campaign_service.ts";
import { INFLUX_ADMIN, type InfluxServer, startInflux } from "../support/influx_server.ts";

const SEED = 7;
const RECIPIENTS = 3_000;
const END_MS = 60_000;
/** A node's facts come every ten seconds. */
const FACTS_MS = 20_000;
const OUTCOMES = ["delivered", "token_invalid", "rejected", "expired", "failed", "cancelled"];
const PLATFORMS = ["apns", "fcm", "webpush"];

/** Asks until there is a row, and answers its columns. */
async function row(
  influx: InfluxServer,
  query: string,
  good: (row: Readonly<Record<string, unknown>>) => boolean,
): Promise<Readonly<Record<string, unknown>>> {
  const until = performance.now() + FACTS_MS;
  for (;;) {
    const [series] = await influx.query(query, "fresh_1");
    const [values = []] = series?.values ?? [];
    const found = Object.fromEntries(
      (series?.columns ?? []).map((column, place) => [column, values[place]]),
    );
    if (good(found)) return found;
    assert(performance.now() < until, `InfluxDB says ${JSON.stringify(found)} to ${query}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The value of a sample of `/metrics`. */
function sample(text: string, name: string): number {
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  if (line === undefined) throw new Error(`No sample of ${name}`);
  return Number(line.slice(name.length + 1));
}

Deno.test("influx-url gets every outcome and how the node does, and is given influx-token", async () => {
  await using resources = new AsyncDisposableStack();
  const influx = resources.use(await startInflux());
  const { name, url } = await influx.freshDatabase();
  const folder = await Deno.makeTempDir({ prefix: "heliograph-influx-" });
  resources.defer(() => Deno.remove(folder, { recursive: true }));
  await Deno.writeTextFile(`${folder}/token`, `${INFLUX_ADMIN}\n`);
  const shares = { dead: 0.1, refused: 0.05 };
  const world = resources.use(
    await CampaignService.open({
      seed: SEED,
      // Slow enough to be seen as a latency, and fast enough for a test.
      change: { shares, latencyMs: 20 },
      flags: ["--influx-url", url, "--influx-token-file", `${folder}/token`],
    }),
  );
  await world.register("shop", Array.from({ length: RECIPIENTS }, (_, number) => number));
  const id = await world.send("shop");
  await world.ended(id, END_MS);
  const { origins } = world.standIn;
  const expected = expectedCounts(RECIPIENTS, { seed: SEED, shares, origins });
  const sums = OUTCOMES.map((outcome) => `SUM(${outcome}) AS ${outcome}`).join(", ");
  const found = await row(
    influx,
    `SELECT ${sums} FROM heliograph_deliveries WHERE app = 'shop'`,
    (row) => OUTCOMES.reduce((sum, outcome) => sum + Number(row[outcome]), 0) === RECIPIENTS,
  );
  const { delivered, token_invalid, rejected } = expected;
  assertEquals(
    OUTCOMES.map((outcome) => found[outcome]),
    [delivered, token_invalid, rejected, 0, 0, 0],
  );
  assertEquals((await influx.query("SHOW TAG VALUES WITH KEY = platform", name))[0]?.values, [
    ...PLATFORMS.map((platform) => ["platform", platform]),
  ]);
  await seeTimes(world);
  const node = await row(
    influx,
    "SELECT rss_bytes, loop_delay_p99_ms, devices FROM heliograph_node",
    (row) => row.rss_bytes !== undefined,
  );
  assert(Number(node.rss_bytes) > 10_000_000);
  assertEquals(node.devices, 0);
  // Without InfluxDB a campaign ends all the same; the log says why it is not written, and no secret.
  await influx.kill9();
  await world.ended(await world.send("shop"), END_MS);
  const until = performance.now() + END_MS;
  while (!world.service.stderr.includes('"sink":"influx"')) {
    assert(performance.now() < until, world.service.stderr);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals((await world.service.stop()).code, 0);
  assert(!world.service.stderr.includes("canary"));
});

Deno.test("check says whether InfluxDB takes points, and repeats no secret", async () => {
  await using influx = await startInflux();
  const { url } = await influx.freshDatabase();
  const data = await Deno.makeTempDir({ prefix: "heliograph-influx-" });
  const finding = async (url: string, token: string) => {
    const env = new Map([["HELIOGRAPH_INFLUX_TOKEN", token]]);
    const line = parseCommandLine(
      ["check", "--data", data, "--influx-url", url],
      env,
      readTextFile,
    );
    assert(line.kind === "run" && line.command.name === "check");
    const findings = await deliveryFindings(line.command.settings, Date.now());
    const { outcome, detail } = findings.find(({ what }) => what === "InfluxDB") ?? {};
    return [outcome, detail];
  };
  try {
    assertEquals(await finding(url, INFLUX_ADMIN), ["ok", `${influx.origin} takes points`]);
    assertEquals(await finding(url, "admin:canary"), [
      "failed",
      `${influx.origin} answered 401: "authorization failed"`,
    ]);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

async function seeTimes({ service: { apiPort } }: CampaignService): Promise<void> {
  const text = await (await fetch(`http://127.0.0.1:${apiPort}/metrics`)).text();
  for (const platform of PLATFORMS) {
    const of = (name: string) => sample(text, `heliograph_${name}{platform="${platform}"}`);
    const answered = of("provider_latency_seconds_count");
    // Nothing is tried again here: each recipient is asked for once.
    const asked = OUTCOMES.reduce((sum, outcome) =>
      sum +
      sample(text, `heliograph_deliveries_total{platform="${platform}",outcome="${outcome}"}`), 0);
    assertEquals(answered, asked, platform);
    const mean = of("provider_latency_seconds_sum") / answered;
    assert(mean >= 0.02 && mean < 5, `${platform}: ${mean} s`);
    assertEquals(of("queue_delay_seconds_count"), Math.ceil(asked / 1_000), platform);
  }
}
