/**
 * `status`: the node, or one notification.
 *
 * @module
 */

import type { NodeAnswer, RatesAnswer } from "../../transports/api_client/answers.ts";
import type { ApiClient } from "../../transports/api_client/api_client.ts";
import type { ListedNodeAnswer, NodesAnswer } from "../../transports/api_client/node_answers.ts";
import type { ClientSettings } from "../../transports/command_line/client_settings.ts";
import { wentWell } from "../../transports/command_line/notification_report.ts";
import { ROLES } from "../../transports/command_line/settings.ts";
import { grouped } from "../../transports/command_line/shown_number.ts";
import { cell, table } from "../../transports/command_line/table.ts";
import { apiError, openClient } from "./api_access.ts";
import { INTERRUPTED, type World } from "./world.ts";
import { watch } from "./watch.ts";
import { fullReport } from "./why.ts";

/** Characters of a cell, where others than its node may have written it. */
const CELL_CHARS_MAX = 40;

/** `status` of the node, and of those that share its store. */
export async function nodeStatus(
  settings: ClientSettings,
  json: boolean,
  { terminal }: World,
): Promise<number> {
  const client = openClient(settings);
  const [status, listed] = await Promise.all([client.status(), client.nodes()]);
  if (status.kind === "failed") throw apiError(status.failure, settings);
  const nodes = nodesOf(listed, settings);
  const whole = { ...status.value, ...nodes };
  terminal.print(json ? `${JSON.stringify(whole)}\n` : nodeText(status.value, nodes));
  return 0;
}

/** The nodes; `undefined` when the node is older than the list of them. */
function nodesOf(
  listed: Awaited<ReturnType<ApiClient["nodes"]>>,
  settings: ClientSettings,
): NodesAnswer | undefined {
  if (listed.kind === "ok") return listed.value;
  const { failure } = listed;
  if (failure.kind === "problem" && failure.status === 404) return undefined;
  throw apiError(failure, settings);
}

function nodeText(
  { node, queue, lanes, rates }: NodeAnswer,
  listed: NodesAnswer | undefined,
): string {
  const head = [
    ["node", `${node.id}, version ${node.version}, since ${node.startedAt}`],
    ["batches", `${grouped(queue.waiting)} waiting, ${grouped(queue.leased)} in flight`],
  ];
  const rows = lanes.map(({ app, platform, waiting, leased, pause }) => [
    app,
    platform,
    grouped(waiting),
    grouped(leased),
    pause === null ? "" : `since ${pause.since}: ${pause.reason}`,
  ]);
  const titles = ["app", "platform", "waiting", "in flight", "paused"];
  const parts = [
    table(head),
    ...(listed === undefined ? [] : [nodesText(listed)]),
    ...(rows.length === 0 ? [] : [table([titles, ...rows], { right: [2, 3] })]),
    ...(rates === null ? [] : [ratesText(rates)]),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** A line for each node, and one for each check that failed. */
function nodesText({ nodes, checks }: NodesAnswer): string {
  const failed = checks.filter(({ ok }) => !ok)
    .map(({ name, detail }) => [name, `fails: ${detail}`]);
  return [
    table([NODE_TITLES, ...nodes.map(nodeRow)], { right: [3, 4, 5, 6, 7, 8, 9] }),
    ...(failed.length === 0 ? [] : [table(failed)]),
  ].join("\n\n");
}

const NODE_TITLES = [
  ...["node", "version", "roles", "cpu", "memory", "delay", "devices", "batches", "deliveries"],
  "connections",
];

function nodeRow({ id, self, roles, version, facts }: ListedNodeAnswer): readonly string[] {
  const identity = [
    `${cell(id, CELL_CHARS_MAX)}${self ? " (this)" : ""}`,
    cell(version, CELL_CHARS_MAX),
    ROLES.every((role) => roles.includes(role)) ? "all" : cell(roles.join(", "), CELL_CHARS_MAX),
  ];
  if (facts === null) return identity;
  return [
    ...identity,
    `${grouped(facts.cpuPercent)}%`,
    `${grouped(facts.rssBytes / 1_048_576)} MiB`,
    `${grouped(facts.loopDelayMs.p99)} ms`,
    grouped(facts.devices),
    grouped(facts.batches),
    rateText(facts.deliveriesPerSecond),
    grouped(facts.providerConnections),
  ];
}

/** Platforms on which something ended; a line alone when that is none. */
function ratesText({ seconds, platforms }: RatesAnswer): string {
  const rows = Object.entries(platforms).flatMap(([name, rates]) => {
    const { delivered, tokenInvalid, rejected, expired, failed, retries } = rates;
    const shown = [delivered, tokenInvalid, rejected + expired + failed, retries];
    return shown.every((rate) => rate === 0) ? [] : [[name, ...shown.map(rateText)]];
  });
  if (rows.length === 0) return table([[`nothing ended in the last ${seconds} seconds`]]);
  const titles = [`last ${seconds} s`, "delivered", "dead tokens", "failed", "retries"];
  return table([titles, ...rows], { right: [1, 2, 3, 4] });
}

function rateText(perSecond: number): string {
  return perSecond > 0 && perSecond < 1 ? "<1/s" : `${grouped(perSecond)}/s`;
}

/**
 * `status ID`: exit 0, or with `--watch` as `send` ends. With `--json` watching prints a line a second.
 */
export async function notificationStatus(
  id: string,
  { client: settings, watch: stays }: { readonly client: ClientSettings; readonly watch: boolean },
  json: boolean,
  world: World,
): Promise<number> {
  const { terminal } = world;
  const client = openClient(settings);
  if (!stays) {
    const result = await client.notification(id);
    if (result.kind === "failed") throw apiError(result.failure, settings);
    const found = result.value;
    terminal.print(json ? `${JSON.stringify(found)}\n` : await fullReport(found, client));
    return 0;
  }
  const watched = await watch(id, client, world, json ? "json" : "lines");
  switch (watched.kind) {
    case "ended":
      if (!json) {
        terminal.print(`\n${await fullReport(watched.notification, client)}`);
      }
      return wentWell(watched.notification) ? 0 : 1;
    case "interrupted":
      return INTERRUPTED;
    case "failed":
      throw apiError(watched.failure, settings);
  }
}
