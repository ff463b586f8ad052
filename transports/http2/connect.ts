/**
 * Opens HTTP/2 connections: TCP, TLS with ALPN (RFC 9113 section 3.2), the exchange of SETTINGS.
 *
 * The addresses can be the caller's, checked and pinned: the name is then only what the
 * certificate must be for and what the server is told, and no look-up is made behind a check.
 *
 * @module
 */

import { type Http2Clock, SYSTEM_CLOCK, type TimerHandle } from "./clock.ts";
import { Http2Connection } from "./connection.ts";
import type { HttpConnection } from "./exchange.ts";
import { Http2ConnectError, type Http2ConnectErrorCode } from "./errors.ts";
import { HTTP2_LIMITS, type Http2Limits } from "./limits.ts";

/** What lies between TCP and HTTP/2. */
export type Http2Security =
  /** TLS; `caCerts` are further roots, PEM. */
  | { readonly kind: "tls"; readonly caCerts?: readonly string[] }
  /**
   * TLS where the client shows a certificate, too: chain and key as PEM. Deno offers this only for a
   * connection it makes itself, so the addresses cannot be the caller's, and Nagle's algorithm stays
   * on: at a low rate a request may wait for the acknowledgement of the one before.
   */
  | {
    readonly kind: "client_certificate";
    readonly cert: string;
    readonly key: string;
    readonly caCerts?: readonly string[];
  }
  /** Nothing: prior knowledge (RFC 9113 section 3.3), for loopback. */
  | { readonly kind: "none" };

/** Where to connect to, and how. */
export interface ConnectHttp2Options {
  /** The server's name: looked up, sent as SNI and verified. */
  readonly hostname: string;
  /** Its port. */
  readonly port: number;
  /** IP addresses to connect to, in this order, in place of looking the name up. */
  readonly addresses?: readonly string[];
  /** TLS with the usual roots by default. */
  readonly security?: Http2Security;
  /** Limits other than {@linkcode HTTP2_LIMITS}. */
  readonly limits?: Partial<Http2Limits>;
  /** The time; the machine's by default. */
  readonly clock?: Http2Clock;
}

/**
 * Opens a connection; resolves when the peer's SETTINGS are known and requests can be sent.
 *
 * @example A request over a connection without TLS
 * ```ts
 * import { connectHttp2 } from "./connect.ts";
 *
 * const hostname = "127.0.0.1";
 * await using server = Deno.serve({ hostname, port: 0, onListen() {} }, () => new Response());
 * const { port } = server.addr;
 * await using connection = await connectHttp2({ hostname, port, security: { kind: "none" } });
 * const { statuses } = await connection.exchange({
 *   head: { method: "POST", authority: `${hostname}:${port}`, fields: [] },
 *   paths: ["/one", "/two"],
 *   fields: [],
 *   bodies: new TextEncoder().encode("the same for both"),
 * });
 * if (statuses.join() !== "200,200") throw new Error("not answered");
 * ```
 *
 * @throws {Http2ConnectError} When no connection comes about; its `code` says why.
 * @throws {TypeError} When a client certificate is asked for together with addresses.
 */
export async function connectHttp2(options: ConnectHttp2Options): Promise<HttpConnection> {
  const limits = { ...HTTP2_LIMITS, ...options.limits };
  const clock = options.clock ?? SYSTEM_CLOCK;
  using attempt = new Attempt(clock, limits.connectTimeoutMs);
  const security = options.security ?? { kind: "tls" };
  const socket = await openSocket(options, security, attempt);
  const scheme = security.kind === "none" ? "http" : "https";
  const connection = new Http2Connection(socket, { limits, clock, scheme });
  attempt.onTimeout(() => connection.abort(attempt.timeoutText));
  const failure = await connection.opened;
  if (failure === undefined) return connection;
  connection.abort(failure);
  throw attempt.over
    ? new Http2ConnectError("timeout", `${nameOf(options)} sent no SETTINGS: ${failure}`)
    : new Http2ConnectError("closed", `${nameOf(options)} sent no valid SETTINGS: ${failure}`);
}

/** The time all steps of connecting have together. */
class Attempt implements Disposable {
  readonly timeoutText: string;
  readonly #clock: Http2Clock;
  readonly #timeoutMs: number;
  readonly #controller = new AbortController();
  readonly #timer: TimerHandle;

  constructor(clock: Http2Clock, timeoutMs: number) {
    this.timeoutText = `not done within ${timeoutMs} ms`;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#timer = clock.set(timeoutMs, () => this.#controller.abort(new Error(this.timeoutText)));
  }

