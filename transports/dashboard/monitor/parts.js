// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What several views are made of: headings, tables, fields, notices, times.
 *
 * @module
 */

import { fill, h } from "./dom.js";
import { ago, dateTime } from "./format.js";

/** @typedef {import("./dom.js").Child} Child */

/**
 * The head of a view: its title, a sentence, and controls at the right.
 *
 * @param {string} title
 * @param {Child} lead
 * @param {...Child} controls
 * @returns {HTMLElement}
 */
export function viewHead(title, lead, ...controls) {
  return h(
    "div",
    { class: "view-head" },
    h("div", {}, h("h1", {}, title), h("p", { class: "lead" }, lead)),
    controls.length === 0 ? null : h("div", { class: "controls" }, controls),
  );
}

/**
 * A table with a caption for screen readers; on a narrow screen its rows become cards, whose cells are
 * named by their columns.
 *
 * @param {{
 *   readonly caption: string,
 *   readonly columns: readonly { readonly name: string, readonly number?: boolean }[],
 *   readonly rows: readonly (readonly Child[])[],
 *   readonly empty: Child,
 * }} options The first column of a row is its heading.
 * @returns {HTMLElement}
 */
export function table({ caption, columns, rows, empty }) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  const cell = (/** @type {Child} */ value, /** @type {number} */ place) => {
    const column = columns[place];
    const props = {
      class: column?.number ? "number" : undefined,
      dataset: { name: column?.name ?? "" },
    };
    return place === 0
      ? h("th", { scope: "row", ...without(props) }, value)
      : h("td", without(props), value);
  };
  return h(
    "div",
    { class: "table", role: "region", "aria-label": caption, tabindex: "0" },
    h(
      "table",
      {},
      h("caption", { class: "for-readers" }, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map(({ name, number }) =>
            h("th", { scope: "col", ...number ? { class: "number" } : {} }, name)
          ),
        ),
      ),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell)))),
    ),
  );
}

/** @param {{ readonly class: string | undefined, readonly dataset: Readonly<Record<string, string>> }} props */
function without({ class: name, dataset }) {
  return name === undefined ? { dataset } : { dataset, class: name };
}

/**
 * A field with its label and, if there is one, a hint; a problem shown beneath is announced.
 *
 * @param {string} label
 * @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} control Needs an id.
 * @param {Child} [hint]
 * @returns {HTMLElement}
 */
export function field(label, control, hint = undefined) {
  const hintId = `${control.id}-hint`;
  const problemId = `${control.id}-problem`;
  control.setAttribute("aria-describedby", hint ? `${hintId} ${problemId}` : problemId);
  return h(
    "div",
    { class: "field" },
    h("label", { for: control.id }, label),
    control,
    hint ? h("p", { class: "small", id: hintId }, hint) : null,
    h("p", { class: "problem", id: problemId, role: "alert" }),
  );
}

/**
 * Shows what is wrong with a field, or with an empty text that nothing is.
 *
 * @param {HTMLElement} control
 * @param {string} problem
 * @returns {void}
 */
export function setProblem(control, problem) {
  const place = document.getElementById(`${control.id}-problem`);
  if (place !== null) fill(place, problem);
  if (problem === "") control.removeAttribute("aria-invalid");
  else control.setAttribute("aria-invalid", "true");
}

/**
 * A list to choose one from.
 *
 * @param {string} id
 * @param {readonly (readonly [value: string, text: string])[]} options
 * @param {string} [chosen]
 * @returns {HTMLSelectElement}
 */
export function select(id, options, chosen = "") {
  return h(
    "select",
    { id },
    options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
  );
}

/**
 * A button.
 *
 * @param {string} text
 * @param {() => void} onClick
 * @param {import("./dom.js").Props} [props]
 * @returns {HTMLButtonElement}
 */
export function button(text, onClick, props = {}) {
  return h("button", { type: "button", on: { click: onClick }, ...props }, text);
}

/**
 * A notice: something the reader should know before going on.
 *
 * @param {string} title
 * @param {Child} text
 * @returns {HTMLElement}
 */
export function notice(title, text) {
  return h("div", { class: "notice", role: "alert" }, h("h2", {}, title), h("p", {}, text));
}

/**
 * Says above a list that it could not be looked at anew, and why, or takes that back. A problem that goes on
 * is not read out again at each look.
 *
 * @param {HTMLElement} place
 * @param {string | undefined} problem
 * @returns {void}
 */
export function setOld(place, problem = "") {
  if (problem === (place.dataset["problem"] ?? "")) return;
  place.dataset["problem"] = problem;
  fill(place, problem === "" ? "" : notice("What stands here is from before", problem));
}

/**
 * A state: a mark whose shape differs, then words; colour alone tells nothing.
 *
 * @param {"good" | "waiting" | "bad" | "ended"} mark
 * @param {Child} text
 * @returns {HTMLElement}
 */
export function badge(mark, text) {
  return h("span", { class: "badge", dataset: { mark } }, text);
}

/**
 * A time: how long ago, with the exact one for who points at it.
 *
 * @param {string | number | null} at RFC 3339, or milliseconds since 1970.
 * @returns {HTMLElement}
 */
export function time(at) {
  if (at === null) return h("span", { class: "none" }, "–");
  const ms = typeof at === "number" ? at : Date.parse(at);
  const exact = new Date(ms);
  return h(
    "time",
    { datetime: exact.toISOString(), title: dateTime(ms) },
    ago(ms, Date.now()),
  );
}

/**
 * Has all times of an element say how long ago they are now.
 *
 * @param {Element} root
 * @returns {void}
 */
export function renewTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    fill(element, ago(Date.parse(element.getAttribute("datetime") ?? ""), Date.now()));
  }
}

/**
 * An entry of a list of facts, a `dl` of the class `facts`: its name and what it is.
 *
 * @param {string} name
 * @param {...(Child | readonly Child[])} value
 * @returns {readonly HTMLElement[]}
 */
export function fact(name, ...value) {
  return [h("dt", {}, name), h("dd", {}, ...value)];
}

/**
 * A text of strangers: its direction is its own, and nothing in it is markup.
 *
 * @param {string | null} text
 * @returns {HTMLElement}
 */
export function foreign(text) {
  return text === null || text === ""
    ? h("span", { class: "none" }, "–")
    : h("bdi", { class: "foreign" }, text);
}
