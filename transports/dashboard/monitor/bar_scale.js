// @ts-check
/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/**
 * Where bars and division lines stand. Pure: numbers to numbers.
 *
 * @module
 */

/** The most division lines above the axis. */
const LINES_MAX = 5;

/** Steps of time between labels, in seconds. */
const LABEL_STEPS = [30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 10_800, 21_600];

/** Room a label of the time needs, in CSS pixels. */
const LABEL_PX = 84;

/**
 * Division lines that fit the highest bar: at 1, 2 or 5 times a power of ten, at most five of them, the highest at
 * or just above it. So the scale changes seldom, and not with each bar.
 *
 * @param {number} highest
 * @returns {{ readonly line: number, readonly top: number }} Distance of the lines, and the upper end of the scale.
 */
export function divisions(highest) {
  const rough = Math.max(1, highest) / LINES_MAX;
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  const line = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= rough) ??
    10 * power;
  return { line, top: Math.max(2, Math.ceil(highest / line)) * line };
}

/**
 * Where the steps of a picture stand in a width of whole pixels. Where there are more steps than pixels, a pixel
 * shows the highest one of so many steps, always the same ones together, whatever moves.
 *
 * @param {{
 *   readonly widthPx: number,
 *   readonly first: number,
 *   readonly totals: Float64Array,
 * }} options `first` is the number of the first step since 1970.
 * @returns {readonly { readonly place: number, readonly left: number, readonly right: number }[]} `place` of the
 * step that is shown; steps in which nothing ended are left out.
 */
export function columns({ widthPx, first, totals }) {
  const count = totals.length;
  const together = Math.max(1, Math.ceil(count / Math.max(1, widthPx)));
  const edge = (/** @type {number} */ place) => Math.round(place * widthPx / count);
  /** @type {{ place: number, left: number, right: number }[]} */
  const made = [];
  for (let begin = -(first % together); begin < count; begin += together) {
    const end = Math.min(count, begin + together);
    let place = Math.max(0, begin);
    for (let other = place + 1; other < end; other++) {
      if ((totals[other] ?? 0) > (totals[place] ?? 0)) place = other;
    }
    if ((totals[place] ?? 0) === 0) continue;
    const left = edge(Math.max(0, begin));
    made.push({ place, left, right: Math.max(left + 1, edge(end)) });
  }
  return made;
}

/**
 * Seconds since 1970 at which the time stands under the axis: whole minutes, hours, as many as fit.
 *
 * @param {{ readonly from: number, readonly to: number, readonly widthPx: number, readonly offset: number }} options
 * `widthPx` in CSS pixels; `offset` of the local time from UTC, in seconds.
 * @returns {readonly number[]}
 */
export function timeLabels({ from, to, widthPx, offset }) {
  const fits = Math.max(1, Math.floor(widthPx / LABEL_PX));
  const step = LABEL_STEPS.find((one) => (to - from) / one <= fits) ?? 43_200;
  const begin = Math.ceil((from + offset) / step) * step - offset;
  return Array.from(
    { length: Math.max(0, Math.floor((to - begin) / step) + 1) },
    (_, place) => begin + place * step,
  );
}
