/**
 * What the answers of push services mean: RFC 8030 and RFC 8292 where they say, and what the browsers' makers
 * answer beside it.
 *
 * The first row that fits decides. A row may ask for a sign in the answer: Apple's `reason`, a number
 * of Mozilla's `errno`, or words in the text. Nothing of the text is repeated: it comes from a host that a
 * stranger named, and a reason is shown to people.
 *
 * @module
 */

import {
  type AnswerDetail,
  type ANSWERED,
  type End,
  LOST,
  TIMED_OUT,
  UNSENT,
} from "../http2/exchange.ts";
import { badAnswer, parseBody } from "../provider/answer_text.ts";
import type { Judge } from "../provider/fold.ts";
import type { Verdict } from "../provider/provider.ts";
import type { Renew } from "../provider/renewal.ts";
import { retryAfterMs } from "../provider/retry_after.ts";
import type { VendorName } from "./vendors.ts";

/** What follows from an answer. */
export type WebPushAction =
  /** The message is refused for this subscription, and will be again. */
  | "reject"
  /** The subscription is gone. */
  | "drop"
  /** The subscription is gone, or was made with another VAPID key: a wrong key looks the same. */
  | "doubt"
  /** The app's VAPID key is wrong. */
  | "pause"
  /** The VAPID token is to be replaced. */
  | "renew"
  /** Again, with a backoff or when the answer says. */
  | "retry"
  /** The connection is at its end; not processed. */
  | "reconnect";

/** What an answer must have for a row to fit. */
export type Sign =
  /** Apple's reason. */
  | { readonly reason: string }
  /** Words in its body. */
  | { readonly text: RegExp }
  /** Whose it is. */
  | { readonly vendor: VendorName };

/** A row: status or class of statuses, sign, action, and what people read. */
export type WebPushRow = readonly [
  status: number | "3xx" | "4xx" | "5xx",
  sign: Sign | undefined,
  action: WebPushAction,
  reason: string,
];

/** A row for a reason of Apple's, which is what people read, too. */
function apple(status: number, reason: string, action: WebPushAction): WebPushRow {
  return [status, { reason }, action, reason];
}

/** The rows. */
export const WEB_PUSH_RESPONSES: readonly WebPushRow[] = [
  ["3xx", undefined, "reject", "redirect refused"],
  apple(400, "BadAuthorizationHeader", "reject"),
  apple(400, "BadTtl", "reject"),
  apple(400, "BadUrgency", "reject"),
  apple(400, "BadVapidPublicKey", "pause"),
  apple(400, "BadWebPushRequest", "reject"),
  apple(400, "BadWebPushTopic", "reject"),
  apple(400, "IdleTimeout", "reconnect"),
  apple(400, "VapidPkHashMismatch", "doubt"),
  // Google, in HTML: every request has a VAPID token, so the subscription is older than VAPID.
  [400, { text: /UnauthorizedRegistration/i }, "doubt", "subscription without VAPID"],
  [400, undefined, "reject", "bad request"],
  // Mozilla answers all faults of VAPID with 401 and one number; only the text tells them apart.
  [401, { text: /public key mismatch/i }, "doubt", "subscribed with another VAPID key"],
  [401, undefined, "renew", "VAPID token refused"],
  apple(403, "BadJwtToken", "renew"),
  apple(403, "BadVapidPublicKey", "pause"),
  apple(403, "VapidPkHashMismatch", "doubt"),
  [403, { text: /(does|do) not correspond/i }, "doubt", "subscribed with another VAPID key"],
  [403, undefined, "renew", "VAPID token refused"],
  apple(404, "BadPath", "doubt"),
  // A service nobody knows, behind a proxy nobody knows: its 404 may be that of its operator's mistake.
  [404, { vendor: "other" }, "doubt", "no such subscription"],
  [404, undefined, "drop", "no such subscription"],
  apple(405, "MethodNotAllowed", "reject"),
  // Microsoft's way to say 429.
  [406, { vendor: "microsoft" }, "retry", "throttled"],
  [408, undefined, "retry", "request timeout"],
  apple(410, "ExpiredToken", "drop"),
  apple(410, "Unregistered", "drop"),
  [410, undefined, "drop", "subscription gone"],
  [413, undefined, "reject", "payload too large"],
  [421, undefined, "retry", "misdirected"],
  [425, undefined, "retry", "too early"],
  apple(429, "TooManyRequests", "retry"),
  // Of one subscription (RFC 8030 section 8.4): the others are not slowed down.
  [429, undefined, "retry", "too many requests"],
  ["4xx", undefined, "reject", "refused"],
  apple(500, "InternalServerError", "retry"),
  apple(503, "ServiceUnavailable", "retry"),
  apple(503, "Shutdown", "retry"),
  ["5xx", undefined, "retry", "server error"],
];

