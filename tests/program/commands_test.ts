/**
 * The commands against a door that answers as the API does, with a terminal that is looked at and time
 * that is moved: what a person sees while something is sent, and what becomes of the command when
 * the person, the file or the node gives up.
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openRows, RowsProgress } from "../../program/commands/devices.ts";
import { StartError } from "../../program/start_error.ts";
import { json, problem, Stage, TOKEN } from "../support/command_stage.ts";

const NONE = {
  total: 0,
  delivered: 0,
  tokenInvalid: 0,
  rejected: 0,
  expired: 0,
  failed: 0,
  cancelled: 0,
  pending: 0,
  retries: 0,
};

/** A notification as the API shows it. */
function shown(status: string, counts: Partial<typeof NONE>) {
  const all = { ...NONE, ...counts };
  return {
    id: "n1",
    app: "shop",
    status,
    sendingDone: all.pending === 0,
    counts: all,
    platforms: { apns: all },
    createdAt: "2030-01-01T00:00:00.000Z",
    startedAt: "2030-01-01T00:00:00.000Z",
    finishedAt: all.pending === 0 ? "2030-01-01T00:00:02.000Z" : null,
  };
}

const DONE = shown("done", { total: 4, delivered: 3, tokenInvalid: 1 });

const SUBMIT = "POST /v1/notifications";
const LOOK = "GET /v1/notifications/n1";
const SEND = ["send", "--app", "shop", "--title", "Hi", "--to-all"] as const;

Deno.test("send draws the progress in place four times a second and ends with a report", async () => {
  await using stage = new Stage({
    [SUBMIT]: [json({ id: "n1" })],
    [LOOK]: [
      json(shown("expanding", { total: 2, pending: 2 })),
      json(shown("sending", { total: 4, delivered: 1, pending: 3 })),
      json(DONE),
    ],
  }, { live: true });
  assertEquals(await stage.run(...SEND, "--at", "10m", "--rate", "5", "--record", "all"), 0);
  assertEquals(stage.sleptMs, 500);
  const [submitted] = stage.asked;
  assertEquals(JSON.parse(submitted?.slice(SUBMIT.length + 1) ?? ""), {
    app: "shop",
    content: { title: "Hi" },
    to: { all: true },
    ratePerSecond: 5,
    record: "all",
    sendAt: "2030-01-01T00:10:00.000Z",
  });
  const drawn = stage.err.split("\x1b[J").map((part) => part.replaceAll("\x1b[K", ""));
  assertStringIncludes(drawn[1] ?? "", "n1 sending\n");
  assertStringIncludes(drawn[1] ?? "", "apns          1     0       0   4");
  assertStringIncludes(drawn[2] ?? "", "100%");
  assertStringIncludes(stage.out, "Notification n1 is done: 4 recipients in 2s, 2 a second.");
});

Deno.test("send prints a line a second without a terminal, and fails when something failed", async () => {
  await using stage = new Stage({
    [SUBMIT]: [json({ id: "n1" })],
    [LOOK]: [
      json(shown("sending", { total: 4, pending: 4 })),
      json(shown("done", { total: 4, delivered: 3, rejected: 1 })),
    ],
  });
  assertEquals(await stage.run(...SEND), 1);
  assertEquals(stage.sleptMs, 1_000);
  assertEquals(stage.err.split("\n"), [
    "notification n1",
    "sending: 0 of 4 (0%), delivered 0, dead 0, failed 0, 0/s, left –",
    "done: 4 of 4 (100%), delivered 3, dead 0, failed 1, 4/s, left 0s",
    "",
  ]);
});

Deno.test("send --json prints what it came to as one line, and --detach the id at once", async () => {
  await using stage = new Stage({
    [SUBMIT]: [json({ id: "n1" })],
    [LOOK]: [json(shown("sending", { total: 4, pending: 4 })), json(DONE)],
  });
  assertEquals(await stage.run(...SEND, "--json"), 0);
  assertEquals([JSON.parse(stage.out), stage.err], [DONE, ""]);
  stage.out = "";
  assertEquals(await stage.run(...SEND, "--detach"), 0);
  assertEquals([stage.out, stage.err], ["n1\n", ""]);
});

