/**
 * From arguments, environment and configuration file to a command with checked settings.
 *
 * Pure but for the files it is given a reader for: nothing is printed and nothing exits. An answer
 * for a person is one line per problem, `heliograph: PLACE: PROBLEM. ADVICE`, and exit status 2.
 *
 * @module
 */

import { parseArgs } from "node:util";
import {
  COMMAND_NAMES,
  COMMANDS,
  flagName,
  GLOBAL_OPTIONS,
  TOKEN_LIFETIME,
  TOKEN_NAME,
} from "./commands.ts";
import type { CommandName } from "./commands.ts";
import { readConfigurationFile } from "./configuration_file.ts";
import { commandHelp, programHelp } from "./help.ts";
import { PROBLEMS_MAX, SHOWN_VALUE_CHARS_MAX } from "./limits.ts";
import { didYouMean } from "./nearest_name.ts";
import type { ReadFile } from "./read_file.ts";
import type { Setting } from "./setting.ts";
import { environmentName, SETTINGS } from "./settings.ts";
import type { Settings } from "./settings.ts";
import { SettingsReader } from "./settings_reader.ts";
import type { Environment, SettingOrigin } from "./settings_reader.ts";
import { checkTogether } from "./addresses.ts";
import { quote } from "./visible_text.ts";

/** A command with what it needs. */
export type Command =
  | {
    readonly name: "serve" | "check";
    /** The settings in force. */
    readonly settings: Settings;
    /** Where each of them was written, for `check` and the log. */
    readonly origins: readonly SettingOrigin[];
  }
  | { readonly name: "keys_vapid" | "keys_endpoint" }
  | {
    readonly name: "keys_token";
    /** The data folder whose tokens get one more. */
    readonly data: string;
    /** The token's name, when one was given. */
    readonly tokenName: string | undefined;
    /** How long it is valid, for ever when absent. */
    readonly lifetimeSeconds: number | undefined;
  };

/** What the arguments ask for. */
export type CommandLine =
  | { readonly kind: "run"; readonly command: Command; readonly json: boolean }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  | { readonly kind: "usage_error"; readonly message: string };

/** Arguments by what they are. */
interface Arguments {
  readonly words: readonly string[];
  readonly switches: ReadonlySet<string>;
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly problems: readonly string[];
}

const SWITCHES = GLOBAL_OPTIONS.filter((option) => option.placeholder === undefined)
  .map((option) => option.name);
const ALL_SETTINGS: readonly Setting<unknown>[] = Object.values<Setting<unknown>>(SETTINGS);
const SECRETS = ALL_SETTINGS.filter((setting) => setting.secret).map((setting) => setting.name);
const CONFIG_VARIABLE = environmentName("config");
const FLAGS = ["config", ...[...ALL_SETTINGS, TOKEN_NAME, TOKEN_LIFETIME].map(flagName)];

const REPEATABLE = ALL_SETTINGS.filter((row) => row.repeatable && !row.secret)
  .map((row) => row.name);

const OPTIONS = {
  ...Object.fromEntries(SWITCHES.map((name) => [name, { type: "boolean" as const }])),
  ...Object.fromEntries([...FLAGS, ...SECRETS].map((name) => [name, { type: "string" as const }])),
  help: { type: "boolean", short: "h" },
} as const;

/** What is wrong with an option and its value, or `undefined`. */
function optionProblem(name: string, rawName: string, value: string | undefined, inline: boolean) {
  if (SWITCHES.includes(name)) {
    return value === undefined ? undefined : `--${name}: takes no value. Write --${name} alone`;
  }
  if (SECRETS.includes(name)) {
    const variable = environmentName(name);
    return `--${name}: a secret among the arguments can be read by every user of this machine. ` +
      `Use ${variable}, ${variable}_FILE or --${name}-file FILE`;
  }
  if (!FLAGS.includes(name)) {
    const shown = quote(rawName, SHOWN_VALUE_CHARS_MAX).slice(1, -1);
    const advice = didYouMean(name, [...FLAGS, ...SWITCHES], "--") ??
      "heliograph COMMAND --help lists the options";
    return `${shown}: unknown option. ${advice}`;
  }
  if (value !== undefined && (inline || !/^-./.test(value))) return undefined;
  const setting = [...ALL_SETTINGS, TOKEN_NAME, TOKEN_LIFETIME].find((row) => row.name === name);
  return `--${name}: needs a value. ${setting?.advice ?? "Give the name of a file"}`;
}

