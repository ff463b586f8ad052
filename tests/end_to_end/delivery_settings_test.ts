/**
 * Every setting of the delivery of notifications does what it says, seen from outside: by the providers,
 * by a webhook's receiver, in a file. That settings are read from files and the environment as well is
 * seen in `settings_test.ts`.
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertThrows,
} from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Webhook } from "standardwebhooks";
import { World } from "../../actors/testing/mod.ts";
import { openNodePipeline } from "../../program/node_pipeline.ts";
import type { Pipeline } from "../../program/pipeline.ts";
import { PROVIDER_REASONS } from "../../program/provider_reasons.ts";
import { Telemetry } from "../../program/telemetry.ts";
import { Metrics } from "../../transports/api/metrics.ts";
import { ApiClient } from "../../transports/api_client/api_client.ts";
import { Log } from "../../transports/command_line/log.ts";
import { parseCommandLine } from "../../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../../transports/command_line/read_file.ts";
import { expectedCounts, makeCertificate } from "../../transports/provider_stand_in/mod.ts";
import { Arrivals } from "../support/arrivals.ts";
import { CampaignService, numbersOf, valueOf } from "../support/campaign_service.ts";
import { Service } from "../support/service.ts";
import { MADE, NOWHERE, openStandIn } from "../support/stand_in.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SEED = 7;
const RECIPIENTS = 400;
const END_MS = 20_000;

/** A row as a webhook or a file tells it. */
interface Row {
  readonly position: number;
  readonly outcome: string;
}

