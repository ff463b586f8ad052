/**
 * What callers get to see of apps, devices, notifications and deliveries.
 *
 * Invariant: no view of an app has a secret in it: each is made field by field of what is public, so a
 * new kind of credential shows nothing until somebody says what. Times are RFC 3339 in UTC; what is not
 * there is `null`.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createECDH } from "node:crypto";
import { type CredentialReports, type HealthView, healthView } from "./app_health.ts";
import { POINT_BYTES } from "./input_limits.ts";
import type {
  App,
  Content,
  Counts,
  DeliveryRow,
  Device,
  DeviceRecord,
  NotificationState,
  NotificationStatus,
  Outcome,
  Pause,
  Platform,
  Urgency,
} from "./records.ts";
import type { DeadLetter, LaneStatus } from "./store.ts";

/** A lane's pause. */
export interface PauseView {
  /** The platform. */
  readonly platform: Platform;
  /** Why. */
  readonly reason: string;
  /** Since when. */
  readonly since: string;
}

/** What is public of an app's credentials. */
export interface AppView {
  /** Its name. */
  readonly name: string;
  /** Grows with every change. */
  readonly version: number;
  /** APNs: of a signing key its ids, of a certificate that there is one. */
  readonly apns?: {
    readonly kind: "key" | "certificate";
    readonly keyId?: string;
    readonly teamId?: string;
    readonly topic: string;
    readonly origin?: string;
  };
  /** FCM: which project and account. */
  readonly fcm?: {
    readonly project: string | null;
    readonly clientEmail: string | null;
    readonly origin?: string;
  };
  /** Web Push: the key that pages subscribe with. */
  readonly webpush?: { readonly vapidPublicKey: string | null; readonly subject: string };
  /** Lanes that are paused. */
  readonly pauses: readonly PauseView[];
  /** How the credentials for each platform do, as far as this node knows. */
  readonly health: HealthView;
}

/** A device, without the keys of a subscription. */
export interface DeviceView {
  /** Its id. */
  readonly id: string;
  /** Its app. */
  readonly app: string;
  /** Its platform. */
  readonly platform: Platform;
  /** Its token, or the endpoint of its subscription. */
  readonly address: string;
  /** Whose it is. */
  readonly user: string | null;
  /** Its tags. */
  readonly tags: readonly string[];
  /** Whether it is in audiences. */
  readonly state: "active" | "invalid";
  /** When it was last registered. */
  readonly registeredAt: string;
  /** Why it is invalid. */
  readonly reason: string | null;
  /** How the last delivery to it ended of which a row is kept: a failure, or any where all are kept. */
  readonly lastOutcome: LastOutcomeView | null;
}

/** How the last delivery to a device ended. */
export interface LastOutcomeView {
  /** The notification. */
  readonly notification: string;
  /** How it ended. */
  readonly outcome: Outcome;
  /** The provider's status, 0 when there was none. */
  readonly status: number;
  /** The provider's reason, or ours. */
  readonly reason: string;
  /** When it was recorded. */
  readonly at: string;
}

/** A device as an import takes it: with everything, so that an export can be imported. */
export interface DeviceExport {
  /** Its id. */
  readonly id: string;
  /** Its app. */
  readonly app: string;
  /** Its platform. */
  readonly platform: Platform;
  /** Its token, on APNs and FCM. */
  readonly token?: string;
  /** Its subscription, of a browser. */
  readonly subscription?: {
    readonly endpoint: string;
    readonly keys: { readonly p256dh: string; readonly auth: string };
  };
  /** Whose it is. */
  readonly user?: string;
  /** Its tags. */
  readonly tags?: readonly string[];
}

/** A notification with its progress. */
export interface NotificationView {
  /** Its id. */
  readonly id: string;
  /** Whose it is. */
  readonly app: string;
  /** Its title, as it was given; `null` when it has none of its own for all platforms. */
  readonly title: string | null;
  /** Where it is. */
  readonly status: NotificationState;
  /** Whether every recipient has its outcome. */
  readonly sendingDone: boolean;
  /** All platforms together. */
  readonly counts: Counts;
  /** Each platform that has recipients. */
  readonly platforms: Readonly<Partial<Record<Platform, Counts>>>;
  /** When it was accepted. */
  readonly createdAt: string;
  /** When to begin. */
  readonly sendAt: string;
  /** When to give up. */
  readonly expiresAt: string;
  /** When its first batch was claimed. */
  readonly startedAt: string | null;
  /** When its last recipient had its outcome. */
  readonly finishedAt: string | null;
  /** Seconds the provider may keep it. */
  readonly ttl: number;
  /** How urgent. */
  readonly urgency: Urgency;
  /** Its topic. */
  readonly topic: string | null;
  /** Recipients a second, at most. */
  readonly ratePerSecond: number | null;
  /** Which rows are kept. */
  readonly record: "failures" | "all";
}

/** A notification with its progress and what it says. */
export interface NotificationDetails extends NotificationView {
  /** What it says. */
  readonly content: Content;
}

/** How a delivery ended. */
export interface DeliveryView {
  /** Its place in the order of recording. */
  readonly position: number;
  /** The recipient's number within the notification. */
  readonly number: number;
  /** The device, unless the recipient was direct or its device was removed. */
  readonly device: string | null;
  /** The platform. */
  readonly platform: Platform;
  /** The token, or the endpoint of the subscription. */
  readonly address: string;
  /** How it ended. */
  readonly outcome: Outcome;
  /** The provider's status, 0 when there was none. */
  readonly status: number;
  /** The provider's reason, or ours. */
  readonly reason: string;
  /** Requests made for it. */
  readonly attempts: number;
  /** When it was recorded. */
  readonly at: string;
}

