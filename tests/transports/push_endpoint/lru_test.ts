/**
 * The bounded map: what leaves when it is full.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Lru } from "../../../transports/push_endpoint/lru.ts";

Deno.test("Lru forgets what was not used for the longest time", () => {
  const lru = new Lru<string, number>(2);
  lru.set("a", 1);
  lru.set("b", 2);
  assertEquals(lru.get("a"), 1);
  lru.set("c", 3);
  assertEquals([lru.get("a"), lru.get("b"), lru.get("c")], [1, undefined, 3]);
  lru.set("a", 4);
  assertEquals([lru.get("a"), lru.size], [4, 2]);
  lru.delete("a");
  assertEquals([lru.get("a"), lru.size], [undefined, 1]);
});

Deno.test("Lru behaves like a list of recent uses, for every sequence", () => {
  const steps = fc.array(
    fc.tuple(fc.constantFrom("get", "set", "delete"), fc.integer({ min: 0, max: 9 })),
  );
  fc.assert(fc.property(fc.integer({ min: 1, max: 5 }), steps, (capacity, sequence) => {
    const lru = new Lru<number, number>(capacity);
    let recent: readonly number[] = [];
    for (const [step, key] of sequence) {
      const known = recent.includes(key);
      if (step === "get") assertEquals(lru.get(key), known ? key : undefined);
      if (step === "set") lru.set(key, key);
      if (step === "delete") lru.delete(key);
      if (known || step === "set") recent = [key, ...recent.filter((other) => other !== key)];
      if (step === "delete") recent = recent.filter((other) => other !== key);
      recent = recent.slice(0, capacity);
      assertEquals(lru.size, recent.length);
    }
  }));
});
