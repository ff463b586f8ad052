/**
 * What the answers of push services mean: one answer in, one verdict out.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { BAD_ANSWER, LOST, TIMED_OUT, UNSENT } from "../../../transports/http2/exchange.ts";
import type { Verdict } from "../../../transports/provider/provider.ts";
import type { Renew } from "../../../transports/provider/renewal.ts";
import { WEB_PUSH_RESPONSES, webPushJudge } from "../../../transports/webpush/response_table.ts";
import type { VendorName } from "../../../transports/webpush/vendors.ts";

const NOW = Date.UTC(2026, 10, 22, 12);

/** An answer: whose, its status, its body, its `Retry-After`. */
interface Answer {
  readonly vendor: VendorName;
  readonly status: number;
  readonly body?: string;
  readonly retryAfter?: string;
}

function mozilla(status: number, errno: number, message = "", retryAfter?: string): Answer {
  const body = JSON.stringify({ code: status, errno, error: "", message, more_info: "" });
  return { vendor: "mozilla", status, body, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

function apple(status: number, reason: string): Answer {
  return { vendor: "apple", status, body: JSON.stringify({ reason }) };
}

function google(status: number, body: string): Answer {
  return { vendor: "google", status, body };
}

function wns(status: number, retryAfter?: string): Answer {
  return { vendor: "microsoft", status, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

function other(status: number, retryAfter?: string): Answer {
  return { vendor: "other", status, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

function judge({ vendor, status, body = "", retryAfter }: Answer) {
  let left = 0;
  const judged = webPushJudge({
    authority: "push.example",
    vendor,
    now: NOW,
    leave: () => left++,
  });
  const headers = new Map(retryAfter === undefined ? [] : [["retry-after", retryAfter]]);
  const detail = status >= 200 && status < 300
    ? undefined
    : { headers, body: new TextEncoder().encode(body) };
  return { verdict: judged.answered(status, detail), left };
}

const delivered: Verdict = { kind: "delivered" };
const rejected = (reason: string) => ({ kind: "rejected", reason }) as const;
const gone = (reason: string) => ({ kind: "token_invalid", reason, doubtful: false }) as const;
const doubted = (reason: string) => ({ kind: "token_invalid", reason, doubtful: true }) as const;
const paused = (reason: string) => ({ kind: "pause", reason }) as const;
const renew = (reason: string) => ({ kind: "renew", reason, serverTime: undefined }) as const;
const retry = (reason: string, afterMs?: number) =>
  ({
    kind: "retry",
    reason,
    ...(afterMs === undefined ? {} : { afterMs }),
    scope: "recipient",
  }) as const;

/** A verdict but for the status, which is that of the answer. */
type Expected =
  | Verdict
  | Omit<Exclude<Verdict | Renew, { kind: "delivered" | "unsent" }>, "status">;

const MISMATCH = "subscribed with another VAPID key";
const REFUSED = "VAPID token refused";

const ROWS: readonly (readonly [answer: Answer, expected: Expected])[] = [
  [other(200), delivered],
  [other(201), delivered],
  [other(202), delivered],
  [other(204), delivered],
  [other(301), rejected("redirect refused")],
  [other(302), rejected("redirect refused")],
  [other(307), rejected("redirect refused")],
  [other(308), rejected("redirect refused")],
  [other(400), rejected("bad request")],
  [other(401), renew(REFUSED)],
  [other(402), rejected("refused")],
  [other(403), renew(REFUSED)],
  [other(404), doubted("no such subscription")],
  [other(405), rejected("refused")],
  [other(406), rejected("refused")],
  [other(408), retry("request timeout")],
  [other(410), gone("subscription gone")],
  [other(411), rejected("refused")],
  [other(413), rejected("payload too large")],
  [other(415), rejected("refused")],
  [other(421), retry("misdirected")],
  [other(425), retry("too early")],
  [other(429), retry("too many requests")],
  [other(429, "60"), retry("too many requests", 60_000)],
  [other(429, "banana"), retry("too many requests")],
  [other(429, "-5"), retry("too many requests", 0)],
  [other(429, "Fri, 31 Dec 9999 23:59:59 GMT"), retry("too many requests", 3_600_000)],
  [other(500), retry("server error")],
  [other(501), retry("server error")],
  [other(502), retry("server error")],
  [other(503, "120"), retry("server error", 120_000)],
  [other(504), retry("server error")],
  [other(505), retry("server error")],
  [other(507), retry("server error")],
  [other(600), retry("bad answer from push.example")],
  [other(999), retry("bad answer from push.example")],

  [mozilla(400, 101), rejected("bad request (errno 101)")],
  [mozilla(400, 108), rejected("bad request (errno 108)")],
  [mozilla(400, 110), rejected("bad request (errno 110)")],
  [mozilla(400, 111), rejected("bad request (errno 111)")],
  [mozilla(400, 112), rejected("bad request (errno 112)")],
  [mozilla(400, 113), rejected("bad request (errno 113)")],
  [mozilla(400, 114), rejected("bad request (errno 114)")],
  [
    mozilla(401, 109, "Request did not validate Invalid Authorization"),
    renew(`${REFUSED} (errno 109)`),
  ],
  [mozilla(401, 109, "VAPID public key mismatch"), doubted(MISMATCH)],
  [mozilla(404, 102), gone("no such subscription (errno 102)")],
  [mozilla(410, 103), gone("subscription gone (errno 103)")],
  [mozilla(410, 105), gone("subscription gone (errno 105)")],
  [mozilla(410, 106), gone("subscription gone (errno 106)")],
  [mozilla(413, 104), rejected("payload too large (errno 104)")],
  [mozilla(500, 999), retry("server error (errno 999)")],
  [mozilla(502, 900), retry("server error (errno 900)")],
  [mozilla(502, 901), retry("server error (errno 901)")],
  [mozilla(502, 902), retry("server error (errno 902)")],
  [mozilla(502, 903), retry("server error (errno 903)")],
  [mozilla(503, 201, "", "120"), retry("server error (errno 201)", 120_000)],
  [mozilla(503, 202), retry("server error (errno 202)")],
  [mozilla(400, 1e9), rejected("bad request")],
  [mozilla(400, 1.5), rejected("bad request")],

  [
    google(400, "<HTML><TITLE>UnauthorizedRegistration</TITLE>"),
    doubted("subscription without VAPID"),
  ],
  [google(401, "<HTML>Unauthorized"), renew(REFUSED)],
  [
    google(
      403,
      "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.\n",
    ),
    doubted(MISMATCH),
  ],
  [google(403, "permission denied"), renew(REFUSED)],
  [
    google(404, "A valid push subscription endpoint should be specified"),
    gone("no such subscription"),
  ],
  [google(410, "push subscription has unsubscribed or expired.\n"), gone("subscription gone")],
  [google(413, ""), rejected("payload too large")],
  [google(429, ""), retry("too many requests")],

  [apple(400, "BadTtl"), rejected("BadTtl")],
  [apple(400, "BadUrgency"), rejected("BadUrgency")],
  [apple(400, "BadWebPushTopic"), rejected("BadWebPushTopic")],
  [apple(400, "BadWebPushRequest"), rejected("BadWebPushRequest")],
  [apple(400, "BadAuthorizationHeader"), rejected("BadAuthorizationHeader")],
  [apple(400, "VapidPkHashMismatch"), doubted("VapidPkHashMismatch")],
  [apple(403, "VapidPkHashMismatch"), doubted("VapidPkHashMismatch")],
  [apple(403, "BadJwtToken"), renew("BadJwtToken")],
  [apple(400, "BadVapidPublicKey"), paused("BadVapidPublicKey")],
  [apple(403, "BadVapidPublicKey"), paused("BadVapidPublicKey")],
  [apple(404, "BadPath"), doubted("BadPath")],
  [apple(405, "MethodNotAllowed"), rejected("MethodNotAllowed")],
  [apple(410, "ExpiredToken"), gone("ExpiredToken")],
  [apple(410, "Unregistered"), gone("Unregistered")],
  [apple(413, "PayloadTooLarge"), rejected("payload too large")],
  [apple(429, "TooManyRequests"), retry("TooManyRequests")],
  [apple(500, "InternalServerError"), retry("InternalServerError")],
  [apple(503, "ServiceUnavailable"), retry("ServiceUnavailable")],
  [apple(503, "Shutdown"), retry("Shutdown")],
  [apple(400, "SomethingNew\r\nX: y"), rejected("bad request")],

  [wns(401), renew(REFUSED)],
  [wns(403), renew(REFUSED)],
  [wns(404), gone("no such subscription")],
  [wns(406, "30"), retry("throttled", 30_000)],
  [wns(406), retry("throttled")],
  [wns(410), gone("subscription gone")],
  [wns(413), rejected("payload too large")],
  [wns(500), retry("server error")],
];

for (const [answer, expected] of ROWS) {
  const { vendor, status, body = "", retryAfter } = answer;
  const title = [vendor, status, body.slice(0, 60), retryAfter].filter(Boolean).join(" ");
  Deno.test(`${title} => ${Deno.inspect(expected, { compact: true, breakLength: 200 })}`, () => {
    const { verdict, left } = judge(answer);
    const full = expected.kind === "delivered" || expected.kind === "unsent"
      ? expected
      : { ...expected, status };
    assertEquals(verdict, full);
    assertEquals(left, 0);
  });
}

Deno.test("apple 400 IdleTimeout => sent again over another connection, this one left", () => {
  const { verdict, left } = judge(apple(400, "IdleTimeout"));
  assertEquals(verdict, { kind: "unsent", reason: "IdleTimeout" });
  assertEquals(left, 1);
});

Deno.test("webPushJudge() names the host for requests without an answer, and nothing a peer said", () => {
  const judged = webPushJudge({
    authority: "push.example",
    vendor: "other",
    now: NOW,
    leave: () => {},
  });
  const ends = [UNSENT, LOST, TIMED_OUT, BAD_ANSWER] as const;
  const later = { kind: "retry", status: 0, scope: "recipient" } as const;
  assertEquals<readonly (Verdict | Renew)[]>(ends.map((end) => judged.ended(end, "<b>said</b>")), [
    { kind: "unsent", reason: "push.example took no more requests" },
    { ...later, reason: "connection to push.example lost" },
    { ...later, reason: "no answer from push.example in time" },
    { ...later, reason: "bad answer from push.example" },
  ]);
});

Deno.test("WEB_PUSH_RESPONSES has no row that an earlier one hides", () => {
  for (const [index, [status, sign]] of WEB_PUSH_RESPONSES.entries()) {
    const hiding = WEB_PUSH_RESPONSES.slice(0, index).filter(([earlier, earlierSign]) =>
      earlierSign === undefined &&
      (earlier === status || earlier === `${Math.floor(Number(status) / 100)}xx`)
    );
    assertEquals(hiding, [], `${status} ${Deno.inspect(sign)}`);
  }
});
