/**
 * What Google's answers mean, one row for each: the answer goes through a whole provider, its verdict
 * comes out. The expectations are written out here and not taken from the table they try.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { BAD_ANSWER, LOST, TIMED_OUT, UNSENT } from "../../../transports/http2/exchange.ts";
import { FCM_RESPONSES } from "../../../transports/fcm/response_table.ts";
import { NOW, type ScriptedAnswer } from "../../support/scripted_connection.ts";
import { Subject } from "./subject.ts";

const TYPES = "type.googleapis.com";
const BAD_TOKEN = "The registration token is not a valid FCM registration token";

interface Row {
  readonly http: number;
  /** Google's canonical status. */
  readonly status?: string;
  /** The code of the `FcmError` detail. */
  readonly code?: string;
  readonly message?: string;
  readonly violations?: readonly { readonly field: string; readonly description?: string }[];
  readonly quota?: { readonly subject: string; readonly description?: string };
  readonly headers?: Readonly<Record<string, string>>;
  readonly expected: object;
}

function answerOf(
  { http, status, code, message, violations, quota, headers }: Row,
): ScriptedAnswer {
  const details = [
    code === undefined
      ? []
      : { "@type": `${TYPES}/google.firebase.fcm.v1.FcmError`, errorCode: code },
    violations === undefined
      ? []
      : { "@type": `${TYPES}/google.rpc.BadRequest`, fieldViolations: violations },
    quota === undefined ? [] : { "@type": `${TYPES}/google.rpc.QuotaFailure`, violations: [quota] },
  ].flat();
  const error = { code: http, message, status, details };
  return { status: http, body: { error }, ...(headers === undefined ? {} : { headers }) };
}

const retry = { kind: "retry", scope: "recipient", afterMs: 10_000 } as const;
const slow = { kind: "retry", scope: "lane", afterMs: 60_000 } as const;
const dead = { kind: "token_invalid", doubtful: false } as const;
const doubt = { kind: "token_invalid", doubtful: true } as const;
const rejected = { kind: "rejected" } as const;

