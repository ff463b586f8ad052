/** Typed façade of the npm sender library `web-push`, as far as the tests use it; it has no types. */

import type { Agent } from "node:https";
import type { Buffer } from "node:buffer";

/** A subscription as a browser gives it out. */
export interface PushSubscription {
  /** The endpoint URL. */
  readonly endpoint: string;
  /** The keys for the encryption, base64url. */
  readonly keys: { readonly p256dh: string; readonly auth: string };
}

/** A VAPID key pair, base64url. */
export interface VapidKeys {
  /** The uncompressed public point, 65 bytes. */
  readonly publicKey: string;
  /** The private scalar, 32 bytes. */
  readonly privateKey: string;
}

/** Options of one message. */
export interface RequestOptions {
  readonly TTL?: number;
  readonly topic?: string;
  readonly urgency?: "very-low" | "low" | "normal" | "high";
  readonly contentEncoding?: "aes128gcm" | "aesgcm";
  readonly vapidDetails?: VapidKeys & { readonly subject: string };
  readonly agent?: Agent;
}

/** A request ready to be sent. */
export interface RequestDetails {
  readonly endpoint: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: Buffer | null;
}

/** The answer of the push service. */
export interface SendResult {
  /** HTTP status. */
  readonly statusCode: number;
  /** Header fields by lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The body. */
  readonly body: string;
}

export function generateVAPIDKeys(): VapidKeys;
export function generateRequestDetails(
  subscription: PushSubscription,
  payload: string | Uint8Array | null,
  options?: RequestOptions,
): RequestDetails;
export function sendNotification(
  subscription: PushSubscription,
  payload: string | Uint8Array | null,
  options?: RequestOptions,
): Promise<SendResult>;
