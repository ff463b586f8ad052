import { assertEquals } from "@std/assert";
import { BarWindow, endedOn, type SecondBar } from "../../../transports/command_line/bar_window.ts";

const NOTHING = {
  ...{ delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 },
  retries: 0,
};

function bar(second: number, delivered: number, retries = 0): SecondBar {
  return { second, platforms: { apns: { ...NOTHING, delivered, retries } } };
}

Deno.test("BarWindow.take() says what is news: a second that is new, or of which more is known", () => {
  const window = new BarWindow();
  assertEquals([window.newest, window.since], [undefined, 0]);
  const rows = [
    [bar(100, 5), true],
    [bar(100, 5), false],
    [bar(100, 4), false], // A node that began anew in that second.
    [bar(100, 5, 1), true],
    [bar(98, 0), true], // Nothing ended, which nobody had said.
    [bar(98, 0), false],
  ] as const;
  for (const [one, news] of rows) assertEquals(window.take(one), news, JSON.stringify(one));
  assertEquals([window.newest, window.since], [100, 90]);
  assertEquals(window.at(100), bar(100, 5, 1));
});

Deno.test("BarWindow keeps ten minutes", () => {
  const window = new BarWindow();
  for (let second = 0; second < 1_000; second++) window.take(bar(second, second));
  window.moveTo(900);
  assertEquals([window.newest, window.at(399), window.at(400)], [999, undefined, bar(400, 400)]);
  window.moveTo(1_000);
  assertEquals([window.newest, window.at(400), window.at(401)], [1_000, undefined, bar(401, 401)]);
});

Deno.test("BarWindow forgets a future after the node's clock was set back", () => {
  const window = new BarWindow();
  window.take(bar(10_000, 1));
  assertEquals(window.take(bar(9_400, 2)), true);
  assertEquals([window.newest, window.at(10_000)], [9_400, undefined]);
});

Deno.test("endedOn() counts all outcomes and no retries", () => {
  const counts = { delivered: 1, token_invalid: 2, rejected: 4, expired: 8, failed: 16 };
  const platforms = { fcm: { ...counts, cancelled: 32, retries: 64 } };
  const one = { second: 1, platforms };
  assertEquals([endedOn(one, "fcm"), endedOn(one, "apns"), endedOn(undefined, "fcm")], [63, 0, 0]);
});
