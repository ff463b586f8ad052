/**
 * What a notification would look like on FCM.
 *
 * @module
 */

import { objectOf } from "../provider/answer_text.ts";
import { type PayloadSize, type Previewed, sizeProblems } from "../provider/preview.ts";
import type { JsonObject, Notification } from "../provider/provider.ts";
import { PAYLOAD_BYTES_MAX } from "./limits.ts";
import { composeFcm } from "./rendering.ts";

/** What Google would be sent. */
export interface FcmPreview extends PayloadSize {
  /** The message, but for its target. */
  readonly message: JsonObject;
}

/** Renders a notification, as sent at `now`, for people to look at; nothing is sent. */
export function previewFcm(notification: Notification, now: number): Previewed<FcmPreview> {
  const composed = composeFcm(notification, now);
  if (composed.kind === "refused") return { preview: undefined, problems: [composed.reason] };
  const { message, bytes } = composed;
  const size = { bytes, bytesMax: PAYLOAD_BYTES_MAX };
  // What Apple's devices and browsers behind FCM show may stand in parts of their own.
  const shows = "notification" in message || "apns" in message || "webpush" in message ||
    "notification" in (objectOf(message.android) ?? {});
  return {
    preview: { message, ...size },
    problems: [
      ...sizeProblems(size),
      ...shows ? [] : ["no title and no body: nothing is shown, the app gets data alone"],
    ],
  };
}
