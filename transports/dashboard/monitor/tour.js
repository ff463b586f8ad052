// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The view of the tour: what flows through this node and who started whom, live, with an explanation of each part.
 *
 * Invariants: it draws at most once for each frame of the screen, from the last look that the node has sent; what it
 * keeps of the past is bounded. The address names the part that is open, so that it can be kept and sent; opening
 * one changes the address in place, and the picture stays as it is. What is shown stays when the node does not answer,
 * and is marked as old.
 *
 * For tests and scripts, on `.tour`: `data-at` (time of the look that is shown), `data-old` (`yes` or `no`),
 * `data-chosen` (the path of the part that is open).
 *
 * @module
 */

import { h, onceAFrame } from "./dom.js";
import { followEvents } from "./event_stream.js";
import { button, viewHead } from "./parts.js";
import { stepsHere, WALKS } from "./tour_flow.js";
import { FlowPicture } from "./tour_flow_picture.js";
import { HappeningList } from "./tour_happening_list.js";
import { announcement, Happenings } from "./tour_happenings.js";
import { PartPanel } from "./tour_part.js";
import { OUTSIDE_TEXTS, textOf } from "./tour_texts.js";
import { addressOf, countersOf, drawnFor, nameOf, partsOf, Rates, totalsOf } from "./tour_tree.js";
import { TreePicture } from "./tour_tree_picture.js";

/**
 * @typedef {import("./main.js").Context} Context
 * @typedef {import("./tour_tree.js").Part} Part
 */

/** Least time between two announcements of crashes: a loop of them must not talk without end. */
const ANNOUNCE_MS = 5_000;

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @returns {void}
 */
export function tourView(root, context) {
  new Tour(root, context).open();
}

