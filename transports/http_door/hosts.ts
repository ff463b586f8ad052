/**
 * Which names a door answers to, against DNS rebinding and requests meant for another server.
 *
 * Allowed are loopback names, the address the connection arrived at, and what the owner lists; ports
 * are not compared, since proxies and containers map them. Invariant: the memory of spellings holds at
 * most `HOST_SPELLINGS_MAX` entries, all of allowed names.
 *
 * @module
 */

import { HOST_SPELLINGS_MAX } from "./limits.ts";

/** The verdict on one `Host` header. */
export type HostVerdict = "allowed" | "malformed" | "unknown";

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{0,5})?$/;
const LOOPBACK = /^(localhost|.+\.localhost|127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|\[::1\])$/;

/** Decides about `Host` headers. */
export class HostList {
  readonly #names: ReadonlySet<string>;
  readonly #spellings = new Set<string>();

  /** Makes a list of further names: host names or addresses, with or without port, in any case. */
  constructor(names: readonly string[]) {
    this.#names = new Set(names.map((name) => nameOf(name) ?? name));
  }

  /**
   * Decides about one header (RFC 9110 section 7.2).
   *
   * @param host The header as it came.
   * @param localAddress The address of this machine the connection arrived at.
   */
  judge(host: string, localAddress: string | undefined): HostVerdict {
    if (this.#spellings.has(host)) return "allowed";
    const name = nameOf(host);
    if (name === undefined) return "malformed";
    if (LOOPBACK.test(name) || this.#names.has(name)) {
      if (this.#spellings.size < HOST_SPELLINGS_MAX) this.#spellings.add(host);
      return "allowed";
    }
    return localAddress !== undefined && name === literalOf(localAddress) ? "allowed" : "unknown";
  }
}

function nameOf(host: string): string | undefined {
  return HOST.exec(host.toLowerCase())?.[1]?.replace(/\.$/, "");
}

function literalOf(address: string): string {
  const v4 = address.replace(/^::ffff:(?=[0-9.]+$)/, "");
  return v4.includes(":") ? `[${v4.toLowerCase()}]` : v4;
}
