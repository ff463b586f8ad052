// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Asking once more before something that cannot be taken back.
 *
 * @module
 */

import { h } from "./dom.js";

/**
 * Asks in a dialog of the browser's own kind: the page behind it waits, Escape means no, and the focus
 * returns to where it was.
 *
 * @param {AbortSignal} signal Takes the question back, as when the view is left.
 * @param {{ readonly title: string, readonly text: import("./dom.js").Child, readonly yes: string, readonly no?: string }} question
 * @returns {Promise<boolean>} Whether the answer was yes.
 */
export function ask(signal, { title, text, yes, no = "Not now" }) {
  const before = document.activeElement;
  const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title" });
  const close = (/** @type {string} */ answer) => () => dialog.close(answer);
  dialog.append(
    h("h2", { id: "ask-title" }, title),
    h("p", {}, text),
    h(
      "div",
      { class: "controls" },
      // First, and with it the focus: who presses Enter too soon has done nothing.
      h("button", { type: "button", class: "no", on: { click: close("no") } }, no),
      h("button", { type: "button", class: "primary yes", on: { click: close("yes") } }, yes),
    ),
  );
  return new Promise((resolve) => {
    const over = new AbortController();
    signal.addEventListener("abort", close("no"), { signal: over.signal });
    dialog.addEventListener("close", () => {
      over.abort();
      dialog.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve(dialog.returnValue === "yes");
    }, { once: true });
    document.body.append(dialog);
    dialog.showModal();
  });
}
