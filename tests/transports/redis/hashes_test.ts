import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { StoreError } from "../../../transports/redis/errors.ts";
import {
  bytesField,
  type Hash,
  hashOf,
  hashOfNames,
  integerField,
  oneOfField,
  optionalTextField,
  textField,
} from "../../../transports/redis/hashes.ts";

const KEY = "heliograph:thing";
const REPLY = ["name", "Ann", "count", "-12", "half", "1.5", "empty", ""].map((text) =>
  Buffer.from(text)
);

function thing(): Hash {
  const hash = hashOf(KEY, REPLY);
  if (hash === undefined) throw new Error("no hash");
  return hash;
}

Deno.test("hashOf() tells no hash from one with fields", () => {
  assertEquals(hashOf(KEY, []), undefined);
  assertEquals([...thing().fields.keys()], ["name", "count", "half", "empty"]);
});

Deno.test("hashOfNames() leaves out what was not there", () => {
  assertEquals(hashOfNames(KEY, ["a", "b"], [null, null]), undefined);
  const hash = hashOfNames(KEY, ["a", "b"], [null, Buffer.from("x")]);
  assertEquals(hash && [...hash.fields.keys()], ["b"]);
});

Deno.test("fields are read as what they are", () => {
  assertEquals(textField(thing(), "name"), "Ann");
  assertEquals(integerField(thing(), "count"), -12);
  assertEquals([...bytesField(thing(), "name")], [65, 110, 110]);
  assertEquals(optionalTextField(thing(), "empty"), "");
  assertEquals(optionalTextField(thing(), "none"), undefined);
  assertEquals(oneOfField(thing(), "name", ["Ann", "Bob"]), "Ann");
});

const WRONG: readonly (readonly [read: (hash: Hash) => unknown, words: string])[] = [
  [(hash) => textField(hash, "none"), 'field "none" is missing'],
  [(hash) => integerField(hash, "name"), 'field "name" is "Ann", expected a whole number'],
  [(hash) => integerField(hash, "half"), 'field "half" is "1.5", expected a whole number'],
  [(hash) => integerField(hash, "empty"), 'field "empty" is "", expected a whole number'],
  [(hash) => oneOfField(hash, "name", ["a", "b"]), 'field "name" is "Ann", expected "a" or "b"'],
];

for (const [read, words] of WRONG) {
  Deno.test(`a reader of fields says: ${words}`, () => {
    const error = assertThrows(() => read(thing()), StoreError);
    assertEquals(error.code, "damaged");
    assertEquals(error.message, `Cannot read key ${KEY}: ${words}`);
  });
}
