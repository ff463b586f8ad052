/**
 * Settings that only make sense together, and the public addresses that follow from them.
 *
 * @module
 */

import type { Settings } from "./settings.ts";

/** The ports the listeners got. */
export interface BoundPorts {
  /** Of the push endpoint. */
  readonly endpointPort: number;
  /** Of the device sockets. */
  readonly devicePort: number;
  /** Of the API. */
  readonly apiPort: number;
}

/** Where senders, devices and people find the node. */
export interface PublicAddresses {
  /** Origin of the push endpoint, without a path. */
  readonly endpointUrl: string;
  /** URL of the device sockets, for `dom.push.serverURL`. */
  readonly deviceUrl: string;
  /** URL of the API's page. */
  readonly apiUrl: string;
}

/** Whether this address binds to all of the machine's addresses, and so is none to connect to. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** Whether only this machine can connect to this address (RFC 6890; RFC 6761 section 6.3). */
export function isLoopback(host: string): boolean {
  return /^127\.\d+\.\d+\.\d+$/.test(host) || host === "::1" || /^(.+\.)?localhost$/.test(host);
}

/** What is wrong with settings that are each right alone, one sentence with advice each. */
export function checkTogether(settings: Settings): readonly string[] {
  const problems: string[] = [];
  const { host, endpointUrl, tlsCert, tlsKey } = settings;
  if (tlsCert !== undefined && tlsKey === undefined) {
    problems.push("tls-key: missing although tls-cert is set. Set both or none");
  }
  if (tlsCert === undefined && tlsKey !== undefined) {
    problems.push("tls-cert: missing although tls-key is set. Set both or none");
  }
  const { webhookUrl, webhookSecret } = settings;
  if (webhookUrl !== undefined && webhookSecret === undefined) {
    problems.push("webhook-secret: missing although webhook-url is set. Set both or none");
  }
  if (webhookUrl === undefined && webhookSecret !== undefined) {
    problems.push("webhook-url: missing although webhook-secret is set. Set both or none");
  }
  const ports = [
    ["endpoint-port", settings.endpointPort],
    ["device-port", settings.devicePort],
    ["api-port", settings.apiPort],
  ] as const;
  for (const [index, [name, port]] of ports.entries()) {
    const twin = ports.slice(0, index).find(([, other]) => port !== 0 && other === port);
    if (twin !== undefined) {
      problems.push(`${name}: ${port} is the ${twin[0]} as well. Give each listener a port`);
    }
  }
  if (isWildcard(host) && endpointUrl === undefined) {
    problems.push(
      `endpoint-url: missing although host is ${host}, an address nobody can connect to. ` +
        "Set the address senders will use, such as https://push.example.org",
    );
  }
  return problems;
}

/** A host as a URL writes it. */
function inUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** The public addresses: those which were set, the others from the bound address and ports. */
export function publicAddresses(settings: Settings, ports: BoundPorts): PublicAddresses {
  const { host } = settings;
  const secure = settings.tlsCert === undefined ? "" : "s";
  const endpointUrl = settings.endpointUrl ??
    new URL(`http${secure}://${inUrl(host)}:${ports.endpointPort}`).origin;
  const reachable = isWildcard(host) ? new URL(endpointUrl).hostname : inUrl(host);
  const local = isWildcard(host) ? "127.0.0.1" : inUrl(host);
  return {
    endpointUrl,
    deviceUrl: settings.deviceUrl ??
      new URL(`ws${secure}://${reachable}:${ports.devicePort}/`).href,
    apiUrl: new URL(`http://${local}:${ports.apiPort}/`).href,
  };
}
