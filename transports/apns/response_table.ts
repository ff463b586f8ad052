/**
 * What Apple's answers mean: a row for each reason that "Handling notification responses from APNs"
 * in Apple's documentation lists, and for those that are seen without being listed.
 *
 * The reason decides; the status only for reasons that have no row. The same reason may come in the
 * debug data of a GOAWAY frame. An answer that is not Apple's JSON is not Apple's: no device and no
 * notification is given up for it.
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
import { badAnswer, parseBody, parseObject, shown } from "../provider/answer_text.ts";
import type { Judge } from "../provider/fold.ts";
import type { JsonObject, Verdict } from "../provider/provider.ts";
import type { Renew } from "../provider/renewal.ts";
import { retryAfterMs } from "../provider/retry_after.ts";
import { TOKEN_UPDATES_RETRY_MS } from "./limits.ts";

/** What follows from an answer. */
export type ApnsAction =
  /** The notification is wrong: it is refused for this recipient, and will be again. */
  | "reject"
  /** The device is gone. */
  | "drop"
  /** The device is not one of this app here; a wrong environment or topic looks the same. */
  | "doubt"
  /** The topic is wrong: of the app, which is paused, or of this notification, if it has another. */
  | "topic"
  /** The app's credentials are wrong. */
  | "pause"
  /** The provider token is to be replaced. */
  | "renew"
  /** Too many provider tokens: keep the one there is, and come back later. */
  | "keep_token"
  /** Again, with a backoff. */
  | "retry"
  /** The connection is at its end; not processed. */
  | "reconnect"
  /** The connection is of no more use; again, with a backoff. */
  | "reconnect_later";

/** The rows: status, reason, action. */
export const APNS_RESPONSES: readonly (readonly [number, string, ApnsAction])[] = [
  [400, "BadCollapseId", "reject"],
  [400, "BadDeviceToken", "doubt"],
  [400, "BadExpirationDate", "reject"],
  [400, "BadMessageId", "reject"],
  [400, "BadPriority", "reject"],
  [400, "BadTopic", "topic"],
  [400, "DeviceTokenNotForTopic", "doubt"],
  [400, "DuplicateHeaders", "reject"],
  [400, "IdleTimeout", "reconnect"],
  [400, "InvalidPushType", "reject"],
  [400, "MissingDeviceToken", "reject"],
  [400, "MissingTopic", "topic"],
  [400, "PayloadEmpty", "reject"],
  [400, "TopicDisallowed", "topic"],
  [403, "BadCertificate", "pause"],
  [403, "BadCertificateEnvironment", "pause"],
  [403, "BadEnvironmentKeyIdInToken", "pause"],
  // Not documented, and really sent.
  [403, "BadEnvironmentKeyInToken", "pause"],
  [403, "ExpiredProviderToken", "renew"],
  [403, "Forbidden", "pause"],
  [403, "InvalidProviderToken", "renew"],
  [403, "MissingProviderToken", "renew"],
  // Connections are not shared between keys, so another connection is all that can help.
  [403, "UnrelatedKeyIdInToken", "reconnect_later"],
  [404, "BadPath", "reject"],
  [405, "MethodNotAllowed", "reject"],
  [410, "ExpiredToken", "drop"],
  [410, "Unregistered", "drop"],
  [413, "PayloadTooLarge", "reject"],
  [429, "TooManyProviderTokenUpdates", "keep_token"],
  // Of one device: the others are not slowed down.
  [429, "TooManyRequests", "retry"],
  [500, "InternalServerError", "retry"],
  [503, "ServiceUnavailable", "retry"],
  [503, "Shutdown", "reconnect_later"],
];

const ACTIONS: ReadonlyMap<string, ApnsAction> = new Map(
  APNS_RESPONSES.map(([, reason, action]) => [reason, action]),
);

/** What judging depends on beside the answer. */
export interface ApnsCircumstances {
  /** Whom the answers came from, for people. */
  readonly authority: string;
  /**
   * Whether the topic is not the app's, but the notification's or made for its push type: then a wrong one
   * says nothing of app and devices. A token for alerts is alive though a call sent to it is refused.
   */
  readonly ownTopic: boolean;
  /** Whether there is a provider token that can be renewed; with a certificate there is none. */
  readonly renewable: boolean;
  /** The wall clock in milliseconds, for dates. */
  readonly now: number;
  /** Called when an answer says that the connection is at its end; maybe many times. */
  leave(): void;
}

