/** One verdict in, everything that is recorded out: what is not named must be as in `NOTHING`. */

import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { ATTEMPTS_MAX } from "../../../../actors/push/delivery/limits.ts";
import type { Answers, Verdict } from "../../../../actors/push/delivery/ports.ts";
import type { Notification } from "../../../../actors/push/delivery/records.ts";
import {
  reportOf,
  settle,
  settleAll,
  type Settlement,
  type Settling,
} from "../../../../actors/push/delivery/settle.ts";
import type { ClaimedBatch, LoadedBatch } from "../../../../actors/push/delivery/store.ts";

const NOW = 1_000_000;

const NOTIFICATION: Notification = {
  id: "0190f0e4-8a3b-7c11-9d55-3f2b6c1a7e90",
  app: "shop",
  content: { title: "hello" },
  ttlSeconds: 3_600,
  urgency: "normal",
  topic: undefined,
  createdAt: NOW - 1_000,
  sendAt: NOW - 1_000,
  expiresAt: NOW + 3_600_000,
  ratePerSecond: undefined,
  rows: "failures",
};

function batchOf(count: number, attempt = 0): ClaimedBatch {
  return {
    app: "shop",
    platform: "apns",
    lease: { batch: 7, token: 1 },
    notification: NOTIFICATION.id,
    count,
    attempt,
    deliveries: 1,
  };
}

function loaded(count: number, suspects: readonly number[] = []): LoadedBatch {
  const numbers = Array.from({ length: count }, (_, place) => 100 + place);
  const addresses = numbers.map((number) => `token-${number}`);
  const keys = new Uint8Array();
  return {
    recipients: { platform: "apns", numbers, addresses, keys, suspects },
    gone: [],
  };
}

function answers(...verdicts: readonly Verdict[]): Answers {
  return { verdicts, of: Uint16Array.from(verdicts.keys()) };
}

function settling(verdict: Verdict, change: Partial<Settling> = {}): Settling {
  return {
    batch: batchOf(1),
    notification: NOTIFICATION,
    loaded: loaded(1),
    answers: answers(verdict),
    guidance: { brake: false, overBudget: false },
    allRows: false,
    sentAt: NOW - 50,
    now: NOW,
    random: () => 0,
    ...change,
  };
}

const NONE = { delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 };

/** What is recorded of one recipient when nothing happened to it. */
const NOTHING: Settlement = {
  result: {
    lease: { batch: 7, token: 1 },
    notification: NOTIFICATION.id,
    lane: { app: "shop", platform: "apns" },
    outcomes: NONE,
    rows: [],
    remainders: [],
    attempts: 1,
    suspects: { marked: [], cleared: [] },
    pause: undefined,
    at: NOW,
  },
  holdMs: 0,
};

type Expected = Partial<Settlement["result"]> & { readonly holdMs?: number };

const row = { number: 100, address: "token-100", registeredBefore: undefined };
const dead: Verdict = {
  kind: "token_invalid",
  status: 410,
  reason: "Unregistered",
  doubtful: false,
};
const doubtful: Verdict = {
  kind: "token_invalid",
  status: 400,
  reason: "BadDeviceToken",
  doubtful: true,
};
const busy: Verdict = { kind: "retry", status: 503, reason: "busy", scope: "recipient" };

