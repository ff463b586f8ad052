// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The chart of bars: axes and canvas by uPlot, the bars themselves, and the choice of one step of them by
 * mouse, finger or keys.
 *
 * Invariants: it draws when it is given another picture, at most once for each frame of the screen and never
 * while nobody sees it; colours are read from the page's variables at each time, so that a theme takes effect at once;
 * a step chosen by finger or keys stays the chosen one while it moves left, one under the mouse is
 * whichever is there.
 *
 * For tests and scripts: `data-line` is the distance of the division lines, `data-top` the upper end of the
 * scale, `data-draws` counts how often it was drawn, `data-chosen` is the second that is chosen; each time it is
 * drawn is a measure `bar-chart` of the browser's performance timeline, of which the last ones are kept.
 *
 * @module
 */

// @ts-types="uplot/dist/uPlot.d.ts"
import uPlot from "./uplot.js";
import { columns, divisions, timeLabels } from "./bar_scale.js";
import { stacked } from "./bars.js";
import { h, onceAFrame } from "./dom.js";
import { clock, short } from "./format.js";

/**
 * @typedef {import("./bars.js").Picture} Picture
 * @typedef {import("./bars.js").Stacking} Stacking
 *
 * How a step came to be the chosen one.
 * @typedef {"pointer" | "keys"} Cause
 */

/** A canvas wider than any screen shows would cost memory for nothing. */
const WIDTH_PX_MAX = 2_560;
const AXIS_LEFT_PX = 48;
const AXIS_BOTTOM_PX = 28;
/** Bars at least so wide, in pixels of the screen, are kept apart from their neighbours. */
const APART_PX = 5;
/** Steps that go by at once with the keys of pages. */
const PAGE_STEPS = 10;
/** Measures of drawing that are kept. */
const MEASURES_MAX = 60;
const MEASURE = "bar-chart";
/** What is said of the choice when none is made. */
const NEWEST = "The newest";
const FONT = "12px system-ui, -apple-system, sans-serif";

/** A chart in an element of its own; {@linkcode BarChart.element}. */
export class BarChart {
  /** What stands in the page. @type {HTMLElement} */
  element;
  #plot;
  #onChoose;
  #marker = h("div", { class: "bar-marker", hidden: true });
  /** @type {Picture | undefined} */
  #picture;
  /** @type {Stacking} */
  #stacking = "platform";
  /** @type {import("./bars.js").Stack} */
  #stack = { names: [], tops: [] };
  #scale = divisions(0);
  /** A second in the step chosen by finger or keys. @type {number | undefined} */
  #pinned;
  /** Where the mouse is, in CSS pixels from the chart's left edge. @type {number | undefined} */
  #pointedPx;
  /** What came while the page was hidden is drawn once when it is shown. */
  #ask;
  #draws = 0;

