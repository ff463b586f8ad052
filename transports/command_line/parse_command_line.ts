/**
 * From arguments, environment and configuration file to a command with checked settings.
 *
 * Pure but for the files it is given a reader for: nothing is printed and nothing exits. An answer
 * for a person is one line per problem, `heliograph: PLACE: PROBLEM. ADVICE`, and exit status 2.
 *
 * @module
 */

import type { TokenScope } from "./api_tokens.ts";
import { checkTogether } from "./addresses.ts";
import { type Arguments, findCommand, foreignOptions, sortArguments } from "./arguments.ts";
import { type ClientCommand, isClientCommand, takeClientCommand } from "./client_command.ts";
import { DEMO } from "./client_options.ts";
import { CLIENT_SETTINGS } from "./client_settings.ts";
import { COMMANDS, COPY_FROM, TOKEN_LIFETIME, TOKEN_NAME, TOKEN_SCOPE } from "./commands.ts";
import type { CommandName } from "./commands.ts";
import { readConfigurationFile } from "./configuration_file.ts";
import { commandHelp, programHelp } from "./help.ts";
import type { EngineAddress } from "./engine_address.ts";
import { PROBLEMS_MAX } from "./limits.ts";
import type { ReadFile } from "./read_file.ts";
import type { Setting } from "./setting.ts";
import { environmentName, SETTINGS } from "./settings.ts";
import type { Settings } from "./settings.ts";
import { SettingsReader } from "./settings_reader.ts";
import type { Environment, SettingOrigin } from "./settings_reader.ts";

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
    readonly name: "migrate";
    /** The databases to migrate. */
    readonly settings: Pick<Settings, "store" | "resultsDatabase" | "storeCaFile">;
  }
  | {
    readonly name: "store_copy";
    /** The folder of the embedded store. */
    readonly from: string;
    /** The database it is copied into. */
    readonly to: EngineAddress;
    /** How the database is opened. */
    readonly settings: Pick<Settings, "storeCaFile">;
  }
  | {
    readonly name: "keys_token";
    /** The data folder whose tokens get one more. */
    readonly data: string;
    /** The token's name, when one was given. */
    readonly tokenName: string | undefined;
    /** How long it is valid, for ever when absent. */
    readonly lifetimeSeconds: number | undefined;
    /** What it opens, everything when absent. */
    readonly scopes: readonly TokenScope[] | undefined;
  }
  | {
    readonly name: "demo";
    /** How many recipients. */
    readonly recipients: number;
    /** Folder for its data, a temporary one when absent. */
    readonly dataDir: string | undefined;
    /** Port of its API and page. */
    readonly apiPort: number;
  }
  | ClientCommand;

/** What the arguments ask for. */
export type CommandLine =
  | { readonly kind: "run"; readonly command: Command; readonly json: boolean }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  | { readonly kind: "usage_error"; readonly message: string };

const ALL_SETTINGS: readonly Setting<unknown>[] = [
  ...Object.values<Setting<unknown>>(SETTINGS),
  // A node does not read it, but one file may serve both.
  CLIENT_SETTINGS.apiUrl,
];
const SECRETS = ALL_SETTINGS.filter((setting) => setting.secret).map((setting) => setting.name);
/** Recipients of a demonstration unless somebody says how many. */
const DEMO_RECIPIENTS = 1_000_000;

const CONFIG_VARIABLE = environmentName("config");

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
    nodePort: reader.take(SETTINGS.nodePort),
    nodeUrl: reader.take(SETTINGS.nodeUrl),
    roles: reader.take(SETTINGS.roles),
    processes: reader.take(SETTINGS.processes),
    endpointUrl: reader.take(SETTINGS.endpointUrl),
    deviceUrl: reader.take(SETTINGS.deviceUrl),
    tlsCert: reader.take(SETTINGS.tlsCert),
    tlsKey: reader.take(SETTINGS.tlsKey),
    data: reader.take(SETTINGS.data),
    store: reader.take(SETTINGS.store),
    queue: reader.take(SETTINGS.queue),
    storeCaFile: reader.take(SETTINGS.storeCaFile),
    source: reader.take(SETTINGS.source),
    counters: reader.take(SETTINGS.counters),
    resultsDatabase: reader.take(SETTINGS.resultsDatabase),
    resultsDatabaseRows: reader.take(SETTINGS.resultsDatabaseRows),
    resultsDatabaseRetentionMs: reader.take(SETTINGS.resultsDatabaseRetentionMs),
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
    influxUrl: reader.take(SETTINGS.influxUrl),
    influxToken: reader.take(SETTINGS.influxToken),
    batchesMax: reader.take(SETTINGS.batchesMax),
    apnsConnections: reader.take(SETTINGS.apnsConnections),
    fcmConnections: reader.take(SETTINGS.fcmConnections),
    fcmRatePerMinute: reader.take(SETTINGS.fcmRatePerMinute),
    webPushConnections: reader.take(SETTINGS.webPushConnections),
    encryptionThreads: reader.take(SETTINGS.encryptionThreads),
    resultsRetentionMs: reader.take(SETTINGS.resultsRetentionMs),
    traceOneIn: reader.take(SETTINGS.traceOneIn),
  };
}

