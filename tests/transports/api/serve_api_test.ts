import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { request as httpRequest } from "node:http";
import { Metrics } from "../../../transports/api/metrics.ts";
import {
  serveApi,
  type ServeApiOptions,
  type TokenVerdict,
} from "../../../transports/api/serve_api.ts";
import { exchange } from "../http_door/raw_client.ts";

const TOKENS: ReadonlyMap<string, TokenVerdict> = new Map<string, TokenVerdict>([
  ["good-token", { kind: "ok", scopes: ["read"] }],
  ["sending-token", { kind: "ok", scopes: ["send"] }],
  ["old-token", { kind: "expired" }],
]);

function options(changes: Partial<ServeApiOptions> = {}): ServeApiOptions {
  return {
    hostname: "127.0.0.1",
    port: 0,
    verifyToken: (token) => TOKENS.get(token) ?? { kind: "unknown" },
    ready: () => Promise.resolve([{ name: "store", ok: true, detail: "answers" }]),
    tree: () => ({ path: "root", children: [] }),
    metrics: new Metrics(),
    version: "1.2.3",
    page: {
      files: [{ path: "/", contentType: "text/html; charset=utf-8", body: "<p>Hello, wörld</p>" }],
      endpointOrigin: "https://push.example:8443/ignored",
      deviceUrl: "wss://push.example/",
    },
    ...changes,
  };
}

interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

/** One request with exactly these headers; `fetch` would not send a foreign `Host`. */
function ask(
  port: number,
  path: string,
  { method = "GET", ...headers }: Readonly<Record<string, string>> = {},
): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: "127.0.0.1",
      port,
      path,
      method,
      headers,
      agent: false,
    }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => body += chunk);
      response.on(
        "end",
        () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    request.on("error", reject).end();
  });
}