/** Judges the answers to one block. */
export function apnsJudge(circumstances: ApnsCircumstances): Judge<Verdict | Renew> {
  return {
    answered: (status, detail) => judgeAnswer(status, detail, circumstances),
    ended: (end, reason) => judgeEnd(end, reason, circumstances),
  };
}

function judgeAnswer(
  status: number,
  detail: AnswerDetail | undefined,
  circumstances: ApnsCircumstances,
): Verdict | Renew {
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const body = parseBody(detail?.body);
  const reason = body?.reason;
  if (body === undefined || typeof reason !== "string") {
    return after(detail, later(status, badAnswer(circumstances.authority)), circumstances.now);
  }
  const action = ACTIONS.get(reason) ?? (status >= 400 && status < 500 ? "reject" : "retry");
  const verdict = judgeAction(action, { status, reason: shown(reason) }, circumstances);
  switch (verdict.kind) {
    case "token_invalid":
      return { ...verdict, ...invalidSince(body) };
    case "retry":
      return after(detail, verdict, circumstances.now);
    case "renew":
      return { ...verdict, serverTime: serverTime(detail) };
    default:
      return verdict;
  }
}

/** Waits as long as the answer asks for, if it does and no row of the table has. */
function after(
  detail: AnswerDetail | undefined,
  verdict: Verdict & { kind: "retry" },
  now: number,
): Verdict {
  const afterMs = verdict.afterMs ?? retryAfterMs(detail?.headers.get("retry-after"), now);
  return afterMs === undefined ? verdict : { ...verdict, afterMs };
}

function serverTime(detail: AnswerDetail | undefined): number | undefined {
  const time = Date.parse(detail?.headers.get("date") ?? "");
  return Number.isNaN(time) ? undefined : time;
}

function judgeAction(
  action: ApnsAction,
  answer: { readonly status: number; readonly reason: string },
  { ownTopic, renewable, leave }: ApnsCircumstances,
): Verdict | Renew {
  switch (action) {
    case "reject":
      return { kind: "rejected", ...answer };
    case "drop":
      return { kind: "token_invalid", ...answer, doubtful: false };
    case "doubt":
      return ownTopic && answer.reason === "DeviceTokenNotForTopic"
        ? { kind: "rejected", ...answer }
        : { kind: "token_invalid", ...answer, doubtful: true };
    case "topic":
      return { kind: ownTopic ? "rejected" : "pause", ...answer };
    case "pause":
      return { kind: "pause", ...answer };
    case "renew":
      return renewable
        ? { kind: "renew", ...answer, serverTime: undefined }
        : { kind: "pause", ...answer };
    case "keep_token":
      return { kind: "retry", ...answer, afterMs: TOKEN_UPDATES_RETRY_MS, scope: "lane" };
    case "retry":
      return later(answer.status, answer.reason);
    case "reconnect":
      leave();
      return { kind: "unsent", reason: answer.reason };
    case "reconnect_later":
      leave();
      return later(answer.status, answer.reason);
  }
}

/** When Apple last knew that the device was gone; milliseconds. */
function invalidSince({ timestamp }: JsonObject): { readonly invalidSince?: number } {
  return typeof timestamp === "number" && timestamp >= 0 && Number.isFinite(timestamp)
    ? { invalidSince: timestamp }
    : {};
}

function judgeEnd(
  end: Exclude<End, typeof ANSWERED>,
  text: string,
  circumstances: ApnsCircumstances,
): Verdict {
  const { authority } = circumstances;
  const reason = goawayReason(text);
  // A connection that Apple ends for the credentials would be ended again and again.
  if (ACTIONS.get(reason) === "pause") return { kind: "pause", status: 0, reason };
  switch (end) {
    case UNSENT:
      return { kind: "unsent", reason: reason || `${authority} took no more requests` };
    case LOST:
      return later(0, reason || `connection to ${authority} lost`);
    case TIMED_OUT:
      return later(0, `no answer from ${authority} in time`);
    default:
      return later(0, badAnswer(authority));
  }
}

/** Apple's reason in the debug data of a GOAWAY, if the text has one; else the text, fit to be shown. */
function goawayReason(text: string): string {
  const json = /\{.*\}/s.exec(text)?.[0];
  const reason = json === undefined ? undefined : parseObject(json)?.reason;
  return shown(typeof reason === "string" ? reason : text);
}

function later(status: number, reason: string): Verdict & { kind: "retry" } {
  return { kind: "retry", status, reason, scope: "recipient" };
}
