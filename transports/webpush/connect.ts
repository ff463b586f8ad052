/**
 * Connects to push services, the second half of the guard against forged endpoints: a name is looked up
 * once for a connection, every address must be public, and the connection goes to one of these, so a name
 * that changes between two look-ups gains nothing. Certificates are verified for the name. There is no
 * proxy, and nobody here follows redirects.
 *
 * HTTP/2 where the service speaks it, else HTTP/1.1: that costs another handshake for each connection, of
 * which there are few and which last.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import { connectHttp2 } from "../http2/connect.ts";
import { Http2ConnectError } from "../http2/errors.ts";
import type { HttpConnection } from "../http2/exchange.ts";
import { quoted } from "../http_door/refusal.ts";
import type { Connect } from "../provider/connect.ts";
import { isPublicAddress } from "./address.ts";
import type { EndpointPolicy } from "./endpoint.ts";
import { Http1Connection } from "./http1_connection.ts";
import type { ByteStream } from "./http1_socket.ts";
import { ADDRESSES_MAX, HTTP1_CONNECT_MS, LOOKUP_MS } from "./limits.ts";

/** How push services are connected to. */
export interface PushServiceConnectOptions {
  /** Which may be. */
  readonly policy: EndpointPolicy;
  /** Further roots that may certify them, PEM. */
  readonly caCerts?: readonly string[];
  /** All addresses of a name; those the system knows, when absent. */
  lookup?(hostname: string): Promise<readonly string[]>;
}

/** Where a connection goes. */
interface Place {
  readonly hostname: string;
  readonly port: number;
  readonly addresses: readonly string[];
  readonly caCerts: readonly string[];
}

/**
 * What opens connections to push services. A rejection says why, for people: a policy that forbids the
 * origin, a name without addresses or with one that is not public, a server that is not there.
 */
export function pushServiceConnect(options: PushServiceConnectOptions): Connect {
  return async ({ origin }) => {
    const checked = options.policy.check(`${origin}/`);
    if (checked.kind !== "endpoint") {
      throw new Error(`Cannot connect to ${quoted(origin)}: ${options.policy.problem(origin)}`);
    }
    const { protocol, hostname, port } = new URL(origin);
    const name = hostname.replace(/^\[(.*)\]$/, "$1");
    const place = {
      hostname: name,
      port: Number(port || (protocol === "https:" ? 443 : 80)),
      addresses: await resolve(name, checked.service.allowed, options.lookup ?? systemLookup),
      caCerts: options.caCerts ?? [],
    };
    if (protocol === "http:") return await Http1Connection.open({ dial: () => dial(place, false) });
    return await connectTls(place);
  };
}

/** The addresses of a name, each of them looked at unless the operator allows the origin. */
async function resolve(
  hostname: string,
  allowed: boolean,
  look: (hostname: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const addresses = await within(LOOKUP_MS, `no answer about ${quoted(hostname)}`, look(hostname));
  if (addresses.length === 0) throw new Error(`${quoted(hostname)} has no address`);
  if (!allowed && !addresses.every(isPublicAddress)) {
    throw new Error(`${quoted(hostname)} has an address that is not public`);
  }
  return addresses.slice(0, ADDRESSES_MAX);
}

async function systemLookup(hostname: string): Promise<readonly string[]> {
  const found = await lookup(hostname, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}

async function connectTls(place: Place): Promise<HttpConnection> {
  const { hostname, port, addresses, caCerts } = place;
  try {
    return await connectHttp2({ hostname, port, addresses, security: { kind: "tls", caCerts } });
  } catch (error) {
    if (!(error instanceof Http2ConnectError) || error.code !== "no_h2") throw error;
    return await Http1Connection.open({ dial: () => dial(place, true) });
  }
}

/** Opens a socket to the first address that answers. */
async function dial(place: Place, tls: boolean): Promise<ByteStream> {
  const { hostname, port, addresses, caCerts } = place;
  const abort = new AbortController();
  const what = `${hostname}:${port} did not answer`;
  const timer = setTimeout(() => abort.abort(new Error(what)), HTTP1_CONNECT_MS);
  try {
    const conn = await connectTcp(addresses, port, abort.signal);
    return tls ? await startTls(conn, hostname, caCerts, abort.signal) : conn;
  } finally {
    clearTimeout(timer);
  }
}

async function connectTcp(
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
): Promise<Deno.TcpConn> {
  let failure: unknown;
  for (const address of addresses) {
    try {
      const conn = await Deno.connect({ hostname: address, port, signal });
      // A request is one write: Nagle's algorithm would hold its last packet until the others are acknowledged.
      conn.setNoDelay();
      return conn;
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}

async function startTls(
  tcp: Deno.TcpConn,
  hostname: string,
  caCerts: readonly string[],
  signal: AbortSignal,
): Promise<ByteStream> {
  const alpnProtocols = ["http/1.1"];
  const conn = await Deno.startTls(tcp, { hostname, caCerts: [...caCerts], alpnProtocols });
  const close = () => conn.close();
  signal.addEventListener("abort", close);
  try {
    await conn.handshake();
    return conn;
  } catch (error) {
    if (!signal.aborted) conn.close();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}

/** What a promise resolves to, or a rejection when that takes too long. */
async function within<T>(ms: number, message: string, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(message)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