/** What judging depends on beside the answer. */
export interface WebPushCircumstances {
  /** Whom the answers came from, for people. */
  readonly authority: string;
  /** Whose service it is. */
  readonly vendor: VendorName;
  /** The wall clock in milliseconds, for dates. */
  readonly now: number;
  /** Called when an answer says that the connection is at its end; maybe many times. */
  leave(): void;
}

/** Judges the answers to one block. */
export function webPushJudge(circumstances: WebPushCircumstances): Judge<Verdict | Renew> {
  return {
    answered: (status, detail) => judgeAnswer(status, detail, circumstances),
    ended: (end) => judgeEnd(end, circumstances.authority),
  };
}

function judgeAnswer(
  status: number,
  detail: AnswerDetail | undefined,
  circumstances: WebPushCircumstances,
): Verdict | Renew {
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const body = parseBody(detail?.body);
  const text = new TextDecoder().decode(detail?.body ?? new Uint8Array(0));
  const row = WEB_PUSH_RESPONSES.find(([rowStatus, sign]) =>
    fits(rowStatus, status) && (sign === undefined ||
      ("reason" in sign
        ? body?.["reason"] === sign.reason
        : "text" in sign
        ? sign.text.test(text)
        : sign.vendor === circumstances.vendor))
  );
  if (row === undefined) return later(status, badAnswer(circumstances.authority));
  const [, sign, action, words] = row;
  const reason = sign === undefined ? withErrno(words, body?.["errno"]) : words;
  return judgeAction(action, { status, reason }, detail, circumstances);
}

function fits(row: WebPushRow[0], status: number): boolean {
  return typeof row === "number" ? row === status : row === `${Math.floor(status / 100)}xx`;
}

/** Mozilla's number, which its documentation explains; a small number can say nothing else. */
function withErrno(words: string, errno: unknown): string {
  return typeof errno === "number" && Number.isInteger(errno) && errno > 0 && errno < 1_000
    ? `${words} (errno ${errno})`
    : words;
}

function judgeAction(
  action: WebPushAction,
  answer: { readonly status: number; readonly reason: string },
  detail: AnswerDetail | undefined,
  { now, leave }: WebPushCircumstances,
): Verdict | Renew {
  switch (action) {
    case "reject":
      return { kind: "rejected", ...answer };
    case "drop":
      return { kind: "token_invalid", ...answer, doubtful: false };
    case "doubt":
      return { kind: "token_invalid", ...answer, doubtful: true };
    case "pause":
      return { kind: "pause", ...answer };
    case "renew":
      return { kind: "renew", ...answer, serverTime: undefined };
    case "retry": {
      const afterMs = retryAfterMs(detail?.headers.get("retry-after"), now);
      const verdict = later(answer.status, answer.reason);
      return afterMs === undefined ? verdict : { ...verdict, afterMs };
    }
    case "reconnect":
      leave();
      return { kind: "unsent", reason: answer.reason };
  }
}

function judgeEnd(
  end: Exclude<End, typeof ANSWERED>,
  authority: string,
): Verdict {
  switch (end) {
    case UNSENT:
      return { kind: "unsent", reason: `${authority} took no more requests` };
    case LOST:
      return later(0, `connection to ${authority} lost`);
    case TIMED_OUT:
      return later(0, `no answer from ${authority} in time`);
    default:
      return later(0, badAnswer(authority));
  }
}

function later(status: number, reason: string): Verdict & { readonly kind: "retry" } {
  return { kind: "retry", status, reason, scope: "recipient" };
}
