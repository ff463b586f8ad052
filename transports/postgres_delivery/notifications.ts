/**
 * Notifications, from their submission to their end.
 *
 * @module
 */

import { expandAt, firstState, namesOf } from "../delivery_store/codes.ts";
import {
  type Campaign,
  type Counts,
  type Expandable,
  type Expanded,
  type Notification,
  type NotificationsPage,
  type NotificationStatus,
  OUTCOMES,
  type Submission,
  type SubmitOutcome,
} from "../delivery_store/records.ts";
import {
  Columns,
  invariant,
  type Postgres,
  type Row,
  sql,
  type Statement,
  statement,
} from "../postgres/mod.ts";
import { appOf } from "./apps.ts";
import { platformColumn } from "./codes.ts";
import { partsOf } from "./direct.ts";
import { BATCH_RECIPIENTS_MAX, EXPAND_MAX, LOOKS_MAX, PAGE_MAX } from "./limits.ts";

const NOTIFICATION = new Columns("notification");
const CAMPAIGN = new Columns("campaign");
const PROGRESS = new Columns("progress");

const STATES = ["open", "scheduled", "expanding", "sending", "done", "cancelled"] as const;

/** Accepts a notification, with its direct recipients. */
export async function submit(postgres: Postgres, submission: Submission): Promise<SubmitOutcome> {
  const { notification, audience, idempotencyKey = null, digest } = submission;
  const { id, app, createdAt, sendAt, expiresAt, ratePerSecond = null } = notification;
  const parts = audience.kind === "direct"
    ? partsOf(audience.recipients, notification.ratePerSecond)
    : [];
  const { rows: [row] } = await postgres.query(
    "submit a notification",
    sql`SELECT kind, id FROM submit(${app}, ${id}, ${idempotencyKey}, ${digest},
      ${audience.kind === "direct" || audience.kind === "open"}, ${sendAt}, ${expiresAt},
      ${ratePerSecond}, ${firstState(audience, sendAt > createdAt)},
      ${expandAt(submission)}, ${createdAt}, ${JSON.stringify(notification)},
      ${audience.kind}, ${namesOf(audience)},
      ${parts.map(({ platform }) => platform)}, ${parts.map(({ count }) => count)},
      ${parts.map(({ addresses }) => addresses)}, ${parts.map(({ keys }) => keys)})`,
  );
  const kind = NOTIFICATION.oneOf(row, "kind", ["accepted", "repeated", "conflict", "no_app"]);
  switch (kind) {
    case "accepted":
    case "repeated":
      return { kind, id: NOTIFICATION.text(row, "id") };
    case "conflict":
    case "no_app":
      return { kind };
  }
}

/** Closes an open notification: it is sent from now on, or from its time on. */
export async function closeNotification(
  postgres: Postgres,
  id: string,
  now: number,
): Promise<"closed" | "unknown" | "already_closed"> {
  const { rows: [row] } = await postgres.transaction(
    "close a notification",
    (transaction) => transaction.query(sql`SELECT close_notification(${id}, ${now}) AS outcome`),
  );
  return NOTIFICATION.oneOf(row, "outcome", ["closed", "unknown", "already_closed"]);
}

/** Stops what has not been claimed. */
export async function cancelNotification(
  postgres: Postgres,
  id: string,
  now: number,
): Promise<"cancelled" | "unknown" | "already_ended"> {
  const { rows: [row] } = await postgres.transaction(
    "cancel a notification",
    (transaction) => transaction.query(sql`SELECT cancel_notification(${id}, ${now}) AS outcome`),
  );
  return NOTIFICATION.oneOf(row, "outcome", ["cancelled", "unknown", "already_ended"]);
}

/** Ids of notifications to expand, oldest first. */
export async function expandable(
  postgres: Postgres,
  now: number,
  limit: number,
): Promise<Expandable> {
  const { rows } = await postgres.query(
    "read what is to be expanded",
    sql`(SELECT id, NULL::int8 AS due_at FROM notification WHERE expand_at <= ${now}
        ORDER BY seq + 0 LIMIT ${Math.min(limit, PAGE_MAX)})
      UNION ALL SELECT NULL, min(expand_at) FROM notification WHERE expand_at > ${now}`,
  );
  return {
    ids: rows.flatMap((row) => NOTIFICATION.optionalText(row, "id") ?? []),
    dueAt: NOTIFICATION.optionalInteger(rows.find((row) => row["id"] === null), "due_at"),
  };
}

