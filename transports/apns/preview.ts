/**
 * What a notification would look like on APNs.
 *
 * @module
 */

import {
  namedFields,
  type PayloadSize,
  type Previewed,
  sizeProblems,
} from "../provider/preview.ts";
import type { ApnsCredentials, JsonObject, Notification } from "../provider/provider.ts";
import { composeApns } from "./rendering.ts";

/** What Apple would be sent. */
export interface ApnsPreview extends PayloadSize {
  /** The header fields, but for `authorization` and `apns-id`. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body. */
  readonly payload: JsonObject;
}

/** Renders a notification for people to look at; nothing is sent. */
export function previewApns(
  notification: Notification,
  credentials: ApnsCredentials,
): Previewed<ApnsPreview> {
  const composed = composeApns(notification, credentials);
  if (composed.kind === "refused") return { preview: undefined, problems: [composed.reason] };
  const { message, payload, bytesMax, noticeable, pushType } = composed;
  const size = { bytes: message.body.length, bytesMax };
  const shows = noticeable || (pushType !== "alert" && pushType !== "background");
  return {
    preview: { headers: namedFields(message.fields), payload, ...size },
    problems: [
      ...sizeProblems(size),
      ...shows ? [] : ["no title and no body: nothing is shown, the app is only woken"],
    ],
  };
}
