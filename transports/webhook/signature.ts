/**
 * Signatures of webhooks as Standard Webhooks describes them
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
 * HMAC-SHA256 over id, timestamp and body, joined by full stops.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import { SECRET_BYTES_MIN, SECRET_CHARS_MAX } from "./limits.ts";

/** A secret read, or what is wrong with it; the problem does not repeat it. */
export type WebhookSecret =
  | { readonly kind: "key"; readonly key: Uint8Array }
  | { readonly kind: "refused"; readonly problem: string };

/** The prefix of a secret whose rest is base64. */
const PREFIX = "whsec_";

/** Reads a secret: `whsec_` and base64 as Standard Webhooks writes it, or any other text, taken as its UTF-8 bytes. */
export function readWebhookSecret(text: string): WebhookSecret {
  if (text.length > SECRET_CHARS_MAX) return refused(`over ${SECRET_CHARS_MAX} characters`);
  const key = text.startsWith(PREFIX)
    ? base64(text.slice(PREFIX.length))
    : new TextEncoder().encode(text);
  if (key === undefined) return refused(`not base64 after "${PREFIX}"`);
  if (key.length < SECRET_BYTES_MIN) return refused(`under ${SECRET_BYTES_MIN} bytes`);
  return { kind: "key", key };
}

function base64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return undefined;
  }
}

function refused(problem: string): WebhookSecret {
  return { kind: "refused", problem };
}

/** What is signed. */
export interface SignedContent {
  /** The value of `webhook-id`; it has no full stop. */
  readonly id: string;
  /** The value of `webhook-timestamp`: seconds since 1970. */
  readonly timestamp: number;
  /** The body, byte by byte as it is sent. */
  readonly body: string;
}

/** The value of `webhook-signature`. */
export function signWebhook(key: Uint8Array, { id, timestamp, body }: SignedContent): string {
  const mac = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return `v1,${mac}`;
}