function sortArguments(args: readonly string[]): Arguments {
  const words: string[] = [];
  const switches = new Set<string>();
  const flags = new Map<string, string[]>();
  const problems: string[] = [];
  const { tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value } = token;
    const problem = optionProblem(name, rawName, value, token.inlineValue === true);
    if (problem !== undefined) problems.push(problem);
    else if (value === undefined) switches.add(name);
    else if (!flags.has(name)) flags.set(name, [value]);
    else if (REPEATABLE.includes(name)) flags.get(name)?.push(value);
    else problems.push(`--${name}: given more than once. Give it once`);
  }
  return { words, switches, flags, problems };
}

/** The command that these words call, or what is wrong with them. */
function findCommand(
  words: readonly string[],
): { readonly name: CommandName } | { readonly problem: string } {
  const rows = COMMAND_NAMES.map((name) => COMMANDS[name].words);
  const index = rows.findIndex((row) => row.every((word, at) => words[at] === word));
  const name = COMMAND_NAMES[index];
  const length = rows[index]?.length ?? 0;
  if (name !== undefined && words.length === length) return { name };
  const extra = words[length] ?? "";
  if (name !== undefined) {
    const shown = quote(extra, SHOWN_VALUE_CHARS_MAX);
    return { problem: `${shown}: unexpected argument. Remove it` };
  }
  const [first, second] = words;
  const isGroup = rows.some((row) => row.length > 1 && row[0] === first);
  const known = isGroup
    ? rows.filter((row) => row[0] === first).map((row) => row[1] ?? "")
    : [...new Set(rows.map((row) => row[0] ?? ""))];
  const choice = `Use ${known.slice(0, -1).join(", ")} or ${known.at(-1)}`;
  const word = isGroup ? second : first;
  if (word === undefined) {
    const place = isGroup ? `${first}: ` : "";
    return { problem: `${place}needs a command. ${choice}; --help explains them` };
  }
  const advice = didYouMean(word, known) ?? choice;
  return { problem: `${quote(word, SHOWN_VALUE_CHARS_MAX)}: unknown command. ${advice}` };
}

/** Options that another command has. */
function foreignOptions(name: CommandName, flags: ReadonlyMap<string, unknown>): string[] {
  const { words, settings, options } = COMMANDS[name];
  const own = ["config", ...[...settings, ...options].map(flagName)];
  return [...flags.keys()].filter((flag) => !own.includes(flag)).map((flag) =>
    `--${flag}: not an option of ${words.join(" ")}. ` +
    `heliograph ${words.join(" ")} --help lists its options`
  );
}

function usageError(problems: readonly string[]): CommandLine {
  const lines = problems.slice(0, PROBLEMS_MAX).map((problem) =>
    // Advice that is a question has its own mark.
    `heliograph: ${problem}${problem.endsWith("?") ? "" : "."}`
  );
  const more = problems.length - lines.length;
  if (more > 0) lines.push(`heliograph: and ${more} more problems.`);
  return { kind: "usage_error", message: lines.join("\n") };
}

