/**
 * Renders a notification for FCM's HTTP v1 API: a body that is the same for all recipients but for the
 * token in its middle ("REST Resource: projects.messages" in Google's documentation).
 *
 * Decisions. Urgency `high` becomes Android's priority HIGH, `low` and `very-low` NORMAL; `normal` is
 * HIGH for a message that is shown and NORMAL for data alone, as Google does by itself. Lifetime,
 * priority and topic are Android's; devices of Apple and browsers behind FCM get theirs from
 * `fcm.message`. The size is that of keys and values of notification and data, which Google limits;
 * what JSON needs around them does not count.
 *
 * @module
 */

import { quoted } from "../http_door/refusal.ts";
import { objectOf } from "../provider/answer_text.ts";
import type { Content, Json, JsonObject, Notification } from "../provider/provider.ts";
import { PAYLOAD_BYTES_MAX, TTL_SECONDS_MAX } from "./limits.ts";

/** A body, but for the token in its middle. */
export interface FcmMessage {
  /** What comes before the token. */
  readonly prefix: Uint8Array;
  /** What comes after it. */
  readonly suffix: Uint8Array;
}

/** A message, or why Google would refuse it. */
export type RenderedFcm =
  | { readonly kind: "message"; readonly message: FcmMessage }
  | { readonly kind: "refused"; readonly reason: string };

/** A message of any size, before it became bytes. */
export interface ComposedFcm {
  /** Tells it from a refusal. */
  readonly kind: "composed";
  /** The message, but for its target. */
  readonly message: JsonObject;
  /** Bytes of its payload, as Google counts them. */
  readonly bytes: number;
}

/** Fields that name a target; recipients do. */
const TARGETS: readonly string[] = ["token", "fid", "topic", "condition"];

/** Data keys Google keeps for itself, beside those that begin with `google.` or `gcm.`. */
const RESERVED: readonly string[] = ["from", "message_type", "notification"];

const encoder = new TextEncoder();

/** Renders a notification as of `now`, milliseconds since 1970: its lifetime is counted from then. */
export function renderFcm(notification: Notification, now: number): RenderedFcm {
  const composed = composeFcm(notification, now);
  if (composed.kind === "refused") return composed;
  const { message, bytes } = composed;
  if (bytes > PAYLOAD_BYTES_MAX) {
    return { kind: "refused", reason: `payload ${bytes} > ${PAYLOAD_BYTES_MAX}` };
  }
  const fields = JSON.stringify(message).slice(0, -1);
  const { fcm } = notification.content;
  const validateOnly = fcm?.validateOnly === true ? '"validate_only":true,' : "";
  return {
    kind: "message",
    message: {
      prefix: encoder.encode(`{${validateOnly}"message":${fields},"token":"`),
      suffix: encoder.encode(`"}}`),
    },
  };
}

/** What {@linkcode renderFcm} renders, even if it is too large for Google. */
export function composeFcm(
  notification: Notification,
  now: number,
): ComposedFcm | { readonly kind: "refused"; readonly reason: string } {
  const { content } = notification;
  const own = content.fcm?.message ?? {};
  const target = TARGETS.find((name) => name in own);
  if (target !== undefined) {
    return { kind: "refused", reason: `fcm.message.${target}: recipients are the target` };
  }
  const made = { ...visiblePart(content), ...own };
  const data = objectOf(own.data) ?? content.data;
  const reserved = Object.keys(data ?? {}).find(isReserved);
  if (reserved !== undefined) {
    return { kind: "refused", reason: `data key ${quoted(reserved)} is reserved by FCM` };
  }
  const message: JsonObject = {
    ...made,
    ...(data === undefined ? {} : { data: textual(data) }),
    android: androidPart(notification, made, now),
  };
  return { kind: "composed", message, bytes: payloadBytes(message) };
}

/**
 * The bodies for these tokens: one buffer, cut.
 *
 * @param message What they share.
 * @param tokens Registration tokens; those that are not plain are written as JSON strings.
 */
export function fcmBodies(
  { prefix, suffix }: FcmMessage,
  tokens: readonly string[],
): readonly Uint8Array[] {
  const written = tokens.map((token) =>
    PLAIN.test(token) ? token : JSON.stringify(token).slice(1, -1)
  );
  // Three bytes hold any UTF-16 unit.
  const textBytes = written.reduce((sum, text) => sum + 3 * text.length, 0);
  const buffer = new Uint8Array(textBytes + tokens.length * (prefix.length + suffix.length));
  const bodies: Uint8Array[] = [];
  let at = 0;
  for (const text of written) {
    const start = at;
    buffer.set(prefix, at);
    at += prefix.length;
    at += encoder.encodeInto(text, buffer.subarray(at)).written;
    buffer.set(suffix, at);
    at += suffix.length;
    bodies.push(buffer.subarray(start, at));
  }
  return bodies;
}

/** Texts that JSON writes as they are. */
const PLAIN = /^[\w:.~+/=-]*$/;

function visiblePart({ title, body }: Content): JsonObject {
  if (title === undefined && body === undefined) return {};
  return {
    notification: {
      ...(title === undefined ? {} : { title }),
      ...(body === undefined ? {} : { body }),
    },
  };
}

/** Android's options; the notification's own fields win, in either spelling Google takes. */
function androidPart(
  { ttlSeconds, expiresAt, urgency, topic }: Notification,
  message: JsonObject,
  now: number,
): JsonObject {
  const own = objectOf(message.android) ?? {};
  const leftSeconds = Math.floor((expiresAt - now) / 1_000);
  const seconds = Math.max(Math.min(ttlSeconds, leftSeconds, TTL_SECONDS_MAX), 0);
  const visible = "notification" in message || "notification" in own;
  const high = urgency === "high" || (urgency === "normal" && visible);
  const collapse = topic !== undefined && !("collapseKey" in own) ? { collapse_key: topic } : {};
  return { ttl: `${seconds}s`, priority: high ? "HIGH" : "NORMAL", ...collapse, ...own };
}

/** Google takes texts only: other values are written as JSON. */
function textual(data: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(data).map((
      [key, value],
    ) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

function isReserved(key: string): boolean {
  return RESERVED.includes(key) || key.startsWith("google.") || key.startsWith("gcm.");
}

function payloadBytes(message: JsonObject): number {
  return bytesOf(message.notification) + bytesOf(message.data);
}

/** UTF-8 bytes of the keys and values. */
function bytesOf(value: Json | undefined): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === "string") return encoder.encode(value).length;
  if (typeof value !== "object") return String(value).length;
  let bytes = 0;
  for (const [key, part] of Object.entries(value)) {
    bytes += (Array.isArray(value) ? 0 : encoder.encode(key).length) + bytesOf(part);
  }
  return bytes;
}