/** How full a lane is. */
export interface LaneView {
  /** The app. */
  readonly app: string;
  /** The platform. */
  readonly platform: Platform;
  /** Batches that wait. */
  readonly waiting: number;
  /** Batches under a lease, of all nodes. */
  readonly leased: number;
  /** Its pause, if it is paused. */
  readonly pause: PauseView | null;
}

/** An entry set aside. */
export interface DeadLetterView {
  /** Where it came from. */
  readonly source: string;
  /** Its id there. */
  readonly id: string;
  /** What is wrong with it. */
  readonly reason: string;
  /** Its beginning. */
  readonly body: string;
  /** When it was set aside. */
  readonly at: string;
}

/** What is public of an app. */
export function appView(
  app: App,
  pauses: readonly Pause[],
  reports: CredentialReports,
): AppView {
  const { apns, fcm, webpush } = app.credentials;
  return {
    name: app.name,
    version: app.version,
    ...apns === undefined ? {} : {
      apns: {
        ...("key" in apns)
          ? { kind: "key" as const, keyId: apns.keyId, teamId: apns.teamId }
          : { kind: "certificate" as const },
        topic: apns.topic,
        ...apns.origin === undefined ? {} : { origin: apns.origin },
      },
    },
    ...fcm === undefined ? {} : {
      fcm: {
        project: textOrNull(fcm.serviceAccount["project_id"]),
        clientEmail: textOrNull(fcm.serviceAccount["client_email"]),
        ...fcm.origin === undefined ? {} : { origin: fcm.origin },
      },
    },
    ...webpush === undefined ? {} : {
      webpush: {
        vapidPublicKey: vapidPublicKey(webpush.vapidPrivateKey),
        subject: webpush.subject,
      },
    },
    pauses: pauses.map(pauseView),
    health: healthView(app.credentials, reports),
  };
}

/** A device for people, with the newest row about it. */
export function deviceView(device: Device, last: DeliveryRow | undefined): DeviceView {
  const { id, app, platform, address, user = null, tags, state, registeredAt } = device;
  const { reason = null } = device;
  return {
    ...{ id, app, platform, address, user, tags, state },
    registeredAt: time(registeredAt),
    reason,
    lastOutcome: last === undefined ? null : lastOutcomeView(last),
  };
}

function lastOutcomeView(row: DeliveryRow): LastOutcomeView {
  const { notification, outcome, status, reason, at } = row;
  return { notification, outcome, status, reason, at: time(at) };
}

/** A device for an import. */
export function deviceExport(device: DeviceRecord): DeviceExport {
  const { id, app, platform, address, keys, user, tags } = device;
  return {
    ...{ id, app, platform },
    ...keys === undefined
      ? { token: address }
      : { subscription: { endpoint: address, keys: subscriptionKeys(keys) } },
    ...user === undefined ? {} : { user },
    ...tags.length === 0 ? {} : { tags },
  };
}

/** A notification's progress. */
export function notificationView(status: NotificationStatus): NotificationView {
  const { notification } = status;
  return {
    id: notification.id,
    app: notification.app,
    title: notification.content.title ?? null,
    status: status.state,
    sendingDone: status.sendingDone,
    counts: status.counts,
    platforms: status.platforms,
    createdAt: time(notification.createdAt),
    sendAt: time(notification.sendAt),
    expiresAt: time(notification.expiresAt),
    startedAt: timeOrNull(status.startedAt),
    finishedAt: timeOrNull(status.finishedAt),
    ttl: notification.ttlSeconds,
    urgency: notification.urgency,
    topic: notification.topic ?? null,
    ratePerSecond: notification.ratePerSecond ?? null,
    record: notification.rows,
  };
}

/** A delivery's end. */
export function deliveryView(row: DeliveryRow): DeliveryView {
  const { position, number, device = null, platform, address, outcome, status, reason } = row;
  return {
    ...{ position, number, device, platform, address, outcome, status, reason },
    attempts: row.attempts,
    at: time(row.at),
  };
}

/** A lane. */
export function laneView(lane: LaneStatus): LaneView {
  const { app, platform, waiting, leased, pause } = lane;
  return {
    ...{ app, platform, waiting, leased },
    pause: pause === undefined ? null : pauseView(pause),
  };
}

/** An entry set aside. */
export function deadLetterView({ source, id, reason, body, at }: DeadLetter): DeadLetterView {
  return { source, id, reason, body, at: time(at) };
}

function pauseView({ platform, reason, since }: Pause): PauseView {
  return { platform, reason, since: time(since) };
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}

function timeOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : time(ms);
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function subscriptionKeys(keys: Uint8Array): { readonly p256dh: string; readonly auth: string } {
  const options = { alphabet: "base64url", omitPadding: true } as const;
  return {
    p256dh: keys.subarray(0, POINT_BYTES).toBase64(options),
    auth: keys.subarray(POINT_BYTES).toBase64(options),
  };
}

/** The public key of a VAPID private key; `null` when it is none, which its check said at entry. */
function vapidPublicKey(privateKey: string): string | null {
  const pair = createECDH("prime256v1");
  try {
    pair.setPrivateKey(Buffer.from(privateKey, "base64url"));
    return pair.getPublicKey("base64url");
  } catch {
    return null;
  }
}
