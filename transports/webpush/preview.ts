/**
 * What a notification would look like as a push message to a browser.
 *
 * @module
 */

import {
  namedFields,
  type PayloadSize,
  type Previewed,
  sizeProblems,
} from "../provider/preview.ts";
import type { Notification } from "../provider/provider.ts";
import { PLAINTEXT_BYTES_MAX } from "./limits.ts";
import { messageFields } from "./message_fields.ts";
import { composeWebPush } from "./rendering.ts";
import { OTHER } from "./vendors.ts";

/** What a push service would be sent. */
export interface WebPushPreview extends PayloadSize {
  /** The header fields that are the notification's own, as for a push service without habits of its own. */
  readonly headers: Readonly<Record<string, string>>;
  /** The text that the service worker gets, before it is encrypted. */
  readonly payload: string;
}

/** Renders a notification, as sent at `now`, for people to look at; nothing is sent. */
export function previewWebPush(notification: Notification, now: number): Previewed<WebPushPreview> {
  const { content } = notification;
  const composed = composeWebPush(content);
  if (composed.kind === "refused") return { preview: undefined, problems: [composed.reason] };
  const payload = composed.text;
  const bytes = new TextEncoder().encode(payload).length;
  const size = { bytes, bytesMax: PLAINTEXT_BYTES_MAX };
  const shows = content.webpush?.payload !== undefined || content.title !== undefined ||
    content.body !== undefined;
  return {
    preview: {
      headers: namedFields(messageFields(notification, OTHER, now)),
      payload,
      ...size,
    },
    problems: [
      ...sizeProblems(size),
      ...shows ? [] : ["no title and no body: the service worker gets data and nothing to show"],
    ],
  };
}
