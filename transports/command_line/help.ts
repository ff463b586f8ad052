/**
 * Help texts and the README's table of settings, generated from the table.
 *
 * @module
 */

import { wrap } from "./wrap.ts";
import { COMMANDS, flagName, GLOBAL_OPTIONS } from "./commands.ts";
import type { CommandName, CommandRow, SwitchRow } from "./commands.ts";
import { isClientCommand } from "./client_command.ts";
import type { Setting } from "./setting.ts";
import { environmentName, SETTINGS } from "./settings.ts";

/** Columns of a help text: what every terminal has. */
const COLUMNS = 80;

/** Column in which descriptions begin. */
const INDENT = 28;

/** One entry of a list of options. */
interface Entry {
  readonly term: string;
  readonly text: string;
}

/** Terms at the left, descriptions in a column beside them, or below a term that is too long. */
function list(entries: readonly Entry[]): string {
  const lines: string[] = [];
  for (const { term, text } of entries) {
    const head = `  ${term}`;
    const [first, ...rest] = wrap(text, COLUMNS - INDENT);
    if (head.length < INDENT - 1) lines.push(head.padEnd(INDENT) + first);
    else lines.push(head, " ".repeat(INDENT) + first);
    lines.push(...rest.map((line) => " ".repeat(INDENT) + line));
  }
  return lines.join("\n");
}

/** What holds without the setting, with its unit unless the text has one. */
function initialText(setting: Setting<unknown>): string {
  return setting.unit === "bytes" ? `${setting.initialText} bytes` : setting.initialText;
}

function settingEntry(setting: Setting<unknown>): Entry {
  const placeholder = setting.secret ? "FILE" : setting.placeholder;
  const description = setting.secret
    ? `file that holds the ${setting.name}: ${setting.description}`
    : setting.description;
  return {
    term: `--${flagName(setting)} ${placeholder}`,
    text: setting.initialText === "" ? description : `${description} (${initialText(setting)})`,
  };
}

function switchEntry(option: SwitchRow): Entry {
  const value = option.placeholder === undefined ? "" : ` ${option.placeholder}`;
  return { term: `--${option.name}${value}`, text: option.description };
}

const GLOBAL_ENTRIES: readonly Entry[] = GLOBAL_OPTIONS.map(switchEntry);

/** A command as it is called, with what it is about. */
function called({ words, operand }: CommandRow): string {
  if (operand === undefined) return words.join(" ");
  const { placeholder, optional } = operand;
  return [...words, optional ? `[${placeholder}]` : placeholder].join(" ");
}

/** The help of the program: commands and global options. */
export function programHelp(): string {
  const commands = Object.values(COMMANDS);
  return `Heliograph, a push server: for browsers and UnifiedPush, and to APNs and FCM.

Usage: heliograph COMMAND [OPTIONS]

Commands:
${list(commands.map((row) => ({ term: called(row), text: row.summary })))}

Options of every command:
${list(GLOBAL_ENTRIES)}

"heliograph serve" needs no options; "heliograph COMMAND --help" lists them.
Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
`;
}

const SETTINGS_NOTE = `
Each option of this command is also an environment variable, HELIOGRAPH_ and the
name in capitals with underscores, and a key of the file given by --config, its
name without dashes in front. Options win over variables, variables over the
file. TIME is in seconds, or with a unit: 250ms, 45s, 5m, 12h, 30d. Secrets are
never options themselves: use the variable, or the file named by the option, the
variable with _FILE behind it or the key with -file behind it.
`;

const CLIENT_NOTE = `
HELIOGRAPH_API_URL and HELIOGRAPH_API_TOKEN (or HELIOGRAPH_API_TOKEN_FILE) set
address and token, too, and api-url, api-token and api-token-file in the file
given by --config. A token is never an option itself.
`;

/** The help of one command. */
export function commandHelp(name: CommandName): string {
  const row = COMMANDS[name];
  const { summary, operand, settings, options, switches = [] } = row;
  const entries = [
    ...(operand === undefined ? [] : [{ term: operand.placeholder, text: operand.description }]),
    ...options.map(settingEntry),
    ...switches.map(switchEntry),
    ...settings.map(settingEntry),
  ];
  const usage = `Usage: heliograph ${called(row)} [OPTIONS]`;
  const about = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
  const table = entries.length === 0
    ? ""
    : `\nOptions, with what holds without them:\n${list(entries)}\n`;
  const settingsNote = isClientCommand(name) ? CLIENT_NOTE : SETTINGS_NOTE;
  const note = `${row.note ?? ""}${settings.length > 1 ? settingsNote : ""}`;
  return `${usage}\n\n${wrap(about, COLUMNS).join("\n")}\n${table}\nOptions of every command:\n${
    list(GLOBAL_ENTRIES)
  }\n${note}`;
}

/** The settings as a Markdown table for the README. */
export function settingsMarkdown(): string {
  const rows = Object.values<Setting<unknown>>(SETTINGS).map((setting) => {
    const variable = environmentName(setting.name);
    const inFile = setting.secret || setting.hidden !== undefined;
    const variables = inFile ? `\`${variable}\`, \`${variable}_FILE\`` : `\`${variable}\``;
    const keys = setting.secret
      ? `\`${setting.name}\`, \`${setting.name}-file\``
      : `\`${setting.name}\``;
    return `| \`--${flagName(setting)}\` | ${variables} | ${keys} | ${
      initialText(setting)
    } | ${setting.description} |`;
  });
  return [
    "| option | variable | key in the file | without it | meaning |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}
