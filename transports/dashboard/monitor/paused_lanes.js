// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * A notice of lanes that are paused, where there are any. It changes only with them, so that readers hear of each
 * change once.
 *
 * @module
 */

import { fill, h } from "./dom.js";
import { PLATFORM_NAMES } from "./format.js";
import { foreign, time } from "./parts.js";

/**
 * A lane, as a `status` frame has it.
 *
 * @typedef {{
 *   readonly app: string,
 *   readonly platform: import("./format.js").Platform,
 *   readonly pause: { readonly reason: string, readonly since: string } | null,
 * }} Lane
 */

/** Lanes that are named. */
const NAMED_MAX = 5;

/** The notice; {@linkcode PausedLanes.element}. */
export class PausedLanes {
  /** What stands in the page. @type {HTMLElement} */
  element = h("div", { class: "paused-lanes", role: "alert" });
  #shown = "";

  /**
   * Shows those that are paused.
   *
   * @param {readonly Lane[]} lanes
   * @returns {void}
   */
  show(lanes) {
    const paused = lanes.flatMap(({ app, platform, pause }) =>
      pause === null ? [] : [{ app, platform, ...pause }]
    );
    const key = JSON.stringify(paused);
    if (key === this.#shown) return;
    this.#shown = key;
    if (paused.length === 0) return fill(this.element);
    const more = paused.length - NAMED_MAX;
    fill(
      this.element,
      h(
        "div",
        { class: "notice" },
        h(
          "h2",
          {},
          paused.length === 1
            ? "Sending to a platform is paused"
            : `Sending is paused: ${paused.length} platforms of apps`,
        ),
        h(
          "ul",
          {},
          paused.slice(0, NAMED_MAX).map(({ app, platform, reason, since }) =>
            h(
              "li",
              {},
              foreign(app),
              `, ${PLATFORM_NAMES[platform]}, `,
              time(since),
              ": ",
              foreign(reason),
            )
          ),
          more > 0 ? h("li", {}, `and ${more} more`) : null,
        ),
        h("p", {}, h("a", { href: "#/apps" }, "See the apps and resume them")),
      ),
    );
  }
}
