/**
 * Numbers and times as people read them.
 *
 * @module
 */

/** A whole number with commas between thousands. */
export function grouped(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}

/** A length of time by its two largest units: `4s`, `1m 05s`, `3h 20m`, `2d 01h`. */
export function showSpan(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  const units = [["d", 86_400], ["h", 3_600], ["m", 60], ["s", 1]] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  const [unit, size] = units[first] ?? ["s", 1];
  const [nextUnit, nextSize] = units[first + 1] ?? [];
  const whole = `${Math.floor(seconds / size)}${unit}`;
  if (first < 0 || nextUnit === undefined) return whole;
  const rest = Math.floor(seconds % size / nextSize);
  return `${whole} ${`${rest}`.padStart(2, "0")}${nextUnit}`;
}

/** A share as whole percent: 100 only when nothing is left, 0 of nothing. */
export function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.floor(part * 100 / whole);
}
