/**
 * No secret of a campaign gets out: keys of the apps, the webhook's secret and URL, API tokens, what is
 * sent and to whom go in by every door, with providers that refuse, hang up and repeat what they were
 * sent, and are then looked for in everything the node says.
 */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { makeAccounts, makeCertificate } from "../../transports/provider_stand_in/mod.ts";
import { CampaignService, valueOf } from "../support/campaign_service.ts";
import { HostileProvider, http2 } from "../support/hostile_provider.ts";
import { MADE } from "../support/stand_in.ts";

/** Letters no other text has. */
const CANARY = "canary7Zq";
const WEBHOOK_SECRET = `whsec_${btoa(`${CANARY}-secret-of-a-webhook`)}`;
const RECIPIENTS = 300;
const SHARES = { dead: 0.1, malformed: 0.05, refused: 0.1 };
/** What is not for Google's part, whose failures have to be left alone for ten seconds. */
const FAULTS = {
  shares: { ...SHARES, throttled: 0.1, unavailable: 0.05 },
  cutEveryRequests: 90,
  resetEveryRequests: 50,
};
const END_MS = 40_000;

/** What the API says, by whether it may name recipients and content. */
interface Answers {
  readonly open: string[];
  readonly private: string[];
}

/** Asks and keeps the answer. */
async function ask(
  { service, api: _ }: CampaignService,
  answers: string[],
  path: string,
  request: { readonly method?: string; readonly body?: string; readonly token?: string } = {},
): Promise<number> {
  const own = Deno.readTextFileSync(`${service.dataDir}/api-token`).trim();
  const type = path.startsWith("/v1/devices?") ? "application/x-ndjson" : "application/json";
  const response = await fetch(`http://127.0.0.1:${service.apiPort}${path}`, {
    method: request.method ?? "GET",
    headers: { authorization: `Bearer ${request.token ?? own}`, "content-type": type },
    body: request.body ?? null,
  });
  answers.push(await response.text(), ...[...response.headers].flat());
  return response.status;
}

/** A provider of Apple's kind that repeats the token it was sent as its reason. */
function parrot(): HostileProvider {
  return new HostileProvider(http2(async (peer, { streamId, fields }) => {
    const path = fields.find(({ name }) => name === ":path")?.value ?? "";
    const reason = `refused ${path.split("/").pop()} and what is behind it`;
    await peer.answer(streamId, 400, JSON.stringify({ reason }));
  }));
}

/** Apps whose keys providers refuse, or that are somebody's who repeats what he is sent. */
async function registerOthers(world: CampaignService, parrot: string): Promise<readonly string[]> {
  const { origins } = world.standIn;
  const wrong = makeAccounts().credentials(origins);
  const made = MADE.credentials(origins);
  const apps = { wrong, parrot: { apns: { ...made.apns, origin: parrot } } };
  for (const [app, credentials] of Object.entries(apps)) {
    valueOf(await world.api.putApp(app, credentials));
  }
  return keysOf(wrong);
}

/** What of credentials must never come out. */
function keysOf({ apns, fcm, webpush }: ReturnType<typeof MADE.credentials>): readonly string[] {
  const pems = ["key" in apns ? apns.key : "", String(fcm.serviceAccount["private_key"])];
  return [...pems.map((pem) => pem.split("\n")[1] ?? ""), webpush.vapidPrivateKey];
}

/** Requests with secrets in wrong places. */
async function mistakes(world: CampaignService, answers: string[]): Promise<void> {
  const key = `-----BEGIN PRIVATE KEY-----\n${CANARY.repeat(20)}\n-----END PRIVATE KEY-----`;
  const { apns, fcm } = MADE.credentials(world.standIn.origins);
  const serviceAccount = { ...fcm.serviceAccount, private_key: key };
  const apps: readonly object[] = [
    { apns: { ...apns, key } },
    { fcm: { serviceAccount } },
    { fcm: { serviceAccount: { ...fcm.serviceAccount, private_key: [key] } } },
    { webpush: { vapidPrivateKey: CANARY.repeat(5), subject: "mailto:operator@example.org" } },
  ];
  for (const body of apps) {
    const status = await ask(world, answers, "/v1/apps/broken", {
      method: "PUT",
      body: JSON.stringify(body),
    });
    assertEquals(status, 422);
  }
  const cut = JSON.stringify({ apns: { ...apns, key } }).slice(0, -3);
  assertEquals(await ask(world, answers, "/v1/apps/broken", { method: "PUT", body: cut }), 400);
  assertEquals(await ask(world, answers, "/v1/apps", { token: CANARY.repeat(5) }), 401);
}