  /**
   * @param {(cause: Cause) => void} onChoose Called when another step is chosen, or shown at the same place.
   * @param {AbortSignal} signal Ends all it does.
   */
  constructor(onChoose, signal) {
    this.#onChoose = onChoose;
    this.#ask = onceAFrame(signal, () => this.#draw());
    this.element = h("div", {
      class: "bar-chart",
      tabindex: "0",
      role: "slider",
      "aria-label": "Step of the chart whose numbers are shown",
      "aria-valuemin": "0",
      "aria-valuemax": "0",
      "aria-valuenow": "0",
      "aria-valuetext": NEWEST,
    });
    this.#plot = new uPlot(this.#options(), [[], []], this.element);
    this.#plot.over.append(this.#marker);
    const resized = new ResizeObserver(() => this.#resize());
    resized.observe(this.element);
    signal.addEventListener("abort", () => {
      resized.disconnect();
      this.#plot.destroy();
      performance.clearMeasures(MEASURE);
    });
    const theme = matchMedia("(prefers-color-scheme: dark)");
    theme.addEventListener("change", () => this.#ask(), { signal });
    this.#listen(signal);
  }

  /** The second with which the chosen step begins. @returns {number | undefined} */
  get chosen() {
    if (this.#picture === undefined) return undefined;
    const { from, to, step } = this.#picture;
    const second = this.#pointedPx === undefined ? this.#pinned : this.#secondAt(this.#pointedPx);
    return second === undefined || second < from || second >= to
      ? undefined
      : from + Math.floor((second - from) / step) * step;
  }

  /** How long the lines are apart. @returns {number} */
  get line() {
    return this.#scale.line;
  }

  /**
   * Shows a picture, as soon as somebody can see it.
   *
   * @param {Picture} picture
   * @param {Stacking} stacking
   * @returns {void}
   */
  show(picture, stacking) {
    if (stacking === this.#stacking && isSame(picture, this.#picture)) return;
    const other = this.#picture?.span !== picture.span;
    this.#picture = picture;
    this.#stacking = stacking;
    this.#stack = stacked(picture, stacking);
    this.#scale = divisions(Math.max(0, ...this.#stack.tops.at(-1) ?? []));
    if (other || this.#pinned !== undefined && this.#pinned < picture.from) {
      this.#pinned = undefined;
    }
    this.element.dataset["line"] = String(this.#scale.line);
    this.element.dataset["top"] = String(this.#scale.top);
    this.element.setAttribute("aria-valuemin", String(1 - picture.bars.length));
    this.#mark();
    this.#ask();
  }

  /**
   * Has a screen reader say what is chosen. Its place is counted back from the newest step, and said only when
   * it was changed by keys: a reader would repeat itself with each second that passes.
   *
   * @param {string} [text] The newest without.
   * @returns {void}
   */
  describe(text = NEWEST) {
    const { chosen } = this;
    const { to, step } = this.#picture ?? { to: 0, step: 1 };
    const back = chosen === undefined ? 0 : (chosen - to) / step + 1;
    this.element.setAttribute("aria-valuenow", String(back));
    this.element.setAttribute("aria-valuetext", text);
  }

  #draw() {
    if (this.#picture === undefined || !this.element.isConnected) return;
    const start = performance.now();
    const { from, to, step, bars } = this.#picture;
    const seconds = bars.map((_, place) => from + place * step);
    // The library asks for scales and axes again, and the hook paints, before this returns.
    this.#plot.batch(() => {
      this.#plot.setData([seconds.length === 0 ? [to] : seconds, seconds.map(() => 0)]);
    });
    this.element.dataset["draws"] = String(++this.#draws);
    performance.measure(MEASURE, { start, end: performance.now() });
    if (this.#draws % MEASURES_MAX === 0) performance.clearMeasures(MEASURE);
  }

  #resize() {
    const { clientWidth, clientHeight } = this.element;
    if (clientWidth === 0 || clientHeight === 0) return;
    this.#plot.setSize({ width: Math.min(clientWidth, WIDTH_PX_MAX), height: clientHeight });
    this.#mark();
    this.#ask();
  }

  /** @returns {uPlot.Options} */
  #options() {
    const soft = () => this.#colour("--soft");
    const grid = () => this.#colour("--grid");
    return {
      width: 320,
      height: 240,
      padding: [10, 0, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: () => [this.#picture?.from ?? 0, this.#picture?.to ?? 1] },
        y: { range: () => [0, this.#scale.top] },
      },
      axes: [{
        size: AXIS_BOTTOM_PX,
        font: FONT,
        stroke: soft,
        grid: { show: false },
        ticks: { stroke: grid, width: 1, size: 5 },
        gap: 4,
        splits: (plot) => [...this.#times(plot)],
        values: (_, seconds) => seconds.map((second) => this.#timeText(second)),
      }, {
        size: AXIS_LEFT_PX,
        font: FONT,
        stroke: soft,
        grid: { stroke: grid, width: 1 },
        ticks: { show: false },
        gap: 8,
        splits: () => this.#lines(),
        values: (_, values) => values.map((value) => short(value)),
      }],
      series: [{}, { paths: () => null, points: { show: false } }],
      hooks: { draw: [(plot) => this.#paint(plot)] },
    };
  }

  #lines() {
    const { line, top } = this.#scale;
    return Array.from({ length: Math.round(top / line) + 1 }, (_, place) => place * line);
  }

  /** @param {uPlot} plot */
  #times({ width }) {
    const { from, to } = this.#picture ?? { from: 0, to: 1 };
    const offset = -60 * new Date(from * 1_000).getTimezoneOffset();
    // Not what the page has measured: that changes after the axes are asked for.
    const widthPx = width - AXIS_LEFT_PX;
    // A label at the very edge would be cut.
    const margin = (to - from) * 20 / Math.max(1, widthPx);
    return timeLabels({ from, to, widthPx, offset })
      .filter((second) => second >= from + margin && second <= to - margin);
  }

  /** @param {number} second */
  #timeText(second) {
    const text = clock(second * 1_000);
    return this.#picture?.span === "ten_minutes" && !text.endsWith(":00") ? text : text.slice(0, 5);
  }

  /** @param {uPlot} plot */
  #paint({ ctx, bbox }) {
    const picture = this.#picture;
    const { names, tops } = this.#stack;
    const totals = tops.at(-1);
    if (picture === undefined || totals === undefined) return;
    const first = Math.round(picture.from / picture.step);
    const stand = columns({ widthPx: Math.round(bbox.width), first, totals });
    const pixel = Math.max(1, Math.round(devicePixelRatio));
    const edge = (/** @type {number} */ value) =>
      Math.round(bbox.top + bbox.height * (1 - value / this.#scale.top));
    const apart = bbox.width / totals.length >= APART_PX * pixel ? pixel : 0;
    ctx.save();
    // From the top down: a part too small for a pixel takes one from the part above it.
    for (let part = tops.length - 1; part >= 0; part--) {
      const path = new Path2D();
      for (const { place, left, right } of stand) {
        const value = tops[part]?.[place] ?? 0;
        const below = tops[part - 1]?.[place] ?? 0;
        if (value === below) continue;
        const bottom = edge(below);
        const height = Math.max(pixel, bottom - edge(value));
        // A thin gap tells parts apart without colour.
        const gap = below > 0 && height > 3 * pixel ? pixel : 0;
        const x = Math.round(bbox.left) + left;
        path.rect(x, bottom - height, Math.max(pixel, right - left - apart), height - gap);
      }
      ctx.fillStyle = this.#colour(`--${(names[part] ?? "").replace("_", "-")}`);
      ctx.fill(path);
    }
    ctx.restore();
  }

  /** @param {string} name */
  #colour(name) {
    return getComputedStyle(this.element).getPropertyValue(name);
  }

  /** @param {number} px From the chart's left edge. */
  #secondAt(px) {
    const { from, to, step } = this.#picture ?? { from: 0, to: 1, step: 1 };
    const part = (px - AXIS_LEFT_PX) / Math.max(1, this.#plot.over.clientWidth);
    return Math.min(to - step, Math.max(from, Math.floor(from + part * (to - from))));
  }

  #mark() {
    const { chosen } = this;
    this.#marker.hidden = chosen === undefined;
    const picture = this.#picture;
    if (picture === undefined) return;
    const { from, to, step } = picture;
    const now = chosen ?? to - step;
    this.element.dataset["chosen"] = chosen === undefined ? "" : String(chosen);
    const percent = 100 / (to - from);
    this.#marker.style.left = `${(now - from) * percent}%`;
    this.#marker.style.width = `${step * percent}%`;
  }

  /** @param {AbortSignal} signal */
  #listen(signal) {
    const { element } = this;
    element.addEventListener("pointermove", (event) => this.#point(event), { signal });
    element.addEventListener("pointerdown", (event) => this.#point(event), { signal });
    element.addEventListener("pointerleave", () => {
      if (this.#pointedPx === undefined) return;
      this.#pointedPx = undefined;
      this.#chosen("pointer");
    }, { signal });
    element.addEventListener("keydown", (event) => this.#key(event), { signal });
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const px = event.clientX - this.element.getBoundingClientRect().left;
    if (event.pointerType === "mouse") this.#pointedPx = px;
    else this.#pinned = this.#secondAt(px);
    this.#chosen("pointer");
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (this.#picture === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const { from, to, step } = this.#picture;
    const last = to - step;
    const at = this.chosen ?? last;
    /** @type {Readonly<Record<string, number | undefined>>} */
    const places = {
      ArrowLeft: at - step,
      ArrowDown: at - step,
      ArrowRight: at + step,
      ArrowUp: at + step,
      PageDown: at - PAGE_STEPS * step,
      PageUp: at + PAGE_STEPS * step,
      Home: from,
      End: last,
      Escape: undefined,
    };
    if (!Object.hasOwn(places, event.key)) return;
    event.preventDefault();
    const place = places[event.key];
    this.#pointedPx = undefined;
    this.#pinned = place === undefined ? undefined : Math.min(last, Math.max(from, place));
    this.#chosen("keys");
  }

  /** @param {Cause} cause */
  #chosen(cause) {
    this.#mark();
    this.#onChoose(cause);
  }
}

/**
 * @param {Picture} one
 * @param {Picture | undefined} other
 */
function isSame(one, other) {
  return other !== undefined && one.from === other.from && one.to === other.to &&
    one.step === other.step && one.bars.every((bar, place) => bar === other.bars[place]);
}