Deno.test("send stops watching when a person interrupts, and says how to look again", async () => {
  await using stage = new Stage({
    [SUBMIT]: [json({ id: "n1" })],
    [LOOK]: [json(shown("sending", { total: 4, pending: 4 }))],
  }, { live: true });
  stage.onSleep = (times) => times === 3 && stage.interrupt();
  assertEquals(await stage.run(...SEND), 130);
  assertStringIncludes(stage.err, '"heliograph status n1 --watch" shows it');
  assertEquals(stage.asked.filter((one) => one.startsWith("DELETE")), []);
});

Deno.test("send waits for a node that restarts, a minute long", async () => {
  const away = () => problem(503, "the store is not available now");
  await using stage = new Stage({
    [SUBMIT]: [json({ id: "n1" })],
    [LOOK]: [json(shown("sending", { total: 4, pending: 4 })), away, away, json(DONE)],
  });
  assertEquals(await stage.run(...SEND), 0);
  assertStringIncludes(stage.err, "the node does not answer; waiting for it\n");
  await using gone = new Stage({ [SUBMIT]: [json({ id: "n1" })], [LOOK]: [away] });
  const error = await assertRejects(() => gone.run(...SEND), StartError);
  assertEquals([error.status, error.message], [1, "the store is not available now"]);
  assertEquals(gone.sleptMs, 60_000);
  assertStringIncludes(gone.err, "Notification n1 goes on at the node.");
});

const TOKENS = ["send", "--app", "shop", "--title", "Hi", "--tokens", "-"] as const;
const ADD = "POST /v1/notifications/n1/recipients";
const CLOSE = "POST /v1/notifications/n1/close";
const CANCEL = "DELETE /v1/notifications/n1";

Deno.test("send --tokens opens, streams, closes and watches", async () => {
  await using stage = new Stage({
    [SUBMIT]: [json({ id: "n1" })],
    [ADD]: [
      () => new Response('{"imported":1,"failed":0}\n{"imported":4,"failed":0,"done":true}\n'),
    ],
    [CLOSE]: [json(shown("expanding", {}))],
    [LOOK]: [json(DONE)],
  }, { stdin: '{"platform":"apns","token":"a"}\n' });
  assertEquals(await stage.run(...TOKENS), 0);
  assertEquals(stage.asked, [
    `${SUBMIT} {"app":"shop","content":{"title":"Hi"},"to":{"open":true}}`,
    `${ADD} {"platform":"apns","token":"a"}`,
    CLOSE,
    LOOK,
  ]);
});

Deno.test("send --tokens sends nothing unless all recipients arrived", async () => {
  const answers: readonly (readonly [string, () => Response, string])[] = [
    [
      "a wrong line",
      () =>
        new Response(
          '{"line":3,"problems":[{"path":"token","message":"missing"}]}\n' +
            '{"imported":2,"failed":1,"done":true}\n',
        ),
      "heliograph: line 3: token: missing.\n",
    ],
    [
      "a store that fails meanwhile",
      () => new Response('{"imported":2,"failed":0,"done":false,"detail":"the store is away"}\n'),
      "heliograph: not read to its end: the store is away.\n",
    ],
    ["an answer that breaks off", () => new Response('{"imported":2,"failed":0}\n'), ""],
  ];
  for (const [title, answer, told] of answers) {
    await using stage = new Stage({
      [SUBMIT]: [json({ id: "n1" })],
      [ADD]: [answer],
      [CANCEL]: [json(shown("cancelled", { total: 2, cancelled: 2 }))],
    });
    await assertRejects(() => stage.run(...TOKENS), StartError);
    assertStringIncludes(stage.err, told, title);
    assertStringIncludes(stage.err, "heliograph: Nothing was sent: the notification is cancelled.");
    assertEquals(stage.asked.at(-1), CANCEL, title);
  }
});

