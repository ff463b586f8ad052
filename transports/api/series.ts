/**
 * Series of one node under its prefix, in a registry of their own.
 *
 * @module
 */

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { CountedHistogram, type CountedHistogramOptions } from "./counted_histogram.ts";

/** Makes series, and writes them all. */
export class Series {
  /** Where they are. */
  readonly registry: Registry = new Registry();
  readonly #counted: { text(): string }[] = [];

  /** A count that only grows. */
  counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({
      name: `heliograph_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
    });
  }

  /** A value that goes up and down. */
  gauge<L extends string = never>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
  ): Gauge<L> {
    return new Gauge({
      name: `heliograph_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
    });
  }

  /** A distribution over these upper bounds. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    { buckets, labelNames = [] }: {
      readonly buckets: readonly number[];
      readonly labelNames?: readonly L[];
    },
  ): Histogram<L> {
    return new Histogram({
      name: `heliograph_${name}`,
      help,
      buckets: [...buckets],
      labelNames: [...labelNames],
      registers: [this.registry],
    });
  }

  /** A distribution of what is counted elsewhere, over these upper bounds in milliseconds, for each value of one label. */
  counted<L extends string>(
    name: string,
    help: string,
    options: Pick<CountedHistogramOptions<L>, "boundsMs" | "label" | "values">,
  ): CountedHistogram<L> {
    const counted = new CountedHistogram({ name: `heliograph_${name}`, help, ...options });
    this.#counted.push(counted);
    return counted;
  }

  /** All series in the Prometheus text format, version 0.0.4. */
  async text(): Promise<string> {
    const texts = this.#counted.map((histogram) => histogram.text());
    return `${[(await this.registry.metrics()).trimEnd(), ...texts].join("\n\n")}\n`;
  }
}
