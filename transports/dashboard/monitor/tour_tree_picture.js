// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The picture of the supervision tree: who started whom, as boxes in boxes; on a narrow screen an outline.
 *
 * Invariants: a part's box is the same element as long as the part is there, so focus, selection and scroll
 * stay; a pool is one box, and one that is opened has places that keep who is in them. It is a tree for
 * keyboards, too (WAI-ARIA Authoring Practices, navigation tree view): one stop of the tab key, arrows inside; the
 * items are the links, so that their names are what is written there and not their numbers.
 *
 * For tests and scripts: `.tour-node[data-path][data-kind][data-state]`, with `data-handled`, `data-waiting`,
 * `data-capacity` and `data-restarts` of actors, and `data-handled`, `data-size`, `data-started` and `data-crashed` of
 * pools.
 *
 * @module
 */

import { fill, h } from "./dom.js";
import { clock, rate, short, whole } from "./format.js";
import { keyed } from "./keyed.js";
import { showMark } from "./tour_flow_picture.js";
import { KIND_NAMES, STATE_NAMES, STRATEGY_NAMES, textOf } from "./tour_texts.js";
import { addressOf, DEPTH_NAMES, depthsText, heights, nameOf, SLOTS, Slots } from "./tour_tree.js";

/**
 * @typedef {import("./tour_tree.js").Part} Part
 * @typedef {import("./tour_tree.js").ActorPart} ActorPart
 * @typedef {import("./tour_tree.js").PoolPart} PoolPart
 * @typedef {import("./tour_flow_picture.js").Look} Look
 */

/** The picture; {@linkcode TreePicture.element}. */
export class TreePicture {
  /** What stands in the page. @type {HTMLElement} */
  element = h("ul", { class: "tour-tree", role: "tree", "aria-label": "Supervision tree" });
  #show;
  /** @type {Look | undefined} */
  #look;

  /** @param {AbortSignal} signal Ends its listening. */
  constructor(signal) {
    this.#show = keyed(this.element, pathOf, (part) => new Box(part, 1, () => this.#now()));
    this.element.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.element.addEventListener("focusin", (event) => this.#stop(event.target), { signal });
  }

  /** @param {Look} look */
  show(look) {
    this.#look = look;
    const tree = look.parts.get(look.root);
    if (tree === undefined) return;
    this.#show([tree]);
    if (this.element.querySelector('[role=treeitem][tabindex="0"]') === null) {
      this.element.querySelector("[role=treeitem]")?.setAttribute("tabindex", "0");
    }
  }

  /**
   * Opens everything above a part, so that it is to be seen.
   *
   * @param {string} path
   * @returns {HTMLElement | undefined} Its box, if there is one.
   */
  reveal(path) {
    const node = this.element.querySelector(`[data-path="${CSS.escape(path)}"]`);
    for (let at = node?.parentElement; at; at = at.parentElement) {
      if (at.dataset["open"] === "no") toggle(at);
    }
    return node instanceof HTMLElement ? boxOf(node) : undefined;
  }

  #now() {
    if (this.#look === undefined) throw new Error("There is no look yet");
    return this.#look;
  }

  /** The tab key comes back to where it was. @param {EventTarget | null} target */
  #stop(target) {
    if (!isItem(target)) return;
    for (const other of this.element.querySelectorAll('[role=treeitem][tabindex="0"]')) {
      other.setAttribute("tabindex", "-1");
    }
    target.setAttribute("tabindex", "0");
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { key, target } = event;
    if (!isItem(target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const node = nodeOf(target);
    const items = [...this.element.querySelectorAll("[role=treeitem]")].filter((item) =>
      nodeOf(item)?.parentElement?.closest('[data-open="no"]') === null
    );
    const place = items.indexOf(target);
    const expanded = node?.dataset["open"];
    /** @type {Element | null | undefined} */
    let next;
    if (key === "ArrowDown") next = items[place + 1];
    else if (key === "ArrowUp") next = items[place - 1];
    else if (key === "Home") next = items[0];
    else if (key === "End") next = items.at(-1);
    else if (key === "ArrowRight" && expanded === "yes") next = items[place + 1];
    else if (key === "ArrowRight" && node && expanded === "no") toggle(node);
    else if (key === "ArrowLeft" && node && expanded === "yes") toggle(node);
    else if (key === "ArrowLeft") next = itemAbove(node);
    else if (key === " ") target.click();
    else return;
    event.preventDefault();
    if (next instanceof HTMLElement) next.focus();
  }
}

/** @param {Part} part */
function pathOf({ path }) {
  return path;
}

/** @param {EventTarget | null} target @returns {target is HTMLElement} */
function isItem(target) {
  return target instanceof HTMLElement && target.getAttribute("role") === "treeitem";
}

/** @param {Element} item @returns {HTMLElement | null} */
function nodeOf(item) {
  return item.closest("li");
}

/** @param {Element} node */
function boxOf(node) {
  const box = node.querySelector(":scope > .tour-box");
  return box instanceof HTMLElement ? box : undefined;
}

/** @param {HTMLElement | null} node */
function itemAbove(node) {
  return node?.parentElement?.closest("li")?.querySelector(":scope > .tour-box > [role=treeitem]");
}

/** @param {HTMLElement} node */
function toggle(node) {
  const open = node.dataset["open"] === "no";
  node.dataset["open"] = open ? "yes" : "no";
  node.querySelector(":scope > .tour-box > [role=treeitem]")
    ?.setAttribute("aria-expanded", String(open));
}

/** One part with what is beneath it. */
class Box {
  /** @type {HTMLElement} */
  element;
  #look;
  #item;
  #box;
  #kind = h("span", { class: "tour-kind" });
  #rate = h("span", { class: "tour-rate" });
  #mailbox = h("span", { class: "tour-mailbox" });
  #trouble = h("span", { class: "tour-trouble" });
  #mark = h("span", { class: "tour-mark", hidden: true });
  /** @type {((part: Part) => void)[]} */
  #updates = [];

  /**
   * @param {Part} part
   * @param {number} level
   * @param {() => Look} look
   */
  constructor(part, level, look) {
    this.#look = look;
    const { path, kind } = part;
    this.#item = h("a", {
      href: addressOf(path),
      role: "treeitem",
      tabindex: "-1",
      "aria-level": String(level),
    }, h("bdi", {}, textOf(part).title));
    const counted = kind === "actor" || kind === "pool";
    this.#box = h(
      "div",
      { class: "tour-box" },
      this.#item,
      this.#mark,
      counted ? [this.#rate, this.#mailbox] : null,
      this.#kind,
      counted ? this.#trouble : null,
    );
    this.element = h(
      "li",
      { class: "tour-node", role: "none", dataset: { path, kind } },
      this.#box,
    );
    if (kind === "pool") this.#addPool(part);
    else if (kind !== "actor" || part.children.length > 0) this.#addChildren(part, level);
  }

