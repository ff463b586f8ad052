// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What a part does, in plain words, with its numbers; and the walk that leads from one part to the next.
 *
 * Invariants: the texts change only when another part is opened, the numbers with each look, in their places.
 *
 * For tests and scripts: `.tour-part[data-path]`, `[data-number]` with the numbers' names.
 *
 * @module
 */

import { fill, h } from "./dom.js";
import { dateTime, rate, whole } from "./format.js";
import { foreign } from "./parts.js";
import { STATE_NAMES, STRATEGIES, textOf } from "./tour_texts.js";
import { OUTSIDE_TEXTS } from "./tour_texts.js";
import { OUTSIDE } from "./tour_flow.js";
import { depthsText, nameOf } from "./tour_tree.js";

/**
 * @typedef {import("./tour_tree.js").Part} Part
 * @typedef {import("./tour_flow_picture.js").Look} Look
 * @typedef {readonly (readonly [name: string, value: string])[]} Numbers
 *
 * A place in a walk.
 * @typedef {{
 *   readonly title: string, readonly place: number, readonly of: number, readonly says: string,
 * }} Stop
 */

/** Totals that belong to a part, by the key of its text; those outside have `outside/` before it. */
const TOTALS = /** @type {Readonly<Record<string, readonly (readonly [string, string])[]>>} */ ({
  feeder: [["recipients", "Recipients put into batches"]],
  recorder: [["batches", "Results recorded"], ["retries", "Recipients to try again"]],
  push_endpoint: [["posts", "Posts accepted"]],
  registry: [
    ["direct", "Given to a session"],
    ["stored", "Left waiting"],
    ["dropped", "Dropped: now or never"],
  ],
  forwarder: [["forwarded", "Handed to other nodes"]],
  device_session: [["handed", "Messages handed over"], ["acknowledged", "Acknowledged"]],
  api: [["notifications", "Notifications accepted"]],
  "outside/apns": [["answers.apns", "Answers"], ["providerConnections.apns", "Connections open"]],
  "outside/fcm": [["answers.fcm", "Answers"], ["providerConnections.fcm", "Connections open"]],
  "outside/webpush": [
    ["answers.webpush", "Answers"],
    ["providerConnections.webpush", "Connections open"],
  ],
  "outside/store": [
    ["outcomes.delivered", "Delivered"],
    ["outcomes.token_invalid", "Token invalid"],
    ["outcomes.rejected", "Rejected"],
    ["outcomes.expired", "Expired"],
    ["outcomes.failed", "Failed"],
    ["outcomes.cancelled", "Cancelled"],
  ],
  "outside/messages": [["stored", "Left waiting for a device"]],
  "outside/senders": [["posts", "Posts accepted"]],
  "outside/devices": [
    ["devices", "Connected"],
    ["handed", "Messages handed over"],
    ["acknowledged", "Acknowledged"],
  ],
  "outside/nodes": [["forwarded", "Messages handed over"]],
});

