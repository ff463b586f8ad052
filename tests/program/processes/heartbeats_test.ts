import { assertEquals } from "@std/assert";
import { Heartbeats } from "../../../program/processes/heartbeats.ts";

/** Heartbeats (`h`) and checks (`c`), and what the last check says when three may be missed. */
const COURSES: readonly (readonly [course: string, expected: "alive" | "hanging"])[] = [
  ["c", "alive"],
  ["ccc", "alive"],
  ["cccc", "hanging"],
  ["ccchccc", "alive"],
  ["ccchcccc", "hanging"],
  ["hhhhcccc", "hanging"],
  ["chchchchchc", "alive"],
];

for (const [course, expected] of COURSES) {
  Deno.test(`Heartbeats.check() after ${course} => ${expected}`, () => {
    const heartbeats = new Heartbeats(3);
    let last: "alive" | "hanging" = "alive";
    for (const step of course) {
      if (step === "h") heartbeats.heard();
      else last = heartbeats.check();
    }
    assertEquals(last, expected);
  });
}
