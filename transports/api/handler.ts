/**
 * What the API door answers, as a function of the request: health, metrics, the live tree and the
 * files of the page. It knows nothing of sockets; `serve_api.ts` puts it on the network.
 *
 * Order of judgement: path (404), method (405), then, where a token is needed, origin (403) and
 * token (401). Every answer carries the security headers, errors too. There are no cookies, so a
 * browser never authorises a request on its own.
 *
 * @module
 */
import { quoted } from "../http_door/refusal.ts";
import { TOKEN_LENGTH_MAX } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import { type Answer, json, problem } from "./problem.ts";
import { type ApiClock, Readiness, type ReadyCheck } from "./readiness.ts";

/** What the door looks at in a request. */
export interface ApiRequest {
  /** The method as sent. */
  readonly method: string;
  /** The request target: a path, possibly with a query. */
  readonly target: string;
  /** The `Host` header, checked already. */
  readonly host: string;
  /** The `Origin` header. */
  readonly origin: string | undefined;
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
  /** The `If-None-Match` header. */
  readonly ifNoneMatch: string | undefined;
}

/** What became of an API token. */
export type TokenVerdict =
  | { readonly kind: "ok" }
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
  /** The numbers shown at `/metrics`. */
  readonly metrics: Metrics;
  /** Whether `/metrics` needs the token, as on an address that others can reach. */
  readonly metricsProtected: boolean;
  /** The page. */
  readonly page: PageOptions;
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

type Route = (request: ApiRequest) => Answer | Promise<Answer>;

/**
 * Makes what answers requests.
 *
 * @throws {TypeError} when the endpoint's origin is not an http or https origin.
 */
export async function apiHandler(options: ApiOptions): Promise<ApiHandler> {
  const { origin } = httpUrl(options.page.endpointOrigin);
  const common = securityHeaders(origin);
  const routes = new Map<string, Route>([
    ...await pageRoutes(options.page.files),
    ["/page.json", () => json(200, { endpointOrigin: origin, deviceUrl: options.page.deviceUrl })],
    ...dataRoutes(options),
  ]);
  return {
    answer: async (request) => {
      const answer = await route(request, routes);
      return { ...answer, headers: { ...common, ...answer.headers } };
    },
    headers: common,
  };
}

function route(
  request: ApiRequest,
  routes: ReadonlyMap<string, Route>,
): Answer | Promise<Answer> {
  const path = request.target.split("?", 1)[0] ?? "";
  const found = routes.get(path);
  if (found === undefined) return problem(404, `nothing is served at ${quoted(path)}`);
  if (request.method === "GET" || request.method === "HEAD") return found(request);
  const detail = `${path} accepts GET and HEAD, found ${quoted(request.method)}`;
  return problem(405, detail, { allow: "GET, HEAD" });
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

function dataRoutes(options: ApiOptions): readonly (readonly [string, Route])[] {
  const { metrics } = options;
  const readiness = new Readiness(() => options.ready(), options.clock);
  const guarded = (inner: Route): Route => async (request) =>
    foreignOrigin(request) ?? await tokenRefusal(request, options) ?? await inner(request);
  const numbers: Route = async () => ({
    status: 200,
    headers: { "content-type": metrics.contentType, "cache-control": "no-store" },
    body: await metrics.text(),
  });
  return [
    ["/healthz", () => json(200, { live: true })],
    ["/readyz", async () => {
      const checks = await readiness.check();
      const ready = checks.every((check) => check.ok);
      return json(ready ? 200 : 503, { ready, checks });
    }],
    ["/metrics", options.metricsProtected ? guarded(numbers) : numbers],
    ["/v1/tree", guarded(async () => json(200, await options.tree()))],
  ];
}

async function pageRoutes(
  files: readonly PageFile[],
): Promise<readonly (readonly [string, Route])[]> {
  return await Promise.all(files.map(async ({ path, contentType, body: text }) => {
    const body = new TextEncoder().encode(text);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
    const etag = `"${hash.toHex().slice(0, 32)}"`;
    // A stale page after an upgrade would be a riddle: caches may keep it, but ask each time.
    const validity = { "cache-control": "no-cache", etag };
    const serve: Route = ({ ifNoneMatch }) =>
      ifNoneMatch === etag
        ? { status: 304, headers: validity, body: "" }
        : { status: 200, headers: { ...validity, "content-type": contentType }, body };
    return [path, serve] as const;
  }));
}

/** Refuses what a page of another origin sent: the API is for programs and for its own page. */
function foreignOrigin({ origin, host }: ApiRequest): Answer | undefined {
  if (origin === undefined || origin.replace(/^https?:\/\//, "") === host) return undefined;
  return problem(403, `Origin: ${quoted(origin)} may not use this API`);
}

/** Refuses a request without a good token (RFC 6750 section 3). */
async function tokenRefusal(
  { authorization }: ApiRequest,
  options: ApiOptions,
): Promise<Answer | undefined> {
  const token = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) {
    return problem(401, "an API token is needed: Authorization: Bearer TOKEN", {
      "www-authenticate": CHALLENGE,
    });
  }
  if (token.length > TOKEN_LENGTH_MAX) return badToken("unknown token");
  const verdict = await options.verifyToken(token);
  switch (verdict.kind) {
    case "ok":
      return undefined;
    case "expired":
      return badToken("token expired");
    case "unknown":
      return badToken("unknown token");
  }
}

const CHALLENGE = 'Bearer realm="heliograph"';

function badToken(detail: string): Answer {
  return problem(401, detail, { "www-authenticate": `${CHALLENGE}, error="invalid_token"` });
}
