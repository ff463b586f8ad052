// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What a notification says, and how it was asked to be sent: neither ever changes.
 *
 * @module
 */

import { h } from "./dom.js";
import { dateTime, duration, PLATFORM_NAMES, whole } from "./format.js";
import { fact, foreign, time } from "./parts.js";

/** Texts of the content that people read. */
const TEXTS = /** @type {const} */ ([["title", "Title"], ["body", "Body"]]);

/**
 * The part of the page.
 *
 * @param {import("./notification_figures.js").Notification & { readonly content: Readonly<Record<string, unknown>> }} notification
 * @returns {HTMLElement}
 */
export function contentCard(notification) {
  return h(
    "section",
    { class: "content-of", "aria-label": "Content and options" },
    h(
      "div",
      { class: "card" },
      h("h2", {}, "Content"),
      texts(notification.content),
      json("Data", notification.content["data"]),
      Object.entries(PLATFORM_NAMES).map(([of, name]) =>
        json(`Only for ${name}`, notification.content[of])
      ),
    ),
    h("div", { class: "card" }, h("h2", {}, "Options"), options(notification)),
  );
}

/** @param {Readonly<Record<string, unknown>>} content */
function texts(content) {
  return h(
    "dl",
    { class: "facts" },
    TEXTS.flatMap(([key, name]) => {
      const value = content[key];
      return [
        h("dt", {}, name),
        h(
          "dd",
          { class: "said", dataset: { of: key } },
          foreign(typeof value === "string" ? value : null),
        ),
      ];
    }),
  );
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function json(name, value) {
  if (value === undefined) return null;
  return h(
    "div",
    { class: "json" },
    h("h3", {}, name),
    h(
      "pre",
      { class: "wrap", tabindex: "0", role: "region", "aria-label": name },
      JSON.stringify(value, null, 2),
    ),
  );
}

/** @param {import("./notification_figures.js").Notification} notification */
function options(
  { id, app, ttl, urgency, topic, ratePerSecond, record, createdAt, sendAt, expiresAt },
) {
  const rows = /** @type {const} */ ([
    ["Id", h("code", {}, id)],
    ["App", foreign(app)],
    ["Created", time(createdAt)],
    [
      "Send at",
      Date.parse(sendAt) <= Date.parse(createdAt) ? "at once" : dateTime(Date.parse(sendAt)),
    ],
    ["Expires", dateTime(Date.parse(expiresAt))],
    ["TTL", ttl === 0 ? "0: now or never" : `${whole(ttl)} s (${duration(ttl * 1_000)})`],
    ["Urgency", urgency],
    ["Topic", foreign(topic)],
    [
      "Rate",
      ratePerSecond === null ? "as fast as it goes" : `at most ${whole(ratePerSecond)} a second`,
    ],
    ["Rows kept", record === "all" ? "of all recipients" : "of failures"],
  ]);
  return h(
    "dl",
    { class: "facts" },
    rows.flatMap(([name, value]) => fact(name, value)),
  );
}
