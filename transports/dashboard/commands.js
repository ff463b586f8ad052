// @ts-check
/**
 * Lines for a terminal and for about:config, made to be copied: pure functions from facts to text.
 *
 * Every value from outside is quoted for the shell, since the browser chooses the endpoint and a
 * page should not trust even that.
 *
 * @module
 */
import { toBase64 } from "./bytes.js";

/**
 * A word for a POSIX shell, quoted so that it stays one word whatever it contains.
 *
 * @param {string} text
 * @returns {string}
 */
export function shellQuote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * Posts an empty message.
 *
 * @param {string} endpoint
 * @param {string} authorization The signed header value.
 * @returns {string}
 */
export function curlEmpty(endpoint, authorization) {
  return [
    "curl -i -X POST",
    `-H ${shellQuote("TTL: 60")}`,
    `-H ${shellQuote(`Authorization: ${authorization}`)}`,
    shellQuote(endpoint),
  ].join(" \\\n  ");
}

/**
 * Posts an encrypted message.
 *
 * @param {string} endpoint
 * @param {string} authorization The signed header value.
 * @param {Uint8Array<ArrayBuffer>} body
 * @returns {string}
 */
export function curlEncrypted(endpoint, authorization, body) {
  return `echo ${shellQuote(toBase64(body))} \\\n  | base64 -d | ` + [
    "curl -i -X POST",
    `-H ${shellQuote("TTL: 60")}`,
    `-H ${shellQuote("Content-Encoding: aes128gcm")}`,
    `-H ${shellQuote(`Authorization: ${authorization}`)}`,
    "--data-binary @-",
    shellQuote(endpoint),
  ].join(" \\\n  ");
}

/**
 * A setting of Firefox.
 *
 * @typedef {{ readonly name: string, readonly value: string | true }} Preference
 */

/**
 * What to set in Firefox so that it uses this service.
 *
 * @param {string} deviceUrl URL of the device sockets.
 * @returns {readonly Preference[]}
 */
export function preferences(deviceUrl) {
  /** @type {readonly Preference[]} */
  const server = [{ name: "dom.push.serverURL", value: deviceUrl }];
  // Firefox connects when the address changes, and refuses an unencrypted one unless told before.
  return new URL(deviceUrl).protocol === "ws:"
    ? [{ name: "dom.push.testing.allowInsecureServerURL", value: true }, ...server]
    : server;
}

/**
 * Starts a second Firefox with a profile of its own which uses this service and shows this page.
 *
 * @param {string} deviceUrl URL of the device sockets.
 * @param {string} pageUrl This page's address.
 * @returns {string}
 */
export function firefoxCommand(deviceUrl, pageUrl) {
  const lines = preferences(deviceUrl).map(({ name, value }) =>
    shellQuote(`user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`)
  );
  return [
    `profile=$(mktemp -d)`,
    `printf '%s\\n' ${lines.join(" \\\n  ")} > "$profile/user.js"`,
    `firefox --no-remote --profile "$profile" ${shellQuote(pageUrl)}`,
  ].join("\n");
}
