/**
 * What `check` tries of the delivery pipeline: its store, the credentials in it, and everything the
 * settings name for it. Nothing is sent.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { dirname } from "node:path";
import { type App, type Pause, type Platform, PLATFORMS } from "../actors/push/delivery/records.ts";
import { checkApnsCredentials } from "../transports/apns/mod.ts";
import type { Finding } from "../transports/command_line/check_report.ts";
import { fileCause } from "../transports/command_line/read_file.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { checkFcmCredentials } from "../transports/fcm/mod.ts";
import { FILE_MODE } from "../transports/ndjson_file/limits.ts";
import { checkWebPushCredentials } from "../transports/webpush/mod.ts";
import { readRoots } from "./ca_file.ts";
import { encryptionName } from "./lazy_encryption.ts";
import { openDeliveryStore, openInfluxOf, openWebhook } from "./node_pipeline.ts";
import { storeText } from "./open_store.ts";
import { startError } from "./start_error.ts";

const DAY_MS = 86_400_000;

/** Days before its end from which a certificate is to be thought about: Apple takes a while to make one. */
const RENEW_DAYS = 30;

/** What was found, in the order in which a start would need it. */
export async function deliveryFindings(
  settings: Settings,
  nowMs: number,
): Promise<readonly Finding[]> {
  return [
    ...await storeFindings(settings, nowMs),
    encryptionFinding(),
    pushServicesFinding(settings),
    ...rootsFindings(settings, nowMs),
    ...webhookFindings(settings),
    ...await influxFindings(settings),
    ...await resultsFileFindings(settings),
  ];
}

async function storeFindings(settings: Settings, nowMs: number): Promise<readonly Finding[]> {
  const what = "delivery store";
  try {
    await using store = await openDeliveryStore(settings);
    await store.ping();
    const apps = await store.apps();
    const count = apps.length === 1 ? "1 app" : `${apps.length} apps`;
    return [
      { what, outcome: "ok", detail: `${storeText(settings)} reads and writes; ${count}` },
      ...apps.flatMap(({ app, pauses }) => appFindings(app, pauses, nowMs)),
    ];
  } catch (error) {
    return [{ what, outcome: "failed", detail: startError(error).message, setting: "store" }];
  }
}

/** A finding for each platform of an app: its credentials were good when they came, and may have ended. */
function appFindings(
  { name, credentials }: App,
  pauses: readonly Pause[],
  nowMs: number,
): readonly Finding[] {
  return PLATFORMS.flatMap((platform): readonly Finding[] => {
    const what = `app ${name}, ${platform}`;
    const problems = credentialProblems(credentials, platform, nowMs);
    if (problems === undefined) return [];
    const [problem] = problems;
    if (problem !== undefined) {
      const detail = `${problem.path}: ${problem.message}`;
      return [{ what, outcome: "failed", detail }];
    }
    const pause = pauses.find((pause) => pause.platform === platform);
    if (pause !== undefined) {
      const since = new Date(pause.since).toISOString();
      const detail = `is paused since ${since}: ${pause.reason}. Correct what is wrong, then ` +
        `heliograph apps resume ${name}`;
      return [{ what, outcome: "warning", detail }];
    }
    return [{ what, ...validity(credentials, platform, nowMs) }];
  });
}

/** What is wrong with the credentials of a platform; `undefined` when there are none. */
function credentialProblems(
  { apns, fcm, webpush }: App["credentials"],
  platform: Platform,
  nowMs: number,
): readonly { readonly path: string; readonly message: string }[] | undefined {
  switch (platform) {
    case "apns":
      return apns && checkApnsCredentials(apns, nowMs);
    case "fcm":
      return fcm && checkFcmCredentials(fcm);
    case "webpush":
      return webpush && checkWebPushCredentials(webpush);
  }
}

