// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * A few numbers above the bars: how fast it goes, what came of it, what is waiting.
 *
 * Invariants: each has its place from the beginning; a load that was told long ago is marked as old.
 *
 * @module
 */

import { failures, partOf, retries, summed } from "./bars.js";
import { fill, h } from "./dom.js";
import { rate, share, whole } from "./format.js";

/**
 * What is read of a `status` frame.
 *
 * @typedef {{
 *   readonly queue: { readonly waiting: number, readonly leased: number },
 *   readonly lanes: readonly import("./paused_lanes.js").Lane[],
 * }} Status
 */

/** A load comes every second; one that is older than this is not the present one. */
const STATUS_OLD_MS = 15_000;

const FIGURES = /** @type {const} */ ([
  ["rate", "Deliveries a second", "Mean of the last ten seconds, all outcomes."],
  ["delivered", "Delivered", "In the time shown."],
  ["failed", "Not delivered", "Share of those that were not cancelled, in the time shown."],
  ["retries", "Retries", "Requests that were to be sent again, in the time shown."],
  ["waiting", "Batches waiting", "In the queue, ready or in a pause before the next attempt."],
  ["leased", "Batches in flight", "Being sent by a node now."],
]);

/** @typedef {typeof FIGURES[number][0]} Figure */

/** The figures; {@linkcode DeliveryFigures.element}. */
export class DeliveryFigures {
  /** What stands in the page. @type {HTMLElement} */
  element;
  /** @type {Map<Figure, HTMLElement>} */
  #places = new Map();
  /** @type {{ readonly status: Status, readonly at: number } | undefined} */
  #status;

  constructor() {
    this.element = h(
      "dl",
      { class: "figures delivery-figures" },
      FIGURES.map(([figure, name, meaning]) => {
        const place = h("dd", { dataset: { figure } }, "–");
        this.#places.set(figure, place);
        return h("div", { title: meaning }, h("dt", {}, name), place);
      }),
    );
  }

  /**
   * Takes the load.
   *
   * @param {Status} status
   * @returns {void}
   */
  takeStatus(status) {
    this.#status = { status, at: Date.now() };
  }

  /**
   * Shows what a picture sums up to.
   *
   * @param {import("./bars.js").Picture | undefined} picture
   * @param {number} perSecond
   * @returns {void}
   */
  show(picture, perSecond) {
    if (picture !== undefined) {
      const sums = summed(picture);
      const delivered = partOf(sums, "delivered");
      const { failed, tried } = failures(sums);
      this.#set("rate", perSecond, rate(perSecond));
      this.#set("delivered", delivered, whole(delivered));
      this.#set("failed", failed, share(failed, tried));
      this.#set("retries", retries(sums), whole(retries(sums)));
    }
    if (this.#status === undefined) return;
    const { status: { queue }, at } = this.#status;
    const old = Date.now() - at > STATUS_OLD_MS;
    this.#set("waiting", queue.waiting, whole(queue.waiting), old);
    this.#set("leased", queue.leased, whole(queue.leased), old);
  }

  /**
   * @param {Figure} figure
   * @param {number} value
   * @param {string} text
   * @param {boolean} [old]
   */
  #set(figure, value, text, old = false) {
    const place = this.#places.get(figure);
    if (place === undefined) return;
    place.dataset["value"] = String(value);
    place.dataset["old"] = old ? "yes" : "no";
    fill(place, old ? `${text} (old)` : text);
  }
}
