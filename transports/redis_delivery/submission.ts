/**
 * Hands notifications and recipients to Redis.
 *
 * @module
 */

import {
  checkKeys,
  expandAt,
  firstState,
  namesOf,
  platformNumber,
  PLATFORMS,
  slices,
} from "../delivery_store/codes.ts";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { DirectRecipient, Submission, SubmitOutcome } from "../delivery_store/records.ts";
import { invariant, StoreError } from "../redis/errors.ts";
import type { Argument } from "../redis/redis.ts";
import { arrayReply, textReply } from "../redis/replies.ts";
import type { Keyspace } from "./keyspace.ts";
import {
  ADDED_TTL_MS,
  BATCH_RECIPIENTS_MAX,
  DIRECT_MAX,
  RATED_BATCH_SECONDS,
  UNKNOWN_CALLS_MAX,
} from "./limits.ts";
import { ADD_RECIPIENTS, SUBMIT } from "./scripts/notifications.ts";

/** Accepts a notification. */
export async function submit(keys: Keyspace, submission: Submission): Promise<SubmitOutcome> {
  const { notification, audience, idempotencyKey, digest } = submission;
  const { id, createdAt, sendAt, expiresAt, ratePerSecond } = notification;
  const listed = audience.kind === "direct" || audience.kind === "open";
  const names = namesOf(audience);
  const recipients = audience.kind === "direct" ? audience.recipients : [];
  const [answer, owner] = arrayReply(
    await keys.run(
      SUBMIT,
      notification.app,
      id,
      idempotencyKey === undefined ? "" : `=${idempotencyKey}`,
      digest,
      firstState(audience, sendAt > createdAt),
      listed ? 1 : 0,
      sendAt,
      expiresAt,
      ratePerSecond ?? "",
      expandAt(submission) ?? "",
      createdAt,
      JSON.stringify(notification),
      audience.kind,
      names.length,
      ...names,
      ...directArgs(recipients),
    ),
  );
  const kind = textReply(answer);
  switch (kind) {
    case "accepted":
    case "repeated":
      return { kind, id: textReply(owner) };
    case "conflict":
    case "no_app":
      return { kind };
  }
  invariant(false, `a submission came to "${kind}"`);
}

/** Direct recipients as scripts take them: sizes of batches, then platform, count, addresses and keys of each chunk. */
function directArgs(recipients: readonly DirectRecipient[]): readonly Argument[] {
  invariant(recipients.length <= DIRECT_MAX, `${recipients.length} recipients in a call`);
  for (const recipient of recipients) checkKeys(recipient);
  const chunks = PLATFORMS.flatMap((platform) => {
    const own = recipients.filter((recipient) => recipient.platform === platform);
    return slices(own, BATCH_RECIPIENTS_MAX).flatMap((part) => [
      platformNumber(platform),
      part.length,
      JSON.stringify(part.map(({ address }) => address)),
      Buffer.concat(part.map(({ keys }) => keys ?? new Uint8Array())).toString("base64"),
    ]);
  });
  return [BATCH_RECIPIENTS_MAX, RATED_BATCH_SECONDS, ...chunks];
}

/**
 * Adds recipients to open notifications, each call once. Adding is the one call whose repetition would
 * count twice, and when the connection is lost nobody knows whether it took effect. So each call has a
 * name that Redis remembers for a while, and a call that is repeated after such a failure keeps its name.
 */
export class Additions {
  readonly #keys: Keyspace;
  /** Names of calls of unknown outcome, by what they were about. */
  readonly #unknown = new Map<string, string>();

  /** For the notifications in these keys. */
  constructor(keys: Keyspace) {
    this.#keys = keys;
  }

  /** Adds recipients to a notification. */
  async add(
    id: string,
    recipients: readonly DirectRecipient[],
  ): Promise<"added" | "unknown" | "closed"> {
    const args = directArgs(recipients);
    const about = this.#unknown.size === 0 ? undefined : subjectOf(id, args);
    const name = (about && this.#unknown.get(about)) ?? crypto.randomUUID();
    try {
      const reply = await this.#keys.run(ADD_RECIPIENTS, id, name, ADDED_TTL_MS, ...args);
      if (about !== undefined) this.#unknown.delete(about);
      const outcome = textReply(reply);
      invariant(isAddition(outcome), `adding recipients came to "${outcome}"`);
      return outcome;
    } catch (error) {
      if (error instanceof StoreError && error.code === "unavailable") {
        this.#remember(about ?? subjectOf(id, args), name);
      }
      throw error;
    }
  }

  #remember(about: string, name: string): void {
    const [oldest] = this.#unknown.keys();
    if (this.#unknown.size >= UNKNOWN_CALLS_MAX && oldest !== undefined) {
      this.#unknown.delete(oldest);
    }
    this.#unknown.set(about, name);
  }
}

function isAddition(text: string): text is "added" | "unknown" | "closed" {
  return text === "added" || text === "unknown" || text === "closed";
}

function subjectOf(id: string, args: readonly Argument[]): string {
  const hash = createHash("sha256").update(id);
  for (const part of args) hash.update(`\n${part}`);
  return hash.digest("base64");
}
