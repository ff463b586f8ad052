/**
 * Writes notifications, from their submission to their end.
 *
 * @module
 */

import { expandAt, firstState } from "../../delivery_store/codes.ts";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type {
  Audience,
  DirectRecipient,
  Submission,
  SubmitOutcome,
} from "../../delivery_store/records.ts";
import { integerColumn, textColumn } from "../rows.ts";
import type { Apps } from "./apps.ts";
import { type Batches, ownerOf } from "./batches.ts";

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    find: sql("SELECT * FROM notification WHERE id = ?"),
    findByKey: sql(`SELECT id, digest FROM notification
      WHERE app_id = ? AND idempotency_key = ?`),
    add: sql(`INSERT INTO notification (id, app_id, idempotency_key, digest, direct, send_at,
        expires_at, rate, state, expand_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`),
    addCampaign: sql("INSERT INTO campaign (seq, body, audience) VALUES (?, ?, ?)"),
    close: sql("UPDATE notification SET state = ?, expand_at = NULL WHERE seq = ?"),
    closeBatches: sql("UPDATE batch SET due_at = ?, place = 0 WHERE seq = ? AND place <> 1"),
    cancel: sql("UPDATE notification SET state = 'cancelled', expand_at = NULL WHERE seq = ?"),
  };
}

/** Notifications. */
export class Notifications {
  readonly #sql: ReturnType<typeof prepare>;
  readonly #apps: Apps;
  readonly #batches: Batches;

  /** Prepares the statements. */
  constructor(database: DatabaseSync, apps: Apps, batches: Batches) {
    this.#sql = prepare(database);
    this.#apps = apps;
    this.#batches = batches;
  }

  /** Accepts a notification, with its direct recipients. */
  submit(submission: Submission): SubmitOutcome {
    const { notification, audience, idempotencyKey, digest } = submission;
    const { id, createdAt, sendAt, expiresAt } = notification;
    const app = this.#apps.find(notification.app);
    if (app === undefined) return { kind: "no_app" };
    const earlier = idempotencyKey === undefined
      ? undefined
      : this.#sql.findByKey.get(app, idempotencyKey);
    if (earlier !== undefined) {
      return textColumn(earlier, "digest") === digest
        ? { kind: "repeated", id: textColumn(earlier, "id") }
        : { kind: "conflict" };
    }
    const same = this.#sql.find.get(id);
    if (same !== undefined) {
      const own = integerColumn(same, "app_id") === app && textColumn(same, "digest") === digest;
      return own ? { kind: "accepted", id } : { kind: "conflict" };
    }
    const direct = audience.kind === "direct" || audience.kind === "open";
    const owner = ownerOf(this.#sql.add.get(
      id,
      app,
      idempotencyKey ?? null,
      digest,
      direct ? 1 : 0,
      sendAt,
      expiresAt,
      notification.ratePerSecond ?? null,
      firstState(audience, sendAt > createdAt),
      expandAt(submission),
    ));
    this.#sql.addCampaign.run(owner.seq, JSON.stringify(notification), keptAudience(audience));
    if (audience.kind === "direct") this.#batches.addDirect(owner, audience.recipients);
    this.#batches.endIfDone(owner.seq, createdAt);
    return { kind: "accepted", id };
  }

  /** Adds recipients to an open notification. */
  addRecipients(
    id: string,
    recipients: readonly DirectRecipient[],
  ): "added" | "unknown" | "closed" {
    const found = this.#sql.find.get(id);
    if (found === undefined) return "unknown";
    const owner = ownerOf(found);
    if (owner.state !== "open") return "closed";
    this.#batches.addDirect(owner, recipients);
    return "added";
  }

  /** Closes an open notification. */
  close(id: string, now: number): "closed" | "unknown" | "already_closed" {
    const found = this.#sql.find.get(id);
    if (found === undefined) return "unknown";
    const { seq, state, sendAt, expiresAt } = ownerOf(found);
    if (state !== "open") return "already_closed";
    this.#sql.close.run(sendAt > now ? "scheduled" : "sending", seq);
    this.#sql.closeBatches.run(Math.min(sendAt, expiresAt), seq);
    this.#batches.endIfDone(seq, now);
    return "closed";
  }

  /** Stops what has not been claimed. */
  cancel(id: string, now: number): "cancelled" | "unknown" | "already_ended" {
    const found = this.#sql.find.get(id);
    if (found === undefined) return "unknown";
    const { seq, state } = ownerOf(found);
    if (state === "done" || state === "cancelled") return "already_ended";
    this.#sql.cancel.run(seq);
    this.#batches.cancelWaiting(seq);
    this.#batches.endIfDone(seq, now);
    return "cancelled";
  }
}

/** What is kept of an audience: direct recipients are in batches, and a name twice is one. */
function keptAudience(audience: Audience): string {
  switch (audience.kind) {
    case "devices":
      return JSON.stringify({ kind: "devices", devices: [...new Set(audience.devices)] });
    case "users":
      return JSON.stringify({ kind: "users", users: [...new Set(audience.users)] });
    case "tags":
      return JSON.stringify({ kind: "tags", tags: [...new Set(audience.tags)] });
    case "all":
    case "open":
      return JSON.stringify(audience);
    case "direct":
      return JSON.stringify({ kind: "direct", recipients: [] });
  }
}
