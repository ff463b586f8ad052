/**
 * The tracer over the runtime's own exporter, if that is on and set so that it shows nothing it must not.
 *
 * With its tracing on, Deno records a span of its own for every request it takes and every `fetch` it
 * makes, each with the whole URL. Here URLs are secrets: the endpoint of a subscription and the address
 * of a webhook are all it takes to post there. Nothing in a program can change these spans; but a
 * sampler can leave them out. With `parentbased_always_off` a span is recorded only within a trace that
 * is recorded already, as all of ours are by what we name as their parent and none of Deno's is, so long as
 * no header of a request can name one either (`OTEL_PROPAGATORS=none`). Anything else is refused.
 *
 * @module
 */

import { propagation, ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import { PROBES } from "./limits.ts";
import { OpenTelemetryTracer, type TraceRecorder } from "./open_telemetry_tracer.ts";

/** How to open a tracer. */
export interface TracerOptions {
  /** The program's version, the scope's too. */
  readonly version: string;
  /** Of so many notifications and messages one is traced; 1 or more. */
  readonly oneIn: number;
  /** The sampler that the environment names, where that may be read: one that is seldom let through hides from a look. */
  readonly sampler?: string | undefined;
}

/** What opening came to. */
export type OpenedTracer =
  | { readonly kind: "open"; readonly tracer: TraceRecorder }
  /** The runtime does not trace. */
  | { readonly kind: "off" }
  /** It does, in a way that shows secrets; the sentence begins with the variable to set. */
  | { readonly kind: "refused"; readonly problem: string };

/** Opens the tracer. */
export function openTracer(
  { version, oneIn, sampler = GOOD_SAMPLER }: TracerOptions,
): OpenedTracer {
  const tracer = trace.getTracer("heliograph", version);
  if (!tracer.startSpan("probe").isRecording()) return { kind: "off" };
  if (sampler !== GOOD_SAMPLER) return refused(SAMPLER);
  const records = (parent: ReturnType<typeof probe> | undefined): boolean => {
    const span = parent === undefined
      ? tracer.startSpan("probe", { root: true })
      : tracer.startSpan("probe", {}, trace.setSpanContext(ROOT_CONTEXT, parent));
    return (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
  };
  for (let count = 0; count < PROBES; count++) {
    if (records(undefined)) return refused(SAMPLER);
  }
  if (records(probe(false)) || !records(probe(true))) return refused(SAMPLER);
  if (propagation.fields().length > 0) return refused(PROPAGATORS);
  return {
    kind: "open",
    tracer: new OpenTelemetryTracer({ tracer, oneIn, wallNow: () => Date.now() }),
  };
}

const GOOD_SAMPLER = "parentbased_always_off";
const SAMPLER = `OTEL_TRACES_SAMPLER: must be ${GOOD_SAMPLER}, or Deno's own spans ` +
  "show whole URLs, which are secrets here";
const PROPAGATORS = "OTEL_PROPAGATORS: must be none, or a header of a request has Deno record " +
  "its whole URL, which is a secret here";

function refused(problem: string): OpenedTracer {
  return { kind: "refused", problem };
}

/** The parent of a trace that is recorded or is not. The id is one that a sampler by ratio takes last, or first. */
function probe(sampled: boolean) {
  return {
    traceId: sampled ? "f".repeat(32) : `${"0".repeat(31)}1`,
    spanId: "f".repeat(16),
    traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
  };
}
