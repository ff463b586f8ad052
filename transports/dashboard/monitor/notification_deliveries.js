// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The recorded deliveries of a notification: who was not reached, one by one. Of delivered ones there are rows
 * only where the notification keeps all.
 *
 * For tests: `.deliveries-of [data-position][data-outcome]`, `#more-deliveries`, `#delivery-outcome`.
 *
 * @module
 */

import { fill, h } from "./dom.js";
import { OUTCOME_NAMES, OUTCOMES, PLATFORM_NAMES } from "./format.js";
import { liveTable, marked, rowHead } from "./live_table.js";
import { worst } from "./notification_figures.js";
import { button, field, foreign, select, time } from "./parts.js";

/**
 * @typedef {{
 *   readonly position: number, readonly number: number, readonly device: string | null,
 *   readonly platform: import("./format.js").Platform, readonly address: string,
 *   readonly outcome: import("./format.js").Outcome, readonly status: number, readonly reason: string,
 *   readonly attempts: number, readonly at: string,
 * }} Delivery
 */

/** Deliveries asked for at once. */
const PAGE = 20;

/** The part of the page. */
export class Deliveries {
  /** @type {HTMLElement} */
  element;
  #context;
  #path;
  #table;
  #more;
  #outcome;
  /** @type {readonly Delivery[]} */
  #rows = [];
  /** Whether the last page was full: what comes next is shown when somebody asks. */
  #full = false;
  /** Grows when another outcome is chosen, so that an answer about the one before is not taken. */
  #choice = 0;

  /**
   * @param {import("./main.js").Context} context
   * @param {string} path The notification's, in the API.
   * @param {import("./notification_figures.js").Notification} notification Where it keeps all rows, failures are
   * shown first: those of the most frequent kind.
   */
  constructor(context, path, { record, counts }) {
    this.#context = context;
    this.#path = path;
    this.#outcome = select(
      "delivery-outcome",
      [
        ["", record === "all" ? "all" : "all failures"],
        ...OUTCOMES.filter((outcome) => record === "all" || outcome !== "delivered")
          .map((outcome) => /** @type {const} */ ([outcome, OUTCOME_NAMES[outcome]])),
      ],
      record === "all" ? worst(counts) : "",
    );
    this.#outcome.addEventListener("change", () => void this.#begin(), { signal: context.signal });
    this.#table = liveTable({
      caption: "Recorded deliveries, in the order of recording",
      columns: [
        { name: "Recipient" },
        { name: "Platform" },
        { name: "Outcome" },
        { name: "Reason" },
        { name: "Attempts", number: true },
        { name: "Recorded" },
      ],
      keyOf: (/** @type {Delivery} */ { position }) => String(position),
      make: rowOf,
      empty: "None recorded.",
    });
    this.#more = button("Show more", () => void this.#goOn(), {
      id: "more-deliveries",
      hidden: true,
    });
    this.element = h(
      "section",
      { class: "card deliveries-of", "aria-labelledby": "deliveries-title" },
      h(
        "div",
        { class: "card-head" },
        h("h2", { id: "deliveries-title" }, record === "all" ? "Deliveries" : "Failed deliveries"),
        field("Outcome", this.#outcome),
      ),
      this.#table.element,
      this.#more,
    );
  }

  /** Adds what was recorded since, as long as there is room on the last page. */
  async look() {
    if (this.#full) return;
    const choice = this.#choice;
    const found = await this.#page();
    if (choice === this.#choice) this.#add(found);
  }

  async #begin() {
    this.#choice++;
    this.#rows = [];
    this.#full = false;
    await this.#try(() => this.look());
    this.#table.show(this.#rows);
  }

  async #goOn() {
    const shown = this.#rows.length;
    this.#full = false;
    this.#more.disabled = true;
    await this.#try(() => this.look());
    this.#more.disabled = false;
    // The keyboard goes on at the first of the new ones; where nothing came, on the table.
    const row = this.element.querySelectorAll("tbody tr").item(shown);
    const place = row?.querySelector("a") ?? this.element.querySelector(".table");
    if (place instanceof HTMLElement) place.focus();
    this.#context.announce(`${this.#rows.length - shown} more.`);
  }

  /** @param {() => Promise<void>} step */
  async #try(step) {
    try {
      await step();
      this.#table.setEmpty("None recorded.");
    } catch (error) {
      if (this.#context.signal.aborted) return;
      this.#full = this.#rows.length > 0;
      this.#table.setEmpty(error instanceof Error ? error.message : String(error));
    }
  }

  /** @returns {Promise<{ readonly deliveries: readonly Delivery[], readonly next: number | null }>} */
  #page() {
    return this.#context.api.get(`${this.#path}/deliveries`, {
      outcome: this.#outcome.value,
      limit: PAGE,
      after: this.#rows.at(-1)?.position,
    });
  }

  /** @param {{ readonly deliveries: readonly Delivery[], readonly next: number | null }} found */
  #add({ deliveries, next }) {
    const last = this.#rows.at(-1)?.position ?? -1;
    this.#rows = [...this.#rows, ...deliveries.filter(({ position }) => position > last)];
    this.#full = next !== null;
    this.#more.hidden = !this.#full;
    this.#table.show(this.#rows);
  }
}

/** @param {Delivery} delivery */
function rowOf({ position, device, platform, address, outcome, status, reason, attempts, at }) {
  const recipient = device === null
    ? h("code", {}, foreign(address))
    : h("a", { href: `#/devices/${encodeURIComponent(device)}` }, foreign(device));
  const reasonCell = h("td");
  fill(
    reasonCell,
    reason === "" && status === 0 ? foreign(null) : h(
      "span",
      {},
      reason === "" ? null : foreign(reason),
      status === 0 ? null : h("span", { class: "small" }, ` ${status}`),
    ),
  );
  return {
    cells: [
      rowHead(h("span", { class: "clamped" }, recipient)),
      h("td", {}, marked(platform, PLATFORM_NAMES[platform])),
      h("td", {}, marked(outcome, OUTCOME_NAMES[outcome])),
      reasonCell,
      h("td", {}, attempts),
      h("td", { class: "nowrap" }, time(at)),
    ],
    update: (/** @type {Delivery} */ _next, /** @type {HTMLElement} */ row) => {
      row.dataset["position"] = String(position);
      row.dataset["outcome"] = outcome;
    },
  };
}
