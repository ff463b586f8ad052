/**
 * JSON text to a value, or the place where it stops being JSON.
 *
 * Why not the platform's message: it gives no place for many errors, and quotes the text around
 * others, which may be a secret. The platform parses; only a text it refused is looked through here.
 *
 * @module
 */

/** What a text is. */
export type JsonText =
  | { readonly kind: "value"; readonly value: unknown }
  /** Line and column, both from 1, of the first token that cannot stand there. */
  | { readonly kind: "malformed"; readonly line: number; readonly column: number };

/** Parses a JSON text (RFC 8259). */
export function parseJson(text: string): JsonText {
  try {
    return { kind: "value", value: JSON.parse(text) };
  } catch {
    const before = text.slice(0, faultOf(text)).split("\n");
    return {
      kind: "malformed",
      line: before.length,
      column: (before.at(-1) ?? "").length + 1,
    };
  }
}

const SPACE = /[ \t\n\r]*/y;
/** What may stand in a string: no control characters, and quote and backslash only after a backslash. */
const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;

/** What may come next. `item` is a value or the end of a list, `name` a member's name, `first_name` that or the end of an object. */
type Expected = "value" | "item" | "name" | "first_name" | "colon" | "comma";

/** Where a text that is not JSON stops being it. */
function faultOf(text: string): number {
  const open: ("{" | "[")[] = [];
  let expected: Expected = "value";
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const length = pattern.exec(text)?.[0].length;
    at += length ?? 0;
    return length !== undefined;
  };
  while (true) {
    take(SPACE);
    const next = text[at];
    if (next === undefined) return at;
    if (expected === "value" || expected === "item") {
      if (next === "{" || next === "[") {
        open.push(next);
        expected = next === "{" ? "first_name" : "item";
        at++;
      } else if (next === "]" && expected === "item") {
        open.pop();
        expected = "comma";
        at++;
      } else if (take(STRING) || take(SCALAR)) expected = "comma";
      else return at;
    } else if (expected === "colon") {
      if (next !== ":") return at;
      expected = "value";
      at++;
    } else if (expected === "name" || expected === "first_name") {
      if (take(STRING)) expected = "colon";
      else if (next === "}" && expected === "first_name") {
        open.pop();
        expected = "comma";
        at++;
      } else return at;
    } else {
      const inner = open.at(-1);
      if (next === "," && inner !== undefined) expected = inner === "{" ? "name" : "value";
      else if ((next === "}" && inner === "{") || (next === "]" && inner === "[")) open.pop();
      else return at;
      at++;
    }
  }
}
