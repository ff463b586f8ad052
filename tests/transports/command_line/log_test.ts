import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import * as fc from "fast-check";
import { errorText, fingerprint, Log } from "../../../transports/command_line/log.ts";
import type { LogLevel } from "../../../transports/command_line/setting.ts";
import { LOG_LINES_PER_SECOND_MAX } from "../../../transports/command_line/limits.ts";

/** A log whose lines and time are in the test's hands. */
class World {
  time = Date.UTC(2030, 0, 1);
  readonly lines: string[] = [];
  readonly log: Log;

  constructor(level: LogLevel = "info") {
    this.log = new Log({
      level,
      clock: { wallNow: () => this.time },
      write: (line) => this.lines.push(line),
    });
  }
}

Deno.test("Log writes one JSON line with time, level, event and fields", () => {
  const world = new World();
  world.log.info("ready", { port: 8080, tls: false, store: "memory:", none: undefined, nil: null });
  assertEquals(world.lines, [
    '{"time":"2030-01-01T00:00:00.000Z","level":"info","event":"ready",' +
    '"port":8080,"tls":false,"store":"memory:","nil":null}\n',
  ]);
});

Deno.test("Log says on every line what all have in common, of suppressed ones, too", () => {
  const lines: string[] = [];
  const log = new Log({
    level: "info",
    clock: { wallNow: () => 0 },
    write: (line) => lines.push(line),
    common: { process: 2 },
  });
  for (let count = 0; count <= LOG_LINES_PER_SECOND_MAX; count++) log.info("busy", { count });
  log.flush();
  assertEquals(
    lines.map((line) => JSON.parse(line)).map(({ event, process }) => `${event} ${process}`),
    [...Array(LOG_LINES_PER_SECOND_MAX).fill("busy 2"), "suppressed 2"],
  );
  assertMatch(lines[0] ?? "", /"event":"busy","process":2,"count":0\}\n$/);
});

Deno.test("Log leaves out what is below its level", () => {
  const rows: readonly (readonly [LogLevel, readonly string[]])[] = [
    ["debug", ["debug", "info", "warn", "error"]],
    ["info", ["info", "warn", "error"]],
    ["warn", ["warn", "error"]],
    ["error", ["error"]],
  ];
  for (const [level, expected] of rows) {
    const { log, lines } = new World(level);
    log.debug("a");
    log.info("a");
    log.warn("a");
    log.error("a");
    assertEquals<unknown>(lines.map((line) => JSON.parse(line).level), expected);
  }
});

Deno.test("Log escapes what moves a terminal and cuts what is long", () => {
  const rows: readonly (readonly [value: string, shown: string])[] = [
    ["a\nb\r\t\0", String.raw`a\nb\r\t\u0000`],
    ["\u001b[31mred", String.raw`\u001b[31mred`],
    ["\u009b31m\u0085\u007f", String.raw`\u009b31m\u0085\u007f`],
    ["\u202Eevil\u2066\u200f\u061c", String.raw`\u202eevil\u2066\u200f\u061c`],
    ["\u2028\u2029\ufeff\u200b", String.raw`\u2028\u2029\ufeff\u200b`],
    ["\ud800", String.raw`\ud800`],
    ["\u{e0041}", String.raw`\udb40\udc41`],
    ['"},{"level":"error', String.raw`\"},{\"level\":\"error`],
    ["Grüße, 世界 👋", "Grüße, 世界 👋"],
    ["x".repeat(400), "x".repeat(400)],
    ["x".repeat(401), `${"x".repeat(399)}…`],
    ["x".repeat(398) + "👋👋", `${"x".repeat(398)}…`],
  ];
  for (const [value, shown] of rows) {
    const world = new World();
    world.log.info("e", { value });
    assertStringIncludes(world.lines[0] ?? "", `"value":"${shown}"}\n`);
  }
});

