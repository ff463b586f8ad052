/**
 * How fast deliveries end, from the monitor's bars.
 *
 * Rates are means over whole seconds, the present one left out, since it would make every rate too low.
 *
 * @module
 */

import type { Platform } from "./records.ts";
import type { Bar, PlatformBar } from "./sinks/monitor.ts";

/** Seconds over which a rate is the mean: batches end by the thousand, so one second says little. */
export const RATE_SECONDS = 10;

/** What ends on one platform, a second; whole recipients and tenths. */
export interface PlatformRates {
  /** Accepted by the provider. */
  readonly delivered: number;
  /** Dead addresses. */
  readonly tokenInvalid: number;
  /** Refused for what was sent. */
  readonly rejected: number;
  /** Not sent in time. */
  readonly expired: number;
  /** Given up. */
  readonly failed: number;
  /** Not sent because the notification was cancelled. */
  readonly cancelled: number;
  /** Requests that are to be sent again. */
  readonly retries: number;
}

/** What ends, a second, by platform. */
export interface Rates {
  /** Seconds over which these are the means. */
  readonly seconds: number;
  /** Every platform. */
  readonly platforms: Readonly<Record<Platform, PlatformRates>>;
}

/** The second from which on {@linkcode ratesOf} needs bars. */
export function rateSince(now: number): number {
  return Math.floor(now / 1_000) - RATE_SECONDS;
}

/** The rates at this time, in milliseconds since 1970; seconds without a bar count as zeros. */
export function ratesOf(bars: readonly Bar[], now: number): Rates {
  const first = rateSince(now);
  const recent = bars.filter(({ second }) => second >= first && second < first + RATE_SECONDS);
  const rates = (platform: Platform): PlatformRates => {
    const mean = (key: keyof PlatformBar) => {
      const sum = recent.reduce((sum, { platforms }) => sum + platforms[platform][key], 0);
      return Math.round(sum * 10 / RATE_SECONDS) / 10;
    };
    return {
      delivered: mean("delivered"),
      tokenInvalid: mean("token_invalid"),
      rejected: mean("rejected"),
      expired: mean("expired"),
      failed: mean("failed"),
      cancelled: mean("cancelled"),
      retries: mean("retries"),
    };
  };
  const [apns, fcm, webpush] = [rates("apns"), rates("fcm"), rates("webpush")];
  return { seconds: RATE_SECONDS, platforms: { apns, fcm, webpush } };
}
