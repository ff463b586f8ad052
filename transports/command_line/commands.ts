/**
 * The commands and the options which are not settings of a node, as data for parsing and help.
 *
 * @module
 */

import { TOKEN_SCOPES, type TokenScope } from "./api_tokens.ts";
import { appName, identifier } from "./client_kinds.ts";
import { APP, APP_PLATFORM, CREDENTIALS, DEMO, DEVICES, SEND } from "./client_options.ts";
import { CLIENT_SETTINGS } from "./client_settings.ts";
import type { Kind, Setting } from "./setting.ts";
import { durationSeconds, kind, oneOf, optional, path, problem, value } from "./setting.ts";
import { SETTINGS } from "./settings.ts";
import { TOKEN_NAME_CHARS_MAX } from "./limits.ts";

/** The commands, by the words which call them joined with `_`. */
export type CommandName =
  | "serve"
  | "check"
  | "migrate"
  | "store_copy"
  | "apps_add"
  | "apps_list"
  | "apps_show"
  | "apps_remove"
  | "apps_resume"
  | "devices_import"
  | "devices_export"
  | "devices_list"
  | "devices_remove"
  | "send"
  | "status"
  | "cancel"
  | "demo"
  | "keys_vapid"
  | "keys_endpoint"
  | "keys_token";

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
  /** What stands behind them, for a command that is about one thing. */
  readonly operand?: Operand;
  /** What it does, in a few words. */
  readonly summary: string;
  /** The settings it reads. */
  readonly settings: readonly Setting<unknown>[];
  /** Its own options. */
  readonly options: readonly Setting<unknown>[];
  /** Its own switches. */
  readonly switches?: readonly SwitchRow[];
  /** What help says beside the options. */
  readonly note?: string;
}

/** What a command is about. */
export interface Operand extends Kind<string> {
  /** What it is. */
  readonly description: string;
  /** Whether the command also works without it. */
  readonly optional: boolean;
}