Deno.test("Log cuts the names of fields", () => {
  const world = new World();
  world.log.info("e", { ["n".repeat(61)]: 1 });
  assertStringIncludes(world.lines[0] ?? "", `"${"n".repeat(59)}…":1}`);
});

Deno.test("Log keeps its own fields and at most 16 others", () => {
  const world = new World();
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`f${index}`, index]));
  world.log.info("e", { level: "error", event: "x", time: 0, ...many });
  const line = JSON.parse(world.lines[0] ?? "");
  assertEquals([line.level, line.event, Object.keys(line).length], ["info", "e", 19]);
});

Deno.test("Log tells an event 20 times a second and then how often it was silent", () => {
  const world = new World();
  for (let count = 0; count < 1_000; count++) world.log.warn("flood", { count });
  world.log.info("calm");
  assertEquals(world.lines.length, LOG_LINES_PER_SECOND_MAX + 1);
  world.time += 1_000;
  world.log.info("calm");
  assertEquals(
    world.lines.slice(-2).map((line) => JSON.parse(line)),
    [
      {
        time: "2030-01-01T00:00:01.000Z",
        level: "warn",
        event: "suppressed",
        suppressed_event: "flood",
        lines: 980,
      },
      { time: "2030-01-01T00:00:01.000Z", level: "info", event: "calm" },
    ],
  );
  world.log.flush();
  assertEquals(world.lines.length, LOG_LINES_PER_SECOND_MAX + 3, "told once");
});

Deno.test("Log.flush() tells what a flood left when nothing follows it", () => {
  const world = new World();
  for (let count = 0; count < 25; count++) world.log.warn("flood");
  world.log.flush();
  assertEquals(JSON.parse(world.lines.at(-1) ?? "").lines, 5);
});

Deno.test("Log counts events with ever new names together", () => {
  const world = new World();
  for (let index = 0; index < 10_000; index++) world.log.info(`e${index}`);
  assertEquals(world.lines.length, 256 + LOG_LINES_PER_SECOND_MAX);
  world.log.flush();
  assertEquals(JSON.parse(world.lines.at(-1) ?? "").lines, 10_000 - world.lines.length + 1);
});

Deno.test("Log writes one visible, bounded, parsable line for any input", () => {
  const value = fc.oneof(
    fc.string({ unit: "binary", maxLength: 400 }),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constant(undefined),
  );
  const text = fc.string({ unit: "binary", maxLength: 100 });
  const fieldsOf = fc.dictionary(text, value, { maxKeys: 20, size: "max" });
  fc.assert(fc.property(text, fieldsOf, (event, fields) => {
    const world = new World();
    world.log.info(event, fields);
    assertEquals(world.lines.length, 1);
    const line = world.lines[0] ?? "";
    assert(/^[^\p{C}\p{Zl}\p{Zp}]*\n$/u.test(line), JSON.stringify(line));
    assertEquals(JSON.parse(line).level, "info");
    // Each character may become an escape of twelve characters.
    assert(line.length < 17 * 12 * (400 + 60) + 100, `${line.length}`);
  }));
});

Deno.test("fingerprint() is the start of the SHA-256", () => {
  assertEquals(fingerprint("abc"), "ba7816bf");
});

Deno.test("errorText() tells names, messages and causes, not stacks, and ends", () => {
  const circular = new Error("round");
  circular.cause = circular;
  const rows: readonly (readonly [error: unknown, text: RegExp])[] = [
    [new TypeError("no", { cause: new Error("deep") }), /^TypeError: no < Error: deep$/],
    [circular, /^(Error: round( < )?){4}$/],
    ["text", /^text$/],
    [undefined, /^$/],
    [null, /^an object that is no Error$/],
    [{ secret: "canary" }, /^an object that is no Error$/],
    [Symbol("s"), /^Symbol\(s\)$/],
  ];
  for (const [error, text] of rows) assertMatch(errorText(error), text);
});
