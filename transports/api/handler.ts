/**
 * What the API door answers, as a function of the request: health, metrics, the live tree, the delivery
 * pipeline and the files of the page. It knows nothing of sockets; `serve_api.ts` puts it on the network.
 *
 * Order of judgement: path (404), method (405), then, where a token is needed, origin (403), token
 * (401) and scope (403), and only then the body. Every answer carries the security headers, errors too.
 * There are no cookies, so a browser never authorises a request on its own.
 *
 * @module
 */
import { quoted } from "../http_door/refusal.ts";
import { appRoutes } from "./app_routes.ts";
import { barRoute } from "./bar_routes.ts";
import type { ApiEvents, DeliveryApi, RequestTracer } from "./delivery.ts";
import { deviceRoutes } from "./device_routes.ts";
import { eventRoute, statusRoutes } from "./event_routes.ts";
import { TOKEN_LENGTH_MAX } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import { type NodesFound, nodesRoute } from "./node_routes.ts";
import { notificationRoutes } from "./notification_routes.ts";
import { openApi } from "./openapi.ts";
import { guarded, Streams } from "./pipeline.ts";
import { type Answer, json, problem } from "./problem.ts";
import { type ApiClock, apiClock, Readiness, type ReadyCheck } from "./readiness.ts";
import { type ApiRequest, headerOf, queryOf, type Route, RouteTable, type Scope } from "./route.ts";
import { traced } from "./traced_route.ts";

/** What became of an API token. */
export type TokenVerdict =
  /** It is good for these scopes; `admin` is good for everything. */
  | { readonly kind: "ok"; readonly scopes: readonly Scope[] }
  | { readonly kind: "expired" }
  | { readonly kind: "unknown" };

/** A file of the page. */
export interface PageFile {
  /** Where it is served, from the root: `"/page.js"`. */
  readonly path: string;
  /** Its media type. */
  readonly contentType: string;
  /** Its text. */
  readonly body: string;
}

/** What the page needs to know of the service; `/page.json` shows it to everyone. */
export interface PageOptions {
  /** The files; the one at `"/"` is the document. */
  readonly files: readonly PageFile[];
  /** Origin of the push endpoint as senders reach it, `"http://127.0.0.1:8080"`: the page posts there. A path is ignored. */
  readonly endpointOrigin: string;
  /** URL of the device sockets for `dom.push.serverURL`, `"ws://127.0.0.1:8081/"`. */
  readonly deviceUrl: string;
}

/** What the answers are made of. */
export interface ApiOptions {
  /** Judges an API token, in constant time. */
  verifyToken(token: string): TokenVerdict | Promise<TokenVerdict>;
  /** Runs the readiness checks; a rejection or silence means not ready. */
  ready(): Promise<readonly ReadyCheck[]>;
  /** The live actor tree, as data for JSON. */
  tree(): unknown;
  /** The nodes that share the store; never rejects. Without it they are not listed. */
  readonly nodes?: () => Promise<NodesFound>;
  /** The numbers shown at `/metrics`. */
  readonly metrics: Metrics;
  /** Whether `/metrics` needs the token, as on an address that others can reach. */
  readonly metricsProtected: boolean;
  /** The page. */
  readonly page: PageOptions;
  /** The program's version, for the document. */
  readonly version: string;
  /** The delivery pipeline; without it none of its routes is served. */
  readonly delivery?: DeliveryApi;
  /** What happens, for pages that watch; without it they cannot. */
  readonly events?: ApiEvents;
  /** Records requests, if anybody looks. */
  readonly tracer?: RequestTracer | undefined;
  /** Hears what the pipeline could not do; its callers were answered 503. */
  readonly onFailure?: (error: unknown) => void;
  /** Replaced in tests. */
  readonly clock?: ApiClock;
}

