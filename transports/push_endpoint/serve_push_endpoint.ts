/**
 * The HTTP push endpoint (RFC 8030, RFC 8292) as autopush serves it, behind the bounded door.
 *
 * `POST` and `PUT` on `/wpush/…` take messages, `DELETE` on `/m/…` withdraws one, `OPTIONS` answers
 * preflights of web pages, and the operational routes say that the server is alive. Invariants: a 201
 * is sent only after the service accepted; every request gets exactly one answer or a closed
 * connection; no answer tells why a token did not open.
 *
 * @example
 * ```ts
 * import { servePushEndpoint } from "./serve_push_endpoint.ts";
 * import { TokenBox } from "./token_box.ts";
 *
 * await using endpoint = await servePushEndpoint({
 *   hostname: "127.0.0.1",
 *   port: 0,
 *   identifiers: new TokenBox({ keys: [TokenBox.generateKey()] }),
 *   service: {
 *     subscription: () => Promise.resolve("no_user"),
 *     accept: () => Promise.resolve({ kind: "no_subscription" }),
 *     withdraw: () => Promise.resolve(),
 *   },
 *   status: () => ({ status: "OK", version: "1.0.0" }),
 * });
 * const answer = await fetch(`${endpoint.url}/status`);
 * const shown = await answer.json(); // { status: "OK", version: "1.0.0" }
 * ```
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import {
  answer,
  type DoorEvent,
  type DoorTimeouts,
  type HttpDoor,
  openHttpDoor,
} from "../http_door/http_door.ts";
import type { Refusal } from "../http_door/refusal.ts";
import { corsHeaders, isPreflight, preflightHeaders } from "./cors.ts";
import {
  errorBody,
  INVALID_MESSAGE_ID,
  methodNotAllowed,
  NOT_FOUND,
  type PushError,
  UNAVAILABLE,
} from "./errors.ts";
import { PAYLOAD_BYTES_MAX, TTL_SECONDS_MAX } from "./limits.ts";
import {
  type EndpointEvent,
  type EndpointStatus,
  type PushService,
  SYSTEM_CLOCK,
  type WallClock,
} from "./ports.ts";
import { Receiver } from "./receive.ts";
import { routeOf } from "./routes.ts";
import type { EndpointVersion, TokenBox } from "./token_box.ts";
import { VapidVerifier } from "./vapid.ts";

export type { DoorTimeouts };

/** How to serve a push endpoint. */
export interface PushEndpointOptions {
  /** The address to listen on. */
  readonly hostname: string;
  /** The port; 0 picks a free one. */
  readonly port: number;
  /** Certificate chain and private key, PEM; without them it speaks plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Lets several processes listen on one port. */
  readonly reusePort?: boolean;
  /** Where senders reach it, `https://host[:port]`; default the one of `identifiers`, else the bound address. */
  readonly endpointUrl?: string;
  /** `Host` names answered to besides loopback, the bound address and the endpoint URL's. */
  readonly allowedHosts?: readonly string[];
  /** Connections at most; default 10,000. */
  readonly connectionsMax?: number;
  /** Connections from one address; default 1,000, and for loopback, where proxies come from, no such bound. */
  readonly connectionsPerAddressMax?: number;
  /** Deadlines for slow and silent senders. */
  readonly timeouts?: DoorTimeouts;
  /** Makes and opens tokens; learns the public URL here if it does not know it. */
  readonly identifiers: TokenBox;
  /** Takes messages. */
  readonly service: PushService;
  /** Bytes of a body at most; default 5,630. RFC 8030 section 7.2 asks for 4,096 or more. */
  readonly payloadBytesMax?: number;
  /** Seconds a message is kept at most, a larger `TTL` is capped; default 2,592,000 (30 days). */
  readonly ttlSecondsMax?: number;
  /** Tells the time for VAPID; default the system's wall clock. */
  readonly clock?: WallClock;
  /** What `/status` (status and version), `/health` (all of it) and `/__version__` show. */
  readonly status: () => EndpointStatus;
  /** Hears what happens; must return at once and never throw. */
  readonly onEvent?: (event: EndpointEvent) => void;
}

/** A push endpoint that accepts requests. */
export interface PushEndpoint extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
  /** Where senders reach it, without a trailing slash. */
  readonly url: string;
  /** Connections open now. */
  readonly connections: number;
  /** Stops accepting, lets requests in work finish for `drainMs` milliseconds, then cuts the rest; says how many. */
  close(drainMs: number): Promise<{ readonly cutRequests: number }>;
}

/**
 * Opens a push endpoint.
 *
 * @throws {Error} When the address cannot be listened on or the certificate cannot be used.
 * @throws {TypeError} When `endpointUrl` is no http or https URL or differs from the one of `identifiers`.
 */
export async function servePushEndpoint(options: PushEndpointOptions): Promise<PushEndpoint> {
  const { identifiers } = options;
  if (options.endpointUrl !== undefined) identifiers.setPublicUrl(options.endpointUrl);
  const handler = new EndpointHandler(options);
  const { allowedHosts = [], onEvent } = options;
  const known = identifiers.publicUrl;
  const door = await openHttpDoor({
    ...options,
    allowedHosts: known === undefined ? allowedHosts : [...allowedHosts, new URL(known).host],
    handle: (request, response) => handler.handle(request, response),
    render: renderRefusal,
    onEvent: (event) => onEvent?.(eventOf(event)),
  });
  if (known === undefined) identifiers.setPublicUrl(boundUrl(options, door.port));
  return new DoorEndpoint(door, identifiers);
}

class DoorEndpoint implements PushEndpoint {
  readonly #door: HttpDoor;
  readonly #identifiers: TokenBox;

