import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { APNS_RESPONSES } from "../../../transports/apns/response_table.ts";
import {
  AUDIENCES,
  bodyOf,
  draftLike,
  EMPTY,
  fieldOf,
  keyPerMessage,
  objectProblem,
  partsProblem,
  previewBodyOf,
} from "../../../transports/dashboard/monitor/draft.js";
import {
  countsText,
  isOver,
  missed,
  type Notification,
  pace,
  paceText,
  progressText,
  restText,
  withSample,
  worst,
} from "../../../transports/dashboard/monitor/notification_figures.js";
import { hintOf } from "../../../transports/dashboard/monitor/reason_hints.js";
import {
  laidOut,
  shownByAndroid,
  shownByApple,
  shownByBrowser,
} from "../../../transports/dashboard/monitor/shown_texts.js";
import { FCM_RESPONSES } from "../../../transports/fcm/response_table.ts";
import { WEB_PUSH_RESPONSES } from "../../../transports/webpush/response_table.ts";

const COUNTS = {
  ...{ total: 0, delivered: 0, tokenInvalid: 0, rejected: 0, expired: 0, failed: 0 },
  ...{ cancelled: 0, pending: 0, retries: 0 },
};

const NOTIFICATION: Notification = {
  ...{ id: "n", app: "news", title: null, sendingDone: false, counts: COUNTS, platforms: {} },
  ...{ createdAt: at(0), sendAt: at(0), expiresAt: at(1_000_000), startedAt: at(0) },
  ...{ finishedAt: null, ttl: 1_000, urgency: "normal", topic: null, ratePerSecond: null },
  status: "sending",
  record: "failures",
};

function at(ms: number): string {
  return new Date(ms).toISOString();
}

for (
  const [status, counts, words, over] of [
    [
      "expanding",
      { total: 1_500, delivered: 400, pending: 1_100 },
      "400 of 1,500 found so far",
      false,
    ],
    [
      "sending",
      { total: 10_000, delivered: 7_000, failed: 500, pending: 2_500 },
      "7,500 of 10,000",
      false,
    ],
    ["scheduled", {}, "no recipients yet", false],
    ["done", {}, "no recipients", true],
    ["done", { total: 3_000, delivered: 3_000 }, "3,000", true],
    ["cancelled", { total: 30, cancelled: 20, pending: 10 }, "20 of 30", false],
    ["cancelled", { total: 30, cancelled: 30 }, "30", true],
  ] as const
) {
  Deno.test(`progress of one that is ${status} with ${JSON.stringify(counts)} => ${words}`, () => {
    const found = { status, counts: { ...COUNTS, ...counts } };
    assertEquals([progressText(found), isOver(found)], [words, over]);
  });
}

Deno.test("countsText() names what is not zero; missed() and worst() leave out delivered and pending", () => {
  const counts = { ...COUNTS, total: 1_010, delivered: 1_000, rejected: 2, expired: 3, pending: 5 };
  assertEquals(countsText(counts), "Delivered 1,000, Rejected 2, Expired 3, Pending 5");
  assertEquals([missed(counts), worst(counts)], [5, "expired"]);
  assertEquals(worst({ ...COUNTS, total: 9, delivered: 4, pending: 5 }), undefined);
});

Deno.test("pace() is that of the last ten seconds, and the rest follows from it", () => {
  const none: readonly { readonly at: number; readonly ended: number }[] = [];
  assertEquals(pace(none), undefined);
  let samples = none;
  for (const second of [0, 2, 4, 6, 8, 10, 12, 14]) {
    samples = withSample(samples, {
      at: second * 1_000,
      ended: second < 4 ? 0 : (second - 4) * 50,
    });
  }
  assertEquals(samples.map((sample) => sample.at / 1_000), [4, 6, 8, 10, 12, 14]);
  assertEquals(pace(samples), 50);
  const counts = { ...COUNTS, total: 1_500, delivered: 500, pending: 1_000 };
  const found = { ...NOTIFICATION, counts };
  assertEquals(paceText(found, samples, 14_000), "50 a second");
  assertEquals(restText(found, samples), "about 20 s to go");
  assertEquals(restText({ ...found, status: "expanding" }, samples), "");
  assertEquals(paceText(found, [], 14_000), "–");
});

Deno.test("pace() of a count that fell or a clock that stood is no negative and no endless rate", () => {
  assertEquals(pace([{ at: 0, ended: 9 }, { at: 1_000, ended: 3 }]), 0);
  assertEquals(pace([{ at: 5, ended: 1 }, { at: 5, ended: 3 }]), undefined);
  assertEquals(withSample([{ at: 9_000, ended: 1 }], { at: 3_000, ended: 2 }).length, 1);
});

