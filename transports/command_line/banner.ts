/**
 * What `serve` prints when every listener accepts: for a person, or one line of JSON.
 *
 * Standard output carries this and nothing else; the log is on standard error.
 *
 * @module
 */

import type { BoundPorts, PublicAddresses } from "./addresses.ts";
import type { Secret } from "./secret.ts";
import { type Role, ROLES } from "./settings.ts";
import { wrap } from "./wrap.ts";

/** Columns of a terminal. */
const COLUMNS = 80;

/** What is told. */
export interface ReadyFacts {
  /** Version of the program. */
  readonly version: string;
  /** What the node does: only what it has is told. */
  readonly roles: readonly Role[];
  /** The public addresses. */
  readonly addresses: PublicAddresses;
  /** Where messages are kept, as the setting `store` spells it. */
  readonly store: string;
  /** What may be lost though it was answered for, by the setting that is the reason. */
  readonly notices?: readonly { readonly setting: string; readonly text: string }[];
  /** The API token and its file, when this start made it. */
  readonly newToken: { readonly token: Secret<string>; readonly path: string } | undefined;
  /** How many processes share the ports; absent when there is no parent. */
  readonly processes?: number;
}

/** The line `serve --json` prints, with its line feed: the ports that are open; `processes` share them when there is a parent. */
export function readyJson(ports: Partial<BoundPorts>, processes?: number): string {
  const { endpointPort, devicePort, apiPort, nodePort } = ports;
  const facts = { ready: true, endpointPort, devicePort, apiPort, nodePort, processes };
  return `${JSON.stringify(facts)}\n`;
}

/**
 * The preferences to set in about:config so that Firefox uses this node, in this order: it connects
 * when the address changes, and refuses an unencrypted one unless that was allowed before.
 */
export function firefoxPreferences(deviceUrl: string): readonly (readonly [string, string])[] {
  const server = ["dom.push.serverURL", deviceUrl] as const;
  return deviceUrl.startsWith("ws://")
    ? [["dom.push.testing.allowInsecureServerURL", "true"], server]
    : [server];
}

/** A term and what it is, in two columns. */
function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([term]) => term.length));
  return rows.map(([term, text]) => `  ${term.padEnd(width)}  ${text}`).join("\n");
}

/** What a person reads when the node is ready; at most 80 columns unless an address is longer. */
export function readyText(facts: ReadyFacts): string {
  const { newToken } = facts;
  const parts = [
    `Heliograph ${facts.version} is ready.`,
    columns(factRows(facts)),
    ...(facts.notices ?? []).map(({ setting, text }) =>
      wrap(`${setting}: ${text}.`, COLUMNS).join("\n")
    ),
    ...firefoxParts(facts),
  ];
  if (newToken !== undefined) {
    parts.push(
      `API token, for the monitor too, shown this once and kept in ${newToken.path}:`,
      `  ${newToken.token.reveal()}`,
    );
  }
  parts.push("Stop with Ctrl-C.");
  return `${parts.join("\n\n")}\n`;
}

function factRows(facts: ReadyFacts): readonly (readonly [string, string])[] {
  const { roles, processes, store } = facts;
  const { endpointUrl, deviceUrl, apiUrl } = facts.addresses;
  const doors = [
    ["endpoint", "push endpoint", endpointUrl],
    ["devices", "device sockets", deviceUrl],
    ["api", "monitor and API", apiUrl],
  ] as const;
  return [
    ...doors.flatMap(([role, term, url]) => roles.includes(role) ? [[term, url] as const] : []),
    ...(roles.length < ROLES.length ? [["roles", roles.join(", ")] as const] : []),
    ...(processes === undefined ? [] : [["processes", `${processes}`] as const]),
    ["store", store === "memory:" ? "in memory, lost when this process ends" : store],
  ];
}

/** How to use the node from Firefox, as far as it has what that takes. */
function firefoxParts({ roles, addresses }: ReadyFacts): readonly string[] {
  if (!roles.includes("devices")) return [];
  const preferences = [
    "In Firefox, open about:config and set, in this order:",
    columns(firefoxPreferences(addresses.deviceUrl)),
  ];
  if (!roles.includes("api")) return preferences;
  return [
    ...preferences,
    `Then open ${addresses.apiUrl}browser and click "Subscribe this browser".\n` +
    "The page shows the endpoint and a curl command for it. An endpoint made without\n" +
    "a key needs no signature:",
    `  curl -i -X POST -H "TTL: 60" "$ENDPOINT"`,
  ];
}
