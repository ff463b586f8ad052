// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The devices of an app: found by the beginning of their id, by user or by tag; and one of them with
 * everything that is known.
 *
 * The search stands in the address (`#/devices?app=news&by=tag&for=beta`), so that it can be kept and
 * sent; a device has an address of its own, `#/devices/ID`.
 *
 * For tests: `.devices tbody tr`, each with `[data-id]` in its first cell's link; `#more`;
 * `.device[data-id][data-state]`, `#remove`.
 *
 * @module
 */

import { ApiError } from "./api.js";
import { ask } from "./ask.js";
import { fill, h } from "./dom.js";
import { OUTCOME_NAMES, PLATFORM_NAMES, whole } from "./format.js";
import {
  badge,
  button,
  fact,
  field,
  foreign,
  notice,
  select,
  table,
  time,
  viewHead,
} from "./parts.js";

/**
 * @typedef {{
 *   readonly notification: string, readonly outcome: import("./format.js").Outcome,
 *   readonly status: number, readonly reason: string, readonly at: string,
 * }} LastOutcome
 *
 * @typedef {{
 *   readonly id: string, readonly app: string, readonly platform: import("./format.js").Platform,
 *   readonly address: string, readonly user: string | null, readonly tags: readonly string[],
 *   readonly state: "active" | "invalid", readonly registeredAt: string, readonly reason: string | null,
 *   readonly lastOutcome: LastOutcome | null,
 * }} Device
 */

/** Devices asked for at once. */
const PAGE = 50;

/** How one searches; the values are the API's own parameters. */
const WAYS = /** @type {const} */ ([
  ["idPrefix", "beginning of the id"],
  ["user", "user"],
  ["tag", "tag"],
]);

const STATES = /** @type {const} */ ([
  ["", "any state"],
  ["active", "active"],
  ["invalid", "invalid"],
]);

/**
 * The view: a search, or the device that the address names.
 *
 * @param {HTMLElement} root
 * @param {import("./main.js").Context} context
 * @returns {Promise<void>}
 */
export async function devicesView(root, context) {
  const [id] = context.path;
  if (id !== undefined && id !== "") return await showDevice(root, context, id);
  /** @type {{ readonly apps: readonly { readonly name: string }[] }} */
  const { apps } = await context.api.get("/v1/apps");
  context.setLive("live");
  const [first] = apps;
  if (first === undefined) return showNoApp(root);
  const { query } = context;
  const search = {
    app: query.get("app") ?? first.name,
    by: WAYS.find(([value]) => value === query.get("by"))?.[0] ?? "idPrefix",
    wanted: query.get("for") ?? "",
    state: query.get("state") ?? "",
  };
  const results = h("div", { class: "devices" });
  root.append(
    viewHead(
      "Devices",
      "Who can be reached, by app. What a device's last recorded delivery came to stands beside it: failures always, successes where a notification records all.",
    ),
    searchForm(context, apps.map(({ name }) => name), search),
    results,
  );
  await new Results(results, context, search).more();
}

/** @typedef {{ readonly app: string, readonly by: "idPrefix" | "user" | "tag", readonly wanted: string, readonly state: string }} Search */

/**
 * @param {import("./main.js").Context} context
 * @param {readonly string[]} apps
 * @param {Search} search
 */
function searchForm({ go }, apps, { app, by, wanted, state }) {
  const controls = {
    app: select("device-app", apps.map((name) => [name, name]), app),
    by: select("device-by", WAYS, by),
    wanted: h("input", {
      id: "device-for",
      type: "search",
      value: wanted,
      autocomplete: "off",
      spellcheck: "false",
      maxlength: "256",
    }),
    state: select("device-state", STATES, state),
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const parameters = new URLSearchParams({ app: controls.app.value, by: controls.by.value });
    if (controls.wanted.value !== "") parameters.set("for", controls.wanted.value);
    if (controls.state.value !== "") parameters.set("state", controls.state.value);
    go(`#/devices?${parameters}`);
  };
  return h(
    "form",
    { class: "filters", role: "search", on: { submit } },
    field("App", controls.app),
    field("Search by", controls.by),
    field("Search for", controls.wanted),
    field("State", controls.state),
    h("button", { type: "submit", class: "primary" }, "Search"),
  );
}

/** What was found so far. */
class Results {
  #place;
  #context;
  #search;
  /** @type {Device[]} */
  #devices = [];
  /** @type {string | undefined} */
  #after;
  #asking = false;

  /**
   * @param {HTMLElement} place
   * @param {import("./main.js").Context} context
   * @param {Search} search
   */
  constructor(place, context, search) {
    this.#place = place;
    this.#context = context;
    this.#search = search;
  }

  /** Asks for the next part; pressed twice, the button asks for it once. */
  async more() {
    if (this.#asking) return;
    this.#asking = true;
    const { app, by, wanted, state } = this.#search;
    try {
      /** @type {{ readonly devices: readonly Device[], readonly next: string | null }} */
      const { devices, next } = await this.#context.api.get("/v1/devices", {
        ...{ app, state, limit: PAGE, after: this.#after },
        [by]: wanted,
      });
      const shown = this.#devices.length;
      this.#devices.push(...devices);
      this.#after = next ?? undefined;
      this.#show(next !== null);
      this.#context.announce(
        `${whole(this.#devices.length)} devices${next === null ? "" : ", and more"}`,
      );
      // The keyboard goes on at the first of the new ones, not at the top of the page.
      const links = /** @type {NodeListOf<HTMLElement>} */ (
        this.#place.querySelectorAll("tbody a[data-id]")
      );
      if (shown > 0) links.item(shown).focus();
    } catch (error) {
      if (this.#context.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      fill(this.#place, notice("This cannot be searched", error.message));
    } finally {
      this.#asking = false;
    }
  }

