// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The picture of the flow: boxes for parts, arrows between them with what goes over them in a second.
 *
 * Invariants: the boxes stand in a grid whose places have names, so that nothing is measured and nothing moves
 * when numbers change; an arrow is as thick as its rate has digits, and its dashes move only for who has not asked
 * for less motion. It is built anew only when the node gains or loses a part.
 *
 * For tests and scripts: `.tour-station[data-station][data-path]`, `.tour-link[data-link][data-rate]`.
 *
 * @module
 */

import { fill, h } from "./dom.js";
import { rate, short, whole } from "./format.js";
import { DELIVERY, drawnHalf, MESSAGES } from "./tour_flow.js";
import { OUTSIDE_TEXTS, STATE_NAMES, textOf } from "./tour_texts.js";
import { addressOf, nameOf } from "./tour_tree.js";

/**
 * @typedef {import("./tour_flow.js").Half} Half
 * @typedef {import("./tour_flow.js").Link} Link
 * @typedef {import("./tour_tree.js").Part} Part
 * @typedef {ReturnType<typeof drawnHalf>["stations"][number]} DrawnStation
 *
 * What is shown: the parts, their rates, and what happened.
 * @typedef {{
 *   readonly root: string, readonly at: number, readonly parts: ReadonlyMap<string, Part>,
 *   readonly totals: ReadonlyMap<string, number>, readonly rates: import("./tour_tree.js").Rates,
 *   readonly mark: (path: string, beneath: boolean) => "crashed" | "restarted" | "gave_up" | undefined,
 *   readonly chosen: string | undefined,
 * }} Look
 *
 * @typedef {(look: Look) => void} Update
 */

/** Words for what happened to a box, each with a mark of its own shape. */
export const MARKS = { crashed: "crashed", restarted: "started again", gave_up: "gave up" };

/** Names of receivers that are listed in the box of outcomes. */
const NAMES_MAX = 8;

/** The picture; {@linkcode FlowPicture.element}. */
export class FlowPicture {
  /** What stands in the page. @type {HTMLElement} */
  element = h("div", { class: "tour-flow" });
  /** @type {string} */
  #drawn = "";
  /** @type {readonly Update[]} */
  #updates = [];
  /** The paths of its boxes; those outside of the node are nowhere else. @type {ReadonlySet<string>} */
  paths = new Set();

  /** @param {Look} look */
  show(look) {
    const halves = [DELIVERY, MESSAGES].map((half) => ({
      half,
      ...drawnHalf(half, look.root, look.parts),
    }));
    const drawn = halves.flatMap(({ stations }) => stations.map(({ path }) => path));
    if (drawn.join("\n") !== this.#drawn) {
      this.#drawn = drawn.join("\n");
      this.paths = new Set(drawn);
      this.#build(halves, look);
    }
    for (const update of this.#updates) update(look);
  }

  /**
   * @param {readonly (ReturnType<typeof drawnHalf> & { readonly half: Half })[]} halves
   * @param {Look} look
   */
  #build(halves, look) {
    /** @type {Update[]} */
    const updates = [];
    const sections = halves.filter(({ stations }) => stations.length > 0).map(
      ({ half, stations, links }) => {
        const boxes = stations.map((station) => stationBox(station, look, updates));
        const arrows = links.map((link) => linkArrow(link, look, updates));
        return h(
          "section",
          { class: "tour-half", "aria-labelledby": `tour-${half.id}` },
          h("h2", { id: `tour-${half.id}` }, half.title),
          h("p", { class: "small" }, half.lead),
          h(
            "div",
            {
              class: `tour-grid tour-grid-${half.id}`,
              dataset: { without: without(half, stations) },
            },
            boxes,
            arrows,
          ),
        );
      },
    );
    const none = h(
      "p",
      { class: "empty" },
      "This node has the API only: what it accepts is in the store, and other nodes of the store send it.",
    );
    this.element.replaceChildren(...sections.length === 0 ? [none] : sections);
    this.#updates = updates;
  }
}

/**
 * The boxes that are missing: the others take their places.
 *
 * @param {Half} half
 * @param {readonly DrawnStation[]} stations
 */
function without(half, stations) {
  return half.stations.map(({ id }) => id).filter((id) => !stations.some((one) => one.id === id))
    .join(" ");
}

/**
 * @param {DrawnStation} station
 * @param {Look} look
 * @param {Update[]} updates
 */
function stationBox({ id, path, label, end }, { parts }, updates) {
  const part = parts.get(path);
  const text = part === undefined ? OUTSIDE_TEXTS[nameOf(path)] : textOf(part);
  const value = h("span", { class: "tour-station-value" });
  const more = h("span", { class: "tour-station-more" });
  const mark = h("span", { class: "tour-mark", hidden: true });
  const box = h(
    "a",
    {
      class: "tour-station",
      href: addressOf(path),
      dataset: { station: id, path, outside: end === undefined ? "yes" : "no" },
    },
    h("span", { class: "tour-station-title" }, label ?? text?.title ?? nameOf(path)),
    value,
    more,
    mark,
  );
  box.style.gridArea = id;
  updates.push((look) => {
    const [first, second] = stationNumbers(id, look.parts.get(path), path, look);
    fill(value, first);
    fill(more, second);
    showMark(mark, box, look.mark(path, true));
    box.setAttribute("aria-current", String(look.chosen === path));
  });
  return box;
}

