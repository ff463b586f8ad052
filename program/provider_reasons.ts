/**
 * Which reasons of providers are counted apart: those of their response tables.
 *
 * @module
 */

import { APNS_RESPONSES } from "../transports/apns/response_table.ts";
import type { ProviderReasons } from "../transports/api/delivery_metrics.ts";
import { FCM_RESPONSES } from "../transports/fcm/response_table.ts";

/** The reasons that Apple and Google document; push services have none of their own. */
export const PROVIDER_REASONS: ProviderReasons = {
  apns: new Set(APNS_RESPONSES.map(([, reason]) => reason)),
  fcm: new Set(FCM_RESPONSES.map(([, code]) => code)),
  webpush: new Set(),
};
