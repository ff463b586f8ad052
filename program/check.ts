/**
 * `check`: tries everything a node would need, without serving.
 *
 * Each finding stands alone, so that one run names all problems. What is opened is closed again;
 * the data folder, keys and token are made as the first start would make them.
 *
 * @module
 */

import { keysProblem } from "../actors/push/cluster/lease_keeper.ts";
import type { NodeRecord } from "../actors/push/ports.ts";
import { isLoopback } from "../transports/command_line/addresses.ts";
import type { Finding } from "../transports/command_line/check_report.ts";
import { loadApiToken, loadEndpointKeys } from "../transports/command_line/key_files.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { broadcastSource } from "./broadcast_source.ts";
import { deliveryFindings } from "./check_delivery.ts";
import { engineFindings } from "./check_engines.ts";
import { keyDigest } from "./cluster.ts";
import { openStore, storeText } from "./open_store.ts";
import { listening, startError } from "./start_error.ts";
import { readTls } from "./tls.ts";

const DAY_MS = 86_400_000;

/** What was found, in the order in which a start would need it. */
export async function checkNode(settings: Settings): Promise<readonly Finding[]> {
  const keys = loadEndpointKeys(settings.data, settings.cryptoKeys);
  const findings: Finding[] = [
    keyFinding("endpoint keys", "crypto-keys", keys),
    keyFinding("API token", "api-token", loadApiToken(settings.data, settings.apiToken)),
    ...await storeFindings(settings, keys.kind === "ready" ? keys.secret.reveal() : []),
    ...await deliveryFindings(settings, Date.now()),
    ...await engineFindings(settings),
  ];
  findings.push(...certificateFindings(settings, Date.now()));
  findings.push(...await portFindings(settings));
  if (!isLoopback(settings.host)) findings.push(addressFinding(settings));
  if (settings.broadcastUrl !== undefined) findings.push(await broadcastFinding(settings));
  return findings;
}

function keyFinding(
  what: string,
  setting: string,
  loaded: ReturnType<typeof loadApiToken> | ReturnType<typeof loadEndpointKeys>,
): Finding {
  if (loaded.kind === "failed") return { what, outcome: "failed", detail: loaded.problem, setting };
  const where = loaded.origin === "setting" ? "set" : `in ${loaded.path}`;
  return { what, outcome: "ok", detail: loaded.origin === "made" ? `made ${where}` : where };
}

async function storeFindings(
  settings: Settings,
  endpointKeys: readonly string[],
): Promise<readonly Finding[]> {
  const what = "store";
  try {
    await using store = await openStore(settings, () => {});
    await store.messages.ping();
    const detail = `${storeText(settings)} reads and writes`;
    const nodes = await store.cluster?.nodes();
    return [
      { what, outcome: "ok", detail },
      ...nodes === undefined ? [] : [nodesFinding(nodes.alive, endpointKeys.map(keyDigest))],
    ];
  } catch (error) {
    return [{ what, outcome: "failed", detail: startError(error).message, setting: "store" }];
  }
}

/** Whether the nodes that work on the store let one with these keys join them. */
function nodesFinding(alive: readonly NodeRecord[], keys: readonly string[]): Finding {
  const what = "other nodes";
  const problem = keysProblem(keys, alive);
  if (problem !== undefined) {
    return { what, outcome: "failed", detail: problem, setting: "crypto-keys" };
  }
  return { what, outcome: "ok", detail: `${alive.length} on the store` };
}

function certificateFindings(settings: Settings, nowMs: number): readonly Finding[] {
  const tls = readTls(settings, nowMs);
  const what = "certificate";
  if (tls === undefined) return [];
  if (tls.kind === "failed") return [{ what, outcome: "failed", detail: tls.problem }];
  const detail = `valid for ${Math.floor((tls.expiresAt - nowMs) / DAY_MS)} days`;
  const warnings = tls.warnings.map((warning): Finding => {
    return { what, outcome: "warning", detail: warning, setting: "tls-cert" };
  });
  return warnings.length > 0 ? warnings : [{ what, outcome: "ok", detail }];
}

/** The ports this node would open: others may have those of roles that it has not. */
async function portFindings(settings: Settings): Promise<readonly Finding[]> {
  const { host, roles, endpointPort, devicePort, apiPort, nodePort } = settings;
  const doors = [
    ["push endpoint", "endpoint-port", roles.includes("endpoint") ? endpointPort : undefined],
    ["device sockets", "device-port", roles.includes("devices") ? devicePort : undefined],
    ["API", "api-port", roles.includes("api") ? apiPort : undefined],
    ["node port", "node-port", nodePort],
  ] as const;
  const findings: Finding[] = [];
  for (const [what, setting, port] of doors) {
    if (port !== undefined) findings.push(await portFinding(what, setting, host, port));
  }
  return findings;
}

async function portFinding(
  what: string,
  setting: string,
  hostname: string,
  port: number,
): Promise<Finding> {
  try {
    using listener = await listening(setting, { hostname, port }, () => {
      return Deno.listen({ hostname, port });
    });
    const free = port === 0 ? `any, such as ${listener.addr.port}` : `${port}`;
    return { what, outcome: "ok", detail: `port ${free} on ${hostname} is free` };
  } catch (error) {
    return { what, outcome: "failed", detail: startError(error).message, setting };
  }
}

function addressFinding({ host, tlsCert, endpointUrl }: Settings): Finding {
  const secure = tlsCert !== undefined || endpointUrl?.startsWith("https:") === true;
  const detail = secure
    ? `others can reach ${host}; the API has no TLS of its own and its token travels in clear`
    : `others can reach ${host}, and nothing is encrypted on the way`;
  return { what: "address", outcome: "warning", detail, setting: secure ? "host" : "tls-cert" };
}

async function broadcastFinding({ broadcastUrl }: Settings): Promise<Finding> {
  const what = "broadcasts";
  try {
    const versions = await broadcastSource(broadcastUrl)?.fetch(new AbortController().signal);
    return { what, outcome: "ok", detail: `${versions?.size ?? 0} published` };
  } catch (error) {
    const detail = startError(error).message;
    return { what, outcome: "failed", detail, setting: "broadcast-url" };
  }
}
