// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The form in which a notification is written: its fields, what is wrong with each, and whom it would reach.
 *
 * @module
 */

import { ApiError } from "./api.js";
import { AUDIENCES, FIELDS } from "./draft.js";
import { fill, h } from "./dom.js";
import { duration, whole } from "./format.js";
import { field, select, setProblem } from "./parts.js";

/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {import("./draft.js").FieldName} FieldName */
/** @typedef {import("./draft.js").FieldProblem} FieldProblem */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

/** Devices counted while one types, and before everyone is sent to: a page of the API. */
const COUNTED = 100;
const COUNTED_OF_ALL = 1_000;

/** The form's parts. */
export class ComposeForm {
  /** @type {HTMLFormElement} */
  element;
  /** Where it is sent from. */
  send = h("button", { type: "submit", class: "primary", id: "send" }, "Send…");
  #controls;
  #reach = h("span", { id: "compose-reach" });
  #ttlWords = h("span");
  #options = h("details", { class: "card options" }, h("summary", {}, h("h2", {}, "Options")));
  #parts = h(
    "details",
    { class: "card options" },
    h("summary", {}, h("h2", {}, "For one platform")),
  );

  /**
   * @param {readonly string[]} apps
   * @param {Draft} draft What it begins with.
   */
  constructor(apps, draft) {
    this.#controls = controlsOf(apps, draft);
    const { ttl, urgency, topic, sendAt, rate, record, parts } = this.#controls;
    this.#options.append(
      field(
        "Time to live, in seconds",
        ttl,
        h("span", {}, "How long providers may keep it: ", this.#ttlWords),
      ),
      field("Urgency", urgency, "Below normal, devices may wait until they are awake."),
      field("Topic", topic, "Replaces what was sent before with the same topic."),
      field("Send at", sendAt, "In your time zone; empty: at once."),
      field("At most so many a second", rate, "Empty: as fast as it goes."),
      field("Keep a row of", record),
    );
    this.#parts.append(
      field(
        "JSON",
        parts,
        h(
          "span",
          {},
          "What only one platform gets: ",
          h("code", {}, '{"apns": {"aps": {"badge": 1}}}'),
        ),
      ),
    );
    this.#parts.open = draft.parts !== "";
    this.#options.open = ["ttl", "topic", "sendAt", "rate"].some((name) =>
      draft[/** @type {FieldName} */ (name)] !== ""
    );
    this.element = h(
      "form",
      { class: "compose-form", novalidate: true, "aria-label": "Notification" },
      this.#whom(),
      this.#says(),
      this.#options,
      this.#parts,
      h("p", { class: "controls" }, this.send),
    );
    this.show();
  }

  #whom() {
    const { app, audience, target } = this.#controls;
    return h(
      "div",
      { class: "card" },
      h("h2", {}, "To"),
      field("App", app),
      field("Audience", audience),
      h("div", { class: "target" }, field("Tag", target, this.#reach)),
    );
  }

  #says() {
    const { title, body, data } = this.#controls;
    return h(
      "div",
      { class: "card" },
      h("h2", {}, "Message"),
      field("Title", title),
      field("Body", body),
      field("Data, as JSON", data, "For the app, not for people: a JSON object."),
    );
  }

  /** What is typed. @returns {Draft} */
  read() {
    return /** @type {Draft} */ (Object.fromEntries(
      FIELDS.map((name) => [name, this.#controls[name].value]),
    ));
  }

  /** Brings what depends on the fields up to date. */
  show() {
    const draft = this.read();
    const [kind, , , name] = AUDIENCES.find(([value]) => value === draft.audience) ?? AUDIENCES[0];
    const target = this.element.querySelector(".target");
    if (target instanceof HTMLElement) target.hidden = kind === "all";
    const label = target?.querySelector("label");
    if (label) fill(label, name);
    fill(this.#ttlWords, ttlText(draft.ttl));
    fill(this.send, draft.sendAt === "" ? "Send" : "Schedule");
  }

  /**
   * Shows these problems and no others; a field that was not touched yet is not reproached with being empty.
   *
   * @param {readonly FieldProblem[]} problems
   * @returns {void}
   */
  setProblems(problems) {
    for (const name of FIELDS) {
      setProblem(this.#controls[name], problems.find(({ field }) => field === name)?.message ?? "");
    }
  }

  /** Goes to the first field with a problem. @param {readonly FieldProblem[]} problems */
  focusFirst(problems) {
    const first = FIELDS.find((name) => problems.some(({ field }) => field === name));
    if (first === undefined) return;
    const control = this.#controls[first];
    const details = control.closest("details");
    if (details) details.open = true;
    control.focus();
  }

  /** Says whom it would reach. @param {string} text */
  setReach(text) {
    fill(this.#reach, text);
  }
}

/**
 * @param {readonly string[]} apps
 * @param {Draft} draft
 * @returns {Readonly<Record<FieldName, Control>>}
 */
function controlsOf(apps, draft) {
  const input = (
    /** @type {FieldName} */ name,
    /** @type {import("./dom.js").Props} */ props = {},
  ) =>
    h("input", {
      id: `compose-${name}`,
      type: "text",
      autocomplete: "off",
      value: draft[name],
      ...props,
    });
  const area = (
    /** @type {FieldName} */ name,
    /** @type {import("./dom.js").Props} */ props = {},
  ) => h("textarea", { id: `compose-${name}`, autocomplete: "off", ...props }, draft[name]);
  const code = { class: "code-input", spellcheck: "false", rows: 4 };
  return {
    app: select("compose-app", apps.map((name) => [name, name]), draft.app),
    audience: select(
      "compose-audience",
      AUDIENCES.map(([value, words]) => [value, words]),
      draft.audience,
    ),
    target: input("target", { spellcheck: "false", maxlength: 256, dir: "auto" }),
    title: input("title", { dir: "auto" }),
    body: area("body", { rows: 3, dir: "auto" }),
    data: area("data", code),
    parts: area("parts", code),
    ttl: input("ttl", { inputmode: "numeric", placeholder: "2419200" }),
    urgency: select("compose-urgency", [
      ["very-low", "very low"],
      ["low", "low"],
      ["normal", "normal"],
      ["high", "high"],
    ], draft.urgency),
    topic: input("topic", { spellcheck: "false" }),
    sendAt: input("sendAt", { type: "datetime-local" }),
    rate: input("rate", { inputmode: "numeric" }),
    record: select("compose-record", [
      ["failures", "failures"],
      ["all", "all recipients"],
    ], draft.record),
  };
}

/** @param {string} ttl */
function ttlText(ttl) {
  if (ttl === "") return "28 days, as nothing is said.";
  if (!/^[0-9]{1,9}$/.test(ttl)) return "a whole number of seconds, please.";
  return Number(ttl) === 0
    ? "not at all, it is now or never."
    : `${duration(Number(ttl) * 1_000)}.`;
}

/**
 * Whom a draft would reach now, in words; nothing while that is not said yet.
 *
 * @param {import("./api.js").Api} api
 * @param {Draft} draft
 * @returns {Promise<string>}
 */
export async function reachText(api, { app, audience, target }) {
  if (audience === "all" || target === "" || app === "") return "";
  try {
    if (audience === "device") {
      /** @type {{ readonly app: string, readonly state: string, readonly platform: keyof typeof import("./format.js").PLATFORM_NAMES }} */
      const device = await api.get(`/v1/devices/${encodeURIComponent(target)}`);
      if (device.app !== app) return `A device of another app: ${device.app}.`;
      return device.state === "active"
        ? "An active device."
        : "Its address is dead: it would not be sent to.";
    }
    const count = await countText(api, { app, [audience]: target }, COUNTED);
    return `It reaches ${count} now.`;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.status === 404 ? "There is no such device." : "";
  }
}

/**
 * How many devices everyone is, in words.
 *
 * @param {import("./api.js").Api} api
 * @param {string} app
 * @returns {Promise<string>}
 */
export async function everyoneText(api, app) {
  try {
    return await countText(api, { app }, COUNTED_OF_ALL);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return "all devices, however many they are";
  }
}

/**
 * @param {import("./api.js").Api} api
 * @param {Readonly<Record<string, string>>} which
 * @param {number} limit
 */
async function countText(api, which, limit) {
  /** @type {{ readonly devices: readonly unknown[], readonly next: string | null }} */
  const { devices, next } = await api.get("/v1/devices", { ...which, state: "active", limit });
  if (next !== null) return `more than ${whole(Math.max(0, devices.length - 1))} active devices`;
  if (devices.length === 1) return "1 active device";
  return devices.length === 0 ? "no active device" : `${whole(devices.length)} active devices`;
}
