/**
 * Origins that credentials name: where requests with secrets go, so only over TLS, or to this machine.
 *
 * @module
 */

import { quoted } from "../http_door/refusal.ts";

/** An origin, or what is wrong with it. */
export type ParsedOrigin =
  | {
    readonly kind: "origin";
    /** Scheme, host and a port that is not the default (RFC 6454 section 6.2). */
    readonly origin: string;
    /** Host and port for `:authority`. */
    readonly authority: string;
  }
  | { readonly kind: "problem"; readonly message: string };

const LOOPBACK = /^(localhost|.+\.localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[::1\])$/;

/** Whether secrets may go there: `https`, or `http` to this machine. */
export function isSafe(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
}

/**
 * Reads an origin.
 *
 * @param text Scheme, host and port, without a path; a slash at its end does no harm.
 */
export function parseOrigin(text: string): ParsedOrigin {
  const url = URL.parse(text);
  if (url === null) return problem(text);
  const bare = url.pathname === "/" && url.search === "" && url.hash === "" && url.host !== "";
  // What a user info says may be a secret: it is not repeated.
  if (url.username !== "" || url.password !== "") return problem("(with user info)");
  if (!bare || !isSafe(url)) return problem(text);
  return { kind: "origin", origin: url.origin, authority: url.host };
}

function problem(seen: string): ParsedOrigin {
  const message = `expected an https origin without a path, or http on loopback, found ${
    quoted(seen)
  }`;
  return { kind: "problem", message };
}
