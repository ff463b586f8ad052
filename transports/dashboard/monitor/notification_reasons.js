// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Why recipients of a notification were not reached: what the providers said, the most frequent first, and
 * what it means.
 *
 * The node counts on with each call, so that millions of failures are counted step by step; until it is at the
 * end the page says how many are counted.
 *
 * For tests: `.reasons[data-counted][data-complete] tr[data-reason] [data-of=count][data-value]`.
 *
 * @module
 */

import { fill, h } from "./dom.js";
import { OUTCOME_NAMES, PLATFORM_NAMES, whole } from "./format.js";
import { liveTable, marked, rowHead, setNumber } from "./live_table.js";
import { isOver, missed } from "./notification_figures.js";
import { foreign } from "./parts.js";
import { hintOf } from "./reason_hints.js";

/**
 * @typedef {{
 *   readonly platform: import("./format.js").Platform, readonly outcome: import("./format.js").Outcome,
 *   readonly status: number, readonly reason: string, readonly count: number,
 * }} Reason
 */

/** Calls made at once while there is more to count; the next ones come with the next look. */
const CALLS_MAX = 3;

/** The part of the page. */
export class Reasons {
  /** @type {HTMLElement} */
  element;
  /** Whether everything is counted, as far as it is known. */
  complete = false;
  #context;
  #path;
  #table;
  #counted = h("p", { class: "small" });

  /**
   * @param {import("./main.js").Context} context
   * @param {string} path The notification's, in the API.
   */
  constructor(context, path) {
    this.#context = context;
    this.#path = path;
    this.#table = liveTable({
      caption: "Reasons, the most frequent first",
      columns: [
        { name: "Reason" },
        { name: "Platform" },
        { name: "Outcome" },
        { name: "Recipients", number: true },
        { name: "What it means" },
      ],
      keyOf: keyOf,
      make: rowOf,
      empty: "Nobody was missed so far.",
    });
    this.element = h(
      "section",
      { class: "card reasons", "aria-labelledby": "reasons-title" },
      h("h2", { id: "reasons-title" }, "Why not delivered"),
      this.#counted,
      this.#table.element,
    );
  }

  /**
   * Counts on, unless all is counted.
   *
   * @param {Pick<import("./notification_figures.js").Notification, "status" | "counts">} notification
   */
  async look(notification) {
    if (this.complete) return;
    for (let call = 0; call < CALLS_MAX; call++) {
      /** @type {{ readonly reasons: readonly Reason[], readonly counted: number, readonly complete: boolean }} */
      const { reasons, counted, complete } = await this.#context.api.get(`${this.#path}/reasons`);
      this.complete = complete && isOver(notification);
      this.#table.show(reasons);
      this.#table.setEmpty(
        missed(notification.counts) > 0 ? "Counting…" : "Nobody was missed so far.",
      );
      this.element.dataset["counted"] = String(counted);
      this.element.dataset["complete"] = this.complete ? "yes" : "no";
      fill(this.#counted, countedText(counted, complete, notification.counts));
      if (complete) return;
    }
  }
}

/**
 * @param {number} counted
 * @param {boolean} complete
 * @param {import("./notification_figures.js").Counts} counts
 */
function countedText(counted, complete, counts) {
  const all = missed(counts);
  if (!complete) return `Counting: ${whole(counted)} of ${whole(all)} so far.`;
  if (counted >= all || counts.cancelled === 0) return "";
  return `${
    whole(all - counted)
  } more were cancelled before anything was tried: they have no reason.`;
}

/** @param {Reason} reason */
function keyOf({ platform, outcome, status, reason }) {
  return [platform, outcome, status, reason].join(" ");
}

/** @param {Reason} first */
function rowOf({ platform, outcome, status, reason }) {
  const count = h("td", { dataset: { of: "count" } });
  const hint = hintOf(platform, reason, outcome);
  return {
    cells: [
      rowHead(
        reason === "" ? "no reason given" : foreign(reason),
        status === 0 ? null : h("span", { class: "small" }, ` ${status}`),
      ),
      h("td", {}, marked(platform, PLATFORM_NAMES[platform])),
      h("td", {}, marked(outcome, OUTCOME_NAMES[outcome])),
      count,
      h(
        "td",
        { class: "hint" },
        hint === undefined
          ? foreign(null)
          : h("span", {}, hint.means, " ", h("span", { class: "todo" }, hint.todo)),
      ),
    ],
    update: (/** @type {Reason} */ next, /** @type {HTMLElement} */ row) => {
      row.dataset["reason"] = reason;
      row.dataset["platform"] = platform;
      setNumber(count, next.count);
    },
  };
}
