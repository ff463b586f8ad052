/**
 * Renders a notification for APNs: one body and one set of header fields for all its recipients
 * ("Sending notification requests to APNs" and "Generating a remote notification" in Apple's
 * documentation).
 *
 * Decisions. Urgency `very-low` becomes priority 1, `low` 5, `normal` and `high` 10, Apple's own
 * default; `background` is always 5, since Apple refuses more. A topic is the collapse id if it fits
 * 64 bytes, else its digest is. Header fields that differ between notifications stay out of the peer's
 * small compression table, as Apple asks; those of an app enter it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { HeaderField } from "../http2/exchange.ts";
import { objectOf } from "../provider/answer_text.ts";
import type {
  ApnsCredentials,
  ApnsPushType,
  Content,
  JsonObject,
  Notification,
  Urgency,
} from "../provider/provider.ts";
import { checkTopic } from "./credentials.ts";
import { COLLAPSE_ID_BYTES_MAX, PAYLOAD_BYTES_MAX, VOIP_PAYLOAD_BYTES_MAX } from "./limits.ts";

/** What all recipients of a notification get. */
export interface ApnsMessage {
  /** The body. */
  readonly body: Uint8Array;
  /** The header fields but for `authorization` and `apns-id`. */
  readonly fields: readonly HeaderField[];
  /** Whether the topic is this notification's: it brought one, or its push type made one of the app's. */
  readonly ownTopic: boolean;
}

/** A message, or why Apple would refuse it. */
export type RenderedApns =
  | { readonly kind: "message"; readonly message: ApnsMessage }
  | Refused;

/** A message of any size, with what it was made of. */
export interface ComposedApns {
  /** Tells it from a refusal. */
  readonly kind: "composed";
  /** The message. */
  readonly message: ApnsMessage;
  /** The body before it became bytes. */
  readonly payload: JsonObject;
  /** Bytes of the body that Apple takes at most. */
  readonly bytesMax: number;
  /** Whether a person notices it: it has an alert, a badge or a sound. */
  readonly noticeable: boolean;
  /** Its push type. */
  readonly pushType: ApnsPushType;
}

/** Why there is no message. */
export interface Refused {
  /** Tells it from a message. */
  readonly kind: "refused";
  /** Why, in some words. */
  readonly reason: string;
}

/** What a push type adds to the app's topic. */
const TOPIC_SUFFIXES: Readonly<Record<ApnsPushType, string>> = {
  alert: "",
  background: "",
  voip: ".voip",
  complication: ".complication",
  fileprovider: ".pushkit.fileprovider",
  // Its topic is the one of the certificate's subject, as it stands.
  mdm: "",
  liveactivity: ".push-type.liveactivity",
  location: ".location-query",
  pushtotalk: ".voip-ptt",
  widgets: ".push-type.widgets",
  controls: ".push-type.controls",
};

/** Push types that Apple takes with a token only. */
const TOKEN_ONLY: readonly ApnsPushType[] = ["liveactivity", "location"];

const PRIORITIES: Readonly<Record<Urgency, number>> = {
  "very-low": 1,
  low: 5,
  normal: 10,
  high: 10,
};

/** Keys of `aps` that a person notices. */
const NOTICEABLE: readonly string[] = ["alert", "badge", "sound"];

/** Renders a notification of an app with these credentials. */
export function renderApns(
  notification: Notification,
  credentials: ApnsCredentials,
): RenderedApns {
  const composed = composeApns(notification, credentials);
  if (composed.kind === "refused") return composed;
  const { message, bytesMax } = composed;
  const bytes = message.body.length;
  return bytes > bytesMax
    ? refused(`payload ${bytes} > ${bytesMax}`)
    : { kind: "message", message };
}

