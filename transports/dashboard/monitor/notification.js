// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The view of notification.
 *
 * @module
 */

import { viewHead } from "./parts.js";

/**
 * @param {HTMLElement} root
 * @param {import("./main.js").Context} _context
 * @returns {void}
 */
export function notificationView(root, _context) {
  root.append(viewHead("notification", ""));
}