  /** @param {boolean} more */
  #show(more) {
    const { app, wanted, state } = this.#search;
    const filtered = wanted !== "" || state !== "";
    fill(
      this.#place,
      table({
        caption: `Devices of ${app}`,
        columns: [
          { name: "Id" },
          { name: "Platform" },
          { name: "State" },
          { name: "User" },
          { name: "Tags" },
          { name: "Registered" },
          { name: "Last recorded outcome" },
        ],
        rows: this.#devices.map(rowOf),
        empty: filtered ? "No device is like that." : h(
          "span",
          {},
          "No device yet. They are registered by your app, or from a file: ",
          h("code", {}, "heliograph devices import FILE --app " + app),
        ),
      }),
      more ? button("Show more", () => void this.more(), { id: "more" }) : null,
    );
  }
}

/** @param {Device} device */
function rowOf({ id, platform, state, user, tags, registeredAt, lastOutcome }) {
  return [
    h("a", { href: `#/devices/${encodeURIComponent(id)}`, dataset: { id } }, foreign(id)),
    platformMark(platform),
    stateBadge(state),
    foreign(user),
    tags.length === 0 ? foreign(null) : tagList(tags),
    time(registeredAt),
    lastOutcome === null ? foreign(null) : outcomeText(lastOutcome),
  ];
}

/** @param {import("./format.js").Platform} platform */
function platformMark(platform) {
  return h(
    "span",
    { class: "nowrap" },
    h("span", { class: "swatch", dataset: { of: platform } }),
    PLATFORM_NAMES[platform],
  );
}

/** @param {Device["state"]} state */
function stateBadge(state) {
  return badge(state === "active" ? "good" : "bad", state);
}

/** @param {readonly string[]} tags */
function tagList(tags) {
  return h("span", { class: "tags" }, tags.map((tag) => h("span", { class: "tag" }, foreign(tag))));
}

/** @param {LastOutcome} last */
function outcomeText({ notification, outcome, reason, at }) {
  return h(
    "span",
    {},
    h("span", { class: "swatch", dataset: { of: outcome } }),
    h("a", { href: `#/notifications/${encodeURIComponent(notification)}` }, OUTCOME_NAMES[outcome]),
    reason === "" ? null : [", ", foreign(reason)],
    ", ",
    time(at),
  );
}

/**
 * @param {HTMLElement} root
 * @param {import("./main.js").Context} context
 * @param {string} id
 */
async function showDevice(root, context, id) {
  const { api, go, announce, setLive } = context;
  const path = `/v1/devices/${encodeURIComponent(id)}`;
  /** @type {Device} */
  const device = await api.get(path);
  setLive("live");
  const problem = h("div");
  const remove = async () => {
    const sure = await ask(context.signal, {
      title: "Remove this device?",
      text:
        "It is in no audience any more. Its results stay, and it comes back when it is registered again.",
      yes: "Remove",
    });
    if (!sure) return;
    try {
      await api.delete(path);
      announce("The device is removed.");
      go(`#/devices?app=${encodeURIComponent(device.app)}`);
    } catch (error) {
      fill(
        problem,
        notice("It was not removed", error instanceof Error ? error.message : String(error)),
      );
    }
  };
  const compose = new URLSearchParams({ app: device.app, device: id });
  root.append(
    viewHead(
      "Device",
      foreign(id),
      h("a", { class: "button primary", href: `#/compose?${compose}` }, "Send to it…"),
      button("Remove…", () => void remove(), { id: "remove" }),
    ),
    problem,
    h(
      "div",
      { class: "card device", dataset: { id, state: device.state } },
      h("dl", { class: "facts" }, facts(device)),
    ),
    h(
      "p",
      {},
      h(
        "a",
        { href: `#/devices?app=${encodeURIComponent(device.app)}` },
        "All devices of this app",
      ),
    ),
  );
}

/** @param {Device} device */
function facts({ app, platform, address, user, tags, state, reason, registeredAt, lastOutcome }) {
  return [
    fact("State", stateBadge(state), reason === null ? null : [", ", foreign(reason)]),
    fact("App", foreign(app)),
    fact("Platform", platformMark(platform)),
    fact(platform === "webpush" ? "Endpoint" : "Token", h("code", {}, foreign(address))),
    fact(
      "User",
      user === null ? foreign(null) : h(
        "a",
        { href: `#/devices?${new URLSearchParams({ app, by: "user", for: user })}` },
        foreign(user),
      ),
    ),
    fact("Tags", tags.length === 0 ? foreign(null) : tagList(tags)),
    fact("Registered", time(registeredAt)),
    fact("Last recorded outcome", lastOutcome === null ? "none" : outcomeText(lastOutcome)),
  ].flat();
}

/** @param {HTMLElement} root */
function showNoApp(root) {
  root.append(
    viewHead("Devices", "Who can be reached."),
    h(
      "p",
      { class: "card" },
      "Devices belong to an app, and there is none yet. ",
      h("a", { href: "#/apps" }, "How to add one"),
    ),
  );
}
