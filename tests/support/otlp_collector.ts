/**
 * A collector of OpenTelemetry's protocol over HTTP with JSON bodies (OTLP 1.x, `/v1/traces` and the like):
 * what a node sends is read strictly, kept as spans, and kept as it came, to look for what must not be in it.
 *
 * @module
 */

import * as v from "valibot";
import { Arrivals } from "./arrivals.ts";

/** A span as it was exported. */
export interface ExportedSpan {
  /** `service.name` of the process. */
  readonly service: string;
  /** Who recorded it: `heliograph`, or `deno` for the runtime's own. */
  readonly scope: string;
  /** Its name. */
  readonly name: string;
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** 16 hexadecimal digits, or empty. */
  readonly parentSpanId: string;
  /** Milliseconds since 1970. */
  readonly startMs: number;
  /** Milliseconds since 1970. */
  readonly endMs: number;
  /** By name; each name came once. */
  readonly attributes: ReadonlyMap<string, string | number | boolean>;
  /** Trace ids of its links. */
  readonly links: readonly string[];
  /** Whether its status is an error. */
  readonly failed: boolean;
}

const value = v.union([
  v.object({ stringValue: v.string() }),
  v.object({ boolValue: v.boolean() }),
  v.object({ intValue: v.union([v.string(), v.number()]) }),
  v.object({ doubleValue: v.number() }),
]);
const attributes = v.array(v.object({ key: v.string(), value }));
const id = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)));
const nanoseconds = v.pipe(v.string(), v.regex(/^\d+$/));
const span = v.object({
  traceId: id(32),
  spanId: id(16),
  parentSpanId: v.union([v.literal(""), id(16)]),
  name: v.string(),
  kind: v.number(),
  startTimeUnixNano: nanoseconds,
  endTimeUnixNano: nanoseconds,
  attributes,
  links: v.array(v.object({ traceId: id(32) })),
  status: v.object({ code: v.optional(v.number()) }),
});
const request = v.object({
  resourceSpans: v.array(v.object({
    resource: v.object({ attributes }),
    scopeSpans: v.array(v.object({ scope: v.object({ name: v.string() }), spans: v.array(span) })),
  })),
});

/** A collector that accepts. */
export class OtlpCollector implements AsyncDisposable {
  /** Spans in the order in which they came. */
  readonly spans: Arrivals<ExportedSpan> = new Arrivals();
  /** Paths of all requests. */
  readonly paths: string[] = [];
  readonly #bodies: string[] = [];
  readonly #problems: unknown[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** One on a free port. */
  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => this.#take(request),
    );
  }

  /** Variables that have a runtime export its traces here, as the README says; metrics and the console stay off. */
  get env(): Readonly<Record<string, string>> {
    return tracedEnv(`http://127.0.0.1:${this.#server.addr.port}`);
  }

  /** Everything that came, as text. */
  get text(): string {
    if (this.#problems.length > 0) throw this.#problems[0];
    return this.#bodies.join("\n");
  }

  /** All spans of a trace that have come. */
  trace(traceId: string): readonly ExportedSpan[] {
    return this.spans.all.filter((one) => one.traceId === traceId);
  }

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #take(incoming: Request): Promise<Response> {
    const { pathname } = new URL(incoming.url);
    const body = await incoming.text();
    this.paths.push(pathname);
    this.#bodies.push(body);
    if (pathname === "/v1/traces") {
      try {
        for (const one of read(JSON.parse(body))) this.spans.add(one);
      } catch (error) {
        this.#problems.push(error);
        return new Response(null, { status: 400 });
      }
    }
    return Response.json({});
  }
}

/** Variables that have a runtime export its traces to a collector, as the README says. */
export function tracedEnv(endpoint: string): Readonly<Record<string, string>> {
  return {
    OTEL_DENO: "true",
    OTEL_TRACES_SAMPLER: "parentbased_always_off",
    OTEL_PROPAGATORS: "none",
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_SERVICE_NAME: "heliograph",
    OTEL_BSP_SCHEDULE_DELAY: "100",
  };
}

function read(body: unknown): readonly ExportedSpan[] {
  const { resourceSpans } = v.parse(request, body);
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(mapOf(resource.attributes).get("service.name"));
    return scopeSpans.flatMap(({ scope, spans }) =>
      spans.map((one) => ({
        service,
        scope: scope.name,
        name: one.name,
        kind: one.kind,
        traceId: one.traceId,
        spanId: one.spanId,
        parentSpanId: one.parentSpanId,
        startMs: Number(one.startTimeUnixNano) / 1e6,
        endMs: Number(one.endTimeUnixNano) / 1e6,
        attributes: mapOf(one.attributes),
        links: one.links.map(({ traceId }) => traceId),
        failed: one.status.code === 2,
      }))
    );
  });
}

function mapOf(
  list: v.InferOutput<typeof attributes>,
): ReadonlyMap<string, string | number | boolean> {
  const map = new Map<string, string | number | boolean>();
  for (const { key, value } of list) {
    if (map.has(key)) throw new Error(`The attribute ${key} came twice`);
    map.set(key, "intValue" in value ? Number(value.intValue) : Object.values(value)[0] ?? "");
  }
  return map;
}
