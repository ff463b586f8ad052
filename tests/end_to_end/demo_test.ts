/**
 * The demonstration as it is called, with fewer recipients: a node with its store, the API, the
 * stand-in over TLS.
 */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { compare, runDemo } from "../../program/demo.ts";
import { INTERRUPTED, type World } from "../../program/commands/world.ts";
import type { NotificationAnswer } from "../../transports/api_client/answers.ts";
import type { Platform, Seen } from "../../transports/provider_stand_in/mod.ts";
import { World as Recipients } from "../../transports/provider_stand_in/world.ts";

/** Recipients: the first of Google's that puts the sender off, which takes ten seconds, has a higher number. */
const RECIPIENTS = 170;

/** A world without a terminal that keeps what is written; `onSleep` is called with each wait. */
function world(onSleep: (interrupt: () => void) => void = () => {}) {
  let printed = "";
  let reported = "";
  const handlers = new Set<() => void>();
  const around: World = {
    terminal: {
      print: (text) => void (printed += text),
      report: (text) => void (reported += text),
      stdout: new WritableStream(),
      stdin: new ReadableStream(),
      live: undefined,
      screen: undefined,
    },
    now: () => performance.now(),
    wallNow: () => Date.now(),
    sleep: (ms, signal) => {
      onSleep(() => handlers.forEach((handler) => handler()));
      if (signal.aborted) return Promise.resolve();
      return new Promise((resolve) => setTimeout(resolve, ms / 10));
    },
    onInterrupt(handler) {
      handlers.add(handler);
      return { [Symbol.dispose]: () => void handlers.delete(handler) };
    },
  };
  return { around, printed: () => printed, reported: () => reported };
}

const OPTIONS = { recipients: RECIPIENTS, dataDir: undefined, apiPort: 0 };

Deno.test("demo sends to every recipient and finds its counts exact", async () => {
  const { around, printed, reported } = world();
  assertEquals(await runDemo({ ...OPTIONS, json: false }, around), 0);
  assertMatch(reported(), /monitor and API +http:\/\/127\.0\.0\.1:\d+/);
  assertStringIncludes(printed(), "The counts are exact.");
  assertStringIncludes(printed(), `${RECIPIENTS}`);
});

Deno.test("demo says the same to programs, in one line", async () => {
  const { around, printed, reported } = world();
  assertEquals(await runDemo({ ...OPTIONS, json: true }, around), 0);
  assertEquals(reported(), "");
  const { exact, differences, notification, seen } = JSON.parse(printed());
  assertEquals([exact, differences], [true, []]);
  assertEquals(notification.counts.total, RECIPIENTS);
  assertEquals(seen.apns.recipients + seen.fcm.recipients + seen.webpush.recipients, RECIPIENTS);
});

Deno.test("demo ends when a person interrupts, and leaves nothing behind", async () => {
  const { around, printed } = world((interrupt) => interrupt());
  assertEquals(await runDemo({ ...OPTIONS, recipients: 20_000, json: false }, around), INTERRUPTED);
  assertEquals(printed(), "");
});

/** Counts of a notification to ten devices of Apple's, one of them dead. */
const COUNTS = {
  total: 10,
  delivered: 9,
  tokenInvalid: 1,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
  pending: 0,
  retries: 0,
};

const NOTHING: Seen = new Recipients("apns", 1).seen();
const SEEN: Seen = {
  ...NOTHING,
  requests: 10,
  recipients: 10,
  accepted: 9,
  fates: { ...NOTHING.fates, healthy: 9, dead: 1 },
};

/** What {@linkcode compare} says of counts and sights that differ so. */
function differences(counts: Partial<typeof COUNTS>, seen: Partial<Seen> = {}): readonly string[] {
  const changed = { ...COUNTS, ...counts };
  const notification: NotificationAnswer = {
    id: "1",
    app: "demo",
    status: "done",
    sendingDone: true,
    counts: changed,
    platforms: { apns: changed },
    createdAt: "",
    startedAt: null,
    finishedAt: null,
  };
  const all: Record<Platform, Seen> = {
    apns: { ...SEEN, ...seen },
    fcm: NOTHING,
    webpush: NOTHING,
  };
  const expected = { delivered: 9, token_invalid: 1, rejected: 0, failed: 0 };
  return compare(notification, { recipients: 10, expected, seen: all });
}

const TABLE: readonly (readonly [Parameters<typeof differences>, readonly string[]])[] = [
  [[{}], []],
  [[{ total: 11 }], ["recipients: 11, and not 10", "apns recipients: 11, and not 10"]],
  [[{ delivered: 8 }], ["delivered: 8, and not 9", "apns delivered: 8, and not 9"]],
  [[{ tokenInvalid: 0 }], ["dead: 0, and not 1", "apns dead: 0, and not 1"]],
  [[{ rejected: 1 }], ["rejected: 1, and not 0"]],
  [[{ failed: 1 }], ["failed: 1, and not 0"]],
  [[{ expired: 1 }], ["expired: 1, and not 0"]],
  [[{ cancelled: 1 }], ["cancelled: 1, and not 0"]],
  [[{ pending: 1 }], ["pending: 1, and not 0"]],
  [[{}, { accepted: 8 }], ["apns delivered: 9, and not 8"]],
  [[{}, { acceptedAgain: 2 }], ["apns delivered twice: 2, and not 0"]],
];

for (const [[counts, seen], expected] of TABLE) {
  const title = Deno.inspect({ ...counts, ...seen }, { compact: true });
  Deno.test(`compare() of counts that differ in ${title} finds ${expected.length}`, () => {
    assertEquals(differences(counts, seen), expected);
  });
}
