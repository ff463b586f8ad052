/** What `check` says of the delivery pipeline, for each thing that may be wrong with it. */

import { assertEquals, assertMatch } from "@std/assert";
import type { Credentials } from "../../actors/push/delivery/records.ts";
import { readRoots } from "../../program/ca_file.ts";
import { deliveryFindings } from "../../program/check_delivery.ts";
import { openDeliveryStore, openWebhook } from "../../program/node_pipeline.ts";
import type { Finding } from "../../transports/command_line/check_report.ts";
import { parseCommandLine } from "../../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../../transports/command_line/read_file.ts";
import type { Settings } from "../../transports/command_line/settings.ts";
import { makeCertificates } from "../support/certificates.ts";
import { makeClientCertificate } from "../transports/apns/client_certificate.ts";
import { TOKEN_CREDENTIALS } from "../transports/apns/keys.ts";

const NOW = Date.now();
const DAY_MS = 86_400_000;
const SECRET = "canary-0123456789";

/** A folder that is gone after the test. */
async function folder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "heliograph-check-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

function settingsOf(data: string, ...flags: readonly string[]): Settings {
  const env = new Map([["HELIOGRAPH_WEBHOOK_SECRET", SECRET]]);
  const given = flags.some((flag) => flag.startsWith("--webhook-url")) ? env : new Map();
  const line = parseCommandLine(["check", "--data", data, ...flags], given, readTextFile);
  if (line.kind === "run" && line.command.name === "check") return line.command.settings;
  throw new Error(JSON.stringify(line));
}

function found(findings: readonly Finding[], what: string): readonly [string, string] {
  const finding = findings.find((finding) => finding.what === what);
  return [finding?.outcome ?? "absent", finding?.detail ?? ""];
}

Deno.test("deliveryFindings() of a new folder has no warning, and names what is in use", async () => {
  await using data = await folder();
  const findings = await deliveryFindings(settingsOf(data.path), NOW);
  assertEquals(findings.map(({ what, outcome }) => [what, outcome]), [
    ["delivery store", "ok"],
    ["message encryption", "ok"],
    ["push services", "ok"],
  ]);
  assertMatch(found(findings, "message encryption")[1], /^(libcrypto|node:crypto)/);
});

Deno.test("deliveryFindings() says of each app's platform whether it can send", async () => {
  await using data = await folder();
  const { certificate, key } = await makeClientCertificate(data.path);
  const settings = settingsOf(data.path);
  const apps: readonly (readonly [string, Credentials])[] = [
    ["keyed", { apns: TOKEN_CREDENTIALS }],
    ["certified", { apns: { certificate, certificateKey: key, topic: "com.example.app" } }],
    ["broken", { fcm: { serviceAccount: {} } }],
  ];
  {
    await using store = await openDeliveryStore(settings);
    for (const [name, credentials] of apps) await store.saveApp(name, credentials, NOW);
    const lane = { app: "keyed", platform: "apns" } as const;
    await store.pause(lane, "403 InvalidProviderToken", NOW);
  }
  const findings = await deliveryFindings(settings, NOW + DAY_MS / 2);
  assertMatch(found(findings, "delivery store")[1], /; 3 apps$/);
  const [paused, why] = found(findings, "app keyed, apns");
  assertEquals(paused, "warning");
  assertMatch(
    why,
    /^is paused since .*: 403 InvalidProviderToken\. .*heliograph apps resume keyed$/,
  );
  assertEquals(found(findings, "app certified, apns"), [
    "warning",
    "certificate is valid for 1 day",
  ]);
  assertEquals(found(findings, "app broken, fcm")[0], "failed");
  const later = await deliveryFindings(settings, NOW + 3 * DAY_MS);
  assertEquals(found(later, "app certified, apns")[0], "failed");
  assertEquals(JSON.stringify(findings).includes("PRIVATE KEY"), false);
});

Deno.test("deliveryFindings() tries what the settings name", async () => {
  await using data = await folder();
  const { path } = data;
  const { caFile } = await makeCertificates(path);
  await Deno.writeTextFile(`${path}/junk`, "no certificate");
  await Deno.writeTextFile(
    `${path}/torn`,
    "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n",
  );
  await Deno.writeTextFile(`${path}/rows`, '{"position":1}\n{"posi');
  const hook = "http://127.0.0.1:9/canary";
  const rows: readonly (readonly [string, string, string, RegExp])[] = [
    ["--ca-file=/nowhere", "roots", "failed", /^ca-file: \/nowhere does not exist$/],
    [`--ca-file=${path}/junk`, "roots", "failed", /holds no certificate\. Give a PEM file$/],
    [`--ca-file=${path}/torn`, "roots", "failed", /^ca-file: certificate 1 of .* cannot be read$/],
    [`--ca-file=${caFile}`, "roots", "ok", /^1 in /],
    ["--webhook-url=http://example.com/", "webhook", "failed", /^webhook-url: http: to another/],
    [
      `--webhook-url=${hook}`,
      "webhook",
      "ok",
      /^posts failures to http:\/\/127\.0\.0\.1:9, signed$/,
    ],
    ["--influx-url=http://127.0.0.1:9/canary", "InfluxDB", "failed", /^influx-url: is not a write/],
    [
      "--influx-url=http://127.0.0.1:1/write?db=canary",
      "InfluxDB",
      "failed",
      /^http:\/\/127\.0\.0\.1:1 could not be reached: /,
    ],
    ["--results-file=/nowhere/rows", "results file", "failed", /there is no folder \/nowhere$/],
    [`--results-file=${path}`, "results file", "failed", /is a folder$/],
    [`--results-file=${path}/rows`, "results file", "ok", /^failures go to /],
    ["--allowed-push-origin=http://push.example", "push services", "warning", /without TLS/],
    ["--push-hosts=known", "push services", "ok", /^those of the browsers' makers$/],
  ];
  for (const [flag, what, outcome, detail] of rows) {
    const findings = await deliveryFindings(settingsOf(path, flag), NOW);
    const [is, says] = found(findings, what);
    assertEquals(is, outcome, `${flag}: ${says}`);
    assertMatch(says, detail);
    assertEquals(says.includes("canary"), false);
  }
  const left = await Deno.readTextFile(`${path}/rows`);
  assertEquals(left, '{"position":1}\n{"posi', "a node may be writing to it");
  const later = await deliveryFindings(settingsOf(path, `--ca-file=${caFile}`), NOW + 3 * DAY_MS);
  assertMatch(found(later, "roots").join(" "), /^warning 1 in .*, of which 1 ended$/);
});

Deno.test("deliveryFindings() tells a store that is none, and goes on", async () => {
  await using data = await folder();
  await Deno.writeTextFile(`${data.path}/delivery.sqlite`, "short");
  const findings = await deliveryFindings(settingsOf(data.path), NOW);
  const [outcome, detail] = found(findings, "delivery store");
  assertEquals(outcome, "failed");
  assertMatch(detail, /^data: .*delivery\.sqlite/);
  assertEquals(found(findings, "push services")[0], "ok");
});

Deno.test("readRoots() and openWebhook() are nothing without their settings", async () => {
  await using data = await folder();
  const settings = settingsOf(data.path);
  assertEquals(readRoots(settings), { kind: "ready", pem: [], expiresAt: [] });
  assertEquals(openWebhook(settings, []), undefined);
});