/** The command with its settings, `undefined` when it has none to run with; problems stay in the reader. */
function takeCommand(
  name: CommandName,
  operand: string | undefined,
  switches: ReadonlySet<string>,
  reader: SettingsReader,
): Command | undefined {
  if (isClientCommand(name)) return takeClientCommand(name, operand, switches, reader);
  switch (name) {
    case "serve":
    case "check":
      return { name, settings: takeSettings(reader), origins: reader.origins };
    case "migrate": {
      const settings = {
        store: reader.take(SETTINGS.store),
        resultsDatabase: reader.take(SETTINGS.resultsDatabase),
        storeCaFile: reader.take(SETTINGS.storeCaFile),
      };
      if (settings.store?.kind !== "postgres" && settings.resultsDatabase === undefined) {
        reader.refuse(
          "migrate",
          "no PostgreSQL among the settings",
          "Set store or results-database to postgres://…; other stores migrate as they open",
        );
      }
      return { name, settings };
    }
    case "store_copy":
      return takeStoreCopy(reader);
    case "keys_vapid":
    case "keys_endpoint":
      return { name };
    case "keys_token": {
      const scopes = [
        ...new Set(reader.options(TOKEN_SCOPE).filter((scope) => scope !== undefined)),
      ];
      return {
        name,
        data: reader.take(SETTINGS.data),
        tokenName: reader.take(TOKEN_NAME),
        lifetimeSeconds: reader.take(TOKEN_LIFETIME),
        scopes: scopes.length === 0 ? undefined : scopes,
      };
    }
    case "demo":
      return {
        name,
        recipients: reader.option(DEMO.recipients) ?? DEMO_RECIPIENTS,
        dataDir: reader.option(DEMO.data),
        apiPort: reader.option(DEMO.apiPort) ?? SETTINGS.apiPort.initial,
      };
  }
}

/** The stores to copy between; `undefined` after a problem. */
function takeStoreCopy(reader: SettingsReader): Command | undefined {
  const from = reader.option(COPY_FROM);
  if (!reader.has(COPY_FROM)) reader.refuse("--from", "missing", COPY_FROM.advice);
  const known = reader.problems.length;
  const to = reader.take(SETTINGS.store);
  const settings = { storeCaFile: reader.take(SETTINGS.storeCaFile) };
  if (to?.kind === "postgres") {
    return from === undefined ? undefined : { name: "store_copy", from, to, settings };
  }
  if (reader.problems.length > known) return undefined;
  return reader.refuse("store", "no PostgreSQL to copy into", "Set it to postgres://…");
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
    const text = found.kind === "unknown" ? programHelp() : commandHelp(found.name);
    return { kind: "help", text };
  }
  if (found.kind !== "found") return usageError([found.problem]);
  const foreign = foreignOptions(found.name, { flags, switches });
  if (foreign.length > 0) return usageError(foreign);
  const readsSettings = COMMANDS[found.name].settings.length > 0;
  const file = readsSettings ? findFile(flags, env, readFile) : undefined;
  const reader = new SettingsReader({ flags, env, file, readFile });
  const command = takeCommand(found.name, found.operand, switches, reader);
  const wrong = [...file?.problems ?? [], ...reader.problems];
  const isNode = command?.name === "serve" || command?.name === "check";
  if (wrong.length === 0 && isNode) wrong.push(...checkTogether(command.settings));
  if (command === undefined || wrong.length > 0) return usageError(wrong);
  return { kind: "run", command, json: switches.has("json") };
}