interface Row {
  readonly what: string;
  readonly path: string;
  readonly send?: Readonly<Record<string, string>>;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

const PROBLEM = "application/problem+json";
const NEED_TOKEN = '{"title":"Unauthorized","status":401,' +
  '"detail":"an API token is needed: Authorization: Bearer TOKEN"}\n';

const ROWS: readonly Row[] = [
  { what: "health", path: "/healthz", status: 200, body: '{"live":true}\n' },
  { what: "health with a query", path: "/healthz?probe=1", status: 200, body: '{"live":true}\n' },
  {
    what: "readiness",
    path: "/readyz",
    status: 200,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: '{"ready":true,"checks":[{"name":"store","ok":true,"detail":"answers"}]}\n',
  },
  {
    what: "the page",
    path: "/",
    status: 200,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-cache",
      "content-length": "20",
    },
    body: "<p>Hello, wörld</p>",
  },
  {
    what: "HEAD has the length and no body",
    path: "/",
    send: { method: "HEAD" },
    status: 200,
    headers: { "content-length": "20" },
    body: "",
  },
  {
    what: "what the page needs to know",
    path: "/page.json",
    status: 200,
    body: '{"endpointOrigin":"https://push.example:8443","deviceUrl":"wss://push.example/"}\n',
  },
  {
    what: "an unknown path",
    path: "/v1/nothing",
    status: 404,
    headers: { "content-type": PROBLEM },
    body: '{"title":"Not Found","status":404,"detail":"nothing is served at \\"/v1/nothing\\""}\n',
  },
  {
    what: "a path that leaves the root",
    path: "/../deno.json",
    status: 404,
    body:
      '{"title":"Not Found","status":404,"detail":"nothing is served at \\"/../deno.json\\""}\n',
  },
  {
    what: "a method that is not served",
    path: "/healthz",
    send: { method: "POST" },
    status: 405,
    headers: { "content-type": PROBLEM, allow: "GET, HEAD" },
    body: '{"title":"Method Not Allowed","status":405,' +
      '"detail":"/healthz accepts GET and HEAD, found \\"POST\\""}\n',
  },
  {
    what: "the method before the token",
    path: "/v1/tree",
    send: { method: "DELETE" },
    status: 405,
    body: '{"title":"Method Not Allowed","status":405,' +
      '"detail":"/v1/tree accepts GET and HEAD, found \\"DELETE\\""}\n',
  },
  {
    what: "no token",
    path: "/v1/tree",
    status: 401,
    headers: { "content-type": PROBLEM, "www-authenticate": 'Bearer realm="heliograph"' },
    body: NEED_TOKEN,
  },
  {
    what: "another scheme",
    path: "/v1/tree",
    send: { authorization: "Basic Z29vZC10b2tlbg==" },
    status: 401,
    headers: { "www-authenticate": 'Bearer realm="heliograph"' },
    body: NEED_TOKEN,
  },
  {
    what: "a token with a space",
    path: "/v1/tree",
    send: { authorization: "Bearer good-token x" },
    status: 401,
    body: NEED_TOKEN,
  },
  {
    what: "an unknown token",
    path: "/v1/tree",
    send: { authorization: "Bearer bad-token" },
    status: 401,
    headers: { "www-authenticate": 'Bearer realm="heliograph", error="invalid_token"' },
    body: '{"title":"Unauthorized","status":401,"detail":"unknown token"}\n',
  },
  {
    what: "a token of 257 characters",
    path: "/v1/tree",
    send: { authorization: `Bearer ${"a".repeat(257)}` },
    status: 401,
    body: '{"title":"Unauthorized","status":401,"detail":"unknown token"}\n',
  },
  {
    what: "an expired token",
    path: "/v1/tree",
    send: { authorization: "Bearer old-token" },
    status: 401,
    headers: { "www-authenticate": 'Bearer realm="heliograph", error="invalid_token"' },
    body: '{"title":"Unauthorized","status":401,"detail":"token expired"}\n',
  },
  {
    what: "a token that may do something else",
    path: "/v1/tree",
    send: { authorization: "Bearer sending-token" },
    status: 403,
    headers: {
      "content-type": PROBLEM,
      "www-authenticate": 'Bearer realm="heliograph", error="insufficient_scope", scope="read"',
    },
    body: '{"title":"Forbidden","status":403,"detail":"needs scope read"}\n',
  },
  {
    what: "a good token, scheme in lower case",
    path: "/v1/tree",
    send: { authorization: "bearer good-token" },
    status: 200,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: '{"path":"root","children":[]}\n',
  },
  {
    what: "a good token from a foreign page",
    path: "/v1/tree",
    send: { authorization: "Bearer good-token", host: "localhost", origin: "https://evil.example" },
    status: 403,
    headers: { "content-type": PROBLEM },
    body:
      '{"title":"Forbidden","status":403,"detail":"Origin: \\"https://evil.example\\" may not use ' +
      'this API, whose Host is \\"localhost\\""}\n',
  },
  {
    what: "our own page through a proxy that leaves out the port",
    path: "/v1/tree",
    send: {
      authorization: "Bearer good-token",
      host: "push.example",
      origin: "https://push.example:8443",
    },
    status: 403,
    body:
      '{"title":"Forbidden","status":403,"detail":"Origin: \\"https://push.example:8443\\" may not ' +
      'use this API, whose Host is \\"push.example\\""}\n',
  },
  {
    what: "a good token from a sandboxed page",
    path: "/v1/tree",
    send: { authorization: "Bearer good-token", host: "localhost", origin: "null" },
    status: 403,
    body: '{"title":"Forbidden","status":403,"detail":"Origin: \\"null\\" may not use this API, ' +
      'whose Host is \\"localhost\\""}\n',
  },
  {
    what: "a good token from our own page",
    path: "/v1/tree",
    send: { authorization: "Bearer good-token", host: "localhost", origin: "http://localhost" },
    status: 200,
    body: '{"path":"root","children":[]}\n',
  },
  {
    what: "a name that somebody pointed here",
    path: "/",
    send: { host: "evil.example" },
    status: 421,
    headers: { "content-type": PROBLEM },
    body:
      '{"title":"Misdirected Request","status":421,"detail":"unknown host \\"evil.example\\""}\n',
  },
  {
    what: "a configured name",
    path: "/healthz",
    send: { host: "push.example:8443" },
    status: 200,
    body: '{"live":true}\n',
  },
];

for (const { what, path, send = {}, status, headers = {}, body } of ROWS) {
  Deno.test(`serveApi() answers ${what}: ${send["method"] ?? "GET"} ${path} => ${status}`, async () => {
    await using api = await serveApi(options({ allowedHosts: ["push.example"] }));
    const seen = await ask(api.port, path, send);
    assertEquals({ status: seen.status, body: seen.body }, { status, body });
    for (const [name, value] of Object.entries(headers)) assertEquals(seen.headers[name], value);
    const after = await ask(api.port, "/healthz");
    assertEquals(after.status, 200, "a good client still works");
  });
}