/** Reads every setting of a node. */
function takeSettings(reader: SettingsReader): Settings {
  return {
    host: reader.take(SETTINGS.host),
    endpointPort: reader.take(SETTINGS.endpointPort),
    devicePort: reader.take(SETTINGS.devicePort),
    apiPort: reader.take(SETTINGS.apiPort),
    endpointUrl: reader.take(SETTINGS.endpointUrl),
    deviceUrl: reader.take(SETTINGS.deviceUrl),
    tlsCert: reader.take(SETTINGS.tlsCert),
    tlsKey: reader.take(SETTINGS.tlsKey),
    data: reader.take(SETTINGS.data),
    store: reader.take(SETTINGS.store),
    cryptoKeys: reader.take(SETTINGS.cryptoKeys),
    apiToken: reader.take(SETTINGS.apiToken),
    payloadBytesMax: reader.take(SETTINGS.payloadBytesMax),
    ttlSecondsMax: reader.take(SETTINGS.ttlSecondsMax),
    messagesMax: reader.take(SETTINGS.messagesMax),
    pingIntervalMs: reader.take(SETTINGS.pingIntervalMs),
    pingTimeoutMs: reader.take(SETTINGS.pingTimeoutMs),
    helloTimeoutMs: reader.take(SETTINGS.helloTimeoutMs),
    userLifetimeSeconds: reader.take(SETTINGS.userLifetimeSeconds),
    connectionsMax: reader.take(SETTINGS.connectionsMax),
    broadcastUrl: reader.take(SETTINGS.broadcastUrl),
    broadcastIntervalMs: reader.take(SETTINGS.broadcastIntervalMs),
    logLevel: reader.take(SETTINGS.logLevel),
    allowedHosts: reader.take(SETTINGS.allowedHosts),
    proxyAddresses: reader.take(SETTINGS.proxyAddresses),
    caFile: reader.take(SETTINGS.caFile),
    allowedPushOrigins: reader.take(SETTINGS.allowedPushOrigins),
    pushHosts: reader.take(SETTINGS.pushHosts),
    webhookUrl: reader.take(SETTINGS.webhookUrl),
    webhookSecret: reader.take(SETTINGS.webhookSecret),
    webhookRows: reader.take(SETTINGS.webhookRows),
    resultsFile: reader.take(SETTINGS.resultsFile),
    resultsRows: reader.take(SETTINGS.resultsRows),
    batchesMax: reader.take(SETTINGS.batchesMax),
    apnsConnections: reader.take(SETTINGS.apnsConnections),
    fcmConnections: reader.take(SETTINGS.fcmConnections),
    fcmRatePerMinute: reader.take(SETTINGS.fcmRatePerMinute),
    webPushConnections: reader.take(SETTINGS.webPushConnections),
    encryptionThreads: reader.take(SETTINGS.encryptionThreads),
    resultsRetentionMs: reader.take(SETTINGS.resultsRetentionMs),
  };
}

/** The command with its settings; problems stay in the reader. */
function takeCommand(name: CommandName, reader: SettingsReader): Command {
  switch (name) {
    case "serve":
    case "check":
      return { name, settings: takeSettings(reader), origins: reader.origins };
    case "keys_vapid":
    case "keys_endpoint":
      return { name };
    case "keys_token":
      return {
        name,
        data: reader.take(SETTINGS.data),
        tokenName: reader.take(TOKEN_NAME),
        lifetimeSeconds: reader.take(TOKEN_LIFETIME),
      };
  }
}

/** The configuration file that was asked for, by `--config` or `HELIOGRAPH_CONFIG`. */
function findFile(flags: Arguments["flags"], env: Environment, readFile: ReadFile) {
  const flag = flags.get("config")?.[0];
  const path = flag ?? env.get(CONFIG_VARIABLE);
  if (path === undefined) return undefined;
  const origin = flag === undefined ? CONFIG_VARIABLE : "--config";
  const open = ALL_SETTINGS.filter((row) => !row.secret).map((row) => row.name);
  const known = { open: [...open, ...SECRETS.map((name) => `${name}-file`)], secret: SECRETS };
  return readConfigurationFile(path, origin, known, readFile);
}

/**
 * Reads arguments, environment and configuration file; flags win over the environment, the
 * environment over the file.
 *
 * @param args The arguments after the program's name, as `Deno.args`.
 * @param env The environment; `Deno.env` fits and is asked only for names that begin with
 * `HELIOGRAPH_`.
 * @param readFile Reads the configuration file and the files which hold secrets.
 */
export function parseCommandLine(
  args: readonly string[],
  env: Environment,
  readFile: ReadFile,
): CommandLine {
  const { words, switches, flags, problems } = sortArguments(args);
  if (problems.length > 0) return usageError(problems);
  if (switches.has("version")) return { kind: "version" };
  const found = findCommand(words);
  if (switches.has("help")) {
    return { kind: "help", text: "name" in found ? commandHelp(found.name) : programHelp() };
  }
  if ("problem" in found) return usageError([found.problem]);
  const foreign = foreignOptions(found.name, flags);
  if (foreign.length > 0) return usageError(foreign);
  const readsSettings = COMMANDS[found.name].settings.length > 0;
  const file = readsSettings ? findFile(flags, env, readFile) : undefined;
  const reader = new SettingsReader({ flags, env, file, readFile });
  const command = takeCommand(found.name, reader);
  const wrong = [...file?.problems ?? [], ...reader.problems];
  if (wrong.length === 0 && "settings" in command) wrong.push(...checkTogether(command.settings));
  if (wrong.length > 0) return usageError(wrong);
  return { kind: "run", command, json: switches.has("json") };
}
