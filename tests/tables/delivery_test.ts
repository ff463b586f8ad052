/**
 * One answer of a provider in, the complete stored state out: for every row of every response table,
 * through the whole pipeline. A row names what differs from {@linkcode NOTHING}; all else must be as if
 * nothing had happened. The expectations are written out here and not taken from the tables they try.
 */

import { assertEquals } from "@std/assert";
import type { Counts, Credentials, Platform } from "../../actors/push/delivery/records.ts";
import { APNS_RESPONSES } from "../../transports/apns/response_table.ts";
import { FCM_RESPONSES, FCM_STATUSES } from "../../transports/fcm/response_table.ts";
import { BAD_ANSWER, LOST, TIMED_OUT, UNSENT } from "../../transports/http2/exchange.ts";
import { WEB_PUSH_RESPONSES, type WebPushRow } from "../../transports/webpush/response_table.ts";
import {
  NOTHING,
  type ProviderCase,
  type Stored,
  storedAfter,
  WANTED_MS,
} from "../support/provider_world.ts";
import { PushReceiver } from "../support/push_receiver.ts";
import type { ScriptedAnswer } from "../support/scripted_connection.ts";
import { newVapidKeys } from "../support/sender.ts";
import { TOKEN_CREDENTIALS } from "../transports/apns/keys.ts";
import { serviceAccount } from "../transports/fcm/account.ts";
import { TokenServer } from "../transports/fcm/token_server.ts";

/** What differs from {@linkcode NOTHING}. */
type Difference = Partial<Omit<Stored, "counts">> & { readonly counts?: Partial<Counts> };

/** A case but for what all cases of a platform share. */
type Answered = Omit<ProviderCase, "platform" | "credentials" | "keys">;

/** The state of one case. */
type Look = (answered: Answered) => Promise<Stored>;

const OK: ScriptedAnswer = { status: 201 };
const HELD = { others: "held" } as const;
const DONE = { state: "done" } as const;
const LEFT = { connections: 2 } as const;

const delivered: Difference = {
  ...DONE,
  counts: { delivered: 1, pending: 0 },
  row: {
    outcome: "delivered",
    status: 0,
    reason: "",
    attempts: 1,
    registeredBefore: undefined,
  },
};

function rejected(status: number, reason: string): Difference {
  const row = { status, reason, attempts: 1, registeredBefore: undefined } as const;
  const counts = { rejected: 1, pending: 0 };
  return { ...DONE, counts, row: { outcome: "rejected", ...row } };
}

/** The device is gone; `registeredBefore` is when, from the sending on. */
function dead(status: number, reason: string, registeredBefore = 0): Difference {
  return {
    ...DONE,
    counts: { tokenInvalid: 1, pending: 0 },
    row: { outcome: "token_invalid", status, reason, attempts: 1, registeredBefore },
    device: registeredBefore < 0 ? "suspect" : "invalid",
  };
}

function later(dueMs: number | "backoff"): Difference {
  return { counts: { retries: 1 }, again: { attempt: 1, dueMs } };
}

/** Nothing of the app is sent until somebody has looked; the notification's end is what it waits for. */
function paused(pause: string, attempt = 1): Difference {
  return { counts: { retries: attempt }, again: { attempt, dueMs: WANTED_MS }, pause, ...HELD };
}

/** Not processed, so often: no retry, since nothing was done. */
function unsent(requests: number): Difference {
  return { again: { attempt: 0, dueMs: 1_000 }, requests, ...HELD };
}

/** A test of one case; one without an expectation fails. */
function row(
  title: string,
  { answered, expected }: { answered: Answered; expected: Difference | undefined },
  look: Look,
): void {
  const shown = Deno.inspect(expected, { compact: true, breakLength: 1_000 });
  Deno.test(`${title} => ${shown}`, async () => {
    if (expected === undefined) throw new Error(`Nobody has said what follows from ${title}`);
    const counts = { ...NOTHING.counts, ...expected.counts };
    assertEquals(await look(answered), { ...NOTHING, ...expected, counts });
  });
}