Deno.test("A command tells in a sentence what to do about the node and the token", async () => {
  const rows: readonly (readonly [Response, 1 | 2, string])[] = [
    [
      problem(401, "unknown token"),
      1,
      "does not know it (unknown token). Use the token of that node",
    ],
    [problem(403, "this needs admin"), 1, "does not allow this to it (this needs admin)."],
    [new Response("<html>"), 1, "answers, but not as a node of this version would"],
    [problem(409, "is busy"), 1, "is busy"],
    [problem(413, "too many"), 2, "too many"],
  ];
  for (const [answer, status, text] of rows) {
    await using stage = new Stage({ "GET /v1/apps": [() => answer] });
    const error = await assertRejects(() => stage.run("apps", "list"), StartError);
    assertEquals(error.status, status);
    assertStringIncludes(error.message, text);
    assert(!error.message.includes(TOKEN));
  }
});

const PAUSE = {
  platform: "apns",
  reason: "403 InvalidProviderToken\x1b[2J",
  since: "2030-01-01T00:00:00.000Z",
};
const PAUSED = json({ name: "shop", version: 1, pauses: [PAUSE, { ...PAUSE, platform: "fcm" }] });
const PAUSE_LINES = "apns is paused: 403 InvalidProviderToken\\u001b[2J\n" +
  "Correct it with heliograph apps add, or: heliograph apps resume shop\n";

Deno.test("send says that a platform is paused when it stands still, and what is right again no more", async () => {
  const still = shown("sending", { total: 4, pending: 4 });
  await using stage = new Stage({
    [SUBMIT]: [json({ id: "n1" })],
    [LOOK]: [...Array.from({ length: 6 }, () => json(still)), json(DONE)],
    "GET /v1/apps/shop": [PAUSED, json({ name: "shop", version: 2, pauses: [] })],
  });
  assertEquals(await stage.run(...SEND), 0);
  const line = "sending: 0 of 4 (0%), delivered 0, dead 0, failed 0, 0/s, left –\n";
  assertEquals(
    stage.err,
    `notification n1\n${line}${line}${PAUSE_LINES}${line}` +
      "done: 4 of 4 (100%), delivered 3, dead 1, failed 0, 1/s, left 0s\n",
  );
  const asked = stage.asked.filter((one) => one.startsWith("GET /v1/apps"));
  assertEquals(asked.length, 2, "every two seconds");
});

