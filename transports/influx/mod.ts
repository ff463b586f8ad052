/**
 * Outcomes and a node's state in InfluxDB, by its line protocol.
 *
 * @module
 */

export * from "./influx.ts";
export * from "./influx_sink.ts";
export * from "./line_protocol.ts";
export {
  type Lane,
  type Outcome,
  OUTCOMES,
  type Platform,
  type Tally,
} from "../delivery_store/records.ts";