/** What {@linkcode renderApns} renders, even if it is too large for Apple. */
export function composeApns(
  notification: Notification,
  credentials: ApnsCredentials,
): ComposedApns | Refused {
  const { content } = notification;
  const payload = payloadOf(content);
  if (typeof payload === "string") return refused(payload);
  const aps = objectOf(payload.aps);
  const noticeable = aps !== undefined && NOTICEABLE.some((key) => key in aps);
  const pushType = content.apns?.pushType ?? (noticeable ? "alert" : "background");
  if (pushType === "background" && noticeable) {
    return refused("push type background with an alert, badge or sound");
  }
  if (TOKEN_ONLY.includes(pushType) && !("key" in credentials)) {
    return refused(`push type ${pushType} needs a signing key, not a certificate`);
  }
  const topic = content.apns?.topic ?? credentials.topic + TOPIC_SUFFIXES[pushType];
  const wrong = checkTopic(topic);
  if (wrong !== undefined) return refused(`apns topic: ${wrong}`);
  const collapseId = collapseIdOf(notification);
  if (collapseId.kind === "refused") return collapseId;
  const fields: HeaderField[] = [
    { name: "apns-topic", value: topic, indexing: "indexed" },
    { name: "apns-push-type", value: pushType, indexing: "indexed" },
    { name: "apns-priority", value: priorityOf(notification, pushType), indexing: "indexed" },
    { name: "apns-expiration", value: expirationOf(notification), indexing: "literal" },
  ];
  if (collapseId.value !== undefined) {
    fields.push({ name: "apns-collapse-id", value: collapseId.value, indexing: "literal" });
  }
  const body = new TextEncoder().encode(JSON.stringify(payload));
  return {
    kind: "composed",
    message: { body, fields, ownTopic: topic !== credentials.topic },
    bytesMax: pushType === "voip" ? VOIP_PAYLOAD_BYTES_MAX : PAYLOAD_BYTES_MAX,
    ...{ payload, noticeable, pushType },
  };
}

/** The payload, or why there is none. */
function payloadOf(content: Content): JsonObject | string {
  const { title, body, data, apns } = content;
  if (apns?.payload !== undefined) {
    return apns.aps === undefined
      ? apns.payload
      : { ...apns.payload, aps: { ...objectOf(apns.payload.aps), ...apns.aps } };
  }
  if (data !== undefined && "aps" in data) return 'data key "aps" is reserved by APNs';
  const alert = title === undefined && body === undefined ? undefined : {
    ...(title === undefined ? {} : { title }),
    ...(body === undefined ? {} : { body }),
  };
  // What a background push carries is for the app: a title for other platforms is not shown.
  const silent = apns?.pushType === "background";
  const made = silent || alert === undefined ? apns?.aps : { alert, ...apns?.aps };
  const noticeable = made !== undefined && NOTICEABLE.some((key) => key in made);
  const wakes = silent || (apns?.pushType === undefined && !noticeable);
  return { ...data, aps: wakes ? { "content-available": 1, ...made } : { ...made } };
}

function priorityOf({ content, urgency }: Notification, pushType: ApnsPushType): string {
  if (pushType === "background") return "5";
  return String(content.apns?.priority ?? PRIORITIES[urgency]);
}

/** Seconds since 1970 until which Apple keeps it; 0 is now or never. */
function expirationOf({ ttlSeconds, expiresAt }: Notification): string {
  return ttlSeconds === 0 ? "0" : String(Math.max(Math.floor(expiresAt / 1_000), 0));
}

function collapseIdOf(
  { content, topic }: Notification,
):
  | { readonly kind: "id"; readonly value: string | undefined }
  | Refused {
  const own = content.apns?.collapseId;
  if (own !== undefined) {
    if (own.length > COLLAPSE_ID_BYTES_MAX) {
      return refused(`apns collapse id ${own.length} > ${COLLAPSE_ID_BYTES_MAX}`);
    }
    return isVisible(own)
      ? { kind: "id", value: own }
      : refused("apns collapse id is not printable ASCII");
  }
  if (topic === undefined) return { kind: "id", value: undefined };
  const fits = topic.length <= COLLAPSE_ID_BYTES_MAX && isVisible(topic);
  const value = fits ? topic : createHash("sha256").update(topic).digest("base64url");
  return { kind: "id", value };
}

/** Whether a text can stand in a header field as it is. */
function isVisible(text: string): boolean {
  return /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text);
}

function refused(reason: string): Refused {
  return { kind: "refused", reason };
}
