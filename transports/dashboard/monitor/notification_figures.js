// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/**
 * What the numbers of a notification say: how far it is, how fast, what failed. Pure functions.
 *
 * @module
 */

import { ago, duration, OUTCOME_NAMES, rate, whole } from "./format.js";

/** @typedef {import("./format.js").Outcome} Outcome */

/**
 * Counts as the API tells them; `total` is the sum of all but `retries`, and grows while recipients are still looked up.
 *
 * @typedef {{
 *   readonly total: number, readonly delivered: number, readonly tokenInvalid: number,
 *   readonly rejected: number, readonly expired: number, readonly failed: number,
 *   readonly cancelled: number, readonly pending: number, readonly retries: number,
 * }} Counts
 *
 * @typedef {"open" | "scheduled" | "expanding" | "sending" | "done" | "cancelled"} Status
 *
 * @typedef {{
 *   readonly id: string, readonly app: string, readonly title: string | null, readonly status: Status,
 *   readonly sendingDone: boolean, readonly counts: Counts,
 *   readonly platforms: Readonly<Partial<Record<import("./format.js").Platform, Counts>>>,
 *   readonly createdAt: string, readonly sendAt: string, readonly expiresAt: string,
 *   readonly startedAt: string | null, readonly finishedAt: string | null,
 *   readonly ttl: number, readonly urgency: string, readonly topic: string | null,
 *   readonly ratePerSecond: number | null, readonly record: "failures" | "all",
 * }} Notification
 */

/** Which count is which outcome's, in the order of people; what is pending comes last. */
export const COUNTS = /** @type {const} */ ([
  ["delivered", "delivered"],
  ["token_invalid", "tokenInvalid"],
  ["rejected", "rejected"],
  ["expired", "expired"],
  ["failed", "failed"],
  ["cancelled", "cancelled"],
  ["pending", "pending"],
]);

/** Each state in words, with the mark it has. @type {Readonly<Record<Status, readonly [mark: "good" | "waiting" | "bad" | "ended", text: string]>>} */
export const STATUS_WORDS = {
  open: ["waiting", "open"],
  scheduled: ["waiting", "scheduled"],
  expanding: ["waiting", "finding recipients"],
  sending: ["waiting", "sending"],
  done: ["good", "done"],
  cancelled: ["ended", "cancelled"],
};

/** What each state means. @type {Readonly<Record<Status, string>>} */
export const STATUS_MEANINGS = {
  open: "It still takes recipients; it is sent when whoever opened it closes it.",
  scheduled: "It waits for its time.",
  expanding: "Its recipients are being looked up; those that are found are sent to already.",
  sending: "All recipients are known; they are being sent to.",
  done: "Every recipient has its outcome.",
  cancelled: "What had not been sent is not sent.",
};

/** Whether nothing about it changes any more. @param {Pick<Notification, "status" | "counts">} notification @returns {boolean} */
export function isOver({ status, counts }) {
  return (status === "done" || status === "cancelled") && counts.pending === 0;
}

/** Recipients with an outcome. @param {Counts} counts @returns {number} */
export function ended({ total, pending }) {
  return total - pending;
}

/** Recipients that ended otherwise than delivered. @param {Counts} counts @returns {number} */
export function missed(counts) {
  return ended(counts) - counts.delivered;
}

/**
 * The most frequent way to end but delivered; nothing when all was.
 *
 * @param {Counts} counts
 * @returns {Outcome | undefined}
 */
export function worst(counts) {
  /** @type {Outcome | undefined} */
  let found;
  let most = 0;
  for (const [name, key] of COUNTS) {
    if (name === "delivered" || name === "pending" || counts[key] <= most) continue;
    found = name;
    most = counts[key];
  }
  return found;
}

/**
 * How far it is, in words: `7,500 of 10,000`.
 *
 * @param {Pick<Notification, "status" | "counts">} notification
 * @returns {string}
 */
export function progressText({ status, counts }) {
  if (counts.total === 0) return status === "done" ? "no recipients" : "no recipients yet";
  if (counts.pending === 0) return whole(counts.total);
  const found = status === "expanding" || status === "open" ? " found so far" : "";
  return `${whole(ended(counts))} of ${whole(counts.total)}${found}`;
}

/**
 * All counts that are not zero, for who cannot see a bar: `Delivered 9,000, Rejected 20, Pending 980`.
 *
 * @param {Counts} counts
 * @returns {string}
 */
export function countsText(counts) {
  return COUNTS.filter(([, key]) => counts[key] > 0)
    .map(([name, key]) => `${OUTCOME_NAMES[name]} ${whole(counts[key])}`).join(", ");
}

/** How many had ended at a moment. @typedef {{ readonly at: number, readonly ended: number }} Sample */

/** Time over which a present rate is measured. */
const PACE_MS = 10_000;

/**
 * The samples with a new one, without those that are older than what a present rate needs.
 *
 * @param {readonly Sample[]} samples Oldest first.
 * @param {Sample} sample
 * @returns {readonly Sample[]}
 */
export function withSample(samples, sample) {
  return [...samples.filter(({ at }) => at >= sample.at - PACE_MS && at < sample.at), sample];
}

/**
 * Recipients a second between the first and the last sample; nothing with fewer than two.
 *
 * @param {readonly Sample[]} samples
 * @returns {number | undefined}
 */
export function pace(samples) {
  const first = samples.at(0);
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last.at <= first.at) return undefined;
  return Math.max(0, (last.ended - first.ended) * 1_000 / (last.at - first.at));
}

/**
 * How long it took or takes, in milliseconds; nothing when it has not begun.
 *
 * @param {Pick<Notification, "startedAt" | "finishedAt">} notification
 * @param {number} now
 * @returns {number | undefined}
 */
export function took({ startedAt, finishedAt }, now) {
  if (startedAt === null) return undefined;
  return Math.max(0, (finishedAt === null ? now : Date.parse(finishedAt)) - Date.parse(startedAt));
}

/**
 * How fast it goes, in words: the present rate, or what it was on the whole.
 *
 * @param {Notification} notification
 * @param {readonly Sample[]} samples
 * @param {number} now
 * @returns {string}
 */
export function paceText(notification, samples, now) {
  const { counts } = notification;
  if (isOver(notification) || notification.finishedAt !== null) {
    const ms = took(notification, now);
    const sent = ended(counts) - counts.cancelled;
    return ms === undefined || ms === 0 || sent === 0 ? "–" : `${rate(sent * 1_000 / ms)} a second`;
  }
  const present = pace(samples);
  return present === undefined ? "–" : `${rate(present)} a second`;
}

/**
 * How long the rest takes at the present rate, in words; nothing when that is not known.
 *
 * @param {Notification} notification
 * @param {readonly Sample[]} samples
 * @returns {string}
 */
export function restText({ status, counts }, samples) {
  const present = pace(samples) ?? 0;
  if (status !== "sending" || present === 0 || counts.pending === 0) return "";
  return `about ${duration(Math.max(1_000, Math.round(counts.pending / present) * 1_000))} to go`;
}

/**
 * When it is sent, for one that waits: `in 3 min`.
 *
 * @param {Notification} notification
 * @param {number} now
 * @returns {string}
 */
export function dueText({ status, sendAt }, now) {
  return status === "scheduled" ? ago(Date.parse(sendAt), now) : "";
}
