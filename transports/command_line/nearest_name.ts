/**
 * Which known name a mistyped one was meant to be.
 *
 * @module
 */

import { levenshteinDistance } from "@std/text";

/** Longer words are no typing mistakes, and the comparison costs by length. */
const WORD_CHARS_MAX = 60;

/** Names offered when a word is a part of several. */
const OFFERED_MAX = 3;

/** Whether two neighbours changed places, the commonest slip of all. */
function isSwap(word: string, name: string): boolean {
  const at = [...word].findIndex((character, index) => character !== name[index]);
  const swapped = `${word.slice(0, at)}${word[at + 1]}${word[at]}${word.slice(at + 2)}`;
  return at >= 0 && swapped === name;
}

/** Characters to insert, remove or replace; two that changed places are one. */
function distance(word: string, name: string): number {
  return isSwap(word, name) ? 1 : levenshteinDistance(word, name);
}

/** How far a name is from a word: to the whole name, or a little more to one of its parts. */
function distanceTo(word: string, name: string): number {
  const parts = name.split("-").map((part) => distance(word, part) + 0.5);
  return Math.min(distance(word, name), ...parts);
}

/**
 * The known names that `word` was probably meant to be, at most three: those nearest in spelling,
 * as a whole or in one of their parts, as `port` is near `api-port`. Empty when more than a third
 * of the word differs from all of them.
 */
export function nearestNames(word: string, known: readonly string[]): readonly string[] {
  const lower = word.toLowerCase();
  if (lower.length === 0 || lower.length > WORD_CHARS_MAX) return [];
  const allowed = lower.length <= 3 ? 1 : Math.max(2, Math.floor(lower.length / 3));
  const distances = known.map((name) => distanceTo(lower, name));
  const nearest = Math.min(...distances);
  if (nearest >= allowed + 1 || nearest >= lower.length) return [];
  return known.filter((_, index) => distances[index] === nearest).slice(0, OFFERED_MAX);
}

/** The question to ask: `Did you mean --host?`, or `undefined` when nothing is near. */
export function didYouMean(
  word: string,
  known: readonly string[],
  prefix = "",
): string | undefined {
  const names = nearestNames(word, known).map((name) => `${prefix}${name}`);
  const last = names.pop();
  if (last === undefined) return undefined;
  return `Did you mean ${names.length === 0 ? last : `${names.join(", ")} or ${last}`}?`;
}