/** An expectation that no row of a table asks for tries nothing. */
function complete(platform: Platform, expected: object, rows: readonly string[]): void {
  Deno.test(`${platform} expectations are those of the response table's rows`, () => {
    assertEquals(Object.keys(expected).toSorted(), [...new Set(rows)].toSorted());
  });
}

/** Ends without an answer, which are the same for all platforms but for the delay. */
function ends(platform: Platform, { look, retry }: { look: Look; retry: Difference }): void {
  const cases: readonly (readonly [string, ScriptedAnswer, Difference])[] = [
    [
      "unsent",
      { end: UNSENT },
      platform === "webpush" ? { ...unsent(4), others: "sent" } : unsent(4),
    ],
    ["lost", { end: LOST }, retry],
    ["timed out", { end: TIMED_OUT }, retry],
    ["bad answer", { end: BAD_ANSWER }, retry],
  ];
  for (const [title, answer, expected] of cases) {
    row(`${platform} ${title}`, { answered: { answers: [answer] }, expected }, look);
  }
  row(`${platform} 201`, { answered: { answers: [OK] }, expected: delivered }, look);
  const again: Difference = { ...delivered, requests: 2 };
  row(
    `${platform} unsent, then 201`,
    { answered: { answers: [{ end: UNSENT }, OK] }, expected: again },
    look,
  );
}

const apns: Look = (answered) =>
  storedAfter({ platform: "apns", credentials: { apns: TOKEN_CREDENTIALS }, ...answered });

const YOUNG = "although the token is not an hour old: is its clock right?";

const APNS: Readonly<Record<string, Difference>> = {
  "400 BadCollapseId": rejected(400, "BadCollapseId"),
  "400 BadDeviceToken": dead(400, "BadDeviceToken"),
  "400 BadExpirationDate": rejected(400, "BadExpirationDate"),
  "400 BadMessageId": rejected(400, "BadMessageId"),
  "400 BadPriority": rejected(400, "BadPriority"),
  "400 BadTopic": paused("400 BadTopic"),
  "400 DeviceTokenNotForTopic": dead(400, "DeviceTokenNotForTopic"),
  "400 DuplicateHeaders": rejected(400, "DuplicateHeaders"),
  "400 IdleTimeout": unsent(1),
  "400 InvalidPushType": rejected(400, "InvalidPushType"),
  "400 MissingDeviceToken": rejected(400, "MissingDeviceToken"),
  "400 MissingTopic": paused("400 MissingTopic"),
  "400 PayloadEmpty": rejected(400, "PayloadEmpty"),
  "400 TopicDisallowed": paused("400 TopicDisallowed"),
  "403 BadCertificate": paused("403 BadCertificate"),
  "403 BadCertificateEnvironment": paused("403 BadCertificateEnvironment"),
  "403 BadEnvironmentKeyIdInToken": paused("403 BadEnvironmentKeyIdInToken"),
  "403 BadEnvironmentKeyInToken": paused("403 BadEnvironmentKeyInToken"),
  // The token was signed just now, so it is not replaced.
  "403 ExpiredProviderToken": paused(`403 ExpiredProviderToken, ${YOUNG}`),
  "403 Forbidden": paused("403 Forbidden"),
  "403 InvalidProviderToken": paused("403 InvalidProviderToken"),
  "403 MissingProviderToken": paused("403 MissingProviderToken"),
  "403 UnrelatedKeyIdInToken": { ...later("backoff"), ...LEFT },
  "404 BadPath": rejected(404, "BadPath"),
  "405 MethodNotAllowed": rejected(405, "MethodNotAllowed"),
  "410 ExpiredToken": dead(410, "ExpiredToken"),
  "410 Unregistered": dead(410, "Unregistered"),
  "413 PayloadTooLarge": rejected(413, "PayloadTooLarge"),
  "429 TooManyProviderTokenUpdates": { ...later(60_000), ...HELD },
  "429 TooManyRequests": later("backoff"),
  "500 InternalServerError": later("backoff"),
  "503 ServiceUnavailable": later("backoff"),
  "503 Shutdown": { ...later("backoff"), ...LEFT },
};