/** The view while it is open. */
class Tour {
  #root;
  #context;
  #rates = new Rates();
  #happenings = new Happenings();
  /** @type {import("./tour_tree.js").TreeFrame | undefined} */
  #frame;
  /** @type {ReadonlyMap<string, Part>} */
  #parts = new Map();
  /** @type {ReadonlyMap<string, number>} */
  #totals = new Map();
  /** @type {string | undefined} */
  #chosen;
  /** The walk that is gone, and the place in it. @type {{ readonly id: string, readonly place: number } | undefined} */
  #walk;
  /** Where the keyboard came from. @type {HTMLElement | undefined} */
  #from;
  #announced = { at: 0, key: 0 };
  /** Many things may come within one frame of the screen. */
  #ask;
  #flow = new FlowPicture();
  #tree;
  #list = new HappeningList((path) => this.#titleOf(path));
  #panel = new PartPanel({
    close: () => this.#close(),
    step: (by) => this.#step(by),
    end: () => this.#end(),
  });
  #walks = WALKS.map(({ id, title }) => ({ id, start: button(title, () => this.#start(id)) }));
  #intro = h(
    "section",
    { class: "card tour-intro" },
    h("h2", {}, "How to look at this"),
    h(
      "p",
      {},
      "Choose any box, and here stands what it does, why it is there, and what happens when it crashes. Or walk along:",
    ),
    h("div", { class: "tour-walks" }, this.#walks.map(({ start }) => start)),
  );
  #old = h(
    "span",
    { class: "badge tour-old", dataset: { mark: "bad" }, hidden: true },
    "Old numbers",
  );
  #loading = h("p", { class: "empty tour-loading" }, "Waiting for the first look at the tree…");

  /**
   * @param {HTMLElement} root
   * @param {Context} context
   */
  constructor(root, context) {
    this.#root = root;
    this.#context = context;
    this.#ask = onceAFrame(context.signal, () => this.#show());
    this.#tree = new TreePicture(context.signal);
    this.#chosen = context.path.length === 0 ? undefined : context.path.join("/");
  }

  open() {
    const { api, signal, setLive } = this.#context;
    this.#root.append(
      viewHead(
        "Tour",
        "This node at work: what flows through it, and who looks after whom. All of it is live.",
        this.#old,
      ),
      h(
        "div",
        { class: "tour-body" },
        h(
          "div",
          { class: "tour-pictures" },
          h(
            "section",
            { class: "card tour-flows", "aria-label": "Flow" },
            this.#loading,
            this.#flow.element,
          ),
          h(
            "section",
            { class: "card tour-trees", "aria-labelledby": "tour-trees" },
            h("h2", { id: "tour-trees" }, "Who started whom"),
            h(
              "p",
              { class: "small" },
              "Each box was started by the one around it, and is started again by it after a crash. Bars show how full mailboxes are; columns, how many of a pool have how much waiting.",
            ),
            this.#tree.element,
          ),
        ),
        h("div", { class: "tour-side" }, this.#intro, this.#panel.element),
        this.#list.element,
      ),
    );
    this.#root.addEventListener("click", (event) => this.#click(event), { signal });
    this.#root.addEventListener("keydown", (event) => this.#key(event), { signal });
    followEvents(api, {
      show: ["tree"],
      onFrame: (frame) => this.#take(frame),
      onState: (state) => {
        setLive(state);
        const old = state === "lost" && this.#frame !== undefined;
        this.#root.dataset["old"] = old ? "yes" : "no";
        this.#old.hidden = !old;
      },
    }, signal);
  }

  /** @param {import("./event_stream.js").Frame} frame */
  #take({ type, data }) {
    if (type === "crash") {
      this.#happenings.take(/** @type {import("./tour_happenings.js").CrashFrame} */ (data));
    }
    if (type === "tree") {
      this.#frame = /** @type {import("./tour_tree.js").TreeFrame} */ (data);
      this.#parts = partsOf(this.#frame.tree);
      this.#totals = totalsOf(this.#frame.flow);
      const counters = countersOf(this.#parts.values());
      this.#rates.take(this.#frame.at, new Map([...counters, ...this.#totals]));
      this.#happenings.remember(this.#parts.values());
      this.#announce();
    }
    this.#ask();
  }

  #show() {
    const frame = this.#frame;
    if (frame === undefined) return;
    const { at, tree } = frame;
    const first = this.#root.dataset["at"] === undefined;
    this.#loading.hidden = true;
    /** @type {import("./tour_flow_picture.js").Look} */
    const look = {
      ...{ root: tree.path, at, parts: this.#parts, totals: this.#totals, rates: this.#rates },
      mark: (path, beneath) => this.#happenings.mark(path, at, beneath),
      chosen: this.#chosen,
    };
    this.#flow.show(look);
    this.#tree.show(look);
    this.#panel.show(this.#chosen, look, this.#stop());
    this.#intro.hidden = this.#chosen !== undefined;
    this.#list.show(this.#happenings.rows);
    for (const { id, start } of this.#walks) start.hidden = this.#stops(id).length < 3;
    const { dataset } = this.#root;
    dataset["at"] = String(at);
    const names = [this.#chosen === undefined ? "" : this.#titleOf(this.#chosen), "Tour"];
    document.title = [...names, "Heliograph"].filter((name) => name !== "").join(" – ");
    if (this.#chosen === undefined) delete dataset["chosen"];
    else dataset["chosen"] = this.#chosen;
    if (first && this.#chosen !== undefined) this.#reveal(this.#chosen);
  }

  /** What is drawn of a path, with the parts of the flow that are outside of the node. */
  #titleOf(/** @type {string} */ path) {
    const part = this.#parts.get(path);
    if (part !== undefined) return textOf(part).title;
    const above = drawnFor(path, this.#parts);
    const pool = above === undefined ? undefined : this.#parts.get(above);
    if (pool?.kind === "pool") return `${textOf(pool).title}: ${nameOf(path)}`;
    return OUTSIDE_TEXTS[nameOf(path)]?.title ?? nameOf(path);
  }

  /** Tells who does not see what was marked, folded when it is much. */
  #announce() {
    const fresh = this.#happenings.rows.filter(({ key, told }) =>
      told && Number(key) > this.#announced.key
    );
    const at = this.#frame?.at ?? 0;
    if (fresh.length === 0 || at - this.#announced.at < ANNOUNCE_MS) return;
    this.#announced = { at, key: Math.max(...fresh.map(({ key }) => Number(key))) };
    this.#context.announce(announcement(fresh, (path) => this.#titleOf(path)));
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const { target } = event;
    if (!(target instanceof Element) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = target.closest('a[href^="#/tour/"]');
    const box = link ?? target.closest(".tour-node .tour-box");
    if (box === null || target.closest(".tour-opener") !== null) return;
    const path = box.closest("[data-path]")?.getAttribute("data-path");
    if (path === null || path === undefined) return;
    event.preventDefault();
    this.#walk = undefined;
    this.#choose(path);
    // What was clicked is seen; what tells of it elsewhere may be folded.
    this.#tree.reveal(path);
    // A click without a pointer is the keyboard's: its reader goes on in the text, and comes back by Escape.
    if (event.detail !== 0) return;
    const from = document.activeElement;
    this.#from = from instanceof HTMLElement ? from : undefined;
    this.#panel.focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== "Escape" || this.#chosen === undefined) return;
    event.preventDefault();
    this.#close();
  }

  /** @param {string | undefined} path */
  #choose(path) {
    this.#chosen = path;
    history.replaceState(null, "", path === undefined ? "#/tour" : addressOf(path));
    this.#show();
  }

  #close() {
    const back = this.#from;
    const inside = this.#panel.element.contains(document.activeElement);
    this.#from = undefined;
    this.#walk = undefined;
    this.#choose(undefined);
    if (!inside) return;
    if (back?.isConnected) back.focus();
    else this.#walks.find(({ start }) => !start.hidden)?.start.focus();
  }

  /**
   * Opens what is around a part in the tree, and brings it to where it is seen; in the flow, where it is there, too.
   *
   * @param {string} path
   */
  #reveal(path) {
    const box = this.#tree.reveal(path);
    const station = this.#flow.element.querySelector('[aria-current="true"]');
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    (station ?? box)?.scrollIntoView({
      block: "nearest",
      behavior: calm ? "instant" : "smooth",
    });
  }

  /** @param {string} id */
  #stops(id) {
    const walk = WALKS.find((one) => one.id === id);
    const root = this.#frame?.tree.path ?? "";
    return walk === undefined ? [] : stepsHere(walk.steps, root, this.#parts, this.#flow.paths);
  }

  /** @returns {import("./tour_part.js").Stop | undefined} */
  #stop() {
    if (this.#walk === undefined) return undefined;
    const { id, place } = this.#walk;
    const stops = this.#stops(id);
    const title = WALKS.find((one) => one.id === id)?.title ?? "";
    return { title, place, of: stops.length, says: stops[place]?.says ?? "" };
  }

  /** @param {string} id */
  #start(id) {
    const from = document.activeElement;
    this.#from = from instanceof HTMLElement ? from : undefined;
    this.#go(id, 0);
    this.#panel.focus();
  }

  /** @param {1 | -1} by */
  #step(by) {
    if (this.#walk === undefined) return;
    const { id, place } = this.#walk;
    const next = place + by;
    if (next < 0) return;
    if (next >= this.#stops(id).length) return this.#close();
    this.#go(id, next);
  }

  /** The part stays open; the walk does not go on. */
  #end() {
    this.#walk = undefined;
    this.#show();
    this.#panel.focus();
  }

  /**
   * @param {string} id
   * @param {number} place
   */
  #go(id, place) {
    const stop = this.#stops(id)[place];
    if (stop === undefined) return;
    this.#walk = { id, place };
    this.#choose(stop.path);
    this.#reveal(stop.path);
    this.#context.announce(`Step ${place + 1}: ${stop.says}`);
  }
}
