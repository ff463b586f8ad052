/**
 * What a notification would be on each platform of its app: nothing is stored, nothing is sent.
 *
 * Rendering is the platforms' own, injected; here it is decided whom to ask, and what a person should
 * know beside it: credentials that cannot be used, and parts for a platform the app has not.
 *
 * @module
 */

import type { CredentialChecks } from "./app_input.ts";
import type { InputProblem } from "./input.ts";
import {
  type ApnsCredentials,
  type App,
  type JsonObject,
  type Notification,
  type Platform,
  PLATFORMS,
  type Submission,
} from "./records.ts";

/** How large a payload is, and may be. */
export interface PreviewSize {
  /** Bytes, as the platform counts them; more than it takes with a problem that says so. */
  readonly bytes: number;
  /** Bytes the platform takes at most. */
  readonly bytesMax: number;
}

/** What APNs would be sent. */
export interface ApnsPreview extends PreviewSize {
  /** The header fields, without credentials. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body. */
  readonly payload: JsonObject;
}

/** What FCM would be sent. */
export interface FcmPreview extends PreviewSize {
  /** The message, without its target. */
  readonly message: JsonObject;
}

/** What a push service would be sent. */
export interface WebPushPreview extends PreviewSize {
  /** The notification's own header fields. */
  readonly headers: Readonly<Record<string, string>>;
  /** The text before it is encrypted. */
  readonly payload: string;
}

/** What would be sent, where it can be rendered, and what is wrong with it, a sentence each. */
export interface Previewed<T> {
  /** What would be sent. */
  readonly preview: T | undefined;
  /** What is wrong or surprising. */
  readonly problems: readonly string[];
}

/** The platforms' rendering, as sent at `now`. */
export interface PlatformPreviews {
  /** For APNs. */
  apns(notification: Notification, credentials: ApnsCredentials): Previewed<ApnsPreview>;
  /** For FCM. */
  fcm(notification: Notification, now: number): Previewed<FcmPreview>;
  /** For browsers. */
  webpush(notification: Notification, now: number): Previewed<WebPushPreview>;
}

/** A notification before it is sent. */
export interface PreviewView {
  /** What would be sent, for each platform of the app on which something can be. */
  readonly platforms: {
    readonly apns?: ApnsPreview;
    readonly fcm?: FcmPreview;
    readonly webpush?: WebPushPreview;
  };
  /** What is wrong or surprising. */
  readonly problems: readonly { readonly platform: Platform; readonly message: string }[];
}

/** What previews are made with. */
export interface PreviewParts {
  /** Renders. */
  readonly previews: PlatformPreviews;
  /** Judges the app's credentials as they are now: a certificate ends some day. */
  readonly checks: CredentialChecks;
  /** The wall clock. */
  readonly now: number;
}

/** Makes the previews of a submission to an app. */
export async function previewOf(
  submission: Submission,
  app: App,
  { previews, checks, now }: PreviewParts,
): Promise<PreviewView> {
  const { notification } = submission;
  const { apns, fcm, webpush } = app.credentials;
  const problems: { readonly platform: Platform; readonly message: string }[] = [];
  const take = <T>(platform: Platform, { preview, problems: found }: Previewed<T>) => {
    for (const message of found) problems.push({ platform, message });
    return preview === undefined ? {} : { [platform]: preview };
  };
  const platforms = {
    ...apns && take("apns", previews.apns(notification, apns)),
    ...fcm && take("fcm", previews.fcm(notification, now)),
    ...webpush && take("webpush", previews.webpush(notification, now)),
  };
  const unusable = {
    apns: apns && await checks.apns(apns),
    fcm: fcm && await checks.fcm(fcm),
    webpush: webpush && await checks.webpush(webpush),
  };
  for (const platform of PLATFORMS) {
    const found = unusable[platform];
    const messages = found === undefined ? lacking(submission, platform) : found.map(unusableText);
    for (const message of messages) problems.push({ platform, message });
  }
  return { platforms, problems };
}

function unusableText({ path, message }: InputProblem): string {
  return `the app's credentials cannot be used: ${path}: ${message}`;
}

/** What cannot be done on a platform that the app has no credentials for. */
function lacking(
  { notification: { app, content }, audience }: Submission,
  platform: Platform,
): readonly string[] {
  const recipients = audience.kind === "direct"
    ? audience.recipients.filter((recipient) => recipient.platform === platform).length
    : 0;
  if (recipients === 0 && content[platform] === undefined) return [];
  const whom = recipients === 0
    ? "this part of the content is not used"
    : `the recipients there, ${recipients}, cannot be sent to`;
  return [`the app ${app} has no credentials for it: ${whom}`];
}
