/**
 * How providers get their connections: whoever wires them says how one is opened, which usually is
 * by HTTP/2.
 *
 * @module
 */

import type { HttpConnection } from "../http2/exchange.ts";
import { connectHttp2, type Http2Security } from "../http2/mod.ts";

/** What a connection is wanted for. */
export interface ConnectTarget {
  /** Scheme, host and port: `https`, or `http` on loopback. */
  readonly origin: string;
  /** Requests at once at most, whatever the peer allows; the client's own limit when absent. */
  readonly streamsMax?: number;
  /** What this side proves itself with. */
  readonly clientCertificate?: {
    /** PEM of the certificate, with its chain. */
    readonly certificate: string;
    /** PEM of its private key. */
    readonly key: string;
  };
}

/** Opens a connection; a rejection's message says why, for people. */
export type Connect = (target: ConnectTarget) => Promise<HttpConnection>;

/**
 * Opens HTTP/2 connections: over TLS to `https` origins, by prior knowledge to `http` ones.
 *
 * @param options Further roots, PEM.
 */
export function http2Connector(options: { readonly caCerts?: readonly string[] } = {}): Connect {
  const { caCerts = [] } = options;
  return ({ origin, streamsMax, clientCertificate }) => {
    const { protocol, hostname, port } = new URL(origin);
    const tls = protocol === "https:";
    const security: Http2Security = !tls
      ? { kind: "none" }
      : clientCertificate === undefined
      ? { kind: "tls", caCerts }
      : {
        kind: "client_certificate",
        cert: clientCertificate.certificate,
        key: clientCertificate.key,
        caCerts,
      };
    return connectHttp2({
      hostname,
      port: Number(port) || (tls ? 443 : 80),
      security,
      limits: streamsMax === undefined ? {} : { streamsMax },
    });
  };
}