  /** Whether the time is over. */
  get over(): boolean {
    return this.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Calls back when the time is over, at once if it is; the result takes that back. */
  onTimeout(callback: () => void): () => void {
    if (this.over) callback();
    else this.signal.addEventListener("abort", callback);
    return () => this.signal.removeEventListener("abort", callback);
  }

  /** One of so many equal shares of the time, from now. */
  share(count: number): Disposable & { readonly signal: AbortSignal } {
    const own = new AbortController();
    const timer = this.#clock.set(this.#timeoutMs / count, () => own.abort());
    return {
      signal: AbortSignal.any([own.signal, this.signal]),
      [Symbol.dispose]: () => this.#clock.clear(timer),
    };
  }

  [Symbol.dispose](): void {
    this.#clock.clear(this.#timer);
  }
}

async function openSocket(
  options: ConnectHttp2Options,
  security: Http2Security,
  attempt: Attempt,
): Promise<Deno.Conn> {
  switch (security.kind) {
    case "none":
      return await openTcp(options, attempt);
    case "tls":
      return await openTls(options, security.caCerts ?? [], attempt);
    case "client_certificate":
      return await openTlsWithCertificate(options, security, attempt);
  }
}

/** Tries the addresses one after the other; each has its share of the time. */
async function openTcp(options: ConnectHttp2Options, attempt: Attempt): Promise<Deno.TcpConn> {
  const { hostname, port, addresses = [hostname] } = options;
  let failure: unknown = new Error("no address");
  for (const address of addresses) {
    using share = attempt.share(addresses.length);
    try {
      const conn = await Deno.connect({ hostname: address, port, signal: share.signal });
      // Writes are packed here already; Nagle's algorithm would only hold the second one back.
      conn.setNoDelay();
      return conn;
    } catch (error) {
      failure = error;
    }
  }
  throw connectError(options, attempt, failure, "refused");
}

async function openTls(
  options: ConnectHttp2Options,
  caCerts: readonly string[],
  attempt: Attempt,
): Promise<Deno.TlsConn> {
  const tcp = await openTcp(options, attempt);
  try {
    const { hostname } = options;
    const conn = await Deno.startTls(tcp, {
      hostname,
      caCerts: [...caCerts],
      alpnProtocols: ["h2"],
    });
    return await shakeHands(options, conn, attempt);
  } catch (error) {
    throw connectError(options, attempt, error, "tls");
  }
}

async function openTlsWithCertificate(
  options: ConnectHttp2Options,
  security: Http2Security & { readonly kind: "client_certificate" },
  attempt: Attempt,
): Promise<Deno.TlsConn> {
  if (options.addresses !== undefined) {
    throw new TypeError("Cannot connect with a client certificate to addresses of the caller's");
  }
  const { hostname, port } = options;
  const { cert, key, caCerts = [] } = security;
  const connecting = Deno.connectTls({
    hostname,
    port,
    cert,
    key,
    caCerts: [...caCerts],
    alpnProtocols: ["h2"],
  });
  const timeout = Promise.withResolvers<never>();
  const handled = attempt.onTimeout(() => timeout.reject(new Error(attempt.timeoutText)));
  let conn: Deno.TlsConn;
  try {
    conn = await Promise.race([connecting, timeout.promise]);
  } catch (error) {
    // Deno takes no signal here: a connection that comes about too late is closed then.
    connecting.then((late) => late.close(), () => {});
    throw connectError(options, attempt, error, "refused");
  } finally {
    handled();
  }
  return await shakeHands(options, conn, attempt);
}

async function shakeHands(
  options: ConnectHttp2Options,
  conn: Deno.TlsConn,
  attempt: Attempt,
): Promise<Deno.TlsConn> {
  const handled = attempt.onTimeout(() => conn.close());
  try {
    const { alpnProtocol } = await conn.handshake();
    if (alpnProtocol === "h2") return conn;
    throw new Http2ConnectError("no_h2", `${nameOf(options)} does not speak HTTP/2`);
  } catch (error) {
    if (!attempt.over) conn.close();
    throw connectError(options, attempt, error, "tls");
  } finally {
    handled();
  }
}

/** Finds the code for an error of the platform; `otherwise` where it does not tell. */
function connectError(
  options: ConnectHttp2Options,
  attempt: Attempt,
  error: unknown,
  otherwise: Http2ConnectErrorCode,
): Error {
  if (error instanceof Http2ConnectError || error instanceof TypeError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const code = attempt.over ? "timeout" : codeOf(error, text) ?? otherwise;
  const cause = code === "timeout" ? attempt.timeoutText : text;
  return new Http2ConnectError(code, `Cannot connect to ${nameOf(options)}: ${cause}`, {
    cause: error,
  });
}

function codeOf(error: unknown, text: string): Http2ConnectErrorCode | undefined {
  // The alert of a server that shares no protocol (RFC 7301 section 3.2).
  if (/NoApplicationProtocol/i.test(text)) return "no_h2";
  if (error instanceof Deno.errors.ConnectionRefused) return "refused";
  if (/failed to lookup address|resolve host/i.test(text)) return "dns";
  if (error instanceof Deno.errors.InvalidData) return "tls";
  return undefined;
}

function nameOf({ hostname, port }: ConnectHttp2Options): string {
  return `${hostname}:${port}`;
}