/** Takes one step through a notification's audience. */
export async function expand(
  postgres: Postgres,
  id: string,
  { limit, batchMax, now }: {
    readonly limit: number;
    readonly batchMax: number;
    readonly now: number;
  },
): Promise<Expanded> {
  invariant(limit > 0 && batchMax > 0, `a step of ${limit} recipients in batches of ${batchMax}`);
  const take = Math.min(limit, EXPAND_MAX);
  const size = Math.min(batchMax, BATCH_RECIPIENTS_MAX);
  const { rows: [row] } = await postgres.transaction(
    "expand an audience",
    (transaction) =>
      transaction.query(
        sql`SELECT added, done FROM expand(${id}, ${take}, ${size}, ${LOOKS_MAX}, ${now})`,
      ),
  );
  return {
    added: NOTIFICATION.integer(row, "added"),
    done: NOTIFICATION.boolean(row, "done"),
  };
}

/** A notification with the app it is sent for. */
export async function findCampaign(postgres: Postgres, id: string): Promise<Campaign | undefined> {
  const { rows: [row] } = await postgres.query(
    "read a notification",
    sql`SELECT body, name, version, credentials FROM notification JOIN campaign USING (seq)
      JOIN app ON app.id = app_id WHERE notification.id = ${id} AND credentials IS NOT NULL`,
  );
  return row && { notification: notificationOf(row), app: appOf(row) };
}

/** A notification's status; the counts come as a list of objects. */
function statusStatement(where: string, values: readonly (string | number)[]): Statement {
  return statement(
    `SELECT body, state, started_at, finished_at, (SELECT jsonb_agg(progress ORDER BY platform)
        FROM progress WHERE progress.seq = notification.seq) AS counts
      FROM notification JOIN campaign USING (seq) ${where}`,
    values,
  );
}

/** A notification with its progress. */
export async function findNotification(
  postgres: Postgres,
  id: string,
): Promise<NotificationStatus | undefined> {
  const { rows: [row] } = await postgres.query(
    "read a notification",
    statusStatement("WHERE id = $1", [id]),
  );
  return row && statusOf(row);
}

/** A page of notifications, newest first. */
export async function pageOfNotifications(
  postgres: Postgres,
  { app, after, limit }: NotificationsPage,
): Promise<readonly NotificationStatus[]> {
  const before = after === undefined
    ? `${Number.MAX_SAFE_INTEGER} + length($1) * 0`
    : "(SELECT seq FROM notification WHERE id = $1)";
  const owner = "(SELECT id FROM app WHERE name = $3 AND credentials IS NOT NULL)";
  // A pair, for the planner would else walk the notifications of all apps in their order.
  const where = app === undefined
    ? `notification.seq < ${before} ORDER BY notification.seq DESC`
    : `(app_id, notification.seq) < (${owner}, ${before}) AND (app_id, notification.seq) > (${owner}, 0)
      ORDER BY app_id DESC, notification.seq DESC`;
  const { rows } = await postgres.query(
    "read notifications",
    statusStatement(`WHERE ${where} LIMIT $2`, [
      after ?? "",
      Math.min(limit, PAGE_MAX),
      ...app === undefined ? [] : [app],
    ]),
  );
  return rows.map(statusOf);
}

/** A notification from the column `body`; JSON has lost what is `undefined`. */
function notificationOf(row: Row): Notification {
  let body: Notification;
  try {
    body = JSON.parse(CAMPAIGN.text(row, "body"));
  } catch (error) {
    if (error instanceof SyntaxError) return CAMPAIGN.wrong(row, "body", "JSON");
    throw error;
  }
  return { ...body, topic: body.topic, ratePerSecond: body.ratePerSecond };
}

function statusOf(row: Row): NotificationStatus {
  const platforms = progressOf(row);
  const finishedAt = NOTIFICATION.optionalInteger(row, "finished_at");
  return {
    notification: notificationOf(row),
    state: NOTIFICATION.oneOf(row, "state", STATES),
    sendingDone: finishedAt !== undefined,
    counts: countsOf(platforms),
    platforms: Object.fromEntries(
      platforms.map((one) => [platformColumn(PROGRESS, one), countsOf([one])]),
    ),
    startedAt: NOTIFICATION.optionalInteger(row, "started_at"),
    finishedAt,
  };
}

function progressOf(row: Row): readonly Row[] {
  const counts = row["counts"];
  if (counts === null) return [];
  return Array.isArray(counts) ? counts : NOTIFICATION.wrong(row, "counts", "a list of counts");
}

function countsOf(platforms: readonly Row[]): Counts {
  const sum = (column: string) =>
    platforms.reduce((total, one) => total + PROGRESS.integer(one, column), 0);
  return {
    total: sum("total"),
    delivered: sum("delivered"),
    tokenInvalid: sum("token_invalid"),
    rejected: sum("rejected"),
    expired: sum("expired"),
    failed: sum("failed"),
    cancelled: sum("cancelled"),
    pending: OUTCOMES.reduce((rest, outcome) => rest - sum(outcome), sum("total")),
    retries: sum("retries"),
  };
}