  /** @param {Part} part */
  update(part) {
    const look = this.#look();
    const { dataset } = this.element;
    dataset["state"] = part.state;
    this.#item.setAttribute("aria-current", String(look.chosen === part.path));
    // What happened beneath is marked there, unless it is folded away.
    const folded = part.kind === "pool" || dataset["open"] === "no";
    showMark(this.#mark, this.element, look.mark(part.path, folded));
    const state = part.state === "running" ? "" : STATE_NAMES[part.state];
    if (part.kind === "actor") this.#actor(part, state, look);
    else if (part.kind === "pool") this.#pool(part, state, look);
    else {
      const how = part.kind === "system" ? "" : STRATEGY_NAMES[part.strategy] ?? part.strategy;
      const restarts = part.kind === "supervisor" && part.restarts > 0
        ? `${whole(part.restarts)} restarts just now`
        : "";
      fill(this.#kind, joined(KIND_NAMES[part.kind], how, state, restarts));
    }
    for (const update of this.#updates) update(part);
  }

  /**
   * @param {ActorPart} part
   * @param {string} state
   * @param {Look} look
   */
  #actor({ path, mailbox, handled, restarts, busy, lastCrashAt, lastCrash }, state, look) {
    const { dataset } = this.element;
    Object.assign(dataset, {
      handled: String(handled),
      waiting: String(mailbox.length),
      capacity: String(mailbox.capacity),
      restarts: String(restarts),
    });
    fill(this.#kind, busy ? "actor, busy" : "actor");
    fill(this.#rate, `${rate(look.rates.of(path) ?? 0)}/s`);
    const queue = mailbox.waiting > 0 ? `, ${whole(mailbox.waiting)} before it` : "";
    this.#meter(mailbox.length / mailbox.capacity);
    fill(this.#mailbox, `${whole(mailbox.length)} of ${whole(mailbox.capacity)}${queue}`);
    const times = restarts === 0 ? "" : `${whole(restarts)} restart${restarts === 1 ? "" : "s"}`;
    this.#crash([state, times], lastCrashAt, lastCrash);
  }

  /**
   * @param {PoolPart} part
   * @param {string} state
   * @param {Look} look
   */
  #pool(part, state, look) {
    const { path, size, childrenMax, started, crashed, handled, lastCrashAt, lastCrash } = part;
    Object.assign(this.element.dataset, {
      handled: String(handled),
      size: String(size),
      started: String(started),
      crashed: String(crashed),
    });
    fill(this.#kind, "pool");
    fill(this.#rate, `${rate(look.rates.of(path) ?? 0)}/s`);
    this.#meter(size / childrenMax);
    fill(this.#mailbox, `${whole(size)} of ${whole(childrenMax)} · ${short(started)} so far`);
    this.#crash([state, crashed === 0 ? "" : `${whole(crashed)} crashed`], lastCrashAt, lastCrash);
  }

  /** @param {number} share */
  #meter(share) {
    this.#mailbox.style.setProperty("--full", String(Math.min(1, share)));
  }

  /**
   * @param {readonly string[]} words
   * @param {number | null | undefined} at
   * @param {string | null | undefined} error
   */
  #crash(words, at, error) {
    const last = at === null || at === undefined ? "" : `crash at ${clock(at)}`;
    const text = joined(...words, last);
    this.#trouble.title = error === null || error === undefined ? text : `${text}: ${error}`;
    fill(this.#trouble, text);
  }

  /**
   * @param {Part} part
   * @param {number} level
   */
  #addChildren(part, level) {
    const group = h("ul", { role: "group" });
    const show = keyed(group, pathOf, (child) => new Box(child, level + 1, this.#look));
    const none = h("span", { class: "tour-none" }, "none set up");
    this.#fold(group, part.path, true);
    this.#box.append(part.kind === "supervisor" ? none : "");
    this.#updates.push((now) => {
      show(now.children);
      none.hidden = now.children.length > 0;
    });
  }

  /**
   * @param {HTMLElement} group What is beneath it.
   * @param {string} path
   * @param {boolean} open
   */
  #fold(group, path, open) {
    group.id = `tour-in-${path}`;
    this.#item.setAttribute("aria-owns", group.id);
    this.#item.setAttribute("aria-expanded", String(open));
    this.element.dataset["open"] = open ? "yes" : "no";
    const click = () => toggle(this.element);
    this.#box.prepend(
      h("span", { class: "tour-opener", "aria-hidden": "true", on: { click } }),
    );
    this.element.append(group);
  }

  /** @param {PoolPart} pool */
  #addPool(pool) {
    const columns = pool.depths.map(() => h("span"));
    const histogram = h("span", { class: "tour-histogram", "aria-hidden": "true" }, columns);
    const inWords = h("span", { class: "for-readers" });
    const group = h("ul", { role: "group", class: "tour-slots" });
    const slots = new SlotList(group);
    const much = h("p", { class: "tour-much" });
    this.#box.append(histogram, inWords);
    this.#fold(group, pool.path, false);
    this.element.append(much);
    this.#updates.push((part) => {
      if (part.kind !== "pool") return;
      const shares = heights(part.depths);
      for (const [place, column] of columns.entries()) {
        column.style.setProperty("--height", String(shares[place] ?? 0));
        column.title = `${whole(part.depths[place] ?? 0)} with ${DEPTH_NAMES[place]} waiting`;
      }
      fill(inWords, `Messages waiting: ${depthsText(part.depths)}`);
      slots.show(part.children);
      const folded = part.size > 0 && part.children.length === 0;
      fill(much, folded ? `Too many to show one by one: that is done up to ${SLOTS}.` : "");
    });
  }
}

