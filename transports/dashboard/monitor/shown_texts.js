// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/**
 * What people would read of a payload, taken from the payload itself: so a sketch cannot show what would not be
 * sent. Pure functions.
 *
 * @module
 */

/** What is read; `silent` when nothing is shown by the system itself. @typedef {{ readonly title: string, readonly subtitle: string, readonly body: string, readonly silent: string }} ShownTexts */

/** @type {ShownTexts} */
const NOTHING = { title: "", subtitle: "", body: "", silent: "" };

/**
 * Of a payload to Apple's devices ("Generating a remote notification").
 *
 * @param {unknown} payload
 * @returns {ShownTexts}
 */
export function shownByApple(payload) {
  const alert = member(member(payload, "aps"), "alert");
  if (typeof alert === "string") return { ...NOTHING, body: alert };
  const texts = {
    title: text(alert, "title") || text(alert, "title-loc-key"),
    subtitle: text(alert, "subtitle") || text(alert, "subtitle-loc-key"),
    body: text(alert, "body") || text(alert, "loc-key"),
  };
  return said({ ...texts, silent: "" }, "Nothing is shown: the app is woken, and decides.");
}

/**
 * Of a message to Android devices: Android's own texts come before those for all.
 *
 * @param {unknown} message
 * @returns {ShownTexts}
 */
export function shownByAndroid(message) {
  const all = member(message, "notification");
  const own = member(member(message, "android"), "notification");
  const texts = {
    title: text(own, "title") || text(all, "title"),
    body: text(own, "body") || text(all, "body"),
  };
  return said({ ...NOTHING, ...texts }, "Nothing is shown: the app gets data, and decides.");
}

/**
 * Of a push message to a browser: declarative ones are shown as they are, of others a service worker usually
 * shows `title` and `body`.
 *
 * @param {string} payload
 * @returns {ShownTexts}
 */
export function shownByBrowser(payload) {
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(payload);
  } catch {
    value = undefined;
  }
  const shown = member(value, "web_push") === 8030 ? member(value, "notification") : value;
  const texts = { title: text(shown, "title"), body: text(shown, "body") };
  return said({ ...NOTHING, ...texts }, "The site's service worker decides what to show.");
}

/**
 * A payload laid out for reading: JSON with line breaks, any other text as it is. JSON that would not come out of
 * that as it was, such as a number beyond what JavaScript counts, is left as it is, too.
 *
 * @param {unknown} payload
 * @returns {string}
 */
export function laidOut(payload) {
  if (typeof payload !== "string") return JSON.stringify(payload, null, 2);
  try {
    const value = JSON.parse(payload);
    return JSON.stringify(value) === payload ? JSON.stringify(value, null, 2) : payload;
  } catch {
    return payload;
  }
}

/**
 * @param {ShownTexts} texts
 * @param {string} silent
 * @returns {ShownTexts}
 */
function said(texts, silent) {
  return texts.title + texts.subtitle + texts.body === "" ? { ...NOTHING, silent } : texts;
}

/**
 * @param {unknown} value
 * @param {string} name
 * @returns {unknown}
 */
function member(value, name) {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? /** @type {Readonly<Record<string, unknown>>} */ (value)[name]
    : undefined;
}

/**
 * @param {unknown} value
 * @param {string} name
 */
function text(value, name) {
  const found = member(value, name);
  return typeof found === "string" ? found : "";
}
