// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/**
 * Numbers, times and names as people read them. Pure functions; the language is the page's, English.
 *
 * @module
 */

/** The platforms in the order in which people see them. */
export const PLATFORMS = /** @type {const} */ (["apns", "fcm", "webpush"]);

/** @typedef {typeof PLATFORMS[number]} Platform */

/** The outcomes, the good one first. */
export const OUTCOMES = /** @type {const} */ ([
  "delivered",
  "token_invalid",
  "rejected",
  "expired",
  "failed",
  "cancelled",
]);

/** @typedef {typeof OUTCOMES[number]} Outcome */

/** @type {Readonly<Record<Platform, string>>} */
export const PLATFORM_NAMES = { apns: "APNs", fcm: "FCM", webpush: "Web Push" };

/** @type {Readonly<Record<Outcome | "retries" | "pending", string>>} */
export const OUTCOME_NAMES = {
  delivered: "Delivered",
  token_invalid: "Token invalid",
  rejected: "Rejected",
  expired: "Expired",
  failed: "Failed",
  cancelled: "Cancelled",
  retries: "Retries",
  pending: "Pending",
};

/** What each outcome means, for who looks closer. @type {Readonly<Record<Outcome, string>>} */
export const OUTCOME_MEANINGS = {
  delivered: "The provider accepted it; that is no proof that a person saw it.",
  token_invalid: "The address is dead: the app was removed, or the subscription ended.",
  rejected: "The provider refused what was sent.",
  expired: "Its time was over before it could be sent.",
  failed: "Given up after repeated attempts.",
  cancelled: "Not sent because the notification was cancelled.",
};

const WHOLE = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });

/** `1,234,567`. @param {number} value @returns {string} */
export function whole(value) {
  return WHOLE.format(value);
}

/** `1.23M`. @param {number} value @returns {string} */
export function short(value) {
  return SHORT.format(value);
}

/** A rate a second: `0.4`, `17`, `1.2K`. @param {number} value @returns {string} */
export function rate(value) {
  return value < 10 ? String(Math.round(value * 10) / 10) : SHORT.format(Math.round(value));
}

/** `12.5%`. @param {number} part @param {number} all @returns {string} */
export function share(part, all) {
  return all === 0 ? "0%" : PERCENT.format(part / all);
}

/** `113 MiB`. @param {number} value @returns {string} */
export function bytes(value) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : Math.round(value * 10) / 10} ${
    units[unit]
  }`;
}

/** `12 ms`, `3.4 s`, `5 min`, `2 h`, `3 d`. @param {number} ms @returns {string} */
export function duration(ms) {
  if (ms < 1_000) return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`;
  if (ms < 60_000) return `${Math.round(ms / 100) / 10} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

/** `3 min ago`, `in 2 h`, `now`; whole seconds, for tenths would flicker. @param {number} at @param {number} now @returns {string} */
export function ago(at, now) {
  const distance = now - at;
  if (Math.abs(distance) < 1_000) return "now";
  const seconds = duration(Math.round(Math.abs(distance) / 1_000) * 1_000);
  return distance > 0 ? `${seconds} ago` : `in ${seconds}`;
}

/** `14:03:22`, in the time zone of who looks. @param {number} ms @returns {string} */
export function clock(ms) {
  const at = new Date(ms);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((n) => String(n).padStart(2, "0"))
    .join(":");
}

/** `2026-11-22 14:03:22`, in the time zone of who looks. @param {number} ms @returns {string} */
export function dateTime(ms) {
  const at = new Date(ms);
  const day = [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((n) =>
    String(n).padStart(2, "0")
  );
  return `${day.join("-")} ${clock(ms)}`;
}
