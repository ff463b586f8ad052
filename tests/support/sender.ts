/**
 * Application servers: they post messages to endpoints by `fetch`, by npm `web-push` over TLS, and
 * by `curl` as a real process.
 *
 * Encryption (RFC 8291) and VAPID (RFC 8292) are those of npm `web-push`, which is not ours: what a
 * browser decrypts here was made by somebody else's code.
 *
 * @module
 */

import { Agent } from "node:https";
import {
  generateRequestDetails,
  generateVAPIDKeys,
  type PushSubscription,
  type RequestOptions,
  sendNotification,
  type SendResult,
  type VapidKeys,
} from "../../deps/web_push.js";
import {
  checkWebPushCredentials,
  type CredentialProblem,
} from "../../transports/webpush/credentials.ts";
import { run } from "./programs.ts";

export type { PushSubscription, SendResult, VapidKeys } from "../../deps/web_push.js";

/** The contact every token names; RFC 8292 section 2.1. */
const SUBJECT = "mailto:operator@example.org";

/** Options of one message. */
export interface Post {
  /** `TTL` in seconds; `null` leaves the header out. Default 60. */
  readonly ttlSeconds?: number | null;
  /** `Topic`, at most 32 characters. */
  readonly topic?: string;
  /** Signs the request with this key pair. */
  readonly vapid?: VapidKeys;
  /** Headers added or replaced last. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the push service answered. */
export interface Answer {
  /** HTTP status. */
  readonly status: number;
  /** URL of the message resource, empty when there is none (RFC 8030 section 5). */
  readonly location: string;
  /** The answered headers. */
  readonly headers: Headers;
  /** The answered body. */
  readonly body: string;
}

/** A fresh VAPID key pair. */
export function newVapidKeys(): VapidKeys {
  return generateVAPIDKeys();
}

/** What a sender finds wrong with a pair of keys. */
export function pairProblems(
  { publicKey, privateKey }: Pick<VapidKeys, "publicKey" | "privateKey">,
): readonly CredentialProblem[] {
  return checkWebPushCredentials({
    vapidPrivateKey: privateKey,
    vapidPublicKey: publicKey,
    subject: "mailto:push@example.org",
  });
}

/**
 * Bytes that look like an encrypted body of this length, for tests in which nobody decrypts: a
 * push service cannot and does not look inside.
 */
export function opaqueBody(lengthBytes: number, fill = 0x41): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(lengthBytes).fill(fill);
  if (lengthBytes >= 86) {
    new DataView(body.buffer).setUint32(16, 4_096); // Record size, RFC 8188 section 2.1.
    body[20] = 65; // Length of the key id, RFC 8291 section 4.
    body[21] = 4;
  }
  return body;
}

/** Posts these bytes to an endpoint, as `aes128gcm` unless the headers say otherwise. */
export async function post(
  endpoint: string,
  body: Uint8Array<ArrayBuffer> | undefined,
  options: Post = {},
): Promise<Answer> {
  const headers = new Headers();
  if (options.ttlSeconds !== null) headers.set("TTL", `${options.ttlSeconds ?? 60}`);
  if (options.topic !== undefined) headers.set("Topic", options.topic);
  if (body !== undefined) headers.set("Content-Encoding", "aes128gcm");
  if (options.vapid !== undefined) {
    headers.set("Authorization", authorization(endpoint, options.vapid));
  }
  for (const [name, value] of Object.entries(options.headers ?? {})) headers.set(name, value);
  return await answerOf(await fetch(endpoint, { method: "POST", headers, body: body ?? null }));
}

/** Encrypts a text for a subscription and posts it. */
export async function postText(
  subscription: PushSubscription,
  text: string | null,
  options: Post & { readonly encoding?: "aes128gcm" | "aesgcm" } = {},
): Promise<Answer> {
  const details = requestDetails(subscription, text, options);
  const headers = new Headers();
  for (const [name, value] of Object.entries(details.headers)) {
    if (name.toLowerCase() !== "content-length") headers.set(name, `${value}`);
  }
  if (options.ttlSeconds === null) headers.delete("TTL");
  for (const [name, value] of Object.entries(options.headers ?? {})) headers.set(name, value);
  const body = details.body === null ? null : new Uint8Array(details.body);
  return await answerOf(await fetch(details.endpoint, { method: "POST", headers, body }));
}

/** Sends by npm `web-push` as its users do; it posts to `https:` only. */
export async function sendByWebPush(
  subscription: PushSubscription,
  text: string,
  options: Post & { readonly caPem: string },
): Promise<SendResult> {
  const agent = new Agent({ ca: options.caPem, keepAlive: false });
  try {
    return await sendNotification(subscription, text, { ...libraryOptions(options), agent });
  } finally {
    agent.destroy();
  }
}

/** Encrypts a text, gives it to `curl` on standard input and returns the status it printed. */
export async function sendByCurl(
  subscription: PushSubscription,
  text: string,
  options: Post & { readonly caFile?: string } = {},
): Promise<number> {
  const details = requestDetails(subscription, text, options);
  const headers = Object.entries(details.headers)
    .filter(([name]) => name.toLowerCase() !== "content-length")
    .flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const trust = options.caFile === undefined ? [] : ["--cacert", options.caFile];
  const quiet = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"];
  const body = details.body === null ? [] : ["--data-binary", "@-"];
  const args = [...quiet, ...trust, ...headers, ...body, details.endpoint];
  const input = details.body === null ? undefined : new Uint8Array(details.body);
  const { code, stdout, stderr } = await run("curl", args, input);
  if (code !== 0) throw new Error(`curl ended with ${code}: ${stderr}`);
  return Number(stdout);
}

/** The `Authorization` header for an endpoint, in the form of RFC 8292 section 3. */
export function authorization(endpoint: string, vapid: VapidKeys): string {
  const nobody = { endpoint, keys: { p256dh: "", auth: "" } };
  const details = generateRequestDetails(nobody, null, libraryOptions({ vapid }));
  return String(details.headers["Authorization"]);
}

function requestDetails(
  subscription: PushSubscription,
  text: string | null,
  options: Post & { readonly encoding?: "aes128gcm" | "aesgcm" },
) {
  const encoding = options.encoding === undefined ? {} : { contentEncoding: options.encoding };
  return generateRequestDetails(subscription, text, { ...libraryOptions(options), ...encoding });
}

function libraryOptions(options: Post): RequestOptions {
  return {
    TTL: options.ttlSeconds ?? 60,
    ...(options.topic === undefined ? {} : { topic: options.topic }),
    ...(options.vapid === undefined
      ? {}
      : { vapidDetails: { ...options.vapid, subject: SUBJECT } }),
  };
}

async function answerOf(response: Response): Promise<Answer> {
  return {
    status: response.status,
    location: response.headers.get("location") ?? "",
    headers: response.headers,
    body: await response.text(),
  };
}