const ROWS: readonly Row[] = [
  {
    http: 400,
    status: "INVALID_ARGUMENT",
    code: "INVALID_ARGUMENT",
    message: BAD_TOKEN,
    expected: { ...doubt, reason: "INVALID_ARGUMENT" },
  },
  {
    http: 400,
    status: "INVALID_ARGUMENT",
    code: "INVALID_ARGUMENT",
    message: "Android message is too big",
    expected: { ...rejected, reason: "INVALID_ARGUMENT: Android message is too big" },
  },
  {
    http: 400,
    status: "INVALID_ARGUMENT",
    violations: [{ field: "message.token", description: "Invalid registration token" }],
    expected: { ...doubt, reason: "INVALID_ARGUMENT" },
  },
  {
    http: 400,
    status: "INVALID_ARGUMENT",
    code: "INVALID_ARGUMENT",
    message: "Invalid value",
    violations: [{ field: "message.android.ttl", description: "Illegal duration" }],
    expected: { ...rejected, reason: "INVALID_ARGUMENT: message.android.ttl: Illegal duration" },
  },
  {
    http: 400,
    status: "INVALID_ARGUMENT",
    message: BAD_TOKEN,
    violations: [{ field: "message.token" }, { field: "message.data" }],
    expected: { ...rejected, reason: `INVALID_ARGUMENT: message.token: ${BAD_TOKEN}` },
  },
  { http: 400, status: "INVALID_ARGUMENT", expected: { ...rejected, reason: "INVALID_ARGUMENT" } },
  {
    http: 401,
    status: "UNAUTHENTICATED",
    code: "THIRD_PARTY_AUTH_ERROR",
    expected: { ...rejected, reason: "THIRD_PARTY_AUTH_ERROR" },
  },
  {
    http: 401,
    status: "UNAUTHENTICATED",
    code: "APNS_AUTH_ERROR",
    expected: { ...rejected, reason: "APNS_AUTH_ERROR" },
  },
  {
    http: 401,
    status: "UNAUTHENTICATED",
    code: "InvalidApnsCredential",
    expected: { ...rejected, reason: "InvalidApnsCredential" },
  },
  {
    http: 401,
    status: "UNAUTHENTICATED",
    message: "Request had invalid authentication credentials.",
    // The token was renewed once and refused again.
    expected: {
      kind: "pause",
      reason: "UNAUTHENTICATED: Request had invalid authentication credentials.",
    },
  },
  {
    http: 403,
    status: "PERMISSION_DENIED",
    code: "SENDER_ID_MISMATCH",
    expected: { ...doubt, reason: "SENDER_ID_MISMATCH" },
  },
  {
    http: 403,
    status: "PERMISSION_DENIED",
    message: "FCM API has not been used in project 7",
    expected: {
      kind: "pause",
      reason: "PERMISSION_DENIED: FCM API has not been used in project 7",
    },
  },
  {
    http: 404,
    status: "NOT_FOUND",
    code: "UNREGISTERED",
    message: "Requested entity was not found.",
    expected: { ...dead, reason: "UNREGISTERED" },
  },
  { http: 404, status: "NOT_FOUND", expected: { kind: "pause", reason: "NOT_FOUND" } },
  {
    http: 429,
    status: "RESOURCE_EXHAUSTED",
    code: "QUOTA_EXCEEDED",
    expected: { ...slow, reason: "QUOTA_EXCEEDED" },
  },
  {
    http: 429,
    status: "RESOURCE_EXHAUSTED",
    code: "QUOTA_EXCEEDED",
    quota: { subject: "project_number:7", description: "Send requests per minute" },
    headers: { "retry-after": "30" },
    expected: { ...slow, afterMs: 30_000, reason: "QUOTA_EXCEEDED" },
  },
  {
    http: 429,
    status: "RESOURCE_EXHAUSTED",
    code: "QUOTA_EXCEEDED",
    quota: { subject: "device:abc", description: "Messages a minute" },
    expected: { ...retry, afterMs: 60_000, reason: "QUOTA_EXCEEDED" },
  },
  {
    http: 429,
    status: "RESOURCE_EXHAUSTED",
    code: "QUOTA_EXCEEDED",
    quota: { subject: "topic:news" },
    headers: { "retry-after": "1" },
    expected: { ...retry, reason: "QUOTA_EXCEEDED" },
  },
  {
    http: 429,
    status: "RESOURCE_EXHAUSTED",
    expected: { ...slow, reason: "RESOURCE_EXHAUSTED" },
  },
  {
    http: 429,
    code: "DeviceMessageRateExceeded",
    expected: { ...retry, afterMs: 60_000, reason: "DeviceMessageRateExceeded" },
  },
  { http: 429, status: "SOMETHING_NEW", expected: { ...retry, reason: "SOMETHING_NEW" } },
  { http: 500, status: "INTERNAL", code: "INTERNAL", expected: { ...retry, reason: "INTERNAL" } },
  { http: 500, status: "INTERNAL", expected: { ...retry, reason: "INTERNAL" } },
  {
    http: 503,
    status: "UNAVAILABLE",
    code: "UNAVAILABLE",
    headers: { "retry-after": "120" },
    expected: { ...retry, afterMs: 120_000, reason: "UNAVAILABLE" },
  },
  {
    http: 503,
    status: "UNAVAILABLE",
    headers: { "retry-after": "banana" },
    expected: { ...retry, reason: "UNAVAILABLE" },
  },
  {
    http: 504,
    status: "DEADLINE_EXCEEDED",
    expected: { ...retry, reason: "DEADLINE_EXCEEDED" },
  },
  {
    http: 500,
    code: "UNSPECIFIED_ERROR",
    expected: { ...rejected, reason: "UNSPECIFIED_ERROR" },
  },
  { http: 400, code: "SOMETHING_NEW", expected: { ...rejected, reason: "SOMETHING_NEW" } },
  { http: 500, code: "SOMETHING_NEW", expected: { ...retry, reason: "SOMETHING_NEW" } },
  { http: 418, expected: { ...rejected, reason: "status 418" } },
];

