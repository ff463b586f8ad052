// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * A table whose rows stay the same elements while their numbers change, as it looks elsewhere: rows become
 * cards where there is no room.
 *
 * @module
 */

import { fill, h } from "./dom.js";
import { whole } from "./format.js";
import { keyed } from "./keyed.js";

/** @typedef {import("./dom.js").Child} Child */
/** @typedef {{ readonly name: string, readonly number?: boolean, readonly swatch?: string }} Column */

/**
 * A row's cells, and what shows an item in them.
 *
 * @template T
 * @typedef {{ readonly cells: readonly HTMLElement[], readonly update: (item: T, row: HTMLElement) => void }} Row
 */

/**
 * @template T
 * @param {{
 *   readonly caption: string,
 *   readonly columns: readonly Column[],
 *   readonly keyOf: (item: T) => string,
 *   readonly make: (item: T) => Row<T>,
 *   readonly empty: Child,
 * }} options `make` gives a cell for each column; the first one is the row's heading.
 * @returns {{
 *   readonly element: HTMLElement,
 *   readonly show: (items: readonly T[]) => void,
 *   readonly setEmpty: (text: Child) => void,
 * }}
 */
export function liveTable({ caption, columns, keyOf, make, empty }) {
  const body = h("tbody");
  const nothing = h("p", { class: "empty" }, empty);
  const framed = h(
    "div",
    { class: "table", role: "region", "aria-label": caption, tabindex: "0", hidden: true },
    h(
      "table",
      {},
      h("caption", { class: "for-readers" }, caption),
      h("thead", {}, h("tr", {}, columns.map(heading))),
      body,
    ),
  );
  const showRows = keyed(body, keyOf, (item) => {
    const { cells, update } = make(item);
    const row = h("tr", {}, cells.map((cell, place) => named(cell, columns[place])));
    return { element: row, update: (next) => update(next, row) };
  });
  return {
    element: h("div", { class: "live-table" }, framed, nothing),
    show: (items) => {
      showRows(items);
      framed.hidden = items.length === 0;
      nothing.hidden = items.length > 0;
    },
    setEmpty: (text) => fill(nothing, text),
  };
}

/** @param {Column} column */
function heading({ name, number, swatch }) {
  return h(
    "th",
    { scope: "col", ...number ? { class: "number" } : {} },
    swatch === undefined ? null : h("span", { class: "swatch", dataset: { of: swatch } }),
    name,
  );
}

/**
 * @param {HTMLElement} cell
 * @param {Column | undefined} column
 */
function named(cell, column) {
  cell.dataset["name"] = column?.name ?? "";
  if (column?.number) cell.classList.add("number");
  return cell;
}

/**
 * The heading of a row.
 *
 * @param {...Child} children
 * @returns {HTMLTableCellElement}
 */
export function rowHead(...children) {
  return h("th", { scope: "row" }, h("span", {}, children));
}

/**
 * The name of a platform or an outcome with its mark.
 *
 * @param {string} of
 * @param {string} name
 * @returns {HTMLElement}
 */
export function marked(of, name) {
  return h("span", { class: "nowrap" }, h("span", { class: "swatch", dataset: { of } }), name);
}

/**
 * A number in a cell, exact in `data-value`.
 *
 * @param {HTMLElement} cell
 * @param {number} value
 * @returns {void}
 */
export function setNumber(cell, value) {
  if (cell.dataset["value"] === String(value)) return;
  cell.dataset["value"] = String(value);
  fill(cell, whole(value));
}
