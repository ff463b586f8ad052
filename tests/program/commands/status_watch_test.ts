import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Screen } from "../../../program/commands/world.ts";
import { StartError } from "../../../program/start_error.ts";
import { json, problem, Stage } from "../../support/command_stage.ts";

const NOTHING = {
  ...{ delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 },
  retries: 0,
};

/** A whole minute. */
const AT = 1_700_000_040;

/** A bar with so many delivered to APNs. */
function bar(second: number, delivered: number) {
  const platforms = { apns: { ...NOTHING, delivered }, fcm: NOTHING, webpush: NOTHING };
  return { second, platforms };
}

/** What `GET /v1/bars` answers in this second, which is not over. */
function past(second: number, ...bars: readonly ReturnType<typeof bar>[]) {
  return json({ span: "ten_minutes", step: 1, from: second - 599, to: second + 1, bars });
}

const PAUSE = { platform: "apns", reason: "ExpiredProviderToken", since: "2030-01-01T00:00:00Z" };
const STATUS = {
  node: { id: "a1", version: "1.0.0", startedAt: "2030-01-01T00:00:00.000Z" },
  queue: { waiting: 1_200, leased: 16 },
  lanes: [{ app: "shop", platform: "apns", waiting: 1_200, leased: 16, pause: PAUSE }],
  rates: null,
};

/** A stream of events that ends; `heard` has what it was asked. */
function events(
  frames: readonly (readonly [type: string, data: unknown])[],
  heard: string[] = [],
): (request: Request) => Response {
  return (request) => {
    heard.push(new URL(request.url).search);
    const text = frames.map(([type, data]) => `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    return new Response(text.join(""), { headers: { "content-type": "text/event-stream" } });
  };
}

const [BARS, EVENTS] = ["GET /v1/bars", "GET /v1/events"];
const WATCH = ["status", "--watch"];
const AWAY = () => problem(503, "the store does not answer");
const ABSENT = "the node does not answer; waiting for it";

const ESCAPE = "\x1b";

/** A time of the day as this machine has it. */
function clock(second: number): string {
  return new Date(second * 1_000).toTimeString().slice(0, 8);
}

Deno.test("status --watch draws bars in place, waits for a node that is away, and leaves the terminal as it was", async () => {
  let screen: Screen = { columns: 40, rows: 10, colour: true };
  const heard: string[] = [];
  await using stage = new Stage({
    [BARS]: [past(AT, bar(AT - 1, 40)), AWAY, past(AT + 3)],
    [EVENTS]: [
      events([["bar", bar(AT - 1, 40)], ["bar", bar(AT, 80)], ["status", STATUS]], heard),
      events([["bar", bar(AT + 3, 20)]], heard),
    ],
  }, { screen: () => screen });
  stage.onSleep = (times) => {
    if (times === 2) screen = { columns: 60, rows: undefined, colour: false };
    if (times === 3) stage.interrupt();
  };
  assertEquals(await stage.run(...WATCH), 130);
  assertEquals([stage.err, heard], ["", [`?since=${AT - 10}`, `?since=${AT - 7}`]]);
  const drawn = stage.out.split("\x1b[J").map((one) =>
    one.replaceAll(`${ESCAPE}[K`, "").split("\n").slice(0, -1)
  );
  // What it begins with, a bar and the load; a second of absence each; another size, and a bar.
  // The emptied screen counts, and what is behind the last.
  assertEquals(drawn.length, 8 + 2);
  assertStringIncludes(drawn[0]?.at(-1) ?? "", "all 4/s, 40 in 40s");
  assertEquals(
    drawn[2]?.slice(-3),
    [
      "\x1b[38;5;29m█\x1b[0m webpush 0/s, 0   all 12/s, 120 in 40s",
      "1,200 batches waiting, 16 in flight",
      "shop on apns is paused: ExpiredProvider…",
    ],
  );
  for (const at of [3, 4]) assert(drawn[at]?.includes(ABSENT), `${at}: ${drawn[at]}`);
  const last = drawn[7] ?? [];
  assertEquals([last.length, last.includes(ABSENT)], [12, false]);
  assertStringIncludes(last.join("\n"), "all 14/s, 140 in 1m 00s");
  assertStringIncludes(stage.out, "\x1b[H\x1b[J");
  // Up, home, what is erased, colours: no mode that would have to be left again.
  const sequences = stage.out.split(`${ESCAPE}[`).slice(1).map((one) =>
    one.replace(/^([\d;]*)([^\d;])[^]*/, "$2")
  );
  assertEquals([...new Set(sequences)].sort(), ["A", "H", "J", "K", "m"]);
  assertEquals(stage.out.lastIndexOf("\x1b[0m") > stage.out.lastIndexOf("\x1b[38;"), true);
});

Deno.test("status --watch prints a line a second where it cannot draw, none twice and none left out", async () => {
  await using stage = new Stage({
    [BARS]: [past(AT, bar(AT - 5, 7)), AWAY, past(AT + 4, bar(AT + 1, 1_204))],
    [EVENTS]: [
      events([["bar", bar(AT, 3)], ["bar", bar(AT, 5)], ["bar", bar(AT + 1, 9)]]),
      events([["bar", bar(AT + 4, 2)]]),
    ],
  });
  stage.onSleep = (times) => times === 3 && stage.interrupt();
  assertEquals(await stage.run(...WATCH), 130);
  const line = (second: number, apns: string) =>
    `${clock(second)}  apns ${apns}/s  fcm 0/s  webpush 0/s\n`;
  assertEquals(
    stage.out,
    line(AT, "5") + line(AT + 1, "1,204") + line(AT + 2, "0") + line(AT + 3, "0"),
  );
  assertEquals(stage.err, `${ABSENT}\n`.repeat(2));
});

Deno.test("status --watch --json prints each bar that is new or has grown", async () => {
  await using stage = new Stage({
    [BARS]: [past(AT, bar(AT - 1, 40), bar(AT, 1))],
    [EVENTS]: [events([["bar", bar(AT - 1, 40)], ["bar", bar(AT, 3)], ["status", STATUS]])],
  });
  stage.onSleep = () => stage.interrupt();
  assertEquals(await stage.run(...WATCH, "--json"), 130);
  const lines = stage.out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines, [bar(AT - 1, 40), bar(AT, 1), bar(AT, 3)]);
  assertEquals(stage.err, "");
});

Deno.test("status --watch gives up after a minute without the node", async () => {
  await using stage = new Stage({ [BARS]: [past(AT), AWAY], [EVENTS]: [events([])] });
  await assertRejects(() => stage.run(...WATCH), StartError, "the store does not answer");
  assertEquals([stage.sleptMs, stage.err], [60_000, `${ABSENT}\n`]);
});

Deno.test("status --watch does not wait for a node that refuses, or is none", async () => {
  const rows = [
    [() => problem(401, "unknown token"), "api-token: "],
    [json({ bars: 1 }), "api-url: "],
  ] as const;
  for (const [answer, expected] of rows) {
    await using stage = new Stage({ [BARS]: [answer] });
    await assertRejects(() => stage.run(...WATCH), StartError, expected);
    assertEquals([stage.sleptMs, stage.out, stage.err], [0, "", ""]);
  }
});
