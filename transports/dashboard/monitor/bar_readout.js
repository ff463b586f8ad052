// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The exact numbers of one step, every platform and outcome, at a place that does not move.
 *
 * For tests and scripts: `[data-platform][data-of]` are the cells, with the exact number in `data-value`; the
 * platform is `all` in the sums, and `data-of` one of the outcomes, `retries` or `ended`.
 *
 * @module
 */

import { barAt, ended, partOf, retries } from "./bars.js";
import { fill, h } from "./dom.js";
import {
  clock,
  dateTime,
  OUTCOME_NAMES,
  OUTCOMES,
  PLATFORM_NAMES,
  PLATFORMS,
  whole,
} from "./format.js";

/**
 * @typedef {import("./bars.js").Bar} Bar
 * @typedef {import("./bars.js").Picture} Picture
 */

const ROWS = /** @type {const} */ ([...PLATFORMS, "all"]);
const COLUMNS = /** @type {const} */ (["ended", ...OUTCOMES, "retries"]);

/** The readout; {@linkcode BarReadout.element}. */
export class BarReadout {
  /** What stands in the page. @type {HTMLElement} */
  element;
  #when = h("h2", { class: "readout-when" }, "–");
  /** @type {{ readonly cell: HTMLElement, readonly of: (bar: Bar) => number }[]} */
  #cells = [];

  constructor() {
    this.element = h(
      "div",
      { class: "bar-readout" },
      this.#when,
      // Numbers of a day may be wider than a phone.
      h(
        "div",
        { class: "readout-scroll", role: "region", "aria-label": "Exact numbers", tabindex: "0" },
        this.#table(),
      ),
    );
  }

  /**
   * Shows a step.
   *
   * @param {Picture} picture
   * @param {number | undefined} chosen The second with which it begins; the newest without.
   * @returns {void}
   */
  show(picture, chosen) {
    const bar = barAt(picture, chosen ?? picture.to - picture.step);
    const newest = chosen === undefined ? ` · the newest ${unit(picture)}` : "";
    fill(this.#when, whenText(picture, bar) + newest);
    this.element.dataset["second"] = String(bar.second);
    for (const { cell, of } of this.#cells) {
      const value = of(bar);
      cell.dataset["value"] = String(value);
      fill(cell, whole(value));
    }
  }

  /** Roles are written out: on a phone the table is laid out on its side, which would take them away. */
  #table() {
    const corner = h("th", { scope: "col", role: "columnheader" }, "Platform");
    const heads = COLUMNS.map((name) =>
      h("th", { scope: "col", role: "columnheader" }, swatch(name), columnName(name))
    );
    const rows = ROWS.map((platform) =>
      h(
        "tr",
        { role: "row" },
        h(
          "th",
          { scope: "row", role: "rowheader" },
          swatch(platform),
          platform === "all" ? "All" : PLATFORM_NAMES[platform],
        ),
        COLUMNS.map((name) => this.#cell(platform, name)),
      )
    );
    return h(
      "table",
      { role: "table" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, corner, heads)),
      h("tbody", { role: "rowgroup" }, rows),
    );
  }

  /**
   * @param {typeof ROWS[number]} platform
   * @param {typeof COLUMNS[number]} name
   */
  #cell(platform, name) {
    const cell = h("td", { role: "cell", dataset: { platform, of: name, value: "0" } }, "0");
    this.#cells.push({ cell, of: (bar) => valueOf(bar, platform, name) });
    return cell;
  }
}

/**
 * A step in one sentence.
 *
 * @param {Picture} picture
 * @param {number} second
 * @returns {string}
 */
export function sentence(picture, second) {
  const bar = barAt(picture, second);
  const parts = PLATFORMS.filter((platform) => partOf(bar, platform) > 0)
    .map((platform) => `${PLATFORM_NAMES[platform]} ${whole(partOf(bar, platform))}`);
  const outcomes = OUTCOMES.filter((outcome) => partOf(bar, outcome) > 0)
    .map((outcome) => `${OUTCOME_NAMES[outcome].toLowerCase()} ${whole(partOf(bar, outcome))}`);
  const all = [`${whole(ended(bar))} ended`, ...parts, ...outcomes];
  return `${whenText(picture, bar)}: ${all.join(", ")}`;
}

/**
 * What one bar of a picture is.
 *
 * @param {Picture} picture
 * @returns {"second" | "10 seconds" | "5 minutes"}
 */
export function unit({ span }) {
  switch (span) {
    case "ten_minutes":
      return "second";
    case "hour":
      return "10 seconds";
    case "day":
      return "5 minutes";
  }
}

/**
 * When a step was, in the time zone of who looks.
 *
 * @param {Picture} picture
 * @param {Bar} bar
 * @returns {string}
 */
export function whenText({ span, step }, { second }) {
  if (span === "ten_minutes") return clock(second * 1_000);
  const begin = span === "day" ? dateTime(second * 1_000) : clock(second * 1_000);
  return `${begin} – ${clock((second + step) * 1_000)}`;
}

/**
 * @param {Bar} bar
 * @param {typeof ROWS[number]} platform
 * @param {typeof COLUMNS[number]} name
 */
function valueOf(bar, platform, name) {
  switch (name) {
    case "ended":
      return platform === "all" ? ended(bar) : partOf(bar, platform);
    case "retries":
      return platform === "all" ? retries(bar) : bar.platforms[platform].retries;
    default:
      return platform === "all" ? partOf(bar, name) : bar.platforms[platform][name];
  }
}

/** @param {typeof COLUMNS[number]} name */
function columnName(name) {
  return name === "ended" ? "Ended" : OUTCOME_NAMES[name];
}

/** @param {string} name */
function swatch(name) {
  return name === "ended" || name === "retries" || name === "all"
    ? null
    : h("span", { class: "swatch", dataset: { of: name } });
}