/** The panel; {@linkcode PartPanel.element}. */
export class PartPanel {
  #heading = h("h2", { tabindex: "-1", id: "tour-part-title" });
  #step = h("p", { class: "tour-step-says" });
  #stepPlace = h("p", { class: "small tour-step-place" });
  #back = h("button", { type: "button" }, "Back");
  #next = h("button", { type: "button", class: "primary" }, "Next");
  #end = h("button", { type: "button", class: "quiet" }, "End the walk");
  #walk = h(
    "div",
    { class: "tour-walk", hidden: true },
    this.#stepPlace,
    this.#step,
    h("div", { class: "tour-walk-buttons" }, this.#back, this.#next, this.#end),
  );
  #close = h("button", { type: "button", class: "quiet tour-close" }, "Close");
  #texts = h("div", { class: "tour-texts" });
  #numbers = h("dl", { class: "tour-numbers" });
  #where = h("p", { class: "small tour-where" });
  /** @type {Map<string, HTMLElement>} */
  #places = new Map();
  #path = "";
  #sentence = "";
  /** What stands in the page. @type {HTMLElement} */
  element = h(
    "section",
    { class: "card tour-part", "aria-labelledby": "tour-part-title", hidden: true },
    this.#walk,
    h("div", { class: "tour-part-head" }, this.#heading, this.#close),
    this.#texts,
    h("h3", {}, "Its numbers"),
    this.#numbers,
    this.#where,
  );

  /** @param {{ readonly close: () => void, readonly step: (by: 1 | -1) => void, readonly end: () => void }} does */
  constructor({ close, step, end }) {
    this.#close.addEventListener("click", close);
    this.#back.addEventListener("click", () => step(-1));
    this.#next.addEventListener("click", () => step(1));
    this.#end.addEventListener("click", end);
  }

  /** Puts the reader at the beginning of the text. */
  focus() {
    this.#heading.focus({ preventScroll: true });
    this.element.scrollTop = 0;
    this.element.scrollIntoView({ block: "nearest" });
  }

  /**
   * Shows a part, or nothing.
   *
   * @param {string | undefined} path
   * @param {Look} look
   * @param {Stop | undefined} stop The place in a walk, if it is one.
   */
  show(path, look, stop) {
    this.element.hidden = path === undefined;
    this.#showStop(stop);
    if (path === undefined) return void (this.#path = "");
    const part = look.parts.get(path);
    const outside = path.startsWith(`${OUTSIDE}/`) ? OUTSIDE_TEXTS[nameOf(path)] : undefined;
    const text = part === undefined ? outside : textOf(part);
    // A batch that is being read about may end: its text stays, its numbers do not.
    if (path !== this.#path || (text !== undefined && this.#sentence === "")) {
      if (path !== this.#path) this.element.scrollTop = 0;
      this.#path = path;
      this.element.dataset["path"] = path;
      this.#sentence = text?.what ?? "";
      this.#write(path, part, text);
    }
    const key = part === undefined ? path : textOf(part).key;
    const totals = (TOTALS[key] ?? []).map((
      [name, title],
    ) => /** @type {const} */ ([title, whole(look.totals.get(name) ?? 0)]));
    if (part !== undefined || outside !== undefined) {
      this.#count([...part === undefined ? [] : numbersOf(part, look), ...totals]);
    } else this.#count([["State", "There is none of this name now"]]);
  }

  /** @param {Stop | undefined} stop */
  #showStop(stop) {
    this.#walk.hidden = stop === undefined;
    if (stop === undefined) return;
    fill(this.#stepPlace, `${stop.title}: step ${stop.place + 1} of ${stop.of}`);
    fill(this.#step, stop.says);
    // A button that is disabled under the reader loses their focus.
    this.#back.setAttribute("aria-disabled", String(stop.place === 0));
    fill(this.#next, stop.place + 1 === stop.of ? "Finish" : "Next");
  }

  /**
   * @param {string} path
   * @param {Part | undefined} part
   * @param {import("./tour_texts.js").PartText | undefined} text
   */
  #write(path, part, text) {
    fill(this.#heading, foreign(text?.title ?? nameOf(path)));
    fill(this.#where, part === undefined ? "" : foreign(path));
    if (text === undefined) {
      fill(
        this.#texts,
        h(
          "p",
          {},
          "This node has no part of that name now: it may have ended, or have stood on another node.",
        ),
      );
      return;
    }
    const { what, why, crash, waits } = text;
    const strategy = part?.kind === "supervisor" ? STRATEGIES[part.strategy] : undefined;
    const isOutside = path.startsWith(`${OUTSIDE}/`);
    fill(
      this.#texts,
      h("p", { class: "tour-what" }, what),
      section("Why it stands by itself", why),
      section(
        isOutside ? "When it fails" : "When it crashes",
        [strategy, crash].filter(Boolean).join(" "),
      ),
      waits === undefined ? null : section("What waits for it", waits),
    );
  }

  /** @param {Numbers} numbers */
  #count(numbers) {
    const names = numbers.map(([name]) => name).join("\n");
    if (names !== [...this.#places.keys()].join("\n")) {
      this.#places = new Map(
        numbers.map(([name]) => [name, h("dd", { dataset: { number: name } })]),
      );
      fill(
        this.#numbers,
        [...this.#places].map(([name, place]) => h("div", {}, h("dt", {}, name), place)),
      );
    }
    for (const [name, value] of numbers) {
      const place = this.#places.get(name);
      if (place !== undefined) fill(place, value);
    }
  }
}

/**
 * @param {string} title
 * @param {string} text
 */
function section(title, text) {
  return h("section", {}, h("h3", {}, title), h("p", {}, text));
}

/**
 * @param {Part} part
 * @param {Look} look
 * @returns {Numbers}
 */
function numbersOf(part, { rates }) {
  const state = /** @type {const} */ (["State", STATE_NAMES[part.state] ?? part.state]);
  const a = (/** @type {number | undefined} */ value) => value === undefined ? "–" : rate(value);
  switch (part.kind) {
    case "system":
      return [state, ["Trees", whole(part.children.length)]];
    case "supervisor":
      return [state, ["Children", whole(part.children.length)], [
        "Restarts just now",
        whole(part.restarts),
      ]];
    case "pool":
      return [
        state,
        ["Alive", `${whole(part.size)} of ${whole(part.childrenMax)}`],
        ["Started so far", whole(part.started)],
        ["Started a second", a(rates.of(`${part.path}#started`))],
        ["Crashed", whole(part.crashed)],
        ["Messages handled", whole(part.handled)],
        ["Messages a second", a(rates.of(part.path))],
        ["Busy now", whole(part.busy)],
        ["Messages waiting", whole(part.waiting)],
        ["How many have how many waiting", depthsText(part.depths)],
        ...crashNumbers(part),
      ];
    case "actor":
      return [
        state,
        ["Doing something", part.busy ? "yes, and waits for it" : "no, or too short to be seen"],
        ["Messages handled", whole(part.handled)],
        ["Messages a second", a(rates.of(part.path))],
        ["Messages waiting", `${whole(part.mailbox.length)} of ${whole(part.mailbox.capacity)}`],
        ["Senders waiting for room", whole(part.mailbox.waiting)],
        ["Restarts", whole(part.restarts)],
        ...crashNumbers(part),
      ];
  }
}

/** @param {{ readonly lastCrash?: string | null, readonly lastCrashAt?: number | null }} part @returns {Numbers} */
function crashNumbers({ lastCrash, lastCrashAt }) {
  if (lastCrashAt === undefined || lastCrashAt === null) return [["Last crash", "none"]];
  return [["Last crash", `${dateTime(lastCrashAt)}: ${lastCrash ?? ""}`]];
}
