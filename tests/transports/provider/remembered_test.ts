/**
 * The bounded map.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Remembered } from "../../../transports/provider/remembered.ts";

Deno.test("Remembered.get() makes a value once, and again when it was forgotten", () => {
  const made: string[] = [];
  const map = new Remembered<string>(2);
  const get = (key: string) =>
    map.get(key, () => {
      made.push(key);
      return key.toUpperCase();
    });
  for (const key of ["a", "b", "a", "c", "a", "b"]) assertEquals(get(key), key.toUpperCase());
  // "c" pushed out "b", which was used before "a".
  assertEquals(made, ["a", "b", "c", "b"]);
  assertEquals(map.size, 2);
});