const ROWS: readonly (readonly [string, Settling, Expected])[] = [
  ["delivered", settling({ kind: "delivered" }), { outcomes: { ...NONE, delivered: 1 } }],
  [
    "delivered, and a sink wants all rows",
    settling({ kind: "delivered" }, { allRows: true }),
    {
      outcomes: { ...NONE, delivered: 1 },
      rows: [{ ...row, outcome: "delivered", status: 0, reason: "" }],
    },
  ],
  [
    "delivered, and the notification wants all rows",
    settling({ kind: "delivered" }, { notification: { ...NOTIFICATION, rows: "all" } }),
    {
      outcomes: { ...NONE, delivered: 1 },
      rows: [{ ...row, outcome: "delivered", status: 0, reason: "" }],
    },
  ],
  [
    "delivered to a suspect",
    settling({ kind: "delivered" }, { loaded: loaded(1, [0]) }),
    { outcomes: { ...NONE, delivered: 1 }, suspects: { marked: [], cleared: [100] } },
  ],
  [
    "dead",
    settling(dead),
    {
      outcomes: { ...NONE, token_invalid: 1 },
      rows: [{
        ...row,
        outcome: "token_invalid",
        status: 410,
        reason: "Unregistered",
        registeredBefore: NOW - 50,
      }],
      suspects: { marked: [100], cleared: [] },
    },
  ],
  [
    "dead since before the batch",
    settling({ ...dead, invalidSince: 77 }),
    {
      outcomes: { ...NONE, token_invalid: 1 },
      rows: [{
        ...row,
        outcome: "token_invalid",
        status: 410,
        reason: "Unregistered",
        registeredBefore: 77,
      }],
      suspects: { marked: [100], cleared: [] },
    },
  ],
  [
    "doubtful, and believed",
    settling(doubtful),
    {
      outcomes: { ...NONE, token_invalid: 1 },
      rows: [{
        ...row,
        outcome: "token_invalid",
        status: 400,
        reason: "BadDeviceToken",
        registeredBefore: NOW - 50,
      }],
      suspects: { marked: [100], cleared: [] },
    },
  ],
  [
    "doubtful, and one of too many",
    settling(doubtful, { guidance: { brake: true, overBudget: false } }),
    {
      remainders: [{ numbers: [100], attempt: 1, notBefore: NOW }],
      suspects: { marked: [100], cleared: [] },
      pause:
        "too many devices would be dead: 400 BadDeviceToken. Check the credentials, then resume",
    },
  ],
  [
    "dead beyond doubt while others are doubted",
    settling(dead, { guidance: { brake: true, overBudget: false } }),
    {
      outcomes: { ...NONE, token_invalid: 1 },
      rows: [{
        ...row,
        outcome: "token_invalid",
        status: 410,
        reason: "Unregistered",
        registeredBefore: NOW - 50,
      }],
      suspects: { marked: [100], cleared: [] },
    },
  ],
  [
    "rejected",
    settling({ kind: "rejected", status: 400, reason: "BadTopic" }),
    {
      outcomes: { ...NONE, rejected: 1 },
      rows: [{ ...row, outcome: "rejected", status: 400, reason: "BadTopic" }],
    },
  ],
  [
    "the app is refused",
    settling({ kind: "pause", status: 403, reason: "Forbidden" }),
    { remainders: [{ numbers: [100], attempt: 1, notBefore: NOW }], pause: "403 Forbidden" },
  ],
  [
    "the app's credentials cannot be used",
    settling({ kind: "pause", status: 0, reason: "no credentials" }),
    { remainders: [{ numbers: [100], attempt: 0, notBefore: NOW }], pause: "no credentials" },
  ],
  [
    "busy",
    settling(busy),
    { remainders: [{ numbers: [100], attempt: 1, notBefore: NOW + 1_000 }] },
  ],
  [
    "busy for the fourth time",
    settling(busy, { batch: batchOf(1, 3) }),
    { remainders: [{ numbers: [100], attempt: 4, notBefore: NOW + 8_000 }], attempts: 4 },
  ],
  [
    "busy, with jitter",
    settling(busy, { random: () => 0.5 }),
    { remainders: [{ numbers: [100], attempt: 1, notBefore: NOW + 750 }] },
  ],
  [
    "busy, and the lane has retried too much",
    settling(busy, { guidance: { brake: false, overBudget: true } }),
    { remainders: [{ numbers: [100], attempt: 1, notBefore: NOW + 60_000 }] },
  ],
  [
    "busy for a time the provider names",
    settling({ ...busy, afterMs: 120_000 }),
    { remainders: [{ numbers: [100], attempt: 1, notBefore: NOW + 120_000 }] },
  ],
  [
    "busy for the whole app",
    settling({ ...busy, status: 429, afterMs: 60_000, scope: "lane" }),
    { remainders: [{ numbers: [100], attempt: 1, notBefore: NOW + 60_000 }], holdMs: 60_000 },
  ],
  [
    "busy for longer than the notification lives",
    settling({ ...busy, afterMs: 3_600_000 }),
    {
      outcomes: { ...NONE, expired: 1 },
      rows: [{
        ...row,
        outcome: "expired",
        status: 503,
        reason: "no time left to try again: busy",
      }],
    },
  ],
  [
    "busy once too often",
    settling(busy, { batch: batchOf(1, ATTEMPTS_MAX - 1) }),
    {
      outcomes: { ...NONE, failed: 1 },
      rows: [{ ...row, outcome: "failed", status: 503, reason: "gave up after 16 requests: busy" }],
      attempts: ATTEMPTS_MAX,
    },
  ],
  [
    "not sent",
    settling({ kind: "unsent", reason: "the provider does not work", afterMs: 5_000 }),
    { remainders: [{ numbers: [100], attempt: 0, notBefore: NOW + 5_000 }], holdMs: 5_000 },
  ],
];

for (const [title, given, { holdMs, ...result }] of ROWS) {
  Deno.test(`settle() of a recipient: ${title}`, () => {
    assertEquals(settle(given), {
      result: { ...NOTHING.result, ...result },
      holdMs: holdMs ?? 0,
    });
  });
}

