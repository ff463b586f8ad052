/**
 * Whether this node is traced, and how.
 *
 * @module
 */

import type { Settings } from "../transports/command_line/settings.ts";
import type { TraceRecorder } from "../transports/opentelemetry/mod.ts";
import { StartError } from "./start_error.ts";
import { VERSION } from "./version.ts";

/** Where the OpenTelemetry API keeps what a runtime registers with it; Deno does when `OTEL_DENO` has it trace. */
const REGISTERED = Symbol.for("opentelemetry.js.api.1");

/**
 * The tracer, when the runtime exports traces. Without that nothing of OpenTelemetry is even loaded.
 *
 * @throws {StartError} When it does so in a way that would show secrets.
 */
export async function openTracing(
  { traceOneIn }: Pick<Settings, "traceOneIn">,
): Promise<TraceRecorder | undefined> {
  if (!(REGISTERED in globalThis)) return undefined;
  const { openTracer } = await import("../transports/opentelemetry/mod.ts");
  const opened = openTracer({ version: VERSION, oneIn: traceOneIn });
  switch (opened.kind) {
    case "open":
      return opened.tracer;
    case "off":
      return undefined;
    case "refused":
      throw new StartError(opened.problem, 2);
  }
}
