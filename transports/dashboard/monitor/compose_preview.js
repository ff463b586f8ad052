// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What a notification would be on each platform, while it is written: a sketch of how people may see it, and
 * beneath it exactly what would be sent, with its size.
 *
 * The sketches are drawn from the payloads, not from the form: they cannot show what would not be sent.
 *
 * For tests: `.preview[data-platform][data-state]` with `.payload`, `.headers`, `[data-bytes]`.
 *
 * @module
 */

import { fill, h } from "./dom.js";
import { PLATFORM_NAMES, PLATFORMS, whole } from "./format.js";
import { marked } from "./live_table.js";
import { laidOut, shownByAndroid, shownByApple, shownByBrowser } from "./shown_texts.js";

/** @typedef {import("./format.js").Platform} Platform */
/** @typedef {{ readonly bytes: number, readonly bytesMax: number }} Size */

/**
 * What the API answers.
 *
 * @typedef {{
 *   readonly platforms: {
 *     readonly apns?: Size & { readonly headers: Readonly<Record<string, string>>, readonly payload: unknown },
 *     readonly fcm?: Size & { readonly message: unknown },
 *     readonly webpush?: Size & { readonly headers: Readonly<Record<string, string>>, readonly payload: string },
 *   },
 *   readonly problems: readonly { readonly platform: Platform, readonly message: string }[],
 * }} Preview
 *
 * @typedef {import("./shown_texts.js").ShownTexts} ShownTexts
 */

/** @type {ShownTexts} */
const NO_TEXTS = { title: "", subtitle: "", body: "", silent: "" };

/** Where each platform's notifications are seen. @type {Readonly<Record<Platform, string>>} */
const PLACES = { apns: "iOS", fcm: "Android", webpush: "Browser" };

/** The previews of all platforms. */
export class Previews {
  /** @type {HTMLElement} */
  element;
  #cards = PLATFORMS.map((platform) => new Card(platform));
  #state = h("p", { class: "small", role: "status" });

