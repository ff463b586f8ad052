/**
 * `check`: tries everything a node would need, without serving.
 *
 * Each finding stands alone, so that one run names all problems. What is opened is closed again;
 * the data folder, keys and token are made as the first start would make them.
 *
 * @module
 */

import { isLoopback } from "../transports/command_line/addresses.ts";
import type { Finding } from "../transports/command_line/check_report.ts";
import { loadApiToken, loadEndpointKeys } from "../transports/command_line/key_files.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { broadcastSource } from "./broadcast_source.ts";
import { deliveryFindings } from "./check_delivery.ts";
import { engineFindings } from "./check_engines.ts";
import { openStore, storeText } from "./open_store.ts";
import { listening, startError } from "./start_error.ts";
import { readTls } from "./tls.ts";

const DAY_MS = 86_400_000;

/** What was found, in the order in which a start would need it. */
export async function checkNode(settings: Settings): Promise<readonly Finding[]> {
  const findings: Finding[] = [
    keyFinding(
      "endpoint keys",
      "crypto-keys",
      loadEndpointKeys(settings.data, settings.cryptoKeys),
    ),
    keyFinding("API token", "api-token", loadApiToken(settings.data, settings.apiToken)),
    await storeFinding(settings),
    ...await deliveryFindings(settings, Date.now()),
    ...await engineFindings(settings),
  ];
  findings.push(...certificateFindings(settings, Date.now()));
  findings.push(
    await portFinding("push endpoint", "endpoint-port", settings.host, settings.endpointPort),
    await portFinding("device sockets", "device-port", settings.host, settings.devicePort),
    await portFinding("API", "api-port", settings.host, settings.apiPort),
  );
  const { nodePort } = settings;
  if (nodePort !== undefined) {
    findings.push(await portFinding("node port", "node-port", settings.host, nodePort));
  }
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

async function storeFinding(settings: Settings): Promise<Finding> {
  const what = "store";
  try {
    await using store = await openStore(settings, () => {});
    await store.messages.ping();
    return { what, outcome: "ok", detail: `${storeText(settings)} reads and writes` };
  } catch (error) {
    return { what, outcome: "failed", detail: startError(error).message, setting: "store" };
  }
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
