/**
 * What the platforms know by themselves, for the delivery service: whether credentials and
 * subscriptions are good, what a notification would look like, how tokens do.
 *
 * @module
 */

import type { DeliveryServiceParts } from "../actors/push/delivery/delivery_service.ts";
import { certificateExpiry, checkApnsCredentials, previewApns } from "../transports/apns/mod.ts";
import { checkFcmCredentials, previewFcm } from "../transports/fcm/mod.ts";
import { isPoint } from "../transports/p256/p256.ts";
import type {
  ApnsCredentials,
  FcmCredentials,
  WebPushCredentials,
} from "../transports/provider/provider.ts";
import type { ReportingProvider } from "../transports/provider/token_health.ts";
import {
  checkWebPushCredentials,
  type EndpointPolicy,
  previewWebPush,
} from "../transports/webpush/mod.ts";

/** The built-in providers. */
export interface Providers {
  /** For Apple's devices. */
  readonly apns: ReportingProvider<ApnsCredentials>;
  /** For Google's. */
  readonly fcm: ReportingProvider<FcmCredentials>;
  /** For browsers. */
  readonly webpush: ReportingProvider<WebPushCredentials>;
}

/** What the service is given of the platforms. */
export type PlatformParts = Pick<DeliveryServiceParts, "checks" | "previews" | "reports">;

/**
 * What the platforms know.
 *
 * @param policy Which endpoints of subscriptions are taken.
 * @param providers Those that send; `undefined` before they do, and on a node that never will.
 */
export function platformParts(
  policy: EndpointPolicy,
  providers: () => Providers | undefined,
): PlatformParts {
  return {
    checks: {
      apns: (credentials) => checkApnsCredentials(credentials),
      fcm: checkFcmCredentials,
      webpush: checkWebPushCredentials,
      endpoint: (url) => policy.problem(url),
      point: isPoint,
    },
    previews: { apns: previewApns, fcm: previewFcm, webpush: previewWebPush },
    reports: {
      certificateExpiry,
      apns: (credentials) => providers()?.apns.tokenHealth(credentials),
      fcm: (credentials) => providers()?.fcm.tokenHealth(credentials),
      webpush: (credentials) => providers()?.webpush.tokenHealth(credentials),
    },
  };
}