  constructor() {
    this.element = h(
      "section",
      { class: "previews", "aria-labelledby": "previews-title" },
      h(
        "div",
        { class: "previews-head" },
        h("h2", { id: "previews-title" }, "Preview"),
        this.#state,
      ),
      h("div", { class: "previews-grid" }, this.#cards.map(({ element }) => element)),
    );
  }

  /**
   * @param {Preview} preview
   * @param {string} app
   */
  show(preview, app) {
    this.element.classList.remove("is-old");
    fill(this.#state, "Sketches of how it may look; beneath, what is sent.");
    for (const card of this.#cards) card.show(preview, app);
  }

  /** Says why there is no preview, or why the one that stands there is old. @param {string} why */
  setOld(why) {
    this.element.classList.add("is-old");
    fill(this.#state, why);
  }

  /**
   * Takes all previews away.
   *
   * @param {string} why
   * @param {string} app
   */
  clear(why, app) {
    this.element.classList.remove("is-old");
    fill(this.#state, why);
    for (const card of this.#cards) card.clear(app);
  }
}

/** The preview for one platform. */
class Card {
  /** @type {HTMLElement} */
  element;
  #platform;
  #app = h("span", { class: "sketch-app" });
  #title = h("p", { class: "sketch-title", dir: "auto" });
  #subtitle = h("p", { class: "sketch-subtitle", dir: "auto" });
  #body = h("p", { class: "sketch-body", dir: "auto" });
  #silent = h("p", { class: "sketch-silent" });
  #sketch;
  #size = h("span", { class: "size" });
  #bar = h("span", { class: "size-bar", "aria-hidden": "true" }, h("span"));
  #headers = h("dl", { class: "headers facts" });
  #payload;
  #sent;
  #problems = h("ul", { class: "preview-problems" });
  #absent = h("p", { class: "empty" });

  /** @param {Platform} platform */
  constructor(platform) {
    this.#platform = platform;
    this.#sketch = h(
      "div",
      { class: "sketch", dataset: { of: platform } },
      h(
        "p",
        { class: "sketch-top" },
        h("span", { class: "sketch-icon", "aria-hidden": "true" }),
        this.#app,
        h("span", { class: "sketch-now" }, "now"),
      ),
      this.#title,
      this.#subtitle,
      this.#body,
      this.#silent,
    );
    this.#payload = h("pre", {
      class: "payload wrap",
      tabindex: "0",
      role: "region",
      "aria-label": `What ${PLATFORM_NAMES[platform]} gets`,
    });
    this.#sent = h(
      "div",
      { class: "sent" },
      h(
        "p",
        { class: "size-line" },
        marked(platform, PLATFORM_NAMES[platform]),
        this.#size,
        this.#bar,
      ),
      this.#headers,
      this.#payload,
    );
    this.element = h(
      "article",
      {
        class: "preview card",
        dataset: { platform, state: "none" },
        "aria-label": `Preview on ${PLACES[platform]}`,
      },
      h(
        "p",
        { class: "preview-head" },
        h("strong", {}, PLACES[platform]),
        h("span", { class: "sketch-mark" }, "sketch"),
      ),
      this.#absent,
      this.#sketch,
      this.#problems,
      this.#sent,
    );
    this.clear("");
  }

  /** Shows the place where something will be. @param {string} app */
  clear(app) {
    this.#set("empty", { ...NO_TEXTS, silent: "What you write is seen here." }, app);
    fill(this.#absent);
    fill(this.#problems);
  }

  /**
   * @param {Preview} preview
   * @param {string} app
   */
  show({ platforms, problems }, app) {
    const own = problems.filter(({ platform }) => platform === this.#platform);
    fill(this.#problems, own.map(({ message }) => h("li", {}, message)));
    const found = this.#read(platforms);
    if (found === undefined) {
      this.#set("none", NO_TEXTS, app);
      fill(
        this.#absent,
        own.length > 0 ? "It cannot be sent here as it is." : "This app has no credentials for it.",
      );
      return;
    }
    fill(this.#absent);
    this.#set("shown", found.shown, app);
    const { bytes, bytesMax } = found.size;
    this.#size.dataset["bytes"] = String(bytes);
    fill(this.#size, `${whole(bytes)} of ${whole(bytesMax)} bytes`);
    this.#bar.dataset["over"] = bytes > bytesMax ? "yes" : "no";
    const filled = this.#bar.firstElementChild;
    if (filled instanceof HTMLElement) {
      filled.style.width = `${Math.min(100, bytes * 100 / bytesMax)}%`;
    }
    fill(
      this.#headers,
      Object.entries(found.headers).flatMap((
        [name, value],
      ) => [h("dt", {}, name), h("dd", {}, h("code", {}, value))]),
    );
    fill(this.#payload, laidOut(found.payload));
  }

  /** @param {Preview["platforms"]} platforms */
  #read({ apns, fcm, webpush }) {
    switch (this.#platform) {
      case "apns":
        return apns &&
          {
            size: apns,
            headers: apns.headers,
            payload: apns.payload,
            shown: shownByApple(apns.payload),
          };
      case "fcm":
        return fcm &&
          { size: fcm, headers: {}, payload: fcm.message, shown: shownByAndroid(fcm.message) };
      case "webpush":
        return webpush && {
          size: webpush,
          headers: webpush.headers,
          payload: webpush.payload,
          shown: shownByBrowser(webpush.payload),
        };
    }
  }

  /**
   * @param {"none" | "empty" | "shown"} state
   * @param {ShownTexts} texts
   * @param {string} app
   */
  #set(state, { title, subtitle, body, silent }, app) {
    this.element.dataset["state"] = state;
    this.#sketch.hidden = state === "none";
    this.#sent.hidden = state !== "shown";
    fill(this.#app, app);
    fill(this.#title, title);
    fill(this.#subtitle, subtitle);
    fill(this.#body, body);
    fill(this.#silent, silent);
  }
}
