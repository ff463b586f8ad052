// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Finding and filling the elements of the page. Text only: nothing here, and nothing that uses it,
 * turns a string into markup.
 *
 * @module
 */

/**
 * An element of the document; a missing one is a mistake in it.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page has no ${type.name} "${id}"`);
  return found;
}

/**
 * Writes text into an element.
 *
 * @param {string} id
 * @param {string} text
 * @returns {void}
 */
export function setText(id, text) {
  element(id, HTMLElement).textContent = text;
}

/**
 * Shows a state: a mark, which the style sheet draws, and a sentence.
 *
 * @param {HTMLElement} line A line with a mark and a sentence.
 * @param {string} mark
 * @param {string} text
 * @returns {void}
 */
export function setState(line, mark, text) {
  line.dataset["state"] = mark;
  const sentence = line.querySelector("span");
  // Screen readers announce a change, so what stays the same must not be written again.
  if (sentence !== null && sentence.textContent !== text) sentence.textContent = text;
}

/**
 * Copies a text to the clipboard.
 *
 * @param {string} text
 * @param {HTMLButtonElement} button Says for a moment what became of it.
 * @returns {Promise<void>}
 */
export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Not permitted, or not a secure page: the text stands there to be copied by hand.
    button.textContent = "Select and copy";
  }
  setTimeout(() => button.textContent = before, 1_500);
}
