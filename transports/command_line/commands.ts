/**
 * The commands and the options which are not settings of a node, as data for parsing and help.
 *
 * @module
 */

import type { Kind, Setting } from "./setting.ts";
import { durationSeconds, optional } from "./setting.ts";
import { SETTINGS } from "./settings.ts";
import { TOKEN_NAME_CHARS_MAX } from "./limits.ts";

/** The commands, by the words which call them joined with `_`. */
export type CommandName = "serve" | "check" | "keys_vapid" | "keys_endpoint" | "keys_token";

/** An option that only the command line has. */
export interface SwitchRow {
  /** Its name without dashes. */
  readonly name: string;
  /** What stands for its value in help, absent for a switch. */
  readonly placeholder?: string;
  /** What it does. */
  readonly description: string;
}

/** One command. */
export interface CommandRow {
  /** The words that call it: `["keys", "vapid"]`. */
  readonly words: readonly string[];
  /** What it does, in a few words. */
  readonly summary: string;
  /** The settings it reads. */
  readonly settings: readonly Setting<unknown>[];
  /** Its own options. */
  readonly options: readonly Setting<unknown>[];
}

/** A token's name: a word that lists and logs can show. */
const tokenName: Kind<string> = {
  placeholder: "NAME",
  unit: "",
  advice: `Use 1 to ${TOKEN_NAME_CHARS_MAX} letters, digits, dots, dashes or underscores`,
  repeatable: false,
  secret: false,
  parse: (text) =>
    /^[\w.-]+$/.test(text) && text.length <= TOKEN_NAME_CHARS_MAX
      ? { kind: "value", value: text }
      : { kind: "problem", problem: "not a token's name" },
  show: (value) => value,
};

/** The name of a token to make; one is derived from the time when absent. */
export const TOKEN_NAME: Setting<string | undefined> = {
  ...optional(tokenName),
  name: "name",
  initial: undefined,
  initialText: "token-1, token-2, …",
  description: "name by which lists and logs call the token",
};

/** How long a token to make is valid; for ever when absent. */
export const TOKEN_LIFETIME: Setting<number | undefined> = {
  ...optional(durationSeconds(1, 3_650 * 86_400)),
  name: "expires",
  initial: undefined,
  initialText: "never",
  description: "time after which the token is refused",
};

const ALL = Object.values<Setting<unknown>>(SETTINGS);

/** All commands in the order in which help lists them. */
export const COMMANDS: { readonly [K in CommandName]: CommandRow } = {
  serve: {
    words: ["serve"],
    summary: "run a node: device sockets, push endpoint, API and its page",
    settings: ALL,
    options: [],
  },
  check: {
    words: ["check"],
    summary: "read the configuration, try everything it names, say what is wrong",
    settings: ALL,
    options: [],
  },
  keys_vapid: {
    words: ["keys", "vapid"],
    summary: "print a new VAPID key pair for an application server",
    settings: [],
    options: [],
  },
  keys_endpoint: {
    words: ["keys", "endpoint"],
    summary: "print a new key for endpoint URLs, and how to rotate keys",
    settings: [],
    options: [],
  },
  keys_token: {
    words: ["keys", "token"],
    summary: "make an API token, print it once and store its hash",
    settings: [SETTINGS.data],
    options: [TOKEN_NAME, TOKEN_LIFETIME],
  },
};

/** The commands in the order in which they are looked for. */
export const COMMAND_NAMES: readonly CommandName[] = [
  "serve",
  "check",
  "keys_vapid",
  "keys_endpoint",
  "keys_token",
];

/** The options of every command. */
export const GLOBAL_OPTIONS: readonly SwitchRow[] = [
  {
    name: "config",
    placeholder: "FILE",
    description: "read settings from this TOML file (HELIOGRAPH_CONFIG)",
  },
  { name: "json", description: "print JSON, for machines" },
  { name: "help", description: "print this help; also -h" },
  { name: "version", description: "print the version" },
];

/** The names under which a setting is given as a flag and in the file; a secret has a file twin. */
export function flagName(setting: Setting<unknown>): string {
  return setting.secret ? `${setting.name}-file` : setting.name;
}
