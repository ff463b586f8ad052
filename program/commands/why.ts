/**
 * Why a notification stands still, and why some did not get it: in the providers' own words.
 *
 * @module
 */

import type { DeliveryAnswer, NotificationAnswer } from "../../transports/api_client/answers.ts";
import type { ApiClient } from "../../transports/api_client/api_client.ts";
import {
  PAGE_DELIVERIES,
  REASON_CHARS_MAX,
  REASONS_MAX,
} from "../../transports/command_line/limits.ts";
import { reportText } from "../../transports/command_line/notification_report.ts";
import { grouped } from "../../transports/command_line/shown_number.ts";
import { cell, table } from "../../transports/command_line/table.ts";
import { escapeInvisible } from "../../transports/command_line/visible_text.ts";

/** Whether nothing more happens to it. */
export function hasEnded({ status, sendingDone }: NotificationAnswer): boolean {
  // A cancelled one still waits for the outcomes of what was on its way.
  return status === "done" || (status === "cancelled" && sendingDone);
}

/** Outcomes that somebody may want to do something about; a dead token says all there is to say. */
const EXPLAINED = ["rejected", "expired", "failed"] as const;

/**
 * A line for each of these platforms that is paused, and one that says what to do; none when nothing
 * is paused or the API does not say.
 */
export async function pauseLines(
  client: ApiClient,
  app: string,
  platforms: readonly string[],
): Promise<readonly string[]> {
  const result = await client.app(app);
  if (result.kind === "failed") return [];
  const lines = result.value.pauses
    .filter(({ platform }) => platforms.includes(platform))
    .map(({ platform, reason }) => escapeInvisible(`${platform} is paused: ${reason}`));
  if (lines.length === 0) return [];
  return [...lines, `Correct it with heliograph apps add, or: heliograph apps resume ${app}`];
}

/** Platforms on which somebody waits. */
export function waitingPlatforms({ platforms }: NotificationAnswer): readonly string[] {
  return Object.keys(platforms).filter((name) => (platforms[name]?.pending ?? 0) > 0);
}

/** What became of it so far, with the reasons of failures and pauses, as far as the API says. */
export async function fullReport(
  notification: NotificationAnswer,
  client: ApiClient,
): Promise<string> {
  const pauses = hasEnded(notification)
    ? []
    : await pauseLines(client, notification.app, waitingPlatforms(notification));
  const parts = [
    reportText(notification),
    ...(pauses.length === 0 ? [] : [pauses.map((line) => `${line}\n`).join("")]),
    ...await reasons(notification, client),
  ];
  return parts.join("\n");
}

/** The most frequent reasons among the first failures. */
async function reasons(
  { id, counts }: NotificationAnswer,
  client: ApiClient,
): Promise<readonly string[]> {
  const rows: DeliveryAnswer[] = [];
  let isPart = false;
  for (const outcome of EXPLAINED) {
    if (counts[outcome] === 0) continue;
    const result = await client.deliveries(id, { outcome, limit: PAGE_DELIVERIES });
    if (result.kind === "failed") return [];
    rows.push(...result.value.deliveries);
    isPart ||= result.value.deliveries.length < counts[outcome];
  }
  if (rows.length === 0) return [];
  const times = new Map<string, { readonly cells: readonly string[]; count: number }>();
  for (const { outcome, platform, status, reason } of rows) {
    const why = cell(status === 0 ? reason : `${status} ${reason}`, REASON_CHARS_MAX);
    const cells = [outcome, platform, why];
    const known = times.get(cells.join(" ")) ?? { cells, count: 0 };
    known.count++;
    times.set(cells.join(" "), known);
  }
  const shown = [...times.values()].toSorted((a, b) => b.count - a.count).slice(0, REASONS_MAX);
  const titles = [isPart ? `of ${grouped(rows.length)}` : "recipients", "outcome", "", "reason"];
  const lines = shown.map(({ cells, count }) => [grouped(count), ...cells]);
  return [`${table([titles, ...lines], { right: [0] })}\n`];
}