  constructor(door: HttpDoor, identifiers: TokenBox) {
    this.#door = door;
    this.#identifiers = identifiers;
  }

  get port(): number {
    return this.#door.port;
  }

  get url(): string {
    return this.#identifiers.publicUrl ?? "";
  }

  get connections(): number {
    return this.#door.connections;
  }

  close(drainMs: number): Promise<{ readonly cutRequests: number }> {
    return this.#door.close(drainMs);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#door[Symbol.asyncDispose]();
  }
}

class EndpointHandler {
  readonly #options: PushEndpointOptions;
  readonly #receiver: Receiver;
  readonly #onEvent: (event: EndpointEvent) => void;

  constructor(options: PushEndpointOptions) {
    const { identifiers, service, clock = SYSTEM_CLOCK } = options;
    this.#options = options;
    this.#onEvent = options.onEvent ?? (() => {});
    this.#receiver = new Receiver({
      identifiers,
      service,
      verifier: new VapidVerifier(() => identifiers.origin, clock),
      payloadBytesMax: options.payloadBytesMax ?? PAYLOAD_BYTES_MAX,
      ttlSecondsMax: options.ttlSecondsMax ?? TTL_SECONDS_MAX,
      onEvent: this.#onEvent,
    });
  }

  handle(request: IncomingMessage, response: ServerResponse): void | Promise<void> {
    const { method } = request;
    if (method === "OPTIONS" && isPreflight(request)) {
      return answer(response, 200, preflightHeaders(request), "");
    }
    const route = routeOf(request.url ?? "");
    switch (route.kind) {
      case "push":
        if (method === "POST" || method === "PUT") {
          return this.#push(request, response, route.version, route.token);
        }
        return this.#notAllowed(
          request,
          response,
          "POST, PUT, OPTIONS",
          "push endpoints accept POST",
        );
      case "message":
        if (method === "DELETE") return this.#withdraw(request, response, route.id);
        return this.#notAllowed(request, response, "DELETE, OPTIONS", "messages accept DELETE");
      case "unknown":
        return this.#refuse(request, response, NOT_FOUND);
      case "status":
      case "health":
      case "alive":
      case "version":
        return this.#show(request, response, route.kind);
    }
  }

  async #push(
    request: IncomingMessage,
    response: ServerResponse,
    version: EndpointVersion,
    token: string,
  ): Promise<void> {
    const reception = await this.#receiver.receive(request, response, version, token);
    switch (reception.kind) {
      case "accepted":
        return answer(response, 201, {
          ...corsHeaders(request),
          "Location": this.#options.identifiers.messageUrl(reception.messageId),
          "TTL": String(reception.ttlSeconds),
        }, "");
      case "refused":
        return this.#refuse(request, response, reception.error);
      case "aborted":
        return;
    }
  }

  async #withdraw(request: IncomingMessage, response: ServerResponse, id: string): Promise<void> {
    const message = this.#options.identifiers.openMessageId(id);
    if (message === undefined) return this.#refuse(request, response, INVALID_MESSAGE_ID);
    try {
      await this.#options.service.withdraw(message.uaid, message.sortKey);
    } catch (error) {
      this.#onEvent({ kind: "failed", error });
      return this.#refuse(request, response, UNAVAILABLE);
    }
    this.#onEvent({ kind: "withdrawn" });
    response.writeHead(204, corsHeaders(request));
    response.end();
  }

  #show(
    request: IncomingMessage,
    response: ServerResponse,
    kind: "status" | "health" | "alive" | "version",
  ): void {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return this.#notAllowed(request, response, "GET, HEAD, OPTIONS", "this resource accepts GET");
    }
    const cors = corsHeaders(request);
    if (kind === "alive") return answer(response, 200, cors, "");
    const status = this.#options.status();
    const { version } = status;
    const shown = kind === "health"
      ? status
      : kind === "version"
      ? { version }
      : { status: status.status, version };
    answer(response, 200, { ...cors, ...JSON_TYPE }, JSON.stringify(shown));
  }

  #notAllowed(
    request: IncomingMessage,
    response: ServerResponse,
    allow: string,
    message: string,
  ): void {
    this.#refuse(request, response, methodNotAllowed(allow, message));
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: PushError): void {
    const { status, errno } = error;
    this.#onEvent({ kind: "refused", status, errno });
    const headers = { ...corsHeaders(request), ...error.headers };
    // A 404 leaves with an empty body whatever its reason: nothing distinguishes one bad token from another.
    if (status === 404) answer(response, status, headers, "");
    else answer(response, status, { ...headers, ...JSON_TYPE }, errorBody(error));
  }
}

const JSON_TYPE = { "Content-Type": "application/json" } as const;

function renderRefusal(refusal: Refusal): { readonly contentType: string; readonly body: string } {
  const { status, message } = refusal;
  return {
    contentType: JSON_TYPE["Content-Type"],
    body: errorBody({ status, errno: null, message }),
  };
}

function eventOf(event: DoorEvent): EndpointEvent {
  switch (event.kind) {
    case "refused":
      return { kind: "refused", status: event.refusal.status, errno: null };
    case "handler_failed":
      return { kind: "failed", error: event.error };
    case "connection_refused":
      return event;
  }
}

/** The address a sender on this machine can use; an unspecified one is reached as localhost. */
function boundUrl({ hostname, tls }: PushEndpointOptions, port: number): string {
  const host = hostname === "0.0.0.0" || hostname === "::"
    ? "localhost"
    : hostname.includes(":")
    ? `[${hostname}]`
    : hostname;
  return `${tls === undefined ? "http" : "https"}://${host}:${port}`;
}
