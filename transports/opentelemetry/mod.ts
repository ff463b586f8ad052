/**
 * Traces of notifications and messages through the runtime's OpenTelemetry exporter.
 *
 * @module
 */

export type { Facts, Step } from "./names.ts";
export type {
  RequestFacts,
  RequestSpan,
  Span,
  Subject,
  TraceRecorder,
} from "./open_telemetry_tracer.ts";
export { type OpenedTracer, openTracer, type TracerOptions } from "./open_tracer.ts";
