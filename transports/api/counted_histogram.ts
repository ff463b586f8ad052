/**
 * A histogram of what somebody else has counted into buckets: it takes a thousand observations in one
 * step, which `prom-client` cannot.
 *
 * Invariants: its text is what `prom-client` would write for the same observations; counts only grow;
 * it has one label, whose values are a closed set of its caller's.
 *
 * Why it writes its own text: the library's histogram has no other way in than `observe`, and a class
 * made of it would depend on what it does not promise.
 *
 * @module
 */

/** Observations as they were counted. */
export interface CountedMs {
  /** How many fell into each bucket, with a place more for those above all bounds. */
  readonly counts: Uint32Array;
  /** All of them together, in milliseconds. */
  readonly sumMs: number;
}

/** How a histogram is made. */
export interface CountedHistogramOptions<L extends string> {
  /** Its full name. */
  readonly name: string;
  /** What it shows: one line for people, without a backslash. */
  readonly help: string;
  /** Upper bounds of the buckets in milliseconds, growing; shown in seconds. */
  readonly boundsMs: readonly number[];
  /** The name of its label. */
  readonly label: string;
  /** The label's values: letters, digits and underscores. */
  readonly values: readonly L[];
}

/** What was counted under one value of the label. */
interface Counted {
  readonly counts: Float64Array;
  sumMs: number;
}

/** See the module. */
export class CountedHistogram<L extends string> {
  readonly #options: CountedHistogramOptions<L>;
  readonly #counted: ReadonlyMap<L, Counted>;

  /** Makes all its series, at 0. */
  constructor(options: CountedHistogramOptions<L>) {
    this.#options = options;
    this.#counted = new Map(options.values.map((value) => {
      return [value, { counts: new Float64Array(options.boundsMs.length + 1), sumMs: 0 }] as const;
    }));
  }

  /**
   * Adds what was counted.
   *
   * @throws {RangeError} When it was counted by other bounds than these, or the label has no such value.
   */
  add(value: L, { counts, sumMs }: CountedMs): void {
    const { name } = this.#options;
    const counted = this.#counted.get(value);
    if (counted?.counts.length !== counts.length) {
      throw new RangeError(`Cannot add ${counts.length} buckets of "${value}" to ${name}`);
    }
    for (const [bucket, count] of counts.entries()) {
      counted.counts[bucket] = (counted.counts[bucket] ?? 0) + count;
    }
    counted.sumMs += sumMs;
  }

  /** Its lines in the Prometheus text format, version 0.0.4, without a line break at the end. */
  text(): string {
    const { name, help, boundsMs, label } = this.#options;
    const bounds = [...boundsMs.map((ms) => `${ms / 1_000}`), "+Inf"];
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
    for (const [value, { counts, sumMs }] of this.#counted) {
      const own = `${label}="${value}"`;
      let count = 0;
      for (const [bucket, bound] of bounds.entries()) {
        count += counts[bucket] ?? 0;
        lines.push(`${name}_bucket{le="${bound}",${own}} ${count}`);
      }
      lines.push(`${name}_sum{${own}} ${sumMs / 1_000}`, `${name}_count{${own}} ${count}`);
    }
    return lines.join("\n");
  }
}
