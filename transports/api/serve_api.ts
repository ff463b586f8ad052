/**
 * The API door: health, metrics, the live tree, the delivery pipeline and the page, on a bounded HTTP
 * listener.
 *
 * On a loopback address `/metrics` is open, so that one line configures Prometheus; on any other it
 * needs an API token. `/v1/` always does, but for the document that describes it. Health, readiness and
 * the page never do: they show nothing but that the service is there.
 *
 * Bodies have deadlines of their own here: a streamed one may take an hour, all others as long as the
 * door gives a request.
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
 *   version: "1.0.0",
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
import { BODY_MS, DRAIN_MS, STREAM_MS, UNREAD_MS } from "./limits.ts";
import { type Answer, PROBLEM_TYPE, problemText } from "./problem.ts";
import { type ApiClock, apiClock } from "./readiness.ts";
import { BodyRoom, NodeRequestBody } from "./request_body.ts";

export type { ApiEvents, DeliveryApi } from "./delivery.ts";
export type { EventFrame, EventTopic } from "./event_frame.ts";
export type { PageFile, PageOptions, TokenVerdict } from "./handler.ts";
export type { NodesFound, NodeView } from "./node_routes.ts";
export type { ApiClock, ReadyCheck } from "./readiness.ts";
export type { Scope } from "./route.ts";

/** What {@linkcode serveApi} needs. */
export interface ServeApiOptions extends Omit<ApiOptions, "metricsProtected" | "onFailure"> {
  /** The address to listen on. */
  readonly hostname: string;
  /** The port; 0 picks a free one. */
  readonly port: number;
  /** Lets several processes listen on one port. */
  readonly reusePort?: boolean;
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
  const { hostname, port, reusePort = false, tls, allowedHosts, onEvent } = options;
  const { clock = apiClock } = options;
  const handler = await apiHandler({
    ...options,
    metricsProtected,
    onFailure: (error) => onEvent?.({ kind: "handler_failed", error }),
  });
  const exchanges = new Exchanges(handler, clock);
  const door = await openHttpDoor({
    hostname,
    port,
    reusePort,
    ...(tls === undefined ? {} : { tls }),
    ...(allowedHosts === undefined ? {} : { allowedHosts }),
    ...(onEvent === undefined ? {} : { onEvent }),
    timeouts: { requestMs: STREAM_MS },
    handle: (request, response) => exchanges.respond(request, response),
    render: ({ status, message }) => ({
      contentType: PROBLEM_TYPE,
      body: problemText(status, message),
      headers: { ...handler.headers, "cache-control": "no-store" },
    }),
  });
  const close = async (drainMs: number) => {
    exchanges.end();
    await door.close(drainMs);
  };
  return {
    port: door.port,
    close: () => close(DRAIN_MS),
    [Symbol.asyncDispose]: () => close(0),
  };
}

/** The exchanges that go on: they have deadlines, and hear when the door begins to close. */
class Exchanges {
  readonly #handler: ApiHandler;
  readonly #clock: ApiClock;
  readonly #room = new BodyRoom();
  readonly #live = new Set<AbortController>();

  constructor(handler: ApiHandler, clock: ApiClock) {
    this.#handler = handler;
    this.#clock = clock;
  }

  /** Ends streams, so that the door need not cut them. */
  end(): void {
    for (const exchange of this.#live) exchange.abort();
  }

  /** Answers one request. */
  async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = new AbortController();
    this.#live.add(exchange);
    response.once("close", () => {
      this.#live.delete(exchange);
      exchange.abort();
    });
    const answered = await this.#handler.answer({
      method: request.method ?? "",
      target: request.url ?? "",
      headers: request.headers,
      body: new NodeRequestBody(request, response, this.#clock, this.#room),
      signal: exchange.signal,
    });
    const { status, headers, body } = answered;
    if (typeof body === "string" || body instanceof Uint8Array) {
      answer(response, status, headers, body);
    } else await this.#stream(request, response, { ...answered, body });
    if (!request.complete && !request.socket.destroyed) this.#expectEnd(request);
  }

  async #stream(
    request: IncomingMessage,
    response: ServerResponse,
    { status, headers, body }: Answer & { readonly body: AsyncIterable<string | Uint8Array> },
  ): Promise<void> {
    response.writeHead(status, headers);
    response.flushHeaders();
    if (request.method !== "HEAD") {
      for await (const part of body) {
        if (response.destroyed) return;
        if (!response.write(part)) await this.#drained(response);
      }
    }
    response.end();
  }

  /** Resolves when the client has read; one that does not is cut. */
  async #drained(response: ServerResponse): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(UNREAD_MS, () => response.destroy());
    response.once("drain", resolve).once("close", resolve);
    await promise;
    response.off("drain", resolve).off("close", resolve);
    cancel();
  }

  /** Cuts a client that was answered early and does not end its body: the door would wait as long as for a stream. */
  #expectEnd(request: IncomingMessage): void {
    const { socket } = request;
    const cancel = this.#clock.after(BODY_MS, () => socket.destroy());
    const ended = () => {
      cancel();
      request.off("end", ended);
      socket.off("close", ended);
    };
    request.once("end", ended);
    socket.once("close", ended);
  }
}

/** Whether a listener on this address can be reached from this machine only. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}