for (const [status, reason] of APNS_RESPONSES) {
  const name = `${status} ${reason}`;
  const answered = { answers: [{ status, body: { reason } }] };
  row(`apns ${name}`, { answered, expected: APNS[name] }, apns);
}
complete("apns", APNS, APNS_RESPONSES.map(([status, reason]) => `${status} ${reason}`));
ends("apns", { look: apns, retry: later("backoff") });

/** A token of that age may be replaced. */
const EARLIER_MS = 21 * 60_000;
const idle: ScriptedAnswer = { status: 400, body: { reason: "IdleTimeout" } };
const expired: ScriptedAnswer = { status: 403, body: { reason: "ExpiredProviderToken" } };
const ownTopic = { content: { body: "Hello", apns: { topic: "com.example.other" } } };
const MORE_APNS: readonly (readonly [string, Answered, Difference])[] = [
  [
    "400 IdleTimeout of a connection that was used a minute ago, then 201",
    { answers: [idle, OK], successMsAgo: 60_000 },
    { ...delivered, requests: 2 },
  ],
  [
    "403 ExpiredProviderToken for an old token, then 201",
    { answers: [expired, OK], successMsAgo: EARLIER_MS },
    { ...delivered, requests: 2 },
  ],
  [
    "403 ExpiredProviderToken for an old token and for the next",
    { answers: [expired], successMsAgo: EARLIER_MS },
    { ...paused("403 ExpiredProviderToken"), requests: 2 },
  ],
  [
    "410 Unregistered before the device was registered",
    { answers: [{ status: 410, body: { reason: "Unregistered", timestamp: 1_699_999_999_999 } }] },
    dead(410, "Unregistered", -1),
  ],
  [
    "410 Unregistered after the device was registered",
    {
      answers: [{ status: 410, body: { reason: "Unregistered", timestamp: 1_700_000_000_001 } }],
      successMsAgo: EARLIER_MS,
    },
    { ...dead(410, "Unregistered", 1 - EARLIER_MS), device: "invalid" },
  ],
  [
    "400 BadTopic of the notification's own topic",
    { answers: [{ status: 400, body: { reason: "BadTopic" } }], ...ownTopic },
    rejected(400, "BadTopic"),
  ],
  [
    "400 DeviceTokenNotForTopic of the notification's own topic",
    { answers: [{ status: 400, body: { reason: "DeviceTokenNotForTopic" } }], ...ownTopic },
    rejected(400, "DeviceTokenNotForTopic"),
  ],
  [
    "400 of a reason nobody knows",
    { answers: [{ status: 400, body: { reason: "SomethingNew" } }] },
    rejected(400, "SomethingNew"),
  ],
  [
    "500 of a reason nobody knows",
    { answers: [{ status: 500, body: { reason: "SomethingNew" } }] },
    later("backoff"),
  ],
  ["410 that is not Apple's", { answers: [{ status: 410, body: "<html>" }] }, later("backoff")],
  [
    "GOAWAY for the certificate",
    { answers: [{ end: UNSENT, reason: 'GOAWAY: {"reason":"BadCertificate"}' }] },
    paused("BadCertificate", 0),
  ],
  [
    "503 with Retry-After",
    {
      answers: [{
        status: 503,
        body: { reason: "ServiceUnavailable" },
        headers: { "retry-after": "120" },
      }],
    },
    later(120_000),
  ],
];
for (const [title, answered, expected] of MORE_APNS) {
  row(`apns ${title}`, { answered, expected }, apns);
}

