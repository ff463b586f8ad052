/**
 * Settings that only make sense together, and the public addresses that follow from them.
 *
 * @module
 */

import type { Settings } from "./settings.ts";

/** The ports the listeners got; those a node does not have are as they were set. */
export interface BoundPorts {
  /** Of the push endpoint. */
  readonly endpointPort: number;
  /** Of the device sockets. */
  readonly devicePort: number;
  /** Of the API. */
  readonly apiPort: number;
  /** Where other nodes hand over messages; absent without that port. */
  readonly nodePort?: number | undefined;
}

/** Those of the ports that a node with these roles listens on. */
export function openPorts(
  { roles }: Pick<Settings, "roles">,
  { endpointPort, devicePort, apiPort, nodePort }: BoundPorts,
): Partial<BoundPorts> {
  return {
    ...(roles.includes("endpoint") ? { endpointPort } : {}),
    ...(roles.includes("devices") ? { devicePort } : {}),
    ...(roles.includes("api") ? { apiPort } : {}),
    ...(nodePort === undefined ? {} : { nodePort }),
  };
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
  if (settings.influxUrl === undefined && settings.influxToken !== undefined) {
    problems.push(
      "influx-url: missing although influx-token is set. Set both, or influx-url alone",
    );
  }
  const ports = [
    ["endpoint-port", settings.endpointPort],
    ["device-port", settings.devicePort],
    ["api-port", settings.apiPort],
    ["node-port", settings.nodePort ?? 0],
  ] as const;
  for (const [index, [name, port]] of ports.entries()) {
    const twin = ports.slice(0, index).find(([, other]) => port !== 0 && other === port);
    if (twin !== undefined) {
      problems.push(`${name}: ${port} is the ${twin[0]} as well. Give each listener a port`);
    }
  }
  problems.push(...checkNodes(settings));
  if (isWildcard(host) && endpointUrl === undefined) {
    problems.push(
      `endpoint-url: missing although host is ${host}, an address nobody can connect to. ` +
        "Set the address senders will use, such as https://push.example.org",
    );
  }
  return problems;
}

/** Whether other nodes can use this store, too. */
export function isShared({ store }: Pick<Settings, "store">): boolean {
  return store?.kind === "postgres" || store?.kind === "redis";
}

/** What is wrong with a node's place among others. */
function checkNodes(settings: Settings): readonly string[] {
  const { nodePort, nodeUrl, processes = 1, roles, host, endpointUrl } = settings;
  const problems: string[] = [];
  const shared = "Set a store that nodes share: postgres://… or redis://…";
  if (nodePort !== undefined && !isShared(settings)) {
    problems.push(`node-port: no other node can use this store. ${shared}`);
  }
  if (processes > 1 && !isShared(settings)) {
    problems.push(`processes: ${processes} cannot use this store. ${shared}`);
  }
  if (processes > 1 && (nodePort ?? 0) !== 0) {
    problems.push("node-port: every process needs one of its own. Set 0, or leave it away");
  }
  if (nodeUrl !== undefined && processes > 1 && namesPort(new URL(nodeUrl))) {
    problems.push(
      `node-url: ${nodeUrl} is the address of one process, and each needs its own. ` +
        "Set http:// and the host without a port",
    );
  }
  if (nodeUrl !== undefined && nodePort === undefined && processes === 1) {
    problems.push("node-url: without node-port. Set node-port, too");
  }
  if (nodePort !== undefined && isWildcard(host) && nodeUrl === undefined) {
    problems.push(
      `node-url: missing although host is ${host}. Set the address other nodes will use`,
    );
  }
  if (roles.includes("devices") && !roles.includes("endpoint") && endpointUrl === undefined) {
    problems.push(
      "endpoint-url: missing although this node has no push endpoint of its own. " +
        "Set the address of the one whose endpoints it hands to devices",
    );
  }
  return problems;
}

/** Where other nodes reach this one: the address that was set, with the bound port unless it names one. */
export function nodeAddress({ nodeUrl, host }: Settings, nodePort: number): string {
  const url = new URL(nodeUrl ?? `http://${inUrl(host)}`);
  if (!namesPort(url)) url.port = `${nodePort}`;
  return url.origin;
}

/** Whether a node's address says all. The node port speaks no TLS: https is that of a proxy, on 443 unless it says otherwise. */
function namesPort({ protocol, port }: URL): boolean {
  return port !== "" || protocol === "https:";
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
