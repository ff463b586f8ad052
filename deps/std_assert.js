// @ts-self-types="./std_assert.d.ts"
export { assert } from "deno-std/assert/assert.js";
export { assertEquals } from "deno-std/assert/equals.js";
export { assertGreater } from "deno-std/assert/greater.js";
export { assertInstanceOf } from "deno-std/assert/instance_of.js";
export { assertLess } from "deno-std/assert/less.js";
export { assertMatch } from "deno-std/assert/match.js";
export { assertNotEquals } from "deno-std/assert/not_equals.js";
export { assertObjectMatch } from "deno-std/assert/object_match.js";
export { assertRejects } from "deno-std/assert/rejects.js";
export { assertStrictEquals } from "deno-std/assert/strict_equals.js";
export { assertStringIncludes } from "deno-std/assert/string_includes.js";
export { assertThrows } from "deno-std/assert/throws.js";
export { fail } from "deno-std/assert/fail.js";
