// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The list of what happened: which part crashed when, and when it was started again.
 *
 * For tests and scripts: `.tour-happening[data-kind][data-path]`, `data-restarted` is `yes` or `no`.
 *
 * @module
 */

import { fill, h } from "./dom.js";
import { clock, dateTime, duration, whole } from "./format.js";
import { keyed } from "./keyed.js";
import { foreign } from "./parts.js";
import { addressOf } from "./tour_tree.js";

/** @typedef {import("./tour_happenings.js").Happening} Happening */

const WORDS = { crashed: "crashed", restarted: "was started again", gave_up: "gave up" };

/** The list; {@linkcode HappeningList.element}. */
export class HappeningList {
  #empty = h(
    "p",
    { class: "empty" },
    "Nothing has crashed. When something does, it is marked above and written down here, and so is its restart.",
  );
  #list = h("ol", { class: "tour-happenings" });
  /** What stands in the page. @type {HTMLElement} */
  element = h(
    "section",
    { class: "card tour-happened", "aria-labelledby": "tour-happened" },
    h("h2", { id: "tour-happened" }, "What happened"),
    this.#empty,
    h("div", {
      class: "tour-scroll",
      role: "region",
      "aria-labelledby": "tour-happened",
      tabindex: "0",
    }, this.#list),
  );
  #show;

  /** @param {(path: string) => string} titleOf */
  constructor(titleOf) {
    this.#show = keyed(this.#list, ({ key }) => key, (row) => entry(row, titleOf));
  }

  /** @param {readonly Happening[]} rows */
  show(rows) {
    this.#empty.hidden = rows.length > 0;
    this.#show(rows);
  }
}

/**
 * @param {Happening} row
 * @param {(path: string) => string} titleOf
 * @returns {import("./keyed.js").Entry<Happening>}
 */
function entry({ at, kind, path, error, count, told }, titleOf) {
  const time = h("span", { class: "tour-clock", title: dateTime(at) }, clock(at));
  const after = h("span", { class: "tour-after" });
  const what = kind === "more"
    ? h("span", {}, `${whole(count)} more crashes and restarts in this second`)
    : h(
      "span",
      {},
      h("a", { href: addressOf(path), dataset: { path } }, foreign(titleOf(path))),
      ` ${WORDS[kind]}`,
      told ? "" : ", before this page looked",
    );
  const element = h(
    "li",
    { class: "tour-happening", dataset: { kind, path, restarted: "no" } },
    time,
    h(
      "div",
      {},
      what,
      after,
      error === null ? null : h("p", { class: "tour-error" }, foreign(error)),
    ),
  );
  return {
    element,
    update({ restartedAt }) {
      element.dataset["restarted"] = restartedAt === null ? "no" : "yes";
      fill(
        after,
        restartedAt === null ? "" : `; started again ${duration(restartedAt - at)} later`,
      );
    },
  };
}
