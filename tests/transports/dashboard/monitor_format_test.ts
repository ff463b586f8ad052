import { assertEquals } from "@std/assert";
import * as format from "../../../transports/dashboard/monitor/format.js";

const AT = Date.parse("2026-11-22T14:03:22Z");

const rows: readonly (readonly [made: string, expected: string])[] = [
  [format.whole(0), "0"],
  [format.whole(1_234_567), "1,234,567"],
  [format.short(999), "999"],
  [format.short(1_234_567), "1.23M"],
  [format.rate(0), "0"],
  [format.rate(0.44), "0.4"],
  [format.rate(9.96), "10"],
  [format.rate(123_456), "123K"],
  [format.share(0, 0), "0%"],
  [format.share(1, 8), "12.5%"],
  [format.share(3, 3), "100%"],
  [format.bytes(0), "0 bytes"],
  [format.bytes(1_023), "1023 bytes"],
  [format.bytes(1_536), "1.5 KiB"],
  [format.bytes(118_489_088), "113 MiB"],
  [format.bytes(5 * 1_024 ** 5), "5120 TiB"],
  [format.duration(0.34), "0.3 ms"],
  [format.duration(999), "999 ms"],
  [format.duration(3_400), "3.4 s"],
  [format.duration(59_999), "60 s"],
  [format.duration(300_000), "5 min"],
  [format.duration(7_200_000), "2 h"],
  [format.duration(172_800_000), "2 d"],
  [format.ago(AT, AT + 400), "now"],
  [format.ago(AT, AT + 36_300), "36 s ago"],
  [format.ago(AT, AT + 59_700), "1 min ago"],
  [format.ago(AT, AT + 180_000), "3 min ago"],
  [format.ago(AT + 7_200_000, AT), "in 2 h"],
];

Deno.test("numbers, times and sizes read as people write them", () => {
  for (const [made, expected] of rows) assertEquals(made, expected);
});

Deno.test("clock() and dateTime() are of the time zone of who looks", () => {
  const at = new Date(2026, 10, 2, 4, 5, 6).getTime();
  assertEquals(format.clock(at), "04:05:06");
  assertEquals(format.dateTime(at), "2026-11-02 04:05:06");
});

Deno.test("every outcome and platform has a name, every outcome a meaning", () => {
  for (const platform of format.PLATFORMS) assertEquals(platform in format.PLATFORM_NAMES, true);
  for (const outcome of format.OUTCOMES) {
    assertEquals(outcome in format.OUTCOME_NAMES && outcome in format.OUTCOME_MEANINGS, true);
  }
});
