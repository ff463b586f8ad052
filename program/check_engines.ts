/**
 * What `check` tries of the engines beside the store, and of what several nodes need: each is opened as a
 * start would open it, asked whether it works, and closed again.
 *
 * @module
 */

import type { Finding } from "../transports/command_line/check_report.ts";
import type { EngineAddress } from "../transports/command_line/engine_address.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { MemoryDeliveryStore } from "../transports/memory/memory_delivery_store.ts";
import { durabilityNotices } from "./durability.ts";
import { openEngines } from "./engines.ts";
import { startError } from "./start_error.ts";

/** The settings that name an engine beside the store. */
type EngineSetting = "queue" | "source" | "counters" | "resultsDatabase";

/** What each of them is called: in findings, and where it is set. */
const NAMES: Readonly<Record<EngineSetting, readonly [what: string, setting: string]>> = {
  queue: ["queue", "queue"],
  source: ["source", "source"],
  counters: ["counters", "counters"],
  resultsDatabase: ["results database", "results-database"],
};

/** Settings that name none. */
const NONE = {
  queue: "store",
  source: undefined,
  counters: undefined,
  resultsDatabase: undefined,
} as const;

/** What was found, in the order in which a start would need it. */
export async function engineFindings(settings: Settings): Promise<readonly Finding[]> {
  const { queue, source, counters, resultsDatabase } = settings;
  const named: readonly (readonly [EngineSetting, EngineAddress | undefined])[] = [
    ["queue", queue === "store" ? undefined : queue],
    ["source", source],
    ["counters", counters],
    ["resultsDatabase", resultsDatabase],
  ];
  const findings = await Promise.all(
    named.flatMap(([setting, address]) =>
      address === undefined ? [] : [engineFinding(settings, setting, address)]
    ),
  );
  return [...findings, ...await durabilityFindings(settings), ...sharingFindings(settings)];
}

async function engineFinding(
  settings: Settings,
  setting: EngineSetting,
  address: EngineAddress,
): Promise<Finding> {
  const [what, name] = NAMES[setting];
  try {
    // Nothing is handed out or recorded here, so that any store will do.
    await using store = new MemoryDeliveryStore();
    const alone = { ...settings, ...NONE, [setting]: address };
    await using engines = await openEngines(alone, { store, node: "check", telemetry: SILENT });
    for (const part of engines.parts) await part.ping();
    const [part] = engines.parts;
    return { what, outcome: "ok", detail: `${address.shown} ${part?.good}` };
  } catch (error) {
    return { what, outcome: "failed", detail: startError(error).message, setting: name };
  }
}

/** What is told of while an engine is tried shows in its finding. */
const SILENT = { delivery: { record: () => {} }, storeProblem: () => {} };

/** What a crash of each Redis loses; one that cannot be asked has a finding of its own. */
async function durabilityFindings(settings: Settings): Promise<readonly Finding[]> {
  const notices = await durabilityNotices(settings);
  return notices.flatMap(({ setting, loses, text, asked }): readonly Finding[] => {
    const what = `durability of ${setting}`;
    if (!asked) return [];
    return [{ what, outcome: loses ? "warning" : "ok", detail: text, setting }];
  });
}

/** Whether other nodes of the store can reach this one. */
function sharingFindings({ store, nodePort, processes, roles }: Settings): readonly Finding[] {
  const shared = store?.kind === "postgres" || store?.kind === "redis";
  // Several processes have a port each without being told to.
  if (!shared || nodePort !== undefined || (processes ?? 1) > 1 || !roles.includes("devices")) {
    return [];
  }
  const detail = "other nodes' messages reach devices here at their next look into the store";
  return [{ what: "node port", outcome: "warning", detail, setting: "node-port" }];
}
