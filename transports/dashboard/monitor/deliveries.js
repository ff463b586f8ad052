// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The view of deliveries: a bar for each second of the last ten minutes, live, or longer ones of an hour and a day
 * from what the node has stored; what they sum up to; how much is waiting; what is paused.
 *
 * Invariants: the seconds are the node's, and the stream brings them; whoever was away, asleep or without
 * a network asks for those that are missing. While the picture is paused counting goes on. What is shown stays
 * when the node does not answer, and is marked as old.
 *
 * For tests and scripts, on `.deliveries`: `data-span` (of the picture), `data-stacking`, `data-paused` and `data-old` (`yes` or
 * `no`), `data-from` and `data-to` (the picture's seconds), `data-ended` (what ended in them). `[data-figure]` has the exact number of a figure
 * in `data-value` (`rate`, `delivered`, `failed`, `tried`, `retries`, `waiting`, `leased`), `[data-part]` the sum of a
 * part of the picture. More are at the chart and at the exact numbers.
 *
 * @module
 */

import { ApiError } from "./api.js";
import { BarChart } from "./bar_chart.js";
import { BarReadout, sentence, unit, whenText } from "./bar_readout.js";
import { answeredPicture, barAt, ended, LiveBars, partOf, retries, summed } from "./bars.js";
import { fill, h, onceAFrame } from "./dom.js";
import { followEvents } from "./event_stream.js";
import { clock, OUTCOME_NAMES, OUTCOMES, PLATFORM_NAMES, PLATFORMS, whole } from "./format.js";
import { DeliveryFigures } from "./delivery_figures.js";
import { PausedLanes } from "./paused_lanes.js";
import { button, table, viewHead } from "./parts.js";

/**
 * @typedef {import("./bars.js").Picture} Picture
 * @typedef {import("./bars.js").Span} Span
 * @typedef {import("./bars.js").Stacking} Stacking
 * @typedef {import("./main.js").Context} Context
 * @typedef {import("./format.js").Platform | import("./format.js").Outcome} Part
 */

/** How often stored bars are asked for again. */
const REFRESH_MS = { hour: 10_000, day: 60_000 };
/** Rows of the table. */
const ROWS_MAX = 60;

/** @type {readonly (readonly [Span, string])[]} */
const SPANS = [["ten_minutes", "10 minutes"], ["hour", "Hour"], ["day", "Day"]];
/** @type {readonly (readonly [Stacking, string])[]} */
const STACKINGS = [["platform", "By platform"], ["outcome", "By outcome"]];

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @returns {void}
 */
export function deliveriesView(root, context) {
  new Deliveries(root, context).open();
}

/** The view while it is open. */
class Deliveries {
  #root;
  #context;
  #live = new LiveBars();
  /** What the node has stored, of an hour or a day. @type {Picture | undefined} */
  #stored;
  /** The picture that stands. @type {Picture | undefined} */
  #paused;
  /** @type {Span} */
  #span;
  /** @type {Stacking} */
  #stacking;
  /** Whether the bars, or the stream, could not be had. */
  #old = { stored: false, stream: false };
  /** Many things may come within one frame of the screen. */
  #ask;
  /** Ends the asking for stored bars. */
  #asking = new AbortController();
  #chart;
  #readout = new BarReadout();
  #figures = new DeliveryFigures();
  #lanes = new PausedLanes();
  /** @type {readonly { readonly name: Part, readonly item: HTMLElement, readonly place: HTMLElement }[]} */
  #parts = [];
  #legend = h("ul", { class: "bar-legend", "aria-label": "Parts of the bars, with their sums" });
  #caption = h("p", { class: "bar-caption small" });
  #behind = h("span", { class: "behind" });
  #empty = h(
    "p",
    { class: "bar-empty", hidden: true },
    "Nothing was sent in this time. A node of its own sends a million to stand-ins for the providers: ",
    h("code", {}, "deno task demo --api-port 0"),
  );
  #pause = button("Pause", () => this.#togglePause(), { "aria-pressed": "false" });
  #tableToggle = button("Show as table", () => this.#toggleTable(), { "aria-expanded": "false" });
  #table = h("div", { class: "bar-table", hidden: true });

  /**
   * @param {HTMLElement} root
   * @param {Context} context
   */
  constructor(root, context) {
    this.#root = root;
    this.#context = context;
    this.#ask = onceAFrame(context.signal, () => this.#show());
    this.#span = chosen(SPANS, context.query.get("span"));
    this.#stacking = chosen(STACKINGS, context.query.get("by"));
    this.#chart = new BarChart((cause) => this.#stepChosen(cause), context.signal);
  }

  open() {
    const { api, signal, setLive } = this.#context;
    this.#root.append(
      viewHead(
        "Deliveries",
        "Every recipient whose delivery ended, in the second in which it did.",
        choice(
          "by",
          "Parts of the bars",
          STACKINGS,
          this.#stacking,
          (stacking) => this.#choose({ stacking }),
        ),
        choice("span", "Time shown", SPANS, this.#span, (span) => this.#choose({ span })),
        this.#pause,
      ),
      this.#lanes.element,
      this.#figures.element,
      this.#card(),
    );
    this.#makeLegend();
    this.#follow();
    void this.#fetchLive();
    followEvents(api, {
      show: ["bars", "status"],
      since: () => this.#live.since,
      onFrame: (frame) => this.#take(frame),
      onState: (state) => {
        setLive(state);
        this.#old.stream = state === "lost";
        this.#ask();
      },
    }, signal);
    document.addEventListener("visibilitychange", () => document.hidden || this.#follow(), {
      signal,
    });
  }

  #card() {
    return h(
      "section",
      { class: "card bars", "aria-label": "Bars" },
      this.#legend,
      h("div", { class: "bar-stage" }, this.#chart.element, this.#empty),
      h("div", { class: "bar-foot" }, this.#caption, this.#behind),
      this.#readout.element,
      h("div", { class: "bar-more" }, this.#tableToggle),
      this.#table,
    );
  }

  /** The stream would bring all this, too: the answer is shorter, and there sooner. */
  async #fetchLive() {
    const { api, signal } = this.#context;
    try {
      this.#live.begin(await api.get("/v1/bars", { span: "ten_minutes" }, signal));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
    }
    this.#ask();
  }

  /** @param {import("./event_stream.js").Frame} frame */
  #take({ type, data }) {
    if (type === "bar") this.#live.take(/** @type {import("./bars.js").Bar} */ (data));
    if (type === "status") {
      const status = /** @type {import("./delivery_figures.js").Status & {
         *   readonly lanes: readonly import("./paused_lanes.js").Lane[],
         * }} */
        (data);
      this.#figures.takeStatus(status);
      this.#lanes.show(status.lanes);
    }
    this.#ask();
  }

  /** @param {{ readonly span?: Span, readonly stacking?: Stacking }} change */
  #choose({ span = this.#span, stacking = this.#stacking }) {
    if (span !== this.#span) {
      this.#stored = undefined;
      this.#old.stored = false;
      this.#setPaused(undefined);
    }
    const other = stacking !== this.#stacking;
    this.#span = span;
    this.#stacking = stacking;
    // For who comes back to this address, or sends it to somebody.
    const address = new URLSearchParams({ span, by: stacking });
    history.replaceState(null, "", `#/deliveries?${address}`);
    if (other) this.#makeLegend();
    this.#follow();
  }

  /** Asks for stored bars at once and then again and again, as long as they are to be seen. */
  #follow() {
    this.#asking.abort();
    this.#ask();
    const span = this.#span;
    if (span === "ten_minutes") return;
    this.#asking = new AbortController();
    const signal = AbortSignal.any([this.#context.signal, this.#asking.signal]);
    const timer = setInterval(
      () => document.hidden || void this.#load(span, signal),
      REFRESH_MS[span],
    );
    signal.addEventListener("abort", () => clearInterval(timer));
    void this.#load(span, signal);
  }

  /**
   * @param {Span} span
   * @param {AbortSignal} signal
   */
  async #load(span, signal) {
    try {
      this.#stored = answeredPicture(await this.#context.api.get("/v1/bars", { span }, signal));
      this.#old.stored = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      this.#old.stored = true;
    }
    this.#ask();
  }

  #show() {
    const now = this.#span === "ten_minutes" ? this.#live.picture() : this.#stored;
    const { dataset } = this.#root;
    const old = this.#old.stream || this.#old.stored;
    dataset["stacking"] = this.#stacking;
    dataset["paused"] = this.#paused === undefined ? "no" : "yes";
    dataset["old"] = old ? "yes" : "no";
    this.#pause.disabled = now === undefined;
    this.#figures.show(now, this.#live.rate());
    const picture = this.#paused ?? now;
    if (picture === undefined) {
      // What stood before stays until the other span is there.
      fill(this.#caption, this.#old.stored ? "These bars cannot be had now." : "Loading…");
      return;
    }
    dataset["span"] = picture.span;
    dataset["from"] = String(picture.from);
    dataset["to"] = String(picture.to);
    this.#chart.show(picture, this.#stacking);
    this.#readout.show(picture, this.#chart.chosen);
    this.#sumUp(picture);
    fill(this.#caption, captionOf(picture, this.#chart.line, old));
    const behind = this.#paused === undefined || now === undefined ? 0 : now.to - this.#paused.to;
    fill(this.#behind, this.#paused === undefined ? "" : `${whole(behind)} s behind`);
  }

  #makeLegend() {
    const names = this.#stacking === "platform" ? PLATFORMS : OUTCOMES;
    this.#parts = names.map((name) => {
      const place = h("span", { class: "sum" });
      const swatch = h("span", { class: "swatch", dataset: { of: name } });
      const item = h(
        "li",
        { dataset: { part: name } },
        h("span", {}, swatch, nameOf(name)),
        " ",
        place,
      );
      return { name, item, place };
    });
    fill(this.#legend, this.#parts.map(({ item }) => item));
  }

  /** @param {Picture} picture */
  #sumUp(picture) {
    const sums = summed(picture);
    for (const { name, item, place } of this.#parts) {
      const value = partOf(sums, name);
      item.dataset["value"] = String(value);
      fill(place, whole(value));
    }
    this.#root.dataset["ended"] = String(ended(sums));
    this.#empty.hidden = ended(sums) + retries(sums) > 0;
  }

  /** @param {import("./bar_chart.js").Cause} cause */
  #stepChosen(cause) {
    const picture = this.#picture;
    if (picture === undefined) return;
    const { chosen } = this.#chart;
    this.#readout.show(picture, chosen);
    if (cause !== "keys") return;
    this.#chart.describe(chosen === undefined ? undefined : sentence(picture, chosen));
  }

  get #picture() {
    return this.#paused ?? (this.#span === "ten_minutes" ? this.#live.picture() : this.#stored);
  }

  #togglePause() {
    this.#setPaused(this.#paused === undefined ? this.#picture : undefined);
    const paused = this.#paused !== undefined;
    this.#context.announce(paused ? "The picture is paused." : "The picture is live again.");
    this.#ask();
  }

  /** @param {Picture | undefined} picture The one that is to stand, if any. */
  #setPaused(picture) {
    this.#paused = picture;
    fill(this.#pause, picture === undefined ? "Pause" : "Resume");
    this.#pause.setAttribute("aria-pressed", String(picture !== undefined));
  }

  /** The rows stand as they are when they are asked for: nobody reads or copies a table that moves. */
  #toggleTable() {
    const picture = this.#picture;
    const open = this.#table.hidden && picture !== undefined;
    this.#table.hidden = !open;
    fill(this.#tableToggle, open ? "Hide the table" : "Show as table");
    this.#tableToggle.setAttribute("aria-expanded", String(open));
    if (open) this.#fillTable(picture);
  }

  /** @param {Picture} picture */
  #fillTable(picture) {
    const steps = picture.bars.map((_, place) => picture.from + place * picture.step);
    const caption = `The last ${ROWS_MAX} bars until ${clock(picture.to * 1_000)}, newest first`;
    const names = [...PLATFORMS, ...OUTCOMES];
    fill(
      this.#table,
      h(
        "div",
        { class: "bar-table-head" },
        h("h2", {}, caption),
        button("Take the newest", () => {
          const newest = this.#picture;
          if (newest !== undefined) this.#fillTable(newest);
          this.#table.querySelector("button")?.focus();
        }),
      ),
      table({
        caption,
        columns: [
          { name: "Time" },
          ...names.map((name) => ({ name: nameOf(name), number: true })),
          { name: OUTCOME_NAMES.retries, number: true },
        ],
        rows: steps.slice(-ROWS_MAX).reverse().map((second) => {
          const bar = barAt(picture, second);
          const numbers = [...names.map((name) => partOf(bar, name)), retries(bar)];
          return [whenText(picture, bar), ...numbers.map(whole)];
        }),
        empty: "Nothing yet.",
      }),
    );
  }
}