for (const row of ROWS) {
  const { http, status = "", code = "", violations = [], quota, expected } = row;
  const fields = [...violations.map(({ field }) => field), quota?.subject ?? ""].join(" ").trim();
  const name = [http, status, code, fields].filter((part) => part !== "").join(" ");
  Deno.test(`fcm ${name} => ${Deno.inspect(expected, { compact: true, breakLength: 200 })}`, async () => {
    await using subject = new Subject();
    assertEquals<unknown>(await subject.verdictOn(answerOf(row)), { status: http, ...expected });
  });
}

Deno.test("fcm 200 => delivered", async () => {
  await using subject = new Subject();
  assertEquals(await subject.verdictOn({ status: 200 }), { kind: "delivered" });
});

Deno.test("fcm response table has a test for each of its rows", () => {
  const tried = ROWS.map(({ status, code }) =>
    code === undefined ? `status ${status}` : `detail ${code}`
  );
  const missing = FCM_RESPONSES.filter(([where, code]) => !tried.includes(`${where} ${code}`));
  assertEquals(missing, []);
});

Deno.test("fcm answers that are not Google's give up nobody", async () => {
  const reason = "bad answer from fcm.googleapis.com";
  const rows: readonly (readonly [number, object])[] = [
    [302, retry],
    [400, retry],
    [401, { kind: "pause" }],
    [403, { kind: "pause" }],
    [404, { kind: "pause" }],
    [429, slow],
    [500, retry],
    [502, retry],
    [504, retry],
  ];
  const bodies = ["", "<html>Error 400 (Bad Request)!!1</html>", "{", "[]", { error: "x" }];
  for (const [status, expected] of rows) {
    for (const body of bodies) {
      await using subject = new Subject();
      const verdict = await subject.verdictOn({ status, body });
      assertEquals<unknown>(verdict, { status, reason, ...expected });
    }
  }
});

Deno.test("fcm details of a shape nobody expects do no harm", async () => {
  await using subject = new Subject();
  const odd = [1, null, "x", [], { "@type": 7 }, {
    "@type": `${TYPES}/google.rpc.BadRequest`,
    fieldViolations: [null, 1, { field: 7 }],
  }];
  for (const details of [undefined, 1, {}, odd]) {
    const error = { code: 400, status: "INVALID_ARGUMENT", message: 7, details };
    const verdict = await subject.verdictOn({ status: 400, body: { error } });
    assertEquals(verdict?.kind, "rejected");
  }
});

Deno.test("fcm requests without an answer => what is known of them", async () => {
  const host = "fcm.googleapis.com";
  const rows: readonly (readonly [ScriptedAnswer, object])[] = [
    [{ end: UNSENT, reason: "GOAWAY exceeded_max_concurrent_streams" }, {
      kind: "unsent",
      reason: "GOAWAY exceeded_max_concurrent_streams",
    }],
    [{ end: UNSENT }, { kind: "unsent", reason: `${host} took no more requests` }],
    [{ end: LOST, reason: "reset" }, { ...retry, status: 0, reason: "reset" }],
    [{ end: LOST }, { ...retry, status: 0, reason: `connection to ${host} lost` }],
    [{ end: TIMED_OUT }, { ...retry, status: 0, reason: `no answer from ${host} in time` }],
    [{ end: BAD_ANSWER }, { ...retry, status: 0, reason: `bad answer from ${host}` }],
  ];
  await using subject = new Subject();
  for (const [answer, expected] of rows) {
    assertEquals<unknown>(await subject.verdictOn(answer), expected);
  }
});

Deno.test("fcm Retry-After is obeyed from ten seconds to an hour", async () => {
  const rows: readonly (readonly [string, number])[] = [
    ["-5", 10_000],
    ["0", 10_000],
    [new Date(NOW + 90_000).toUTCString(), 90_000],
    ["Fri, 31 Dec 9999 23:59:59 GMT", 3_600_000],
  ];
  await using subject = new Subject();
  for (const [value, afterMs] of rows) {
    const row = {
      http: 503,
      status: "UNAVAILABLE",
      headers: { "retry-after": value },
      expected: {},
    };
    const verdict = await subject.verdictOn(answerOf(row));
    assertEquals(verdict?.kind === "retry" ? verdict.afterMs : undefined, afterMs);
  }
});
