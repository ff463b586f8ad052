/**
 * Which endpoint URLs may be sent to. An endpoint comes from a browser, or from whoever says to be one: a
 * server that posts to any URL it is given can be made to post to its own network (server-side request
 * forgery).
 *
 * This is the part that needs no network: what the text says. The other part is at the connection: every
 * address of the name must be public, and the connection goes to one of those that were looked at. See
 * `connect.ts`.
 *
 * Why text is compared with what the URL parser makes of it: a host that it would rewrite (`127.1`, `0x7f000001`,
 * percent-escapes, full-width digits) comes from no push service.
 *
 * @module
 */

import { quoted } from "../http_door/refusal.ts";
import { Remembered } from "../provider/remembered.ts";
import { isPublicAddress } from "./address.ts";
import { AUTHORITIES_MAX, ENDPOINT_CHARACTERS_MAX } from "./limits.ts";
import { type Vendor, vendorOf } from "./vendors.ts";

/** Which push services are sent to. */
export interface EndpointPolicyOptions {
  /** `"known"`: those of the browsers' makers. `"public"`: all at public addresses, on port 443. */
  readonly hosts?: "known" | "public";
  /**
   * Origins that are sent to whatever else holds, such as `https://push.example:8443`: their port and
   * their addresses are not looked at, and they may be `http:`.
   */
  readonly allowedOrigins?: readonly string[];
}

/** A push service that may be sent to. */
export interface PushOrigin {
  /** Tells it from refusals. */
  readonly kind: "origin";
  /** Scheme, host and a port that is not the default (RFC 6454 section 6.2): a token's audience. */
  readonly origin: string;
  /** Host and port for `:authority`. */
  readonly authority: string;
  /** Whether its addresses are to be looked at. */
  readonly allowed: boolean;
  /** Whose it is. */
  readonly vendor: Vendor;
}

/** What became of a look at an endpoint. */
export type CheckedEndpoint =
  /** It may be sent to; the path with its query, byte for byte. */
  | { readonly kind: "endpoint"; readonly service: PushOrigin; readonly path: string }
  /** A browser's way to say that there is no subscription any more. */
  | { readonly kind: "dead" }
  /** It may not; why, for people. */
  | { readonly kind: "refused"; readonly reason: string };

type CheckedOrigin = PushOrigin | Exclude<CheckedEndpoint, { readonly kind: "endpoint" }>;

/** What some builds of Chromium give out in place of an endpoint. */
const REMOVED_HOST = "permanently-removed.invalid";

/** Names that mean something on one machine or one network only (RFC 6761, RFC 6762, RFC 7686, RFC 8375). */
const LOCAL_NAME =
  /(^|\.)(localhost|local|localdomain|internal|intranet|lan|home|corp|home\.arpa|invalid|test|onion)$/;

/** Scheme, authority, and path with query; what RFC 3986 allows in them. */
const FORM = /^(https?):\/\/([\w.~:@[\]%!$&'()*+,;=-]+)((?:[/?][\w.~:@%!$&'()*+,;=/?-]*)?)$/;

/** Judges endpoints by one policy. */
export class EndpointPolicy {
  readonly #hosts: "known" | "public";
  readonly #allowed: ReadonlySet<string>;
  readonly #origins = new Remembered<CheckedOrigin>(AUTHORITIES_MAX);

  /**
   * A policy; any service at a public address by default.
   *
   * @throws {TypeError} For an allowed origin that is not one.
   */
  constructor({ hosts = "public", allowedOrigins = [] }: EndpointPolicyOptions = {}) {
    this.#hosts = hosts;
    this.#allowed = new Set(allowedOrigins.map(originOf));
  }

  /** Looks at an endpoint URL. */
  check(endpoint: string): CheckedEndpoint {
    if (endpoint.length > ENDPOINT_CHARACTERS_MAX) {
      const reason =
        `must have at most ${ENDPOINT_CHARACTERS_MAX} characters, found ${endpoint.length}`;
      return { kind: "refused", reason };
    }
    const form = FORM.exec(endpoint);
    if (form === null) {
      const reason = "must be an absolute https URL without a fragment, in visible ASCII";
      return { kind: "refused", reason };
    }
    const [, scheme = "", authority = "", rest = ""] = form;
    const found = this.#origins.get(
      `${scheme}://${authority}`,
      () => this.#checkOrigin(scheme, authority),
    );
    if (found.kind !== "origin") return found;
    return { kind: "endpoint", service: found, path: rest.startsWith("/") ? rest : `/${rest}` };
  }

  /** What is wrong with an endpoint URL, for people; `undefined` when it may be sent to. */
  problem(endpoint: string): string | undefined {
    const checked = this.check(endpoint);
    switch (checked.kind) {
      case "endpoint":
        return undefined;
      case "dead":
        return `is at "${REMOVED_HOST}": the browser has removed the subscription`;
      case "refused":
        return checked.reason;
    }
  }

  #checkOrigin(scheme: string, authority: string): CheckedOrigin {
    if (authority.includes("@")) return refused("must have no user info");
    const url = URL.parse(`${scheme}://${authority}/`);
    if (url === null || !isCanonical(url, authority)) {
      return refused(`must name its host in the usual form, found ${quoted(authority)}`);
    }
    const host = url.hostname;
    const service = { kind: "origin", origin: url.origin, authority: url.host } as const;
    const vendor = vendorOf(host);
    if (this.#allowed.has(url.origin)) return { ...service, allowed: true, vendor };
    if (host === REMOVED_HOST) return { kind: "dead" };
    if (scheme !== "https") return refused("must begin with https://");
    if (url.port !== "") return refused(`must be on port 443, found ${url.port}`);
    const problem = this.#hostProblem(host, vendor);
    if (problem !== undefined) return refused(`${problem}, found ${quoted(host)}`);
    return { ...service, allowed: false, vendor };
  }

  #hostProblem(host: string, vendor: Vendor): string | undefined {
    if (this.#hosts === "known") {
      return vendor.name === "other" ? "must be at a known push service" : undefined;
    }
    const address = /^\[(.+)\]$/.exec(host)?.[1] ?? (/^[\d.]+$/.test(host) ? host : undefined);
    if (address !== undefined) {
      return isPublicAddress(address) ? undefined : "must be at a public address";
    }
    if (host.endsWith(".")) return "must have no dot at the end of its host";
    if (!host.includes(".") || LOCAL_NAME.test(host)) return "must be at a public name";
    return undefined;
  }
}

/** Whether the URL parser left the authority as it is, but for capital letters and the default port. */
function isCanonical(url: URL, authority: string): boolean {
  const plain = authority.toLowerCase();
  return plain === url.host || plain === `${url.host}:${url.protocol === "https:" ? 443 : 80}`;
}

function refused(reason: string): CheckedOrigin {
  return { kind: "refused", reason };
}

function originOf(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(`Cannot allow ${quoted(text)}: it is not an http or https origin`);
  }
  return url.origin;
}