const fcm: Look = async (answered) => {
  await using server = new TokenServer();
  const account = serviceAccount({ token_uri: server.url });
  const credentials: Credentials = { fcm: { serviceAccount: account } };
  return await storedAfter({ platform: "fcm", credentials, ...answered });
};

/** Google's answer: HTTP status, canonical status, code of the detail. */
function google(
  status: number,
  { code, named, message }: { code?: string; named?: string; message?: string },
): ScriptedAnswer {
  const type = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
  const details = code === undefined ? [] : [{ "@type": type, errorCode: code }];
  return { status, body: { error: { code: status, status: named, message, details } } };
}

const BAD_FCM = "bad answer from fcm.googleapis.com";
const PROJECT_QUOTA: Difference = { ...later(60_000), ...HELD };

/** HTTP status of the answer, and what follows. */
const FCM: Readonly<Record<string, readonly [status: number, expected: Difference]>> = {
  "detail UNSPECIFIED_ERROR": [500, rejected(500, "UNSPECIFIED_ERROR")],
  "detail INVALID_ARGUMENT": [400, rejected(400, "INVALID_ARGUMENT")],
  "detail UNREGISTERED": [404, dead(404, "UNREGISTERED")],
  "detail SENDER_ID_MISMATCH": [403, dead(403, "SENDER_ID_MISMATCH")],
  "detail QUOTA_EXCEEDED": [429, PROJECT_QUOTA],
  "detail DeviceMessageRateExceeded": [429, later(60_000)],
  "detail UNAVAILABLE": [503, later(10_000)],
  "detail INTERNAL": [500, later(10_000)],
  "detail THIRD_PARTY_AUTH_ERROR": [401, rejected(401, "THIRD_PARTY_AUTH_ERROR")],
  "detail APNS_AUTH_ERROR": [401, rejected(401, "APNS_AUTH_ERROR")],
  "detail InvalidApnsCredential": [401, rejected(401, "InvalidApnsCredential")],
  "status INVALID_ARGUMENT": [400, rejected(400, "INVALID_ARGUMENT")],
  "status UNAUTHENTICATED": [401, { ...paused("401 UNAUTHENTICATED"), requests: 2 }],
  "status PERMISSION_DENIED": [403, paused("403 PERMISSION_DENIED")],
  "status NOT_FOUND": [404, paused("404 NOT_FOUND")],
  "status RESOURCE_EXHAUSTED": [429, PROJECT_QUOTA],
  "status INTERNAL": [500, later(10_000)],
  "status UNAVAILABLE": [503, later(10_000)],
  "status DEADLINE_EXCEEDED": [504, later(10_000)],
  "no JSON 401": [401, { ...paused(`401 ${BAD_FCM}`), requests: 2 }],
  "no JSON 403": [403, paused(`403 ${BAD_FCM}`)],
  "no JSON 404": [404, paused(`404 ${BAD_FCM}`)],
  "no JSON 429": [429, PROJECT_QUOTA],
};

for (const [where, code] of FCM_RESPONSES) {
  const name = `${where} ${code}`;
  const [status = 400, expected] = FCM[name] ?? [];
  const answer = google(status, where === "detail" ? { code } : { named: code });
  row(`fcm ${name}`, { answered: { answers: [answer] }, expected }, fcm);
}
for (const [status] of FCM_STATUSES) {
  const expected = FCM[`no JSON ${status}`]?.[1];
  row(
    `fcm no JSON ${status}`,
    { answered: { answers: [{ status, body: "<html>" }] }, expected },
    fcm,
  );
}
complete("fcm", FCM, [
  ...FCM_RESPONSES.map(([where, code]) => `${where} ${code}`),
  ...FCM_STATUSES.map(([status]) => `no JSON ${status}`),
]);
ends("fcm", { look: fcm, retry: later(10_000) });

