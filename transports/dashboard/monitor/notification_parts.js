// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What the views of notifications share: states, progress, and what a refusal means to who sends.
 *
 * @module
 */

import { ApiError } from "./api.js";
import { h } from "./dom.js";
import { COUNTS, countsText, STATUS_WORDS } from "./notification_figures.js";
import { badge } from "./parts.js";

/** @typedef {import("./notification_figures.js").Counts} Counts */

/**
 * Where a notification is, as a mark with words.
 *
 * @param {import("./notification_figures.js").Status} status
 * @returns {HTMLElement}
 */
export function statusBadge(status) {
  const [mark, words] = STATUS_WORDS[status];
  return badge(mark, words);
}

/**
 * A bar of all recipients, divided by what became of them; its name tells the numbers. However few ended in one
 * way, they can be seen.
 *
 * @returns {{ readonly element: HTMLElement, readonly update: (counts: Counts) => void }}
 */
export function progressBar() {
  const pieces = COUNTS.map(([name, key]) => ({
    key,
    piece: h("span", { class: "piece", dataset: { of: name }, hidden: true }),
  }));
  const element = h("div", { class: "progress", role: "img" }, pieces.map(({ piece }) => piece));
  return {
    element,
    update: (counts) => {
      element.setAttribute("aria-label", countsText(counts) || "No recipients yet");
      for (const { key, piece } of pieces) {
        piece.hidden = counts[key] === 0;
        piece.style.flexGrow = String(counts[key]);
      }
    },
  };
}

/**
 * Why something was not done, for people.
 *
 * @param {unknown} error
 * @returns {string}
 */
export function refusalText(error) {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  if (error.status !== 403) return error.message;
  return "Your token is good for looking, not for sending: it has no scope “send”. " +
    "Sign in with one that has it; “heliograph keys token --scope read --scope send” makes one.";
}
