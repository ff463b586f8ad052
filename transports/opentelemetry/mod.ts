/**
 * Traces of notifications and messages through the runtime's OpenTelemetry exporter.
 *
 * @module
 */

export * from "./open_telemetry_tracer.ts";
export * from "./open_tracer.ts";
export type { Facts, Step } from "./names.ts";
export type { RemoteParent } from "./traceparent.ts";
