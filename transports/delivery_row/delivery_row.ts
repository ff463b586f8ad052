/**
 * How a delivery ended, as those outside get it: the JSON of webhooks and result files, one shape for
 * both.
 *
 * | field | type | what |
 * | --- | --- | --- |
 * | `position` | integer | place in the order of recording: grows, unique in the store; what comes twice has the same |
 * | `notification` | text | id of the notification |
 * | `app` | text | name of the app |
 * | `number` | integer | the recipient's number within the notification |
 * | `device` | text or null | id of the device; null for an address named directly, or when the device was removed |
 * | `platform` | text | `apns`, `fcm` or `webpush` |
 * | `address` | text | token, or URL of the subscription |
 * | `outcome` | text | `delivered`, `token_invalid`, `rejected`, `expired`, `failed` or `cancelled` |
 * | `status` | integer | the provider's status, 0 when there was none |
 * | `reason` | text | the provider's reason, or ours |
 * | `attempts` | integer | requests made |
 * | `at` | text | when it was recorded, in UTC (RFC 3339) |
 *
 * `position` comes first: a line of a result file is known by its beginning.
 *
 * @module
 */

/** A delivery that ended, as the store has it. */
export interface DeliveryRow {
  /** Its place in the order of recording, unique in the store and growing. */
  readonly position: number;
  /** The notification. */
  readonly notification: string;
  /** The app. */
  readonly app: string;
  /** The recipient's number within the notification. */
  readonly number: number;
  /** The device, unless the recipient was direct or its device was removed. */
  readonly device: string | undefined;
  /** The platform. */
  readonly platform: string;
  /** The address it was sent to. */
  readonly address: string;
  /** How it ended. */
  readonly outcome: string;
  /** The provider's status, 0 when there was none. */
  readonly status: number;
  /** The provider's reason, or ours. */
  readonly reason: string;
  /** Requests made for it. */
  readonly attempts: number;
  /** When it was recorded, in milliseconds since 1970. */
  readonly at: number;
}

/** The beginning of the JSON of any row. */
export const DELIVERY_JSON_START = '{"position":';

/** A row as one line of JSON, without a line feed. */
export function deliveryJson(row: DeliveryRow): string {
  const { position, notification, app, number, device = null, platform, address } = row;
  const { outcome, status, reason, attempts, at } = row;
  return JSON.stringify({
    ...{ position, notification, app, number, device, platform, address },
    ...{ outcome, status, reason, attempts, at: new Date(at).toISOString() },
  });
}
