/**
 * The commands that talk to a node's API, with what they need.
 *
 * @module
 */

import type { ClientSettings } from "./client_settings.ts";
import { CLIENT_SETTINGS } from "./client_settings.ts";
import { APP, APP_PLATFORM, DEVICES, type PlatformName } from "./client_options.ts";
import { type CommandName, COMMANDS, WATCH } from "./commands.ts";
import { type AppCredentials, takeCredentials } from "./credential_options.ts";
import { type SendRequest, takeSendRequest } from "./send_options.ts";
import type { SettingsReader } from "./settings_reader.ts";

/** A command that talks to the API, with what it needs. */
export type ClientCommand =
  & {
    /** How the API is reached. */
    readonly client: ClientSettings;
  }
  & (
    | { readonly name: "apps_list" }
    | { readonly name: "apps_show" | "apps_remove"; readonly app: string }
    | {
      readonly name: "apps_resume";
      readonly app: string;
      /** The platform, all when absent. */
      readonly platform: PlatformName | undefined;
    }
    | { readonly name: "apps_add"; readonly app: string; readonly credentials: AppCredentials }
    | ({ readonly name: "devices_import" } & DevicesImport)
    | { readonly name: "devices_export"; readonly app: string }
    | ({ readonly name: "devices_list" } & DevicesList)
    | { readonly name: "devices_remove"; readonly device: string }
    | ({ readonly name: "send" } & SendRequest)
    | {
      readonly name: "status";
      /** The notification, the node when absent. */
      readonly notification: string | undefined;
      /** Whether to stay: until it is done, at the node until a person interrupts. */
      readonly watch: boolean;
    }
    | { readonly name: "cancel"; readonly notification: string }
  );

/** What `devices import` is given. */
export interface DevicesImport {
  /** The file, `-` for standard input. */
  readonly file: string;
  /** What is in it. */
  readonly format: "ndjson" | "csv";
  /** The app. */
  readonly app: string;
  /** Platform of rows that name none. */
  readonly platform: PlatformName | undefined;
}

/** What `devices list` is given. */
export interface DevicesList {
  /** The app. */
  readonly app: string;
  /** Only this user's. */
  readonly user: string | undefined;
  /** Only with this tag. */
  readonly tag: string | undefined;
  /** Only in this state. */
  readonly state: "active" | "invalid" | undefined;
  /** At most so many. */
  readonly limit: number;
}

/** Devices listed unless somebody says how many. */
const LIST_MAX = 100;

/** A name of a command that talks to the API. */
export type ClientCommandName = ClientCommand["name"];

/** What the command of this name is given. */
export type CommandOf<Name extends ClientCommandName> = Extract<
  ClientCommand,
  { readonly name: Name }
>;

/** Whether the command talks to the API: such commands read where it is. */
export function isClientCommand(name: CommandName): name is ClientCommandName {
  return COMMANDS[name].settings.includes(CLIENT_SETTINGS.apiUrl);
}

/** The command with what it needs; problems stay in the reader. */
export function takeClientCommand(
  name: ClientCommandName,
  operand: string | undefined,
  switches: ReadonlySet<string>,
  reader: SettingsReader,
): ClientCommand {
  const client: ClientSettings = {
    apiUrl: reader.take(CLIENT_SETTINGS.apiUrl),
    apiToken: reader.take(CLIENT_SETTINGS.apiToken),
    data: name === "send"
      ? reader.takeAround(CLIENT_SETTINGS.data)
      : reader.take(CLIENT_SETTINGS.data),
  };
  const kind = COMMANDS[name].operand;
  const subject = kind === undefined || operand === undefined ? "" : reader.operand(kind, operand);
  switch (name) {
    case "apps_list":
      return { name, client };
    case "apps_show":
    case "apps_remove":
      return { name, client, app: subject };
    case "apps_resume":
      return { name, client, app: subject, platform: reader.option(APP_PLATFORM) };
    case "apps_add":
      return { name, client, app: subject, credentials: takeCredentials(reader) };
    case "devices_import":
      return { name, client, ...takeImport(subject, reader) };
    case "devices_export":
      return { name, client, app: takeApp(reader) };
    case "devices_list":
      return {
        name,
        client,
        app: takeApp(reader),
        user: reader.option(DEVICES.user),
        tag: reader.option(DEVICES.tag),
        state: reader.option(DEVICES.state),
        limit: reader.option(DEVICES.limit) ?? LIST_MAX,
      };
    case "devices_remove":
      return { name, client, device: subject };
    case "send":
      return { name, client, ...takeSendRequest(takeApp(reader), switches, reader) };
    case "status":
      return {
        name,
        client,
        notification: operand === undefined ? undefined : subject,
        watch: switches.has(WATCH.name),
      };
    case "cancel":
      return { name, client, notification: subject };
  }
}

/** The app, which has to be named. */
function takeApp(reader: SettingsReader): string {
  if (!reader.has(APP)) reader.refuse("--app", "missing", "Give the app's name: --app NAME");
  return reader.option(APP) ?? "";
}

function takeImport(file: string, reader: SettingsReader): DevicesImport {
  const format = reader.option(DEVICES.format) ?? (/\.csv$/i.test(file) ? "csv" : "ndjson");
  return { file, format, app: takeApp(reader), platform: reader.option(DEVICES.platform) };
}
