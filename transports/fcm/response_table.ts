/**
 * What Google's answers mean: a row for each error code that the FCM HTTP v1 API documents, in the
 * detail `FcmError` or, without one, in the status of the answer (`google.rpc.Code`).
 *
 * The detail decides, then the status, then the HTTP status: an answer may be HTML, or empty, from a
 * proxy. No device is given up for an answer that does not name it. Nothing is tried again within ten
 * seconds, as Google asks.
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
import { badAnswer, objectOf, parseBody, shown } from "../provider/answer_text.ts";
import type { Judge } from "../provider/fold.ts";
import type { JsonObject, Verdict } from "../provider/provider.ts";
import type { Renew } from "../provider/renewal.ts";
import { retryAfterMs } from "../provider/retry_after.ts";
import { QUOTA_RETRY_MS, RETRY_MS_MIN } from "./limits.ts";

/** What follows from an answer. */
export type FcmAction =
  /** The message is wrong, or Google cannot say why not. */
  | "reject"
  /** The device is gone. */
  | "drop"
  /** The device is not one of this project; a wrong service account looks the same. */
  | "doubt"
  /** Something in the request is wrong: the token, or the message. */
  | "argument"
  /** The project's credentials or settings are wrong. */
  | "pause"
  /** The access token is to be replaced. */
  | "renew"
  /** Too much for the project, for a device or for a topic. */
  | "quota"
  /** Too much for this device. */
  | "device_quota"
  /** Again, with a backoff. */
  | "retry";

/** Rows: where the code stands, code, action. */
export const FCM_RESPONSES: readonly (readonly ["detail" | "status", string, FcmAction])[] = [
  ["detail", "UNSPECIFIED_ERROR", "reject"],
  ["detail", "INVALID_ARGUMENT", "argument"],
  ["detail", "UNREGISTERED", "drop"],
  ["detail", "SENDER_ID_MISMATCH", "doubt"],
  ["detail", "QUOTA_EXCEEDED", "quota"],
  ["detail", "DeviceMessageRateExceeded", "device_quota"],
  ["detail", "UNAVAILABLE", "retry"],
  ["detail", "INTERNAL", "retry"],
  // The project's key for Apple or for browsers: devices of Android are not concerned, so the app
  // goes on.
  ["detail", "THIRD_PARTY_AUTH_ERROR", "reject"],
  ["detail", "APNS_AUTH_ERROR", "reject"],
  ["detail", "InvalidApnsCredential", "reject"],
  ["status", "INVALID_ARGUMENT", "argument"],
  ["status", "UNAUTHENTICATED", "renew"],
  ["status", "PERMISSION_DENIED", "pause"],
  // Without a detail it is the project that was not found.
  ["status", "NOT_FOUND", "pause"],
  ["status", "RESOURCE_EXHAUSTED", "quota"],
  ["status", "INTERNAL", "retry"],
  ["status", "UNAVAILABLE", "retry"],
  ["status", "DEADLINE_EXCEEDED", "retry"],
];

/** Rows for answers that are not Google's JSON: a proxy's, or a wrong origin's. */
export const FCM_STATUSES: readonly (readonly [number, FcmAction])[] = [
  [401, "renew"],
  [403, "pause"],
  [404, "pause"],
  [429, "quota"],
];

const ACTIONS: ReadonlyMap<string, FcmAction> = new Map(
  FCM_RESPONSES.map(([where, code, action]) => [`${where} ${code}`, action]),
);
const BY_STATUS: ReadonlyMap<number, FcmAction> = new Map(FCM_STATUSES);

/** What judging depends on beside the answer. */
export interface FcmCircumstances {
  /** Whom the answers came from, for people. */
  readonly authority: string;
  /** The wall clock in milliseconds, for dates. */
  readonly now: number;
  /** Called when the project's quota is exceeded, with the time to wait. */
  slowDown(afterMs: number): void;
}

/** What an answer says. */
interface ReadAnswer {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
  readonly details: readonly JsonObject[];
  readonly retryAfterMs: number | undefined;
}

/** Judges the answers to one block. */
export function fcmJudge(circumstances: FcmCircumstances): Judge<Verdict | Renew> {
  return {
    answered: (status, detail) => judgeAnswer(status, detail, circumstances),
    ended: (end, reason) => judgeEnd(end, reason, circumstances),
  };
}

