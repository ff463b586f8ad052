/**
 * A sink that writes outcomes of deliveries into InfluxDB: a point for what each batch came to.
 *
 * The measurement is `heliograph_deliveries`, with the tags `app` and `platform`, and an integer field
 * for each outcome and for `retries`. A notification is no tag: there is no end of them, and InfluxDB
 * keeps an index of all values of a tag.
 *
 * Invariants: a tally makes the same point whenever it is offered, so a page that comes again
 * overwrites itself, and sums are exact. The point's time is the tally's, to the millisecond; the six
 * digits below that are of its position, so that no two tallies of a lane in the same millisecond
 * make the same point.
 *
 * @example
 * ```ts
 * import { openInflux } from "./influx.ts";
 * import { InfluxSink } from "./influx_sink.ts";
 *
 * const opened = openInflux({
 *   url: "http://influx.internal:8086/api/v2/write?org=shop&bucket=push",
 *   token: "the token of InfluxDB",
 * });
 * if (opened.kind === "refused") throw new Error(opened.problem);
 * using influx = opened.influx;
 * const sink = new InfluxSink(influx);
 * ```
 *
 * @module
 */

import type { Tally } from "../delivery_store/records.ts";
import type { Influx } from "./influx.ts";
import { integer, type Point } from "./line_protocol.ts";

/** The digits of a position that make a time unique: as many as there are below a millisecond. */
const POSITION_DIGITS = 6;

/** The sink; see the module. */
export class InfluxSink {
  /** Its position is remembered under this name. */
  readonly name: string;
  /** It wants what each batch came to. */
  readonly rows = "tallies";
  readonly #influx: Influx;

  /** A sink over an InfluxDB that its owner closes. */
  constructor(influx: Influx, name = "influx") {
    this.#influx = influx;
    this.name = name;
  }

  /**
   * Writes a point for each tally.
   *
   * @throws {InfluxError} When some may not have been taken; offering all of them again is right then.
   */
  async record(tallies: readonly Tally[], signal: AbortSignal): Promise<void> {
    await this.#influx.write(tallies.map(pointOf), signal);
  }
}

/** What a tally is in InfluxDB. */
export function pointOf({ app, platform, outcomes, retries, at, position }: Tally): Point {
  const below = String(position % 10 ** POSITION_DIGITS).padStart(POSITION_DIGITS, "0");
  return {
    measurement: "heliograph_deliveries",
    tags: { app, platform },
    fields: {
      delivered: integer(outcomes.delivered),
      token_invalid: integer(outcomes.token_invalid),
      rejected: integer(outcomes.rejected),
      expired: integer(outcomes.expired),
      failed: integer(outcomes.failed),
      cancelled: integer(outcomes.cancelled),
      retries: integer(retries),
    },
    timeNs: `${Math.floor(at)}${below}`,
  };
}