/** Verifies and collects what is posted; answers 500 to the first post, so that it comes again. */
class Receiver implements AsyncDisposable {
  readonly rows = new Arrivals<Row>();
  posts = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(tls: { readonly cert: string; readonly key: string }) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {}, ...tls },
      (request) => this.#take(request),
    );
  }

  get url(): string {
    return `https://localhost:${this.#server.addr.port}/hook`;
  }

  async #take(request: Request): Promise<Response> {
    const body = await request.text();
    const headers = Object.fromEntries(request.headers);
    const other = new Webhook(`whsec_${btoa("another secret of 24 byte")}`);
    assertThrows(() => other.verify(body, headers));
    const { events }: { readonly events: readonly Row[] } = Object(
      new Webhook(SECRET).verify(body, headers),
    );
    if (this.posts++ === 0) return new Response("not now", { status: 500 });
    for (const row of events) this.rows.add(row);
    return new Response(null, { status: 204 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Waits until something is so. */
async function eventually(check: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + END_MS;
  while (!await check()) {
    assert(performance.now() < deadline, `Waited ${END_MS} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** How many rows have each outcome; each row once. */
function outcomes(rows: readonly Row[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  const positions = new Set(rows.map(({ position }) => position));
  assertEquals(positions.size, rows.length, "a row came twice");
  for (const { outcome } of rows) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

const ROWS: readonly (readonly [webhook: "all" | "failures", file: "all" | "failures"])[] = [
  ["all", "failures"],
  ["failures", "all"],
];

for (const [webhookRows, resultsRows] of ROWS) {
  const title = `webhook-url gets ${webhookRows} rows signed with webhook-secret over a TLS that ` +
    `ca-file certifies, results-file ${resultsRows}`;
  Deno.test(title, async () => {
    await using resources = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "heliograph-settings-" });
    resources.defer(() => Deno.remove(folder, { recursive: true }));
    await Deno.writeTextFile(`${folder}/secret`, SECRET);
    const certificate = makeCertificate();
    const receiver = resources.use(new Receiver(certificate.tls));
    const shares = { dead: 0.1, refused: 0.05 };
    const world = resources.use(
      await CampaignService.open({
        seed: SEED,
        change: { shares },
        certificate,
        flags: flagsOf({
          "webhook-url": receiver.url,
          "webhook-secret-file": `${folder}/secret`,
          "webhook-rows": webhookRows,
          "results-file": `${folder}/results.ndjson`,
          "results-rows": resultsRows,
        }),
      }),
    );
    await world.register("shop", Array.from({ length: RECIPIENTS }, (_, number) => number));
    await world.ended(await world.send("shop"), 3 * END_MS);
    const { origins } = world.standIn;
    const { delivered, token_invalid, rejected } = expectedCounts(RECIPIENTS, {
      seed: SEED,
      shares,
      origins,
    });
    const failures = { token_invalid, rejected };
    const expected = { failures, all: { delivered, ...failures } };
    const count = { failures: token_invalid + rejected, all: RECIPIENTS };
    const rows = await receiver.rows.until(() => true, {
      what: "what the webhook is told",
      count: count[webhookRows],
    });
    assertEquals(outcomes(rows), expected[webhookRows]);
    assertGreater(receiver.posts, 1); // The first one was refused.
    const lines = () => Deno.readTextFileSync(`${folder}/results.ndjson`).split("\n").slice(0, -1);
    await eventually(() => lines().length >= count[resultsRows], "what the file is told");
    // Nothing else comes, and stopping leaves it whole.
    assertEquals((await world.service.stop()).code, 0);
    assertEquals(outcomes(lines().map((line) => JSON.parse(line))), expected[resultsRows]);
  });
}

function flagsOf(settings: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

Deno.test("apns-, fcm- and webpush-connections are how many connections providers see", async () => {
  const wanted = { apns: 2, fcm: 3, webpush: 1 };
  await using world = await CampaignService.open({
    // So slow that each has a backlog, for which it would have more if it were allowed to.
    change: { latencyMs: 20, streamsMax: 20 },
    flags: flagsOf({
      "apns-connections": `${wanted.apns}`,
      "fcm-connections": `${wanted.fcm}`,
      "webpush-connections": `${wanted.webpush}`,
    }),
  });
  await world.register("shop", Array.from({ length: 20_000 }, (_, number) => number));
  await world.ended(await world.send("shop"), 3 * END_MS);
  const { apns, fcm, webpush } = await world.standIn.seen();
  // One of Google's is for the access token.
  assertEquals(
    { apns: apns.connections, fcm: fcm.connections - 1, webpush: webpush.connections },
    wanted,
  );
});

Deno.test("batches-max is how many batches are in flight", async () => {
  const batchesMax = 3;
  await using world = await CampaignService.open({
    change: { latencyMs: 300 },
    flags: flagsOf({ "batches-max": `${batchesMax}` }),
  });
  await world.register("shop", numbersOf("apns", 9_000));
  const id = await world.send("shop");
  let leasedMax = 0;
  do {
    leasedMax = Math.max(leasedMax, valueOf(await world.api.status()).queue.leased);
  } while ((await world.notification(id)).status !== "done");
  assertEquals(leasedMax, batchesMax);
});

Deno.test("fcm-rate is how many messages a minute a project is sent", async () => {
  const perMinute = 900;
  await using world = await CampaignService.open({
    flags: flagsOf({ "fcm-rate": `${perMinute}` }),
  });
  await world.register("shop", numbersOf("fcm", 60));
  const began = performance.now();
  const id = await world.send("shop");
  do {
    const { requests } = (await world.standIn.seen()).fcm;
    const seconds = (performance.now() - began) / 1_000;
    // A second's worth may go at once.
    assertLess(requests, (seconds + 1) * perMinute / 60 + 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
  } while ((await world.notification(id)).status !== "done");
  assertGreater(performance.now() - began, 2_500);
});

/** Threads of a node that the encryption of its first Web Push message has started. */
async function threadsFor(encryptionThreads: number): Promise<number> {
  const flags = flagsOf({ "encryption-threads": `${encryptionThreads}` });
  await using world = await CampaignService.open({ flags });
  const workers = () => {
    const tasks = `/proc/${world.service.pid}/task`;
    const names = [...Deno.readDirSync(tasks)].map(({ name }) =>
      Deno.readTextFileSync(`${tasks}/${name}/comm`)
    );
    return names.filter((name) => name.startsWith("worker-")).length;
  };
  const before = workers();
  await world.register("shop", numbersOf("webpush", 1));
  await world.ended(await world.send("shop"), 3 * END_MS);
  return workers() - before;
}

Deno.test("encryption-threads is how many threads encrypt for Web Push, from the first message on", async () => {
  assertEquals([await threadsFor(1), await threadsFor(3)], [1, 3]);
});

Deno.test("ca-file makes providers trusted, and without it they are not sent to", async () => {
  await using standIn = await openStandIn({ tls: makeCertificate().tls });
  await using service = await Service.start({ flags: ["--log-level", "debug"] });
  const token = (await Deno.readTextFile(`${service.dataDir}/api-token`)).trim();
  const api = new ApiClient({ origin: `http://127.0.0.1:${service.apiPort}`, token });
  valueOf(await api.putApp("shop", MADE.credentials(standIn.origins)));
  const to = { tokens: [{ platform: "apns", token: "ab".repeat(32) }] };
  const id = valueOf(await api.submit({ app: "shop", content: { title: "Hello" }, to }));
  const tried = () => service.stderr.includes("provider_unreachable");
  await eventually(tried, "a try to connect");
  assertMatch(service.stderr, /provider_unreachable.*certificate/);
  assertEquals(valueOf(await api.notification(id)).counts.pending, 1);
  assertEquals((await standIn.seen()).apns.requests, 0);
});

/** An endpoint, and whether it is one to send to, by push-hosts. */
const ENDPOINTS: readonly (readonly [url: string, known: boolean, open: boolean])[] = [
  ["https://updates.push.services.mozilla.com/wpush/v2/abc", true, true],
  ["https://push.example.net/abc", false, true],
  ["https://10.0.0.1/abc", false, false],
  ["https://localhost:1/abc", false, false],
];

for (const [index, hosts] of (["known", "public"] as const).entries()) {
  Deno.test(`push-hosts = ${hosts} decides which endpoints are taken, beside allowed-push-origin`, async () => {
    await using world = await CampaignService.open({ flags: flagsOf({ "push-hosts": hosts }) });
    // Its push service is on loopback, and allowed.
    await world.register("shop", numbersOf("webpush", 1));
    assertEquals((await world.ended(await world.send("shop"), END_MS)).counts.delivered, 1);
    for (const [endpoint, ...taken] of ENDPOINTS) {
      const subscription = { endpoint, keys: MADE.receiver };
      const row = { id: endpoint.slice(8, 20), platform: "webpush", subscription };
      const bytes = new Blob([JSON.stringify(row)]).stream();
      const options = { app: "shop", format: "ndjson" } as const;
      const imported = valueOf(await world.api.importDevices(bytes, options, () => {}));
      assertEquals(imported.imported === 1, taken[index], `${endpoint}: ${imported.problems}`);
    }
  });
}

Deno.test("results-retention is how long after its end a notification is kept", async () => {
  await using resources = new AsyncDisposableStack();
  const data = await Deno.makeTempDir({ prefix: "heliograph-settings-" });
  resources.defer(() => Deno.remove(data, { recursive: true }));
  const args = ["serve", "--data", data, ...flagsOf({ "results-retention": "2h" })];
  const line = parseCommandLine(args, { get: () => undefined }, readTextFile);
  assert(line.kind === "run" && line.command.name === "serve");
  // A minute passes between two looks for what is too old: this clock is the test's.
  const world = resources.use(new World({ wallNow: Date.now() }));
  const log = new Log({ level: "error", clock: world.clock, write: () => {} });
  const telemetry = new Telemetry(new Metrics(PROVIDER_REASONS), log);
  const { system } = world;
  const { pipeline } = resources.use(
    await openNodePipeline(line.command.settings, { system, telemetry, node: "n" }),
  );
  const { service } = pipeline;
  await pipeline.start();
  assertEquals((await service.putApp("shop", MADE.credentials(NOWHERE))).kind, "ok");
  const ids: string[] = [];
  for (const minutes of [110, 130]) {
    const reply = await service.submit({ app: "shop", content: { title: "a" }, to: { all: true } });
    assert(reply.kind === "ok");
    const { id } = reply.value;
    ids.push(id);
    await eventually(async () => {
      await world.advance(50);
      return await shown(service, id) === "done";
    }, "the end");
    using database = new DatabaseSync(`${data}/delivery.sqlite`);
    database.exec("PRAGMA busy_timeout = 5000");
    database.prepare("UPDATE notification SET finished_at = ? WHERE id = ?")
      .run(world.clock.wallNow() - minutes * 60_000, id);
  }
  const [young = "", old = ""] = ids;
  await world.advance(30_000);
  assertEquals(await shown(service, old), "done");
  // The store has a thread of its own, which no clock of a test waits for.
  await world.advance(30_000);
  await eventually(async () => {
    await world.settle();
    return await shown(service, old) === "unknown";
  }, "the old one to be gone");
  assertEquals(await shown(service, young), "done");
});

/** A notification's state, or that there is none. */
async function shown(service: Pipeline["service"], id: string): Promise<string> {
  const reply = await service.notification(id);
  return reply.kind === "ok" ? reply.value.status : reply.kind;
}
