/**
 * What became of a notification, as text.
 *
 * @module
 */

import type { Progress, ProgressCounts } from "./progress.ts";
import { grouped, showSpan } from "./shown_number.ts";
import { table } from "./table.ts";

/** A notification with its times. */
export interface ReportedNotification extends Progress {
  /** When its first batch was claimed, RFC 3339. */
  readonly startedAt: string | null;
  /** When its last recipient had its outcome, RFC 3339. */
  readonly finishedAt: string | null;
}

/** The columns: those that are all 0 are left out, but for the first two. */
const COLUMNS: readonly (readonly [title: string, key: keyof ProgressCounts])[] = [
  ["recipients", "total"],
  ["delivered", "delivered"],
  ["dead tokens", "tokenInvalid"],
  ["rejected", "rejected"],
  ["expired", "expired"],
  ["failed", "failed"],
  ["cancelled", "cancelled"],
  ["pending", "pending"],
  ["retries", "retries"],
];

/**
 * Whether the providers took it for everyone whose token lives, and there was somebody. Tokens found
 * dead are no failure of the sending: every large audience has some, and each is told once.
 */
export function wentWell({ status, counts }: Progress): boolean {
  const { total, pending, rejected, expired, failed, cancelled } = counts;
  return status === "done" && total > 0 && pending + rejected + expired + failed + cancelled === 0;
}

/** What became of it: a sentence and a table with a row for each platform. */
export function reportText(notification: ReportedNotification): string {
  const { counts, platforms } = notification;
  const columns = COLUMNS.filter(([, key], at) => at < 2 || counts[key] > 0);
  const row = (name: string, counts: ProgressCounts) => [
    name,
    ...columns.map(([, key]) => grouped(counts[key])),
  ];
  const names = Object.keys(platforms).toSorted();
  const rows = [
    ["", ...columns.map(([title]) => title)],
    ...names.map((name) => row(name, platforms[name] ?? counts)),
    ...(names.length === 1 ? [] : [row("all", counts)]),
  ];
  const right = columns.map((_, at) => at + 1);
  return `${sentence(notification)}\n\n${table(rows, { right })}\n`;
}

function sentence({ id, status, counts, startedAt, finishedAt }: ReportedNotification): string {
  const { total, pending } = counts;
  const recipients = `${grouped(total)} recipient${total === 1 ? "" : "s"}`;
  if (status !== "done") return `Notification ${id} is ${status}: ${recipients} so far.`;
  if (total === 0) return `Notification ${id} is done: there was nobody to send it to.`;
  const durationMs = Date.parse(finishedAt ?? "") - Date.parse(startedAt ?? "");
  if (Number.isNaN(durationMs)) return `Notification ${id} is done: ${recipients}.`;
  const rate = (total - pending) * 1_000 / Math.max(1, durationMs);
  const speed = durationMs < 1_000 ? "" : `, ${grouped(rate)} a second`;
  return `Notification ${id} is done: ${recipients} in ${showSpan(durationMs)}${speed}.`;
}