/** @param {...string} texts */
function joined(...texts) {
  return texts.filter((text) => text !== "").join(" · ");
}

/** Places of a pool are added so many at a time. */
const SLOTS_STEP = 4;

/** The children of a small pool, each in a place that it keeps; there are as many as were ever needed at once. */
class SlotList {
  #slots = new Slots(SLOTS);
  #items = Array.from({ length: SLOTS }, () => new SlotItem());
  #used = 0;

  /** @param {HTMLElement} group */
  constructor(group) {
    group.append(...this.#items.map(({ element }) => element));
  }

  /** @param {readonly ActorPart[]} children */
  show(children) {
    const byPath = new Map(children.map((child) => [child.path, child]));
    const places = this.#slots.place([...byPath.keys()]);
    const last = places.findLastIndex((path) => path !== undefined);
    this.#used = Math.max(this.#used, Math.ceil((last + 1) / SLOTS_STEP) * SLOTS_STEP);
    for (const [place, item] of this.#items.entries()) {
      const path = places[place];
      item.show(path === undefined ? undefined : byPath.get(path));
      item.element.hidden = place >= this.#used;
    }
  }
}

/** One place. */
class SlotItem {
  #item = h("a", {});
  #waiting = h("span", { class: "tour-rate" });
  /** @type {HTMLElement} */
  element = h(
    "li",
    { class: "tour-slot", role: "none" },
    h("div", { class: "tour-box" }, this.#item, this.#waiting),
  );

  /** @param {ActorPart | undefined} part */
  show(part) {
    const { element } = this;
    const item = this.#item;
    if (part === undefined) {
      // Who reads there stays there, until they go on.
      if (item === document.activeElement) return fill(this.#waiting, "ended");
      for (const name of ["role", "tabindex", "href"]) item.removeAttribute(name);
      element.removeAttribute("data-path");
      fill(item, "");
      return fill(this.#waiting, "");
    }
    if (element.dataset["path"] !== part.path) {
      element.dataset["path"] = part.path;
      item.setAttribute("role", "treeitem");
      item.setAttribute("tabindex", "-1");
      item.setAttribute("href", addressOf(part.path));
      fill(item, nameOf(part.path));
    }
    const { length } = part.mailbox;
    fill(this.#waiting, length > 0 ? `${whole(length)} waiting` : part.busy ? "busy" : "idle");
  }
}