Deno.test("paceText() of one that is over is what was sent by the time it took", () => {
  const counts = { ...COUNTS, total: 3_000, delivered: 2_000, cancelled: 1_000 };
  const done = { ...NOTIFICATION, status: "done", counts, finishedAt: at(10_000) } as const;
  assertEquals(paceText(done, [], 99_000), "200 a second");
  assertEquals(paceText({ ...done, finishedAt: at(0) }, [], 99_000), "–");
});

/** Reasons with which a recipient's delivery can end: others pause the app or are never recorded. */
function recorded(action: string): boolean {
  return !["pause", "renew", "reconnect"].includes(action);
}

Deno.test("hintOf() knows every reason of the providers' tables that can be recorded", () => {
  const unknown: string[] = [];
  for (const [, reason, action] of APNS_RESPONSES) {
    if (recorded(action) && hintOf("apns", reason, "rejected") === undefined) unknown.push(reason);
  }
  for (const [, code, action] of FCM_RESPONSES) {
    if (recorded(action) && hintOf("fcm", code, "rejected") === undefined) unknown.push(code);
  }
  for (const [, , action, reason] of WEB_PUSH_RESPONSES) {
    if (recorded(action) && hintOf("webpush", reason, "rejected") === undefined) {
      unknown.push(reason);
    }
  }
  assertEquals(unknown, []);
});

for (
  const [platform, reason, outcome, part] of [
    ["apns", "gave up after 7 requests: InternalServerError", "failed", "tried 7 times"],
    ["fcm", "no time left to try again: UNAVAILABLE", "expired", "lifetime was over"],
    ["fcm", "INVALID_ARGUMENT: message.data: Invalid value", "rejected", "as Google wants"],
    ["fcm", "INVALID_ARGUMENT", "token_invalid", "none that Google gave out"],
    ["webpush", "bad request (errno 110)", "rejected", "could not read"],
    ["webpush", "connection to push.example lost", "failed", "broke"],
    ["apns", "its time was over", "expired", "lifetime"],
    ["apns", "payload 5000 > 4096", "rejected", "larger"],
    ["webpush", "payload of 5000 bytes exceeds 3993", "rejected", "larger"],
    ["apns", "other reasons", "failed", "too many to tell apart"],
  ] as const
) {
  Deno.test(`hintOf() ${platform} "${reason}" => … ${part} …`, () => {
    const hint = hintOf(platform, reason, outcome);
    assert(hint?.means.includes(part), hint?.means);
    assertNotEquals(hint?.todo, "");
  });
}

Deno.test("hintOf() knows nothing of what strangers made up", () => {
  for (const reason of ["", "constructor", "__proto__", "toString", "<script>", "Unregistered2"]) {
    assertEquals(hintOf("apns", reason, "rejected"), undefined);
  }
});

Deno.test("bodyOf() leaves away what is empty or as it would be anyway", () => {
  const { body, problems } = bodyOf({ ...EMPTY, app: "news", target: "beta", title: "Hi" });
  assertEquals(problems, []);
  assertEquals(body, { app: "news", to: { tags: ["beta"] }, content: { title: "Hi" } });
});

Deno.test("bodyOf() has every field that was written", () => {
  const written = {
    ...EMPTY,
    ...{ app: "news", audience: "user", target: "42", title: "T", body: "B", data: '{"a":1}' },
    ...{ parts: '{"apns":{"aps":{"badge":1}}}', ttl: "60", urgency: "high", topic: "t" },
    ...{ sendAt: "2030-01-31T08:00", rate: "100", record: "all" },
  };
  assertEquals(bodyOf(written).body, {
    app: "news",
    to: { users: ["42"] },
    content: { title: "T", body: "B", data: { a: 1 }, apns: { aps: { badge: 1 } } },
    ...{ ttl: 60, urgency: "high", topic: "t", ratePerSecond: 100, record: "all" },
    sendAt: new Date(2030, 0, 31, 8).toISOString(),
  });
});

for (
  const [what, draft, fields] of [
    ["nothing at all", {}, ["title", "target"]],
    ["no tag", { title: "Hi" }, ["target"]],
    ["everyone", { title: "Hi", audience: "all" }, []],
    ["half an object", { title: "Hi", target: "t", data: '{"a":' }, ["data"]],
    ["a list", { title: "Hi", target: "t", data: "[1]" }, ["data"]],
    ["parts of no platform", { title: "Hi", target: "t", parts: '{"ios":{}}' }, ["parts"]],
    ["data alone", { target: "t", data: '{"a":1}' }, []],
  ] as const
) {
  Deno.test(`bodyOf() of ${what} => ${fields.length} problems`, () => {
    const { problems } = bodyOf({ ...EMPTY, app: "news", ...draft });
    assertEquals(problems.map(({ field }) => field), [...fields]);
  });
}

Deno.test("bodyOf() gives the API what is no number, so that it says what is allowed", () => {
  const { body } = bodyOf({
    ...EMPTY,
    app: "n",
    title: "T",
    target: "t",
    ttl: "a day",
    rate: "1.5",
  });
  assertEquals([body["ttl"], body["ratePerSecond"]], ["a day", 1.5]);
});

