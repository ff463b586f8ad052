// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The notifications, newest first: found by what they say, with how far each of them is.
 *
 * The search stands in the address (`#/notifications?search=sale&app=news&status=done`), so that it can be
 * kept and sent. While something is unfinished the rows are looked at again every two seconds; what is looked
 * at then is bounded, however many are shown.
 *
 * For tests: `.notifications tbody tr[data-id][data-status]` with `[data-of][data-value]`; `#more`.
 *
 * @module
 */

import { ApiError } from "./api.js";
import { fill, h } from "./dom.js";
import { liveTable, rowHead, setNumber } from "./live_table.js";
import { dueText, isOver, missed, progressText, STATUS_WORDS } from "./notification_figures.js";
import { progressBar, statusBadge } from "./notification_parts.js";
import { button, field, foreign, select, time, viewHead } from "./parts.js";
import { poll } from "./poll.js";

/** @typedef {import("./notification_figures.js").Notification} Notification */
/** @typedef {{ readonly search: string, readonly app: string, readonly status: string }} Filters */
/** @typedef {{ readonly notifications: readonly Notification[], readonly next: string | null }} Page */

/** Notifications asked for at once. */
const PAGE = 50;

/** Time between two looks while something is unfinished, and while nothing is. */
const BUSY_MS = 2_000;
const IDLE_MS = 5_000;

/** Unfinished notifications looked at one by one with each look; the others have their turn when these are over. */
const LOOKS_MAX = 20;

const COLUMNS = [
  { name: "Title" },
  { name: "App" },
  { name: "Status" },
  { name: "Progress" },
  { name: "Delivered", number: true },
  { name: "Not delivered", number: true },
  { name: "Created" },
];

/**
 * The view.
 *
 * @param {HTMLElement} root
 * @param {import("./main.js").Context} context
 * @returns {Promise<void>}
 */
export async function notificationsView(root, context) {
  const { query, signal } = context;
  const filters = {
    search: query.get("search") ?? "",
    app: query.get("app") ?? "",
    status: query.get("status") ?? "",
  };
  const list = new List(context, filters);
  root.append(
    viewHead(
      "Notifications",
      "What was sent, what is being sent, and what waits for its time.",
      h("a", { class: "button primary", id: "compose", href: "#/compose" }, "Compose"),
    ),
    searchForm(context, await appNames(context), filters),
    list.element,
  );
  if (signal.aborted) return;
  poll(context, () => list.unfinished ? BUSY_MS : IDLE_MS, () => list.look(), (problem) => {
    list.setOld(problem);
  });
}

/**
 * The apps to choose from; none when they are not known now, which hinders no search.
 *
 * @param {import("./main.js").Context} context
 * @returns {Promise<readonly string[]>}
 */
async function appNames({ api }) {
  try {
    /** @type {{ readonly apps: readonly { readonly name: string }[] }} */
    const { apps } = await api.get("/v1/apps");
    return apps.map(({ name }) => name);
  } catch (error) {
    if (error instanceof ApiError && error.status !== 401) return [];
    throw error;
  }
}

/**
 * @param {import("./main.js").Context} context
 * @param {readonly string[]} apps
 * @param {Filters} filters
 */
function searchForm({ go }, apps, { search, app, status }) {
  const named = app === "" || apps.includes(app) ? apps : [...apps, app];
  const controls = {
    search: h("input", {
      id: "notification-search",
      type: "search",
      value: search,
      autocomplete: "off",
      maxlength: "100",
      placeholder: "Id, title, body or topic",
    }),
    app: select("notification-app", [["", "all apps"], ...named.map(twice)], app),
    status: select("notification-status", [
      ["", "any status"],
      ...Object.entries(STATUS_WORDS).map((
        [value, [, words]],
      ) => /** @type {const} */ ([value, words])),
    ], status),
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const parameters = new URLSearchParams();
    for (const [name, { value }] of Object.entries(controls)) {
      if (value !== "") parameters.set(name, value);
    }
    go(parameters.size === 0 ? "#/notifications" : `#/notifications?${parameters}`);
  };
  return h(
    "form",
    { class: "filters", role: "search", on: { submit } },
    field("Search", controls.search),
    field("App", controls.app),
    field("Status", controls.status),
    h("button", { type: "submit", class: "primary" }, "Search"),
  );
}

/** @param {string} name @returns {readonly [string, string]} */
function twice(name) {
  return [name, name];
}

/** What was found so far, kept up to date. */
class List {
  /** Where it stands. @type {HTMLElement} */
  element;
  #context;
  #filters;
  #table;
  #more;
  #old = h("p", { class: "old-numbers", role: "status" });
  /** @type {readonly Notification[]} */
  #items = [];
  /** Rows that were asked for: what comes new takes the place of the oldest. */
  #rows = PAGE;
  /** @type {string | null} */
  #next = null;
  #begun = false;

