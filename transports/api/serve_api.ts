/**
 * The API door: health, metrics, the live tree and the first page, on a bounded HTTP listener.
 *
 * On a loopback address `/metrics` is open, so that one line configures Prometheus; on any other it
 * needs the API token. `/v1/` always does. Health, readiness and the page never do: they show
 * nothing but that the service is there.
 *
 * @example
 * ```ts
 * import { dashboardFiles as files } from "../dashboard/files.ts";
 * import { Metrics } from "./metrics.ts";
 *
 * await using api = await serveApi({
 *   hostname: "127.0.0.1",
 *   port: 0,
 *   verifyToken: () => ({ kind: "unknown" }),
 *   ready: () => Promise.resolve([{ name: "store", ok: true, detail: "answers" }]),
 *   tree: () => ({ path: "root" }),
 *   metrics: new Metrics(),
 *   page: { files, endpointOrigin: "http://127.0.0.1:8080", deviceUrl: "ws://127.0.0.1:8081/" },
 * });
 * console.log(`http://127.0.0.1:${api.port}/`);
 * ```
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { answer, type DoorEvent, openHttpDoor } from "../http_door/http_door.ts";
import { type ApiHandler, apiHandler, type ApiOptions } from "./handler.ts";
import { DRAIN_MS } from "./limits.ts";
import { PROBLEM_TYPE, problemText } from "./problem.ts";

export type { PageFile, PageOptions, TokenVerdict } from "./handler.ts";
export type { ApiClock, ReadyCheck } from "./readiness.ts";

/** What {@linkcode serveApi} needs. */
export interface ServeApiOptions extends Omit<ApiOptions, "metricsProtected"> {
  /** The address to listen on. */
  readonly hostname: string;
  /** The port; 0 picks a free one. */
  readonly port: number;
  /** Certificate chain and private key, PEM; without them the door speaks plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Names accepted in `Host` besides loopback names and the address a connection arrived at. */
  readonly allowedHosts?: readonly string[];
  /** Hears what the door refuses, and handlers that failed. */
  readonly onEvent?: (event: DoorEvent) => void;
}

/** The open API door. */
export interface ApiServer extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
  /** Stops accepting, lets answers in work finish for a second, and cuts the rest. */
  close(): Promise<void>;
}

/**
 * Opens the API door.
 *
 * @throws {Error} when the address cannot be listened on (`code` says why, such as `"EADDRINUSE"`) or
 * the certificate and key cannot be used.
 * @throws {TypeError} when the page's endpoint origin is not an http or https origin.
 */
export async function serveApi(options: ServeApiOptions): Promise<ApiServer> {
  const metricsProtected = !isLoopback(options.hostname);
  const handler = await apiHandler({ ...options, metricsProtected });
  const { hostname, port, tls, allowedHosts, onEvent } = options;
  const door = await openHttpDoor({
    hostname,
    port,
    ...(tls === undefined ? {} : { tls }),
    ...(allowedHosts === undefined ? {} : { allowedHosts }),
    ...(onEvent === undefined ? {} : { onEvent }),
    handle: (request, response) => respond(handler, request, response),
    render: ({ status, message }) => ({
      contentType: PROBLEM_TYPE,
      body: problemText(status, message),
      headers: { ...handler.headers, "cache-control": "no-store" },
    }),
  });
  return {
    port: door.port,
    close: async () => void await door.close(DRAIN_MS),
    [Symbol.asyncDispose]: () => door[Symbol.asyncDispose](),
  };
}

async function respond(
  handler: ApiHandler,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { headers } = request;
  const { status, headers: answered, body } = await handler.answer({
    method: request.method ?? "",
    target: request.url ?? "",
    host: headers.host ?? "",
    origin: headers.origin,
    authorization: headers.authorization,
    ifNoneMatch: headers["if-none-match"],
  });
  answer(response, status, answered, body);
}

/** Whether a listener on this address can be reached from this machine only. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}