Deno.test("serveApi() guards every answer, errors and the door's own refusals too", async () => {
  await using api = await serveApi(options());
  const answers = [
    ...await Promise.all(["/", "/healthz", "/metrics", "/v1/tree", "/nothing"].map((path) => {
      return ask(api.port, path);
    })),
    await ask(api.port, "/", { host: "rebound.example" }),
    await ask(api.port, "/", { method: "POST", "transfer-encoding": "gzip, chunked" }),
    await exchange(api.port, "get / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    await exchange(api.port, "GET / HTTP/1.1\r\n\r\n"),
    await exchange(api.port, "CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
  ];
  const statuses = answers.map(({ status }) => status);
  assertEquals(statuses, [200, 200, 200, 401, 404, 421, 400, 400, 400, 405]);
  for (const { headers } of answers) {
    assertEquals(
      headers["content-security-policy"],
      "default-src 'self'; connect-src 'self' https://push.example:8443; base-uri 'none'; " +
        "form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    );
    assertEquals(headers["x-content-type-options"], "nosniff");
    assertEquals(headers["referrer-policy"], "no-referrer");
    assertEquals(headers["cross-origin-resource-policy"], "same-origin");
    assertEquals(headers["access-control-allow-origin"], undefined);
    assertEquals(headers["set-cookie"], undefined);
  }
});

Deno.test("serveApi() answers 304 to the validator it gave, and 200 to another", async () => {
  await using api = await serveApi(options());
  const etag = String((await ask(api.port, "/")).headers["etag"]);
  assertMatch(etag, /^"[0-9a-f]{32}"$/);
  assertEquals((await ask(api.port, "/", { "if-none-match": etag })).status, 304);
  assertEquals((await ask(api.port, "/", { "if-none-match": '"other"' })).status, 200);
});

Deno.test("serveApi() answers 503 with the checks while something is not ready", async () => {
  const checks = [
    { name: "store", ok: false, detail: "disk full" },
    { name: "device_sockets", ok: true, detail: "listening" },
  ];
  await using api = await serveApi(options({ ready: () => Promise.resolve(checks) }));
  const { status, body } = await ask(api.port, "/readyz");
  assertEquals(status, 503);
  assertEquals(JSON.parse(body), { ready: false, checks });
});

Deno.test("serveApi() shows metrics to anyone on loopback", async () => {
  const metrics = new Metrics();
  metrics.accepted("stored");
  await using api = await serveApi(options({ metrics }));
  const { status, headers, body } = await ask(api.port, "/metrics");
  assertEquals(status, 200);
  assertEquals(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  assertStringIncludes(body, '\nheliograph_messages_accepted_total{route="stored"} 1\n');
});

Deno.test("serveApi() asks for the token at metrics on an address others can reach", async () => {
  await using api = await serveApi(options({ hostname: "0.0.0.0" }));
  assertEquals((await ask(api.port, "/metrics")).status, 401);
  const { status } = await ask(api.port, "/metrics", { authorization: "Bearer good-token" });
  assertEquals(status, 200);
  assertEquals((await ask(api.port, "/healthz")).status, 200);
});

Deno.test("serveApi() answers 500 without the cause when a callback throws, and tells it", async () => {
  const heard: string[] = [];
  await using api = await serveApi(options({
    tree: () => {
      throw new Error("secret path /var/lib");
    },
    onEvent: ({ kind }) => heard.push(kind),
  }));
  const { status, headers, body } = await ask(api.port, "/v1/tree", {
    authorization: "Bearer good-token",
  });
  assertEquals(status, 500);
  assertEquals(headers["content-type"], PROBLEM);
  assertEquals(
    body,
    '{"title":"Internal Server Error","status":500,"detail":"internal error"}\n',
  );
  assertEquals(heard, ["handler_failed", "refused"]);
});

Deno.test("serveApi() refuses a page whose endpoint is not on http", async () => {
  const page = { files: [], endpointOrigin: "file:///tmp", deviceUrl: "wss://push.example/" };
  let refused: unknown;
  try {
    await using _api = await serveApi(options({ page }));
  } catch (error) {
    refused = error;
  }
  assertEquals(
    String(refused),
    'TypeError: Cannot serve the page: "file:///tmp" is not an http origin',
  );
});

Deno.test("ApiServer.close() may be called twice and leaves no listener", async () => {
  await using api = await serveApi(options());
  await api.close();
  await api.close();
  let refused = false;
  await ask(api.port, "/healthz").catch(() => refused = true);
  assertEquals(refused, true, "a closed door refuses");
});