/**
 * @param {Picture} picture
 * @param {number} line
 * @param {boolean} old
 */
function captionOf(picture, line, old) {
  const until = clock(picture.to * 1_000);
  const state = old ? `not up to date, the last numbers are of ${until}` : `until ${until}`;
  return `A bar every ${unit(picture)}, a line every ${whole(line)}, ${state}`;
}

/** @param {Part} name */
function nameOf(name) {
  switch (name) {
    case "apns":
    case "fcm":
    case "webpush":
      return PLATFORM_NAMES[name];
    default:
      return OUTCOME_NAMES[name];
  }
}

/**
 * @template {string} T
 * @param {readonly (readonly [T, string])[]} options The first one is chosen where none is.
 * @param {string | null} value
 * @returns {T}
 */
function chosen(options, value) {
  const [found = options[0]] = options.filter(([one]) => one === value);
  if (found === undefined) throw new RangeError("Cannot choose from nothing");
  return found[0];
}

/**
 * One of a few, all of them to be seen.
 *
 * @template {string} T
 * @param {string} name
 * @param {string} label
 * @param {readonly (readonly [T, string])[]} options
 * @param {T} value
 * @param {(value: T) => void} onChoose
 */
function choice(name, label, options, value, onChoose) {
  return h(
    "div",
    { class: "choice", role: "radiogroup", "aria-label": label },
    options.map(([one, text]) =>
      h(
        "label",
        {},
        h("input", {
          type: "radio",
          name,
          value: one,
          checked: one === value,
          on: { change: () => onChoose(one) },
        }),
        h("span", {}, text),
      )
    ),
  );
}