/** What the door needs to answer. */
export interface ApiHandler {
  /** Answers one request; rejects only when a callback throws, which is a bug. */
  answer(request: ApiRequest): Promise<Answer>;
  /** The security headers, for answers of the door's own. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Makes what answers requests.
 *
 * @throws {TypeError} when the endpoint's origin is not an http or https origin.
 */
export async function apiHandler(options: ApiOptions): Promise<ApiHandler> {
  const { origin } = httpUrl(options.page.endpointOrigin);
  const common = securityHeaders(origin);
  const { deviceUrl, files } = options.page;
  const described = [...nodeRoutes(options), ...deliveryRoutes(options)];
  const table = new RouteTable([
    ...await pageRoutes(files),
    get("/page.json", () => json(200, { endpointOrigin: origin, deviceUrl })),
    documentRoute(described, options),
    ...described,
  ]);
  return {
    answer: async (request) => {
      const answer = await route(request, table, options);
      return { ...answer, headers: { ...common, ...answer.headers } };
    },
    headers: common,
  };
}

async function route(
  request: ApiRequest,
  table: RouteTable,
  options: ApiOptions,
): Promise<Answer> {
  const path = request.target.split("?", 1)[0] ?? "";
  const found = table.find(path);
  if (found === undefined) return problem(404, `nothing is served at ${quoted(path)}`);
  const { methods, params } = found;
  const method = request.method === "HEAD" ? "GET" : request.method;
  const chosen = methods.get(method);
  if (chosen === undefined) return wrongMethod(path, request.method, methods);
  const { scope } = chosen;
  const judge = async () =>
    scope === undefined
      ? undefined
      : foreignOrigin(request) ?? await tokenRefusal(request, scope, options);
  const refusal = await judge();
  if (refusal !== undefined) return refusal;
  const allowed = async () => await judge() === undefined;
  return await chosen.answer({ ...request, params, query: queryOf(request.target), allowed });
}

function wrongMethod(
  path: string,
  method: string,
  methods: ReadonlyMap<string, unknown>,
): Answer {
  const allowed = [...methods.keys()].flatMap((name) => name === "GET" ? ["GET", "HEAD"] : [name]);
  const named = allowed.length === 1
    ? allowed.join()
    : `${allowed.slice(0, -1).join(", ")} and ${allowed.at(-1)}`;
  const shown = /^[!-~]*$/.test(path) && path.length <= 200 ? path : quoted(path);
  return problem(405, `${shown} accepts ${named}, found ${quoted(method)}`, {
    allow: allowed.join(", "),
  });
}

function get(path: string, answer: Route["answer"]): Route {
  return { method: "GET", path, answer };
}

/** Parses what becomes part of a header: anything but an http URL must not get there. */
function httpUrl(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw new TypeError(`Cannot serve the page: "${text}" is not an http origin`);
}

/** No foreign content, no sniffing, no framing, no referrer, no reading from other origins. */
function securityHeaders(endpointOrigin: string): Readonly<Record<string, string>> {
  return {
    "content-security-policy": `default-src 'self'; connect-src 'self' ${endpointOrigin}; ` +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
  };
}

/** The document that describes all of this; it says nothing that the program's source does not. */
function documentRoute(routes: readonly Route[], options: ApiOptions): Route {
  const document = json(200, openApi(routes, options.delivery?.schemas, options.version));
  return get("/v1/openapi.json", () => document);
}

function deliveryRoutes(options: ApiOptions): readonly Route[] {
  const { delivery, events, clock = apiClock, onFailure = () => {} } = options;
  const watched = events === undefined ? [] : [eventRoute(events, clock, onFailure)];
  if (delivery === undefined) return watched;
  const pipeline = { delivery, clock, onFailure, streams: new Streams() };
  const routes = [
    ...appRoutes(pipeline),
    ...deviceRoutes(pipeline),
    ...notificationRoutes(pipeline),
    ...statusRoutes(pipeline),
    barRoute(pipeline),
  ];
  const { tracer } = options;
  return [...routes.map((route) => traced(guarded(route, onFailure), tracer)), ...watched];
}

function nodeRoutes(options: ApiOptions): readonly Route[] {
  const { metrics, nodes } = options;
  const readiness = new Readiness(() => options.ready(), options.clock);
  const type = "application/json";
  return [
    {
      method: "GET",
      path: "/healthz",
      operation: { id: "isLive", summary: "Whether the process runs.", gives: { [type]: "Live" } },
      answer: () => json(200, { live: true }),
    },
    {
      method: "GET",
      path: "/readyz",
      operation: {
        id: "isReady",
        summary: "Whether everything a node needs works; 503 with the same body when not.",
        gives: { [type]: "Ready" },
      },
      answer: async () => {
        const checks = await readiness.check();
        const ready = checks.every((check) => check.ok);
        return json(ready ? 200 : 503, { ready, checks });
      },
    },
    {
      method: "GET",
      path: "/metrics",
      ...options.metricsProtected ? { scope: "read" } : {},
      operation: {
        id: "getMetrics",
        summary: "The numbers of the node, as Prometheus reads them.",
        gives: { "text/plain": { type: "string" } },
      },
      answer: async () => ({
        status: 200,
        headers: { "content-type": metrics.contentType, "cache-control": "no-store" },
        body: await metrics.text(),
      }),
    },
    {
      method: "GET",
      path: "/v1/tree",
      scope: "read",
      operation: {
        id: "getTree",
        summary: "The live actors.",
        gives: { [type]: { type: "object" } },
      },
      answer: async () => json(200, await options.tree()),
    },
    ...nodes === undefined ? [] : [nodesRoute(nodes, readiness)],
  ];
}

async function pageRoutes(files: readonly PageFile[]): Promise<readonly Route[]> {
  return await Promise.all(files.map(async ({ path, contentType, body: text }) => {
    const body = new TextEncoder().encode(text);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
    const etag = `"${hash.toHex().slice(0, 32)}"`;
    // A stale page after an upgrade would be a riddle: caches may keep it, but ask each time.
    const validity = { "cache-control": "no-cache", etag };
    return get(
      path,
      (call) =>
        headerOf(call, "if-none-match") === etag
          ? { status: 304, headers: validity, body: "" }
          : { status: 200, headers: { ...validity, "content-type": contentType }, body },
    );
  }));
}

/** Refuses what a page of another origin sent: the API is for programs and for its own page. */
function foreignOrigin(request: ApiRequest): Answer | undefined {
  const origin = headerOf(request, "origin");
  if (origin === undefined) return undefined;
  const host = headerOf(request, "host") ?? "";
  if (origin.replace(/^https?:\/\//, "") === host) return undefined;
  // Who reads this is mostly one whose proxy leaves out the port.
  return problem(
    403,
    `Origin: ${quoted(origin)} may not use this API, whose Host is ${quoted(host)}`,
  );
}

/** Refuses a request without a good token, or with one that may do less (RFC 6750 section 3). */
async function tokenRefusal(
  request: ApiRequest,
  scope: Scope,
  options: ApiOptions,
): Promise<Answer | undefined> {
  const authorization = headerOf(request, "authorization") ?? "";
  const token = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization)?.[1];
  if (token === undefined) {
    return problem(401, "an API token is needed: Authorization: Bearer TOKEN", {
      "www-authenticate": CHALLENGE,
    });
  }
  if (token.length > TOKEN_LENGTH_MAX) return badToken("unknown token");
  const verdict = await options.verifyToken(token);
  switch (verdict.kind) {
    case "ok":
      return allows(verdict.scopes, scope) ? undefined : needsScope(scope);
    case "expired":
      return badToken("token expired");
    case "unknown":
      return badToken("unknown token");
  }
}

function allows(scopes: readonly Scope[], scope: Scope): boolean {
  return scopes.includes(scope) || scopes.includes("admin");
}

function needsScope(scope: Scope): Answer {
  return problem(403, `needs scope ${scope}`, {
    "www-authenticate": `${CHALLENGE}, error="insufficient_scope", scope="${scope}"`,
  });
}

const CHALLENGE = 'Bearer realm="heliograph"';

function badToken(detail: string): Answer {
  return problem(401, detail, { "www-authenticate": `${CHALLENGE}, error="invalid_token"` });
}
