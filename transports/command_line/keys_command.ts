/**
 * The `keys` commands: each makes something new and says what to do with it.
 *
 * @module
 */

import { makeApiToken } from "./api_tokens.ts";
import type { TokenClock } from "./api_tokens.ts";
import { generateEndpointKey } from "./key_files.ts";
import type { Command } from "./parse_command_line.ts";
import { generateVapidKeys } from "./vapid_keys.ts";

/** What a command leaves: text for standard output, or a line for standard error and status 1. */
export type KeysOutcome =
  | { readonly kind: "done"; readonly text: string }
  | { readonly kind: "failed"; readonly message: string };

/** One of the `keys` commands. */
export type KeysCommand = Extract<
  Command,
  { readonly name: "keys_vapid" | "keys_endpoint" | "keys_token" }
>;

function line(value: Readonly<Record<string, unknown>>): KeysOutcome {
  return { kind: "done", text: `${JSON.stringify(value)}\n` };
}

function vapid(json: boolean): KeysOutcome {
  const keys = generateVapidKeys();
  if (json) return line({ ...keys });
  const text = `Public key, for applicationServerKey in the page:
${keys.publicKey}

Private key, for the application server alone:
${keys.privateKey}
`;
  return { kind: "done", text };
}

function endpoint(json: boolean): KeysOutcome {
  const key = generateEndpointKey();
  if (json) return line({ key });
  const text = `${key}

To rotate, put it on a line of its own before the others in DATA/endpoint-keys
(or first in the list that crypto-keys names) and restart. New endpoint URLs are
made with the first key. Keep the old ones: an endpoint is lost when its key is.
`;
  return { kind: "done", text };
}

function token(
  command: Extract<Command, { readonly name: "keys_token" }>,
  json: boolean,
  clock: TokenClock,
): KeysOutcome {
  const { data, tokenName, lifetimeSeconds, scopes } = command;
  const made = makeApiToken({ data, name: tokenName, lifetimeSeconds, scopes }, clock);
  if (made.kind === "failed") return { kind: "failed", message: `heliograph: ${made.problem}.` };
  const expires = made.expiresAt === undefined ? null : new Date(made.expiresAt).toISOString();
  if (json) {
    return line({ name: made.name, token: made.token.reveal(), scopes: made.scopes, expires });
  }
  const until = expires === null ? "never expires" : `expires ${expires}`;
  const text = `${made.token.reveal()}

This is "${made.name}", for ${made.scopes.join(" and ")}; it ${until}. It is shown this
once: ${made.path} keeps its hash. Remove it there to revoke it; a running node notices by itself.
`;
  return { kind: "done", text };
}

/** Runs a `keys` command. */
export function runKeys(command: KeysCommand, json: boolean, clock: TokenClock): KeysOutcome {
  switch (command.name) {
    case "keys_vapid":
      return vapid(json);
    case "keys_endpoint":
      return endpoint(json);
    case "keys_token":
      return token(command, json, clock);
  }
}