const MORE_FCM: readonly (readonly [string, ScriptedAnswer, Difference])[] = [
  [
    "INVALID_ARGUMENT that names the token",
    google(400, { code: "INVALID_ARGUMENT", message: "The registration token is not valid" }),
    dead(400, "INVALID_ARGUMENT"),
  ],
  ["502 of a proxy", { status: 502, body: "<html>" }, later(10_000)],
  ["410 of a proxy", { status: 410, body: "" }, later(10_000)],
  ["a code nobody knows", google(400, { code: "SOMETHING_NEW" }), rejected(400, "SOMETHING_NEW")],
];
for (const [title, answer, expected] of MORE_FCM) {
  row(`fcm ${title}`, { answered: { answers: [answer] }, expected }, fcm);
}
row("fcm status UNAUTHENTICATED, then 201", {
  answered: { answers: [google(401, { named: "UNAUTHENTICATED" }), OK] },
  expected: { ...delivered, requests: 2 },
}, fcm);

const vapid = newVapidKeys();
const keys = new PushReceiver().keys;
const webpush: Look = (answered) =>
  storedAfter({
    platform: "webpush",
    credentials: {
      webpush: { vapidPrivateKey: vapid.privateKey, subject: "mailto:push@example.org" },
    },
    keys,
    ...answered,
  });

/** Where the services of the browsers' makers are, and one of nobody's. */
const SERVICES = {
  mozilla: "https://updates.push.services.mozilla.com",
  google: "https://fcm.googleapis.com",
  apple: "https://web.push.apple.com",
  microsoft: "https://wns2-by3p.notify.windows.com",
  other: "https://push.example.net",
} as const;

/** What tells an answer from others of its status, whose it is unless Mozilla's, and what follows. */
type WebPushEntry = readonly [
  said: string | { readonly reason: string } | undefined,
  expected: Difference,
  service?: keyof typeof SERVICES,
];

const REFUSED = "VAPID token refused";
const MISMATCH = "subscribed with another VAPID key";

function appleSays(reason: string, expected: Difference): WebPushEntry {
  return [{ reason }, expected, "apple"];
}

const WEB_PUSH: Readonly<Record<string, WebPushEntry>> = {
  "3xx": [undefined, rejected(307, "redirect refused")],
  "400 BadAuthorizationHeader": appleSays(
    "BadAuthorizationHeader",
    rejected(400, "BadAuthorizationHeader"),
  ),
  "400 BadTtl": appleSays("BadTtl", rejected(400, "BadTtl")),
  "400 BadUrgency": appleSays("BadUrgency", rejected(400, "BadUrgency")),
  "400 BadVapidPublicKey": appleSays("BadVapidPublicKey", paused("400 BadVapidPublicKey")),
  "400 BadWebPushRequest": appleSays("BadWebPushRequest", rejected(400, "BadWebPushRequest")),
  "400 BadWebPushTopic": appleSays("BadWebPushTopic", rejected(400, "BadWebPushTopic")),
  "400 IdleTimeout": appleSays("IdleTimeout", unsent(1)),
  "400 VapidPkHashMismatch": appleSays("VapidPkHashMismatch", dead(400, "VapidPkHashMismatch")),
  "400 /UnauthorizedRegistration/i": [
    "<TITLE>UnauthorizedRegistration</TITLE>",
    dead(400, "subscription without VAPID"),
    "google",
  ],
  "400": [undefined, rejected(400, "bad request")],
  "401 /public key mismatch/i": ["VAPID public key mismatch", dead(401, MISMATCH)],
  "401": [undefined, { ...paused(`401 ${REFUSED}`), requests: 2 }],
  "403 BadJwtToken": appleSays("BadJwtToken", { ...paused("403 BadJwtToken"), requests: 2 }),
  "403 BadVapidPublicKey": appleSays("BadVapidPublicKey", paused("403 BadVapidPublicKey")),
  "403 VapidPkHashMismatch": appleSays("VapidPkHashMismatch", dead(403, "VapidPkHashMismatch")),
  "403 /(does|do) not correspond/i": [
    "the credentials do not correspond to the credentials",
    dead(403, MISMATCH),
    "google",
  ],
  "403": [undefined, { ...paused(`403 ${REFUSED}`), requests: 2 }],
  "404 BadPath": appleSays("BadPath", dead(404, "BadPath")),
  "404 of other": [undefined, dead(404, "no such subscription"), "other"],
  "404": [undefined, dead(404, "no such subscription")],
  "405 MethodNotAllowed": appleSays("MethodNotAllowed", rejected(405, "MethodNotAllowed")),
  "406 of microsoft": [undefined, later("backoff"), "microsoft"],
  "408": [undefined, later("backoff")],
  "410 ExpiredToken": appleSays("ExpiredToken", dead(410, "ExpiredToken")),
  "410 Unregistered": appleSays("Unregistered", dead(410, "Unregistered")),
  "410": [undefined, dead(410, "subscription gone")],
  "413": [undefined, rejected(413, "payload too large")],
  "421": [undefined, later("backoff")],
  "425": [undefined, later("backoff")],
  "429 TooManyRequests": appleSays("TooManyRequests", later("backoff")),
  "429": [undefined, later("backoff")],
  "4xx": [undefined, rejected(451, "refused")],
  "500 InternalServerError": appleSays("InternalServerError", later("backoff")),
  "503 ServiceUnavailable": appleSays("ServiceUnavailable", later("backoff")),
  "503 Shutdown": appleSays("Shutdown", later("backoff")),
  "5xx": [undefined, later("backoff")],
};

