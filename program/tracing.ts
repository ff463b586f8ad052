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

const SAMPLER = "OTEL_TRACES_SAMPLER";

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
  // Asked for first: without the permission to read it, reading would ask whoever sits at the terminal.
  const { state } = await Deno.permissions.query({ name: "env", variable: SAMPLER });
  const sampler = state === "granted" ? Deno.env.get(SAMPLER) : undefined;
  const opened = openTracer({ version: VERSION, oneIn: traceOneIn, sampler });
  switch (opened.kind) {
    case "open":
      return opened.tracer;
    case "off":
      return undefined;
    case "refused":
      throw new StartError(opened.problem, 2);
  }
}