Deno.test("send draws what is paused below the progress, within the terminal", async () => {
  const still = shown("sending", { total: 4, pending: 4 });
  await using stage = new Stage({
    [SUBMIT]: [json({ id: "n1" })],
    [LOOK]: [json(still)],
    "GET /v1/apps/shop": [PAUSED],
  }, { live: true });
  stage.onSleep = (times) => times === 12 && stage.interrupt();
  assertEquals(await stage.run(...SEND), 130);
  const drawn = stage.err.replaceAll("\x1b[K", "");
  assertStringIncludes(drawn, PAUSE_LINES);
  // deno-lint-ignore no-control-regex
  const bare = drawn.replaceAll(/\x1b\[\d*[A-Z]|\r/g, "");
  const widths = bare.slice(0, bare.indexOf("heliograph: ")).split("\n").map((one) => one.length);
  assert(Math.max(...widths) <= 80, `${Math.max(...widths)}`);
});

Deno.test("send prints nothing again for a notification that waits for its time", async () => {
  const waiting = json(shown("scheduled", {}));
  await using stage = new Stage({
    [SUBMIT]: [json({ id: "n1" })],
    [LOOK]: [...Array.from({ length: 100 }, () => waiting), json(DONE)],
  });
  assertEquals(await stage.run(...SEND), 0);
  assertEquals(stage.err.split("\n").filter((line) => line.startsWith("scheduled")).length, 1);
});

Deno.test("send and status tell the reasons of failures, the most frequent first", async () => {
  const failed = shown("done", { total: 2_004, rejected: 2_003, failed: 1, tokenInvalid: 0 });
  const row = (outcome: string, status: number, reason: string) => ({
    ...{ platform: "apns", outcome, status, reason },
  });
  const deliveries = [
    row("rejected", 400, "BadTopic"),
    row("rejected", 413, "PayloadTooLarge"),
    row("rejected", 413, "PayloadTooLarge"),
  ];
  await using stage = new Stage({
    [SUBMIT]: [json({ id: "n1" })],
    [LOOK]: [json(failed)],
    "GET /v1/notifications/n1/deliveries": [
      json({ deliveries, next: null }),
      json({ deliveries: [row("failed", 0, "no connection")], next: null }),
    ],
  });
  assertEquals(await stage.run(...SEND), 1);
  assertStringIncludes(
    stage.out,
    `
  of 4  outcome         reason
     2  rejected  apns  413 PayloadTooLarge
     1  rejected  apns  400 BadTopic
     1  failed    apns  no connection
`,
  );
});

Deno.test("status ID says what is paused, and shows its progress when the API says no more", async () => {
  const still = shown("sending", { total: 4, rejected: 1, pending: 3 });
  await using stage = new Stage({ [LOOK]: [json(still)], "GET /v1/apps/shop": [PAUSED] });
  assertEquals(await stage.run("status", "n1"), 0);
  assert(stage.out.endsWith(`\n\n${PAUSE_LINES}`), stage.out);
  await using silent = new Stage({ [LOOK]: [json(still)] });
  assertEquals(await silent.run("status", "n1"), 0);
  assertStringIncludes(silent.out, "Notification n1 is sending: 4 recipients so far.");
});

Deno.test("send does not begin at once for a time that is over, unless its key may have begun before", async () => {
  await using stage = new Stage({ [SUBMIT]: [json({ id: "n1" })], [LOOK]: [json(DONE)] });
  const past = ["--at", "2029-12-31T23:58:00Z"];
  const error = await assertRejects(() => stage.run(...SEND, ...past), StartError);
  assertEquals([error.status, error.message], [
    2,
    "--at: 2029-12-31T23:58:00.000Z is over, it is 2030-01-01T00:00:00.000Z. Leave it out to begin now",
  ]);
  await assertRejects(() => stage.run(...TOKENS, ...past), StartError);
  assertEquals(stage.asked, []);
  assertEquals(await stage.run(...SEND, ...past, "--idempotency-key", "k"), 0);
  assertEquals(await stage.run(...SEND, "--at", "2029-12-31T23:59:30Z"), 0);
});

Deno.test("send tells a key that was used by the name of its option", async () => {
  const used = () => problem(409, "Idempotency-Key: was used for another notification");
  await using stage = new Stage({ [SUBMIT]: [used] });
  const error = await assertRejects(() => stage.run(...SEND, "--idempotency-key", "k"), StartError);
  assertEquals([error.status, error.message], [
    1,
    "--idempotency-key: was used for another notification",
  ]);
});

Deno.test("RowsProgress.show() draws what the node took, not what is on its way to it", async () => {
  await using stage = new Stage({});
  const rows = await openRows("-", "FILE", {
    ...stage.world,
    terminal: {
      ...stage.world.terminal,
      stdin: ReadableStream.from([new TextEncoder().encode("a\nb\nc\nd\n")]),
    },
  });
  await rows.bytes.pipeTo(new WritableStream());
  const progress = new RowsProgress({ ...rows, size: 8 }, stage.world);
  progress.show({ imported: 1, failed: 0 });
  stage.sleptMs = 1_000;
  progress.show({ imported: 3, failed: 1 });
  assertEquals(stage.err.split("\n").map((line) => line.slice(0, 4)), [" 25%", "100%", ""]);
});

Deno.test("apps add says which platforms an app has lost by it", async () => {
  const fcm = { project: "p", clientEmail: "a@example.org" };
  const webpush = { vapidPublicKey: "k", subject: "mailto:ops@example.org" };
  const had = { name: "shop", version: 1, fcm, webpush, pauses: [] };
  const has = { name: "shop", version: 2, webpush, pauses: [] };
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "key");
  const key = ["--vapid-private-key-file", file, "--vapid-subject", "mailto:ops@example.org"];
  const told: string[] = [];
  for (const before of [[json(had)], [json(has)], []]) {
    await using stage = new Stage({
      "GET /v1/apps/shop": before,
      "PUT /v1/apps/shop": [json(has)],
    });
    assertEquals(await stage.run("apps", "add", "shop", ...key), 0);
    told.push(stage.err);
  }
  await Deno.remove(file);
  assertEquals(told, [
    "heliograph: the credentials that shop had for fcm are gone: " +
    "all of an app are saved in one call.\n",
    "",
    "",
  ]);
});
