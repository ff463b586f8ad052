/**
 * Direct recipients: addresses that a caller names, in parts of one batch each.
 *
 * @module
 */

import {
  checkKeys,
  joinedKeys,
  platformNumber,
  PLATFORMS,
  slices,
} from "../delivery_store/codes.ts";
import { createHash } from "node:crypto";
import type { DirectRecipient } from "../delivery_store/records.ts";
import { Columns, invariant, type Postgres, sql, StoreError } from "../postgres/mod.ts";
import { batchMaxOf } from "./codes.ts";
import { DIRECT_MAX, UNKNOWN_CALLS_MAX } from "./limits.ts";

const NOTIFICATION = new Columns("notification");

/** Direct recipients of one platform that become one batch. */
export interface Part {
  /** The platform's number. */
  readonly platform: number;
  /** How many they are. */
  readonly count: number;
  /** The addresses, as a JSON list. */
  readonly addresses: string;
  /** Their keys one after the other, when the platform has any. */
  readonly keys: Uint8Array | null;
}

/** Parts of a batch each, platform by platform. */
export function partsOf(
  recipients: readonly DirectRecipient[],
  rate: number | undefined,
): readonly Part[] {
  invariant(recipients.length <= DIRECT_MAX, `${recipients.length} recipients in a call`);
  for (const recipient of recipients) checkKeys(recipient);
  return PLATFORMS.flatMap((platform) => {
    const own = recipients.filter((recipient) => recipient.platform === platform);
    return slices(own, batchMaxOf(rate)).map((part) => ({
      platform: platformNumber(platform),
      count: part.length,
      addresses: JSON.stringify(part.map(({ address }) => address)),
      keys: platform === "webpush" ? joinedKeys(part) : null,
    }));
  });
}

/**
 * Adds recipients to open notifications, each call once. Adding is the one call whose repetition would
 * count twice, and when the connection is lost nobody knows whether it took effect. So each call has a
 * name, which is stored with what it adds, and one that is repeated after such a failure keeps it.
 */
export class Additions {
  readonly #postgres: Postgres;
  /** Names of calls of unknown outcome, by what they were about. */
  readonly #unknown = new Map<string, string>();

  /** To the notifications in there. */
  constructor(postgres: Postgres) {
    this.#postgres = postgres;
  }

  /** Adds recipients to an open notification. */
  async add(
    id: string,
    recipients: readonly DirectRecipient[],
  ): Promise<"added" | "unknown" | "closed"> {
    const { rows: [owner] } = await this.#postgres.query(
      "read a notification",
      sql`SELECT rate FROM notification WHERE id = ${id}`,
    );
    if (owner === undefined) return "unknown";
    const parts = partsOf(recipients, NOTIFICATION.optionalNumber(owner, "rate"));
    const subject = this.#unknown.size === 0 ? undefined : subjectOf(id, parts);
    const name = (subject && this.#unknown.get(subject)) ?? crypto.randomUUID();
    try {
      const { rows: [row] } = await this.#postgres.query(
        "add recipients",
        sql`SELECT add_recipients(${id}, ${name}, ${parts.map(({ platform }) => platform)},
          ${parts.map(({ count }) => count)}, ${parts.map(({ addresses }) => addresses)},
          ${parts.map(({ keys }) => keys)}) AS outcome`,
      );
      if (subject !== undefined) this.#unknown.delete(subject);
      return NOTIFICATION.oneOf(row, "outcome", ["added", "unknown", "closed"]);
    } catch (error) {
      if (error instanceof StoreError && error.code === "unavailable") {
        this.#remember(subject ?? subjectOf(id, parts), name);
      }
      throw error;
    }
  }

  #remember(subject: string, name: string): void {
    const [oldest] = this.#unknown.keys();
    if (this.#unknown.size >= UNKNOWN_CALLS_MAX && oldest !== undefined) {
      this.#unknown.delete(oldest);
    }
    this.#unknown.set(subject, name);
  }
}

function subjectOf(id: string, parts: readonly Part[]): string {
  const hash = createHash("sha256").update(id);
  for (const { platform, count, addresses, keys } of parts) {
    hash.update(`\n${platform} ${count} ${addresses}\n`).update(keys ?? "");
  }
  return hash.digest("base64");
}