Deno.test("Secrets of campaigns appear in no log line, metric or answer but those that are made for them", async () => {
  await using resources = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "heliograph-secrets-" });
  resources.defer(() => Deno.remove(folder, { recursive: true }));
  await Deno.writeTextFile(`${folder}/secret`, WEBHOOK_SECRET);
  const certificate = makeCertificate();
  let posts = 0;
  const hook = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, ...certificate.tls },
    () => {
      const status = posts++ < 2 ? 500 : 204;
      return new Response(status === 500 ? "not now" : null, { status });
    },
  );
  resources.defer(() => hook.shutdown());
  const hostile = resources.use(parrot());
  const world = resources.use(
    await CampaignService.open({
      certificate,
      change: { shares: SHARES, goawayEveryRequests: 40 },
      flags: [
        ...["--log-level", "debug", "--webhook-rows", "all"],
        ...["--webhook-url", `https://localhost:${hook.addr.port}/${CANARY}`],
        ...["--webhook-secret-file", `${folder}/secret`],
      ],
    }),
  );
  const { service, standIn } = world;
  await standIn.behave(FAULTS, ["apns", "webpush"]);
  const numbers = Array.from({ length: RECIPIENTS }, (_, number) => number);
  await world.register("shop", numbers);
  const keys = [
    ...keysOf(MADE.credentials(standIn.origins)),
    ...await registerOthers(world, hostile.origin),
  ];
  const content = { title: `${CANARY} title`, data: { secret: CANARY } };
  const id = await world.send("shop", { content });
  const rows = (await new Response(world.rows("shop", numbers)).text()).trimEnd().split("\n");
  const targets = rows.map((row) => {
    const { id: _id, app: _app, ...target } = JSON.parse(row);
    return target;
  });
  const tokens = targets.slice(0, 10);
  const stopped = await world.send("wrong", { content, to: { tokens } });
  const repeated = await world.send("parrot", {
    content,
    to: { tokens: tokens.filter(({ platform }) => platform === "apns") },
  });
  await world.ended(id, END_MS);
  assertGreater((await world.ended(repeated, END_MS)).counts.rejected, 0);

  const answers: Answers = { open: [], private: [] };
  await mistakes(world, answers.open);
  for (
    const path of [
      ...["/metrics", "/healthz", "/readyz", "/page.json", "/v1/tree", "/v1/status"],
      ...["/v1/apps", "/v1/apps/shop", "/v1/apps/wrong", "/v1/dead-letters", "/openapi.json"],
      `/v1/notifications/${CANARY}`,
      ...["/v1/notifications?limit=10", `/v1/notifications/${stopped}/reasons`],
      ...[`/v1/notifications/${id}/reasons`, `/v1/notifications/${repeated}/reasons`],
    ]
  ) await ask(world, answers.open, path);
  for (
    const path of [
      ...["/v1/devices?app=shop&limit=1000", "/v1/devices/shop-0", "/v1/devices/export?app=shop"],
      ...[`/v1/notifications/${id}`, `/v1/notifications/${id}/deliveries?limit=1000`],
      ...[`/v1/notifications/${stopped}`, `/v1/notifications/${repeated}/deliveries`],
    ]
  ) assertEquals(await ask(world, answers.private, path), 200, path);
  const apiToken = (await Deno.readTextFile(`${service.dataDir}/api-token`)).trim();
  assertEquals((await service.stop()).code, 0);
  assertGreater(posts, 2);

  const log = service.stderr;
  for (const event of ["provider_answered", "app_paused", "sink_failed", "provider_left"]) {
    assert(log.includes(event), `${event} is not in the log:\n${log}`);
  }
  // Nobody is told these, whoever asks.
  for (const secret of [...keys, apiToken, WEBHOOK_SECRET, WEBHOOK_SECRET.slice(6)]) {
    assertGreater(secret.length, 20);
    for (const [where, text] of Object.entries({ log, ...joined(answers) })) {
      assert(!text.includes(secret), `a secret in ${where}: ${around(text, secret)}`);
    }
  }
  // Only who asks for recipients and content is told these.
  const addresses = targets.map(({ token, subscription }) => token ?? subscription.endpoint);
  for (const secret of [...addresses.map((one) => one.split("/").pop()), MADE.receiver.auth]) {
    for (const [where, text] of Object.entries({ log, open: answers.open.join("\n") })) {
      assert(!text.includes(secret), `an address in ${where}: ${around(text, secret)}`);
    }
  }
  assert(!log.includes(CANARY), `content in the log: ${around(log, CANARY)}`);
  const modes = [...Deno.readDirSync(service.dataDir)].map(({ name }) => {
    const { mode } = Deno.statSync(`${service.dataDir}/${name}`);
    return [name, (mode ?? 0) & 0o077];
  });
  assertEquals(modes.filter(([, others]) => others !== 0), [], "files that others may read");
});

function joined({ open, private: hidden }: Answers) {
  return { "an open answer": open.join("\n"), "a private answer": hidden.join("\n") };
}

/** Where something was found. */
function around(text: string, found: string): string {
  const at = text.indexOf(found);
  return text.slice(Math.max(0, at - 150), at + found.length + 50);
}