function operand(kind: Kind<string>, description: string, optional = false): Operand {
  return { ...kind, description, optional };
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

/** The folder that a store is copied from. */
export const COPY_FROM: Setting<string | undefined> = {
  ...optional(kind<string>({
    placeholder: "sqlite:DIR",
    advice: "Use sqlite:DIR with the folder that a node kept its store in, such as sqlite:./data",
    parse(text) {
      const folder = /^sqlite:([^\0]+)$/.exec(text)?.[1];
      return folder === undefined ? problem("not an embedded store") : value(folder);
    },
    show: (folder) => `sqlite:${folder}`,
  })),
  name: "from",
  initial: undefined,
  initialText: "needed",
  description: "store to copy",
};

/** How long a token to make is valid; for ever when absent. */
export const TOKEN_LIFETIME: Setting<number | undefined> = {
  ...optional(durationSeconds(1, 3_650 * 86_400)),
  name: "expires",
  initial: undefined,
  initialText: "never",
  description: "time after which the token is refused",
};

/** Sends to every device of the app. */
export const TO_ALL: SwitchRow = { name: "to-all", description: "to all devices of the app" };

/** Does not wait. */
export const DETACH: SwitchRow = {
  name: "detach",
  description: "print the notification's id and do not wait for its end",
};

/** Waits. */
export const WATCH: SwitchRow = {
  name: "watch",
  description: "show progress until it is done; of the node, bars by the second",
};

const SEND_NOTE = `
One of --to-tag, --to-user, --to-device, --to-all and --tokens says who gets it;
the first three may be repeated. The node goes on without this command: Ctrl-C
only ends the watching. Exit status: 0 when the providers took it for everyone
whose token lives (tokens found dead are counted and marked), 1 when it failed,
expired or was rejected for anybody, or there was nobody to send to. The data
folder whose API token is taken is named by HELIOGRAPH_DATA or --config here.
`;

const WATCH_NOTE = `
Without an id --watch draws a bar for each second of the last minutes, on all
nodes of the store, until Ctrl-C, and prints a line a second where it cannot
draw. With --json it prints each bar as the API has it, first those of the last
ten minutes; a second that comes again replaces what was printed of it.
`;

const COPY_NOTE = `
Everything in DIR is copied: user agents and messages, apps, devices,
notifications with what is left of them to send, results, and how far sinks have
come. No node may run on DIR, nor on the database, whose tables "heliograph
migrate" has made and which are empty. Called again after it was cut off, it
goes on; until it is complete no node starts on the database. DIR is only read.
Afterwards start nodes on the database alone, with the same endpoint keys.
`;

const DEVICE_FILE_NOTE = `
NDJSON has a device a line:
  {"id":"d1","platform":"apns","token":"…","user":"u1","tags":["news"]}
and for a browser its PushSubscription as "subscription". The first line of CSV
names its columns: id, platform, token, user, tags (with ; between), and for a
browser endpoint, p256dh and auth. A device of the same id is replaced.
Lines that are wrong are told by number and left out; the others are registered.
`;

const ALL = Object.values<Setting<unknown>>(SETTINGS);

/** What a token to make opens; everything when absent. */
export const TOKEN_SCOPE: Setting<TokenScope | undefined> = {
  ...optional(oneOf(TOKEN_SCOPES, "SCOPE")),
  repeatable: true,
  name: "scope",
  initial: undefined,
  initialText: "admin",
  description: "what it opens, repeatable: read, send (with devices), or admin for everything",
};

const CLIENT = Object.values<Setting<unknown>>(CLIENT_SETTINGS);

/** Settings of a command whose own option is called `data`. */
const CLIENT_BUT_DATA = CLIENT.filter((setting) => setting.name !== CLIENT_SETTINGS.data.name);

const NO_SETTINGS = { settings: [], options: [] };

const APPS: Pick<CommandRow, "settings" | "options" | "operand"> = {
  operand: operand(appName, "the app"),
  settings: CLIENT,
  options: [],
};

/** All commands in the order in which help lists them and words look for them. */
export const COMMANDS: { readonly [K in CommandName]: CommandRow } = {
  serve: {
    words: ["serve"],
    summary: "run a node: device sockets, push endpoint, delivery, API and monitor",
    settings: ALL,
    options: [],
  },
  check: {
    words: ["check"],
    summary: "read the configuration, try everything it names, say what is wrong",
    settings: ALL,
    options: [],
  },
  migrate: {
    words: ["migrate"],
    summary: "bring the tables in PostgreSQL up to this version, or make them",
    settings: [SETTINGS.store, SETTINGS.resultsDatabase, SETTINGS.storeCaFile],
    options: [],
  },
  store_copy: {
    words: ["store", "copy"],
    summary: "copy the store in a folder into PostgreSQL, for nodes to go on there",
    settings: [SETTINGS.store, SETTINGS.storeCaFile],
    options: [COPY_FROM],
    note: COPY_NOTE,
  },
  apps_add: {
    ...APPS,
    words: ["apps", "add"],
    summary: "add an app with its credentials, or replace all credentials it has",
    options: Object.values<Setting<unknown>>(CREDENTIALS),
  },
  apps_list: {
    words: ["apps", "list"],
    summary: "list the apps",
    settings: CLIENT,
    options: [],
  },
  apps_show: {
    ...APPS,
    words: ["apps", "show"],
    summary: "show an app, without its secrets",
  },
  apps_remove: {
    ...APPS,
    words: ["apps", "remove"],
    summary: "remove an app with its devices",
  },
  apps_resume: {
    ...APPS,
    words: ["apps", "resume"],
    summary: "send again for an app that was paused",
    options: [APP_PLATFORM],
  },
  devices_import: {
    words: ["devices", "import"],
    operand: operand(path("FILE"), "NDJSON or CSV file, - for standard input"),
    summary: "register the devices of a file",
    settings: CLIENT,
    options: [APP, DEVICES.platform, DEVICES.format],
    note: DEVICE_FILE_NOTE,
  },
  devices_export: {
    words: ["devices", "export"],
    summary: "print all devices of an app as NDJSON, for devices import",
    settings: CLIENT,
    options: [APP],
  },
  devices_list: {
    words: ["devices", "list"],
    summary: "list devices of an app",
    settings: CLIENT,
    options: [APP, DEVICES.user, DEVICES.tag, DEVICES.state, DEVICES.limit],
  },
  devices_remove: {
    words: ["devices", "remove"],
    operand: operand(identifier("ID"), "the device"),
    summary: "remove a device",
    settings: CLIENT,
    options: [],
  },
  send: {
    words: ["send"],
    summary: "send a notification and watch it until it is done",
    settings: CLIENT_BUT_DATA,
    options: [APP, ...Object.values<Setting<unknown>>(SEND)],
    switches: [TO_ALL, DETACH],
    note: SEND_NOTE,
  },
  status: {
    words: ["status"],
    operand: operand(identifier("ID"), "the notification, or the node when absent", true),
    summary: "show the node, or a notification's progress",
    settings: CLIENT,
    options: [],
    switches: [WATCH],
    note: WATCH_NOTE,
  },
  cancel: {
    words: ["cancel"],
    operand: operand(identifier("ID"), "the notification"),
    summary: "stop a notification: what has not been sent is not sent",
    settings: CLIENT,
    options: [],
  },
  demo: {
    words: ["demo"],
    summary: "send to a million recipients at a stand-in for Apple, Google and browsers",
    settings: [],
    options: Object.values<Setting<unknown>>(DEMO),
  },
  keys_vapid: {
    ...NO_SETTINGS,
    words: ["keys", "vapid"],
    summary: "print a new VAPID key pair for an application server",
  },
  keys_endpoint: {
    ...NO_SETTINGS,
    words: ["keys", "endpoint"],
    summary: "print a new key for endpoint URLs, and how to rotate keys",
  },
  keys_token: {
    words: ["keys", "token"],
    summary: "make an API token, print it once and store its hash",
    settings: [SETTINGS.data],
    options: [TOKEN_NAME, TOKEN_LIFETIME, TOKEN_SCOPE],
  },
};

/** Whether this is a command's name. */
function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}

/** The commands in the order in which they are looked for. */
export const COMMAND_NAMES: readonly CommandName[] = Object.keys(COMMANDS).filter(isCommandName);

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
