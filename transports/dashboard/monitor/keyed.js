// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Lists whose entries stay the same elements while what they show changes: focus, selection and scroll are
 * the reader's, and a refresh must not take them away.
 *
 * @module
 */

/**
 * An entry as it stands in the document.
 *
 * @template T
 * @typedef {{ readonly element: Element, readonly update: (item: T) => void }} Entry
 */

/**
 * Keeps a parent's children in step with items.
 *
 * @template T
 * @param {Element} parent Only these entries may be in it.
 * @param {(item: T) => string} keyOf What makes an item the same as one before; of two with the same key in
 * a list the later is shown.
 * @param {(item: T) => Entry<T>} make Makes an entry, which is then updated with the same item.
 * @returns {(items: readonly T[]) => void} Shows these items, in this order.
 */
export function keyed(parent, keyOf, make) {
  /** @type {Map<string, Entry<T>>} */
  let entries = new Map();
  return (items) => {
    const wanted = new Map(items.map((item) => [keyOf(item), item]));
    // Those that are gone go first: else all behind them would stand elsewhere, and be moved.
    for (const [key, { element }] of entries) {
      if (!wanted.has(key)) element.remove();
    }
    /** @type {Map<string, Entry<T>>} */
    const next = new Map();
    /** @type {Element | null} */
    let place = parent.firstElementChild;
    for (const [key, item] of wanted) {
      const entry = entries.get(key) ?? make(item);
      entry.update(item);
      next.set(key, entry);
      // An element that stands where it belongs is not touched: moving it would take its focus.
      if (entry.element === place) place = place.nextElementSibling;
      else parent.insertBefore(entry.element, place);
    }
    entries = next;
  };
}