function judgeAnswer(
  status: number,
  detail: AnswerDetail | undefined,
  circumstances: FcmCircumstances,
): Verdict | Renew {
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const wait = retryAfterMs(detail?.headers.get("retry-after"), circumstances.now);
  const error = objectOf(parseBody(detail?.body)?.error);
  if (error === undefined) {
    const reason = badAnswer(circumstances.authority);
    const action = BY_STATUS.get(status) ?? "retry";
    return judgeAction(
      action,
      { status, reason, message: "", details: [], retryAfterMs: wait },
      circumstances,
    );
  }
  const details = Array.isArray(error.details)
    ? error.details.map(objectOf).filter((one) => one !== undefined)
    : [];
  const own = typed(details, "google.firebase.fcm.v1.FcmError")?.errorCode;
  const code = typeof own === "string" ? own : error.status;
  const named = typeof code === "string" ? code : `status ${status}`;
  const action = ACTIONS.get(`${typeof own === "string" ? "detail" : "status"} ${named}`) ??
    (status >= 400 && status < 500 && status !== 429 ? "reject" : "retry");
  const message = typeof error.message === "string" ? error.message : "";
  return judgeAction(
    action,
    { status, reason: shown(named), message, details, retryAfterMs: wait },
    circumstances,
  );
}

function judgeAction(
  action: FcmAction,
  answer: ReadAnswer,
  circumstances: FcmCircumstances,
): Verdict | Renew {
  const { status, reason } = answer;
  switch (action) {
    case "reject":
      return { kind: "rejected", status, reason };
    case "drop":
      return { kind: "token_invalid", status, reason, doubtful: false };
    case "doubt":
      return { kind: "token_invalid", status, reason, doubtful: true };
    case "argument":
      return judgeArgument(answer);
    case "pause":
      return { kind: "pause", status, reason: withMessage(answer) };
    case "renew":
      return { kind: "renew", status, reason: withMessage(answer), serverTime: undefined };
    case "quota":
      return judgeQuota(answer, circumstances);
    case "device_quota":
      return later(answer, QUOTA_RETRY_MS);
    case "retry":
      return later(answer, RETRY_MS_MIN);
  }
}

/** The token is dead only if the answer says that it is the token. */
function judgeArgument(answer: ReadAnswer): Verdict {
  const { status, reason, message, details } = answer;
  const violations = listed(typed(details, "google.rpc.BadRequest")?.fieldViolations);
  const ofToken = violations.length > 0
    ? violations.every(({ field }) => field === "message.token" || field === "message.fid")
    : /registration token/i.test(message);
  if (ofToken) return { kind: "token_invalid", status, reason, doubtful: true };
  const [first] = violations;
  const said = first === undefined
    ? message
    : `${String(first.field)}: ${String(first.description ?? message)}`;
  return {
    kind: "rejected",
    status,
    reason: said === "" ? reason : shown(`${reason}: ${said}`),
  };
}

function judgeQuota(answer: ReadAnswer, { slowDown }: FcmCircumstances): Verdict {
  const violations = listed(typed(answer.details, "google.rpc.QuotaFailure")?.violations);
  const narrow = violations.some(({ subject, description }) =>
    /\b(device|topic)/i.test(`${String(subject)} ${String(description)}`)
  );
  const verdict = later(answer, QUOTA_RETRY_MS);
  if (narrow) return verdict;
  slowDown(verdict.afterMs);
  return { ...verdict, scope: "lane" };
}

function later(
  { status, reason, retryAfterMs }: ReadAnswer,
  defaultMs: number,
): Verdict & { kind: "retry" } & { readonly afterMs: number } {
  const afterMs = Math.max(retryAfterMs ?? defaultMs, RETRY_MS_MIN);
  return { kind: "retry", status, reason, afterMs, scope: "recipient" };
}

function judgeEnd(
  end: Exclude<End, typeof ANSWERED>,
  text: string,
  { authority }: FcmCircumstances,
): Verdict {
  const lost = (reason: string): Verdict =>
    later({ status: 0, reason, message: "", details: [], retryAfterMs: undefined }, RETRY_MS_MIN);
  switch (end) {
    case UNSENT:
      return { kind: "unsent", reason: shown(text) || `${authority} took no more requests` };
    case LOST:
      return lost(shown(text) || `connection to ${authority} lost`);
    case TIMED_OUT:
      return lost(`no answer from ${authority} in time`);
    default:
      return lost(badAnswer(authority));
  }
}

/** The detail of this type. */
function typed(details: readonly JsonObject[], type: string): JsonObject | undefined {
  return details.find((detail) => detail["@type"] === `type.googleapis.com/${type}`);
}

/** The objects of a list. */
function listed(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.map(objectOf).filter((one) => one !== undefined) : [];
}

function withMessage({ reason, message }: ReadAnswer): string {
  return message === "" ? reason : shown(`${reason}: ${message}`);
}