/** How long they are good for: only certificates say. */
function validity(
  { apns }: App["credentials"],
  platform: Platform,
  nowMs: number,
): Pick<Finding, "outcome" | "detail"> {
  if (platform !== "apns" || apns === undefined || !("certificate" in apns)) {
    return { outcome: "ok", detail: "credentials can be used" };
  }
  const days = Math.floor(
    (Date.parse(new X509Certificate(apns.certificate).validTo) - nowMs) / DAY_MS,
  );
  const detail = `certificate is valid for ${days} day${days === 1 ? "" : "s"}`;
  return { outcome: days < RENEW_DAYS ? "warning" : "ok", detail };
}

function encryptionFinding(): Finding {
  const name = encryptionName();
  const detail = name === "libcrypto"
    ? "libcrypto, by FFI"
    : "node:crypto; libcrypto is faster, and needs OpenSSL 3 and Deno's --allow-ffi";
  return { what: "message encryption", outcome: "ok", detail };
}

function pushServicesFinding({ pushHosts, allowedPushOrigins }: Settings): Finding {
  const what = "push services";
  const hosts = pushHosts === "known" ? "those of the browsers' makers" : "any at a public address";
  const detail = [hosts, ...allowedPushOrigins].join(", and ");
  const clear = allowedPushOrigins.find((origin) => origin.startsWith("http:"));
  if (clear === undefined) return { what, outcome: "ok", detail };
  const warning = `${clear} is sent to without TLS: whoever is on the way sees who gets messages`;
  return { what, outcome: "warning", detail: warning, setting: "allowed-push-origin" };
}

function rootsFindings(settings: Settings, nowMs: number): readonly Finding[] {
  if (settings.caFile === undefined) return [];
  const what = "roots";
  const setting = "ca-file";
  const roots = readRoots(settings);
  if (roots.kind === "failed") return [{ what, outcome: "failed", detail: roots.problem, setting }];
  const all = roots.expiresAt.length;
  const ended = roots.expiresAt.filter((end) => end <= nowMs).length;
  const detail = `${all} in ${settings.caFile}`;
  return ended === 0
    ? [{ what, outcome: "ok", detail }]
    : [{ what, outcome: "warning", detail: `${detail}, of which ${ended} ended`, setting }];
}

function webhookFindings(settings: Settings): readonly Finding[] {
  if (settings.webhookUrl === undefined) return [];
  const what = "webhook";
  try {
    using _webhook = openWebhook(settings, []);
    // Path and query may be a secret.
    const { origin } = new URL(settings.webhookUrl);
    return [{ what, outcome: "ok", detail: `posts ${settings.webhookRows} to ${origin}, signed` }];
  } catch (error) {
    const detail = startError(error).message;
    return [{ what, outcome: "failed", detail, setting: "webhook-url" }];
  }
}

/** Asks whether points would be taken; none is written. */
async function influxFindings(settings: Settings): Promise<readonly Finding[]> {
  const what = "InfluxDB";
  const setting = "influx-url";
  try {
    const roots = readRoots(settings);
    using influx = openInfluxOf(settings, roots.kind === "failed" ? [] : roots.pem);
    if (influx === undefined) return [];
    await influx.ping();
    return [{ what, outcome: "ok", detail: `${influx.origin} takes points` }];
  } catch (error) {
    return [{ what, outcome: "failed", detail: startError(error).message, setting }];
  }
}

/** Opens the file as its sink would, and leaves its content alone: a node may be writing to it. */
async function resultsFileFindings(
  { resultsFile, resultsRows }: Settings,
): Promise<readonly Finding[]> {
  if (resultsFile === undefined) return [];
  const what = "results file";
  const setting = "results-file";
  try {
    const options = { read: true, append: true, create: true, mode: FILE_MODE };
    using file = await Deno.open(resultsFile, options);
    if (!(await file.stat()).isFile) {
      return [{ what, outcome: "failed", detail: `${resultsFile} is no file`, setting }];
    }
    return [{ what, outcome: "ok", detail: `${resultsRows} go to ${resultsFile}` }];
  } catch (error) {
    const cause = error instanceof Deno.errors.NotFound
      ? `cannot be made: there is no folder ${dirname(resultsFile)}`
      : fileCause(error, "written");
    return [{ what, outcome: "failed", detail: `${resultsFile} ${cause}`, setting }];
  }
}