/**
 * Shows, or takes away, what happened to a box.
 *
 * @param {HTMLElement} place
 * @param {HTMLElement} box
 * @param {"crashed" | "restarted" | "gave_up" | undefined} mark
 */
export function showMark(place, box, mark) {
  place.hidden = mark === undefined;
  fill(place, mark === undefined ? "" : MARKS[mark]);
  if (mark === undefined) delete box.dataset["mark"];
  else box.dataset["mark"] = mark;
}

/**
 * The two lines of numbers in a box.
 *
 * @param {string} id
 * @param {Part | undefined} part
 * @param {string} path
 * @param {Look} look
 * @returns {readonly [string, string]}
 */
function stationNumbers(id, part, path, { totals, rates, parts, root }) {
  const total = (/** @type {string} */ name) => totals.get(name) ?? 0;
  if (id === "sinks" && part?.kind === "supervisor") return receivers(root, parts);
  if (id === "devices") return [`${short(total("devices"))}`, "connected"];
  if (part === undefined) return ["", ""];
  if (part.kind === "pool") return [`${whole(part.size)}`, `of ${whole(part.childrenMax)}`];
  if (part.kind === "supervisor") return [whole(part.children.length), "set up"];
  if (part.kind === "system") return ["", ""];
  // A door is not asked by messages: that it is open is what counts.
  if (id === "api" || id === "endpoint") {
    return [part.state === "running" ? "open" : STATE_NAMES[part.state], ""];
  }
  const waiting = part.mailbox.length + part.mailbox.waiting;
  return [
    `${rate(rates.of(path) ?? 0)}/s`,
    `${short(waiting)} waiting`,
  ];
}

/**
 * @param {string} root
 * @param {ReadonlyMap<string, Part>} parts
 * @returns {readonly [string, string]}
 */
function receivers(root, parts) {
  const names = [...parts.values()].filter(({ path, kind }) =>
    kind === "actor" && path.startsWith(`${root}/pipeline/sinks/others/`)
  ).map(({ path }) => nameOf(path));
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : "";
  const known = ["feedback", "history", "monitor"];
  return [
    String(known.length + names.length),
    [...known, ...names.slice(0, NAMES_MAX)].join(", ") + more,
  ];
}

/**
 * @param {Link} link
 * @param {Look} look
 * @param {Update[]} updates
 */
function linkArrow({ id, way, counters, moves, door }, { root, parts }, updates) {
  const figures = counters.map(([name, unit]) => ({ name, unit, place: h("b", {}, "0/s") }));
  const doorPath = `${root}/${door}`;
  const doorPart = door === undefined ? undefined : parts.get(doorPath);
  const pill = doorPart === undefined ? undefined : h("a", {
    class: "tour-door",
    href: addressOf(doorPath),
    dataset: { path: doorPath },
  });
  const element = h(
    "div",
    { class: "tour-link", dataset: { link: id, way, flowing: "no" } },
    h("span", { class: "tour-line", "aria-hidden": "true" }),
    h(
      "span",
      { class: "tour-rates", dataset: { lines: String(figures.length) } },
      figures.map(({ place, unit }) =>
        h("span", {}, place, h("span", { class: "tour-unit" }, unit))
      ),
    ),
    pill,
  );
  element.style.gridArea = id;
  const counter = (/** @type {string} */ name) => name.includes("#") ? `${root}/${name}` : name;
  updates.push((look) => {
    let fastest = moves === undefined ? 0 : look.rates.of(counter(moves)) ?? 0;
    for (const { name, unit, place } of figures) {
      const now = look.rates.of(counter(name)) ?? 0;
      fastest = Math.max(fastest, now);
      fill(place, `${rate(now)}/s`);
      place.title = `${rate(now)} ${unit} a second`;
    }
    element.dataset["rate"] = String(fastest);
    move(element, fastest);
    if (pill !== undefined) showDoor(pill, look, doorPath);
  });
  return element;
}

/**
 * Thicker and faster by the power of ten, in steps: an arrow that changed with each number would be restless.
 *
 * @param {HTMLElement} element
 * @param {number} perSecond
 */
function move(element, perSecond) {
  const power = perSecond <= 0 ? 0 : Math.min(6, Math.ceil(Math.log10(perSecond + 1)));
  const flowing = power === 0 ? "no" : "yes";
  if (element.dataset["flowing"] !== flowing) element.dataset["flowing"] = flowing;
  if (element.dataset["power"] === String(power)) return;
  element.dataset["power"] = String(power);
  element.style.setProperty("--line", `${1.5 + power * 0.6}px`);
  element.style.setProperty("--pace", `${(2 - power * 0.25).toFixed(2)}s`);
}

/**
 * @param {HTMLElement} pill
 * @param {Look} look
 * @param {string} path
 */
function showDoor(pill, { parts, chosen, mark }, path) {
  const part = parts.get(path);
  pill.setAttribute("aria-current", String(chosen === path));
  const happened = mark(path, true);
  if (happened === undefined) delete pill.dataset["mark"];
  else pill.dataset["mark"] = happened;
  const word = happened === undefined ? "" : ` ${MARKS[happened]}`;
  if (part?.kind === "pool") {
    fill(pill, `${whole(part.size)} connection${part.size === 1 ? "" : "s"}${word}`);
  } else fill(pill, `${part === undefined ? "" : textOf(part).title}${word}`);
}
