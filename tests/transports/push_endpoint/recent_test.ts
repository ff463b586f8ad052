/**
 * The bounded map: what it keeps and what it forgets.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Recent } from "../../../transports/push_endpoint/recent.ts";

Deno.test("Recent forgets what was not used, and keeps what was", () => {
  const recent = new Recent<string, number>(4);
  for (const [key, value] of [["a", 1], ["b", 2], ["c", 3]] as const) recent.set(key, value);
  assertEquals(recent.get("a"), 1);
  recent.set("d", 4);
  recent.set("e", 5);
  assertEquals(["a", "b", "c", "d", "e"].map((key) => recent.get(key)), [
    1,
    undefined,
    undefined,
    4,
    5,
  ]);
  recent.set("e", 6);
  recent.delete("d");
  assertEquals([recent.get("d"), recent.get("e")], [undefined, 6]);
});

Deno.test("Recent holds at most its capacity and the most recent half, for every sequence", () => {
  const steps = fc.array(
    fc.tuple(fc.constantFrom("get", "set", "delete"), fc.integer({ min: 0, max: 12 })),
    { maxLength: 200 },
  );
  fc.assert(fc.property(fc.integer({ min: 1, max: 4 }), steps, (half, sequence) => {
    const recent = new Recent<number, number>(2 * half);
    let used: readonly number[] = [];
    for (const [step, key] of sequence) {
      const found = recent.get(key);
      assert(found === key || !used.slice(0, half).includes(key), "a recent entry was forgotten");
      if (step === "set") recent.set(key, key);
      if (step === "delete") recent.delete(key);
      used = used.filter((other) => other !== key);
      if (step === "set" || (step === "get" && found === key)) used = [key, ...used];
      if (step === "delete") assertEquals(recent.get(key), undefined);
      assert(recent.size <= 2 * half);
    }
  }));
});