Deno.test("previewBodyOf() needs nobody to be named, and nothing that is wrong", () => {
  const draft = { ...EMPTY, app: "news", title: "Hi" };
  assertEquals(previewBodyOf(draft)?.["to"], { all: true });
  assertEquals(previewBodyOf({ ...draft, target: "beta" })?.["to"], { tags: ["beta"] });
  assertEquals(previewBodyOf({ ...draft, data: "{" }), undefined);
  assertEquals(previewBodyOf({ ...draft, title: "" }), undefined);
});

Deno.test("draftLike() says again what was said, to whom is open", () => {
  const content = { title: "T", body: "B", data: { a: [1] }, fcm: { message: { x: 1 } } };
  const like = { ...NOTIFICATION, content, topic: "t", ratePerSecond: 5, urgency: "low" };
  const draft = draftLike(like);
  assertEquals([draft.target, draft.sendAt], ["", ""]);
  const { body } = bodyOf({ ...draft, target: "beta" });
  assertEquals(body, {
    ...{ app: "news", to: { tags: ["beta"] }, content, ttl: 1_000, urgency: "low", topic: "t" },
    ratePerSecond: 5,
  });
});

for (
  const [path, field] of [
    ["", undefined],
    ["app", "app"],
    ["to", "target"],
    ["to.tags[0]", "target"],
    ["content", undefined],
    ["content.title", "title"],
    ["content.data.a[3].b", "data"],
    ["content.apns.priority", "parts"],
    ["content.webpush", "parts"],
    ["ratePerSecond", "rate"],
    ["sendAt", "sendAt"],
    ["constructor", undefined],
    ["Idempotency-Key", undefined],
  ] as const
) {
  Deno.test(`fieldOf() "${path}" => ${field}`, () => assertEquals(fieldOf(path), field));
}

Deno.test("every audience is one the API knows", () => {
  assertEquals(AUDIENCES.map(([, , list]) => list), ["tags", "devices", "users", "all"]);
});

Deno.test("objectProblem() and partsProblem() never throw, and let only objects through", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    partsProblem(text);
    if (objectProblem(text) !== "" || text.trim() === "") return;
    const value = JSON.parse(text);
    assert(typeof value === "object" && value !== null && !Array.isArray(value));
  }));
});

Deno.test("keyPerMessage() keeps the key of a message, and makes another for another", () => {
  let made = 0;
  const keyOf = keyPerMessage(() => `key-${++made}`);
  const keys = [{ a: 1 }, { a: 1 }, { a: 2 }, { a: 2 }, { a: 1 }].map(keyOf);
  assertEquals(keys, ["key-1", "key-1", "key-2", "key-2", "key-3"]);
});

const NONE = { title: "", subtitle: "", body: "" };

Deno.test("what people read is taken from the payloads", () => {
  const seen = ({ title, subtitle, body }: typeof NONE) => ({ title, subtitle, body });
  const alert = { title: "T", subtitle: "S", body: "B" };
  assertEquals(seen(shownByApple({ aps: { alert } })), alert);
  assertEquals(seen(shownByApple({ aps: { alert: "B" } })), { ...NONE, body: "B" });
  assertEquals(seen(shownByApple({ aps: { alert: { "loc-key": "K" } } })), { ...NONE, body: "K" });
  const android = { notification: { body: "A" } };
  const message = { notification: { title: "T", body: "B" }, android };
  assertEquals(seen(shownByAndroid(message)), { ...NONE, title: "T", body: "A" });
  assertEquals(seen(shownByBrowser('{"title":"T","body":"B"}')), {
    ...NONE,
    title: "T",
    body: "B",
  });
  const declarative = '{"web_push":8030,"title":"no","notification":{"title":"T"}}';
  assertEquals(seen(shownByBrowser(declarative)), { ...NONE, title: "T" });
});

Deno.test("what shows nothing says so, whatever it is", () => {
  for (const payload of [null, 1, "x", {}, { aps: {} }, { aps: { alert: 3 } }, { aps: null }]) {
    assertNotEquals(shownByApple(payload).silent, "");
    assertNotEquals(shownByAndroid(payload).silent, "");
  }
  for (const payload of ["", "plain text", "null", "[]", '{"data":{}}', '{"title":1}']) {
    assertNotEquals(shownByBrowser(payload).silent, "");
  }
});

Deno.test("laidOut() changes no value: what would not come back as it was stays as it is", () => {
  assertEquals(laidOut('{"a":1}'), '{\n  "a": 1\n}');
  for (const payload of ['{"a":12345678901234567890}', '{"a":1,"a":2}', '{ "a": 1 }', "text"]) {
    assertEquals(laidOut(payload), payload);
  }
});