Deno.test("settle() ends recipients who were gone before anything was sent", () => {
  const gone = [
    { number: 1, address: "", why: "removed" },
    { number: 2, address: "token-2", why: "invalid" },
  ] as const;
  const given = settling({ kind: "delivered" }, { loaded: { ...loaded(1), gone } });
  const { result } = settle(given);
  assertEquals(result.outcomes, { ...NONE, delivered: 1, rejected: 1, token_invalid: 1 });
  const rows = result.rows.map(({ number, outcome, reason, registeredBefore }) => {
    return [number, outcome, reason, registeredBefore];
  });
  // A device that is registered again before this is recorded stays.
  assertEquals(rows, [
    [1, "rejected", "device was removed", undefined],
    [2, "token_invalid", "device is invalid", NOW - 50],
  ]);
});

Deno.test("settle() leaves one remainder for recipients who come back at about the same time", () => {
  const verdicts = [59_000, 60_000, 61_000, 600_000].map((afterMs): Verdict => ({
    ...busy,
    afterMs,
  }));
  const given = settling(busy, {
    batch: batchOf(4),
    loaded: loaded(4),
    answers: answers(...verdicts),
  });
  assertEquals(settle(given).result.remainders, [
    { numbers: [100, 101, 102], attempt: 1, notBefore: NOW + 61_000 },
    { numbers: [103], attempt: 1, notBefore: NOW + 600_000 },
  ]);
});

Deno.test("settle() does not hold a lane for a few who could not be sent to", () => {
  const unsent: Verdict = { kind: "unsent", reason: "no connection", afterMs: 5_000 };
  const given = settling(busy, {
    batch: batchOf(2),
    loaded: loaded(2),
    answers: answers(unsent, { kind: "delivered" }),
  });
  assertEquals(settle(given).holdMs, 0);
});

Deno.test("settle() does not hold the lane of all push services for one that cannot be sent to", () => {
  const unsent: Verdict = { kind: "unsent", reason: "the provider does not work", afterMs: 5_000 };
  const given = settling(unsent, { batch: { ...batchOf(1), platform: "webpush" } });
  assertEquals(settle(given).holdMs, 0);
});

Deno.test("settleAll() ends everybody in one way, without a request", () => {
  const gone = [{ number: 1, address: "", why: "removed" }] as const;
  const { answers: _, guidance: __, ...given } = settling(busy, {
    batch: batchOf(3, 2),
    loaded: { ...loaded(2), gone },
  });
  const { result } = settleAll(given, "expired", "its time was over");
  assertEquals(result.outcomes, { ...NONE, expired: 2, rejected: 1 });
  assertEquals(result.attempts, 2);
  assertEquals(result.rows.map(({ reason }) => reason), [
    "device was removed",
    "its time was over",
    "its time was over",
  ]);
});

Deno.test("reportOf() tells answered, doubtful, first and repeated requests apart", () => {
  const unsent: Verdict = { kind: "unsent", reason: "no connection" };
  const all = answers({ kind: "delivered" }, dead, doubtful, busy, unsent);
  const lane = { app: "shop", platform: "apns" } as const;
  assertEquals(reportOf(batchOf(5), all, 3), {
    version: 3,
    lane,
    answered: 4,
    doubtful: 1,
    first: 4,
    retries: 1,
  });
  assertEquals(reportOf(batchOf(5, 1), all, 3).first, 0);
});

const anyVerdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.constant<Verdict>({ kind: "delivered" }),
  fc.constantFrom(dead, doubtful),
  fc.constant<Verdict>({ kind: "rejected", status: 400, reason: "BadTopic" }),
  fc.constant<Verdict>({ kind: "pause", status: 403, reason: "Forbidden" }),
  fc.record({
    kind: fc.constant("retry" as const),
    status: fc.constantFrom(0, 429, 503),
    reason: fc.constant("busy"),
    afterMs: fc.nat(7_200_000),
    scope: fc.constantFrom("recipient" as const, "lane" as const),
  }),
  fc.record({ kind: fc.constant("unsent" as const), reason: fc.constant("no"), afterMs: fc.nat() }),
);

Deno.test("settle() gives every recipient exactly one place, whatever the answers", () => {
  fc.assert(fc.property(
    fc.array(anyVerdict, { minLength: 1, maxLength: 8 }),
    fc.array(fc.nat(7), { maxLength: 100 }),
    fc.nat(ATTEMPTS_MAX),
    fc.boolean(),
    fc.boolean(),
    (verdicts, places, attempt, brake, allRows) => {
      const count = places.length;
      const { result } = settle(settling(dead, {
        batch: batchOf(count, attempt),
        loaded: loaded(count),
        answers: { verdicts, of: Uint16Array.from(places, (place) => place % verdicts.length) },
        guidance: { brake, overBudget: false },
        allRows,
      }));
      const ended = Object.values(result.outcomes).reduce((sum, n) => sum + n, 0);
      const again = result.remainders.flatMap(({ numbers }) => numbers);
      assertEquals(ended + again.length, count);
      const named = [...result.rows.map(({ number }) => number), ...again];
      assertEquals(new Set(named).size, named.length);
    },
  ));
});
