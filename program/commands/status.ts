/**
 * `status`: the node, or one notification.
 *
 * @module
 */

import type { NodeAnswer, RatesAnswer } from "../../transports/api_client/answers.ts";
import type { ClientSettings } from "../../transports/command_line/client_settings.ts";
import { wentWell } from "../../transports/command_line/notification_report.ts";
import { grouped } from "../../transports/command_line/shown_number.ts";
import { table } from "../../transports/command_line/table.ts";
import { apiError, openClient } from "./api_access.ts";
import { INTERRUPTED, type World } from "./world.ts";
import { watch } from "./watch.ts";
import { fullReport } from "./why.ts";

/** `status` of the node. */
export async function nodeStatus(
  settings: ClientSettings,
  json: boolean,
  { terminal }: World,
): Promise<number> {
  const result = await openClient(settings).status();
  if (result.kind === "failed") throw apiError(result.failure, settings);
  terminal.print(json ? `${JSON.stringify(result.value)}\n` : nodeText(result.value));
  return 0;
}

function nodeText({ node, queue, lanes, rates }: NodeAnswer): string {
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
    ...(rows.length === 0 ? [] : [table([titles, ...rows], { right: [2, 3] })]),
    ...(rates === null ? [] : [ratesText(rates)]),
  ];
  return `${parts.join("\n\n")}\n`;
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
