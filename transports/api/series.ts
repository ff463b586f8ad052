/**
 * Series of one node under its prefix, in a registry of their own.
 *
 * @module
 */

import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** Makes series, and writes them all. */
export class Series {
  /** Where they are. */
  readonly registry: Registry = new Registry();

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
}