/** A status of each class that has no row of its own. */
const OF_CLASS = { "3xx": 307, "4xx": 451, "5xx": 507 } as const;

function nameOf([status, sign]: WebPushRow): string {
  if (sign === undefined) return `${status}`;
  if ("vendor" in sign) return `${status} of ${sign.vendor}`;
  return `${status} ${"reason" in sign ? sign.reason : sign.text}`;
}

for (const tableRow of WEB_PUSH_RESPONSES) {
  const name = nameOf(tableRow);
  const [body, expected, whose = "mozilla"] = WEB_PUSH[name] ?? [];
  const [first] = tableRow;
  const status = typeof first === "number" ? first : OF_CLASS[first];
  const answered = { answers: [{ status, body }], service: SERVICES[whose] };
  row(`webpush ${name}`, { answered, expected }, webpush);
}
complete("webpush", WEB_PUSH, WEB_PUSH_RESPONSES.map(nameOf));
ends("webpush", { look: webpush, retry: later("backoff") });

const { mozilla, other } = SERVICES;
const MORE_WEB_PUSH: readonly (readonly [string, Answered, Difference])[] = [
  [
    "401, then 201",
    { answers: [{ status: 401 }, OK], service: mozilla },
    { ...delivered, requests: 2 },
  ],
  [
    "401 soon after a success",
    { answers: [{ status: 401 }], service: mozilla, successMsAgo: EARLIER_MS },
    later("backoff"),
  ],
  [
    "401 of a service nobody vouches for",
    { answers: [{ status: 401 }], service: other },
    { ...rejected(401, REFUSED), requests: 2 },
  ],
  [
    "410 with Mozilla's number",
    { answers: [{ status: 410, body: { errno: 106 } }], service: mozilla },
    dead(410, "subscription gone (errno 106)"),
  ],
  [
    "429 with Retry-After",
    { answers: [{ status: 429, headers: { "retry-after": "60" } }], service: mozilla },
    later(60_000),
  ],
  ["a status beyond all classes", { answers: [{ status: 999 }] }, later("backoff")],
];
for (const [title, answered, expected] of MORE_WEB_PUSH) {
  row(`webpush ${title}`, { answered, expected }, webpush);
}
