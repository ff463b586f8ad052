/**
 * Text from outside made safe to show: cut to a length and free of characters that move a
 * terminal's cursor, reverse a line, hide or start a new line.
 *
 * Invariant: the result of {@linkcode escapeInvisible} has no control, format, separator or
 * unassigned character, so one line stays one line and looks like what it is.
 *
 * @module
 */

/** Controls (C0, C1), formats (bidi, zero width), line separators, private and unassigned, lone surrogates. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

/** Writes each invisible character as `\uXXXX`, in JSON's spelling, so JSON text stays the same JSON. */
export function escapeInvisible(text: string): string {
  return text.replace(INVISIBLE, (character) => {
    let escaped = "";
    for (let unit = 0; unit < character.length; unit++) {
      escaped += `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`;
    }
    return escaped;
  });
}

/** The first `charsMax` characters; a text that was longer ends in an ellipsis, which counts. */
export function cut(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  // A pair of surrogates is one character: do not leave half of it.
  return `${text.slice(0, charsMax - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/** A value from outside in quotes, for an answer to a person: escaped and cut to `charsMax`. */
export function quote(text: string, charsMax: number): string {
  return `"${escapeInvisible(cut(text, charsMax))}"`;
}