  /**
   * @param {import("./main.js").Context} context
   * @param {Filters} filters
   */
  constructor(context, filters) {
    this.#context = context;
    this.#filters = filters;
    this.#table = liveTable({
      caption: "Notifications, newest first",
      columns: COLUMNS,
      keyOf: (/** @type {Notification} */ { id }) => id,
      make: rowOf,
      empty: "Looking…",
    });
    this.#more = button("Show more", () => void this.#goOn(), { id: "more", hidden: true });
    this.element = h("div", { class: "found" }, this.#old, this.#table.element, this.#more);
  }

  /** Whether something that is shown goes on. */
  get unfinished() {
    return !this.#begun || this.#items.some((item) => !isOver(item));
  }

  /** Brings what is shown up to date. */
  async look() {
    if (!this.#begun) {
      const { notifications, next } = await this.#page(undefined);
      this.#begun = true;
      this.#table.setEmpty(this.#nothing(next !== null));
      this.#set(notifications, next);
      return;
    }
    const seen = new Set(await this.#newest());
    const rest = this.#items.filter((item) => !isOver(item) && !seen.has(item.id)).slice(
      0,
      LOOKS_MAX,
    );
    const again = await Promise.all(rest.map(({ id }) => this.#one(id)));
    this.#replace(again.filter((found) => found !== undefined));
  }

  /** Says that the numbers are old, or no longer. @param {string | undefined} problem */
  setOld(problem) {
    this.element.classList.toggle("is-old", problem !== undefined);
    fill(this.#old, problem === undefined ? "" : `Not up to date: ${problem}`);
  }

  /** Looks for new ones; the ids of those it has seen. A search is not done again: it may read thousands. */
  async #newest() {
    const { search, status } = this.#filters;
    if (search !== "" || status !== "") {
      // Something small, so that it is known whether the node is there.
      if (!this.unfinished) await this.#context.api.get("/v1/notifications", { limit: 1 });
      return [];
    }
    const { notifications, next } = await this.#page(undefined);
    const known = new Set(this.#items.map(({ id }) => id));
    const fresh = notifications.filter(({ id }) => !known.has(id));
    if (fresh.length === notifications.length && next !== null) this.#set(notifications, next);
    else {
      this.#replace(notifications);
      if (fresh.length > 0) this.#prepend(fresh);
    }
    return notifications.map(({ id }) => id);
  }

  /** @param {string} id @returns {Promise<Notification | undefined>} */
  async #one(id) {
    try {
      return await this.#context.api.get(`/v1/notifications/${encodeURIComponent(id)}`);
    } catch (error) {
      // Swept meanwhile: what is shown of it stays.
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** @param {string | undefined} after @returns {Promise<Page>} */
  #page(after) {
    return this.#context.api.get("/v1/notifications", { ...this.#filters, after, limit: PAGE });
  }

  async #goOn() {
    const shown = this.#items.length;
    this.#more.disabled = true;
    try {
      const { notifications, next } = await this.#page(this.#next ?? undefined);
      this.#rows = Math.max(this.#rows, shown + notifications.length);
      this.#set([...this.#items, ...notifications], next);
      // The keyboard goes on at the first of the new ones; where nothing came, on the table.
      const first = this.element.querySelectorAll("tbody a[data-id]").item(shown);
      const place = first ?? (this.#more.hidden ? this.element.querySelector(".table") : null);
      if (place instanceof HTMLElement) place.focus();
      this.#context.announce(
        notifications.length === 0
          ? "None among the next 5,000 notifications."
          : `${notifications.length} more.`,
      );
      this.setOld(undefined);
    } catch (error) {
      if (this.#context.signal.aborted) return;
      this.setOld(error instanceof Error ? error.message : String(error));
    } finally {
      this.#more.disabled = false;
    }
  }

  /**
   * A page that is left open for days shows as many rows as at the beginning; the others are one step away.
   *
   * @param {readonly Notification[]} fresh
   */
  #prepend(fresh) {
    const all = [...fresh, ...this.#items];
    const items = all.slice(0, this.#rows);
    const before = document.activeElement;
    this.#set(items, items.length < all.length ? items.at(-1)?.id ?? null : this.#next);
    // The keyboard was in a row that is gone: it stays in the table.
    const table = this.element.querySelector(".table");
    if (before?.isConnected === false && table instanceof HTMLElement) table.focus();
  }

  /** @param {readonly Notification[]} found */
  #replace(found) {
    const by = new Map(found.map((one) => [one.id, one]));
    this.#set(this.#items.map((item) => by.get(item.id) ?? item), this.#next);
  }

  /**
   * @param {readonly Notification[]} items
   * @param {string | null} next
   */
  #set(items, next) {
    this.#items = items;
    this.#next = next;
    this.#table.show(items);
    this.#more.hidden = next === null;
  }

  /** @param {boolean} more Whether the search has not read all. */
  #nothing(more) {
    const { search, app, status } = this.#filters;
    if (more) return "None among the newest 5,000 notifications; older ones may be like that.";
    if (search + app + status !== "") return "No notification is like that.";
    return h(
      "span",
      {},
      "Nothing was sent yet. ",
      h("a", { href: "#/compose" }, "Compose the first one"),
      ", or send it through the API.",
    );
  }
}

/** @param {Notification} notification */
function rowOf({ id, title, app, createdAt }) {
  const status = h("td");
  const bar = progressBar();
  const words = h("span", { class: "progress-text" });
  const due = h("span", { class: "small" });
  const delivered = h("td", { dataset: { of: "delivered" } });
  const not = h("td", { dataset: { of: "missed" } });
  const name = title === null || title === ""
    ? h("span", { class: "untitled" }, "Without a title")
    : foreign(title);
  const link = h("a", { href: `#/notifications/${encodeURIComponent(id)}`, dataset: { id } }, name);
  /** @type {import("./notification_figures.js").Status | undefined} */
  let shown;
  return {
    cells: [
      rowHead(h("span", { class: "clamped" }, link)),
      h("td", {}, foreign(app)),
      status,
      h("td", { class: "far" }, bar.element, words),
      delivered,
      not,
      h("td", { class: "nowrap" }, time(createdAt)),
    ],
    update: (/** @type {Notification} */ next, /** @type {HTMLElement} */ row) => {
      row.dataset["id"] = id;
      row.dataset["status"] = next.status;
      if (shown !== next.status) fill(status, h("span", {}, statusBadge(next.status), " ", due));
      shown = next.status;
      fill(due, dueText(next, Date.now()));
      bar.update(next.counts);
      fill(words, progressText(next));
      setNumber(delivered, next.counts.delivered);
      setNumber(not, missed(next.counts));
    },
  };
}
