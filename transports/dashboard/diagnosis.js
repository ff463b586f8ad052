// @ts-check
/**
 * What is wrong, and what to do about it, in words for a person: pure functions from facts.
 *
 * @module
 */

/**
 * One finding. `setup` says that the settings of Firefox are the remedy, and the page opens them.
 *
 * @typedef {object} Diagnosis
 * @property {Kind} kind
 * @property {string} title
 * @property {string} text
 * @property {boolean} setup
 */

/**
 * @typedef {"insecure_page" | "wrong_browser" | "no_push" | "permission_denied" |
 *   "permission_dismissed" | "registration_failed" | "elsewhere" | "subscription_ended" |
 *   "unexpected"} Kind
 */

/**
 * What the browser says of itself.
 *
 * @typedef {object} Facts
 * @property {string} userAgent
 * @property {boolean} secureContext
 * @property {boolean} serviceWorkers Whether the browser has them here.
 * @property {boolean} pushManager Whether the browser has one here.
 * @property {string} permission `Notification.permission`.
 */

/**
 * Why this browser cannot subscribe here, judged before trying.
 *
 * @param {Facts} facts
 * @returns {Diagnosis | undefined}
 */
export function obstacle(facts) {
  if (!/\bFirefox\//.test(facts.userAgent)) return wrongBrowser(facts.userAgent);
  if (!facts.secureContext) {
    return {
      kind: "insecure_page",
      title: "This address is not secure enough for push",
      text: "Browsers allow push only on https pages and on this machine itself. " +
        "Open the page as http://localhost with the same port, or put the API behind https.",
      setup: false,
    };
  }
  if (!facts.serviceWorkers || !facts.pushManager) {
    return {
      kind: "no_push",
      title: "Push is switched off in this window",
      text:
        "Firefox has no push in private windows, nor when it is set to never remember history. " +
        "Open this page in a normal window.",
      setup: false,
    };
  }
  return facts.permission === "denied" ? permissionDenied() : undefined;
}

/**
 * @param {string} userAgent
 * @returns {Diagnosis}
 */
function wrongBrowser(userAgent) {
  const chromium = /Chrom(e|ium)\//.test(userAgent);
  const owner = chromium ? "Google" : "its maker";
  const who = chromium ? "Chromium and the browsers built on it" : "This browser";
  return {
    kind: "wrong_browser",
    title: "Please open this page in Firefox",
    text: `${who} can only use the push service of ${owner}. ` +
      "Firefox lets you choose the service, so it can use this one.",
    setup: true,
  };
}

/** @returns {Diagnosis} */
function permissionDenied() {
  return {
    kind: "permission_denied",
    title: "Notifications are blocked for this page",
    text: "Click the icon at the left end of the address bar, " +
      "remove “Send notifications: Blocked”, and reload this page.",
    setup: false,
  };
}

/**
 * What an answer to the permission question other than yes means.
 *
 * @param {string} permission
 * @returns {Diagnosis}
 */
export function notPermitted(permission) {
  if (permission === "denied") return permissionDenied();
  return {
    kind: "permission_dismissed",
    title: "Firefox still waits for your permission",
    text: "The question was closed without an answer. Press the button again and choose Allow.",
    setup: false,
  };
}

/**
 * Why `subscribe` failed.
 *
 * @param {unknown} error
 * @returns {Diagnosis}
 */
export function subscribeFailed(error) {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "Error";
  if (name === "NotAllowedError") return permissionDenied();
  if (name === "AbortError") {
    return {
      kind: "registration_failed",
      title: "Firefox could not register with its push service",
      text: "Either Firefox is not connected to this service yet, or the connection is blocked. " +
        "Check the settings below, wait a few seconds and try again.",
      setup: true,
    };
  }
  return unexpected(error);
}

/**
 * The subscription was made, but with another push service.
 *
 * @param {string} origin Where its endpoint is.
 * @param {string} wanted Where ours are.
 * @returns {Diagnosis}
 */
export function elsewhere(origin, wanted) {
  return {
    kind: "elsewhere",
    title: "Firefox still uses another push service",
    text: `It subscribed at ${origin} instead of ${wanted}, so we cancelled that. ` +
      "Change the settings below and try again; they work at once, without a restart.",
    setup: true,
  };
}

/**
 * The subscription is gone, and not by a click here.
 *
 * @returns {Diagnosis}
 */
export function subscriptionEnded() {
  return {
    kind: "subscription_ended",
    title: "The subscription has ended",
    text:
      "Firefox gave it up: the service no longer knows this browser, perhaps because its data " +
      "was removed, or the permission was withdrawn. Subscribe again to get a new address.",
    setup: false,
  };
}

/**
 * Something this page did not foresee; says what it was.
 *
 * @param {unknown} error
 * @returns {Diagnosis}
 */
export function unexpected(error) {
  return {
    kind: "unexpected",
    title: "That did not work",
    text: String(error),
    setup: false,
  };
}
