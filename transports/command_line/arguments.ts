/**
 * From the words of a command line to the command they call and the texts of its options.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { CLIENT_SETTINGS } from "./client_settings.ts";
import {
  COMMAND_NAMES,
  type CommandName,
  type CommandRow,
  COMMANDS,
  flagName,
  GLOBAL_OPTIONS,
} from "./commands.ts";
import { SHOWN_VALUE_CHARS_MAX } from "./limits.ts";
import { didYouMean } from "./nearest_name.ts";
import type { Setting } from "./setting.ts";
import { environmentName, SETTINGS } from "./settings.ts";
import { quote } from "./visible_text.ts";

/** Arguments by what they are. */
export interface Arguments {
  /** Words that are no option and no option's value. */
  readonly words: readonly string[];
  /** Options without a value. */
  readonly switches: ReadonlySet<string>;
  /** The values of each other option, by its name without dashes. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  /** What is wrong with options, one sentence each. */
  readonly problems: readonly string[];
}

/** The command that words call, with the word behind them; or what is wrong with them. */
export type FoundCommand =
  | { readonly kind: "found"; readonly name: CommandName; readonly operand: string | undefined }
  /** A word is missing behind the command's, or there is one too many. */
  | { readonly kind: "wrong_words"; readonly name: CommandName; readonly problem: string }
  | { readonly kind: "unknown"; readonly problem: string };

const ROWS: readonly CommandRow[] = Object.values(COMMANDS);
const VALUED: readonly Setting<unknown>[] = [
  ...Object.values<Setting<unknown>>(SETTINGS),
  ...Object.values<Setting<unknown>>(CLIENT_SETTINGS),
  ...ROWS.flatMap((row) => row.options),
];
const GLOBAL_SWITCHES = GLOBAL_OPTIONS.filter((option) => option.placeholder === undefined);
const GLOBAL_FLAGS = GLOBAL_OPTIONS.filter((option) => option.placeholder !== undefined);

/** Every switch of any command, and every option that has a value. */
const SWITCHES: readonly string[] = [
  ...GLOBAL_SWITCHES,
  ...ROWS.flatMap((row) => row.switches ?? []),
].map((option) => option.name);
const FLAGS: readonly string[] = [
  ...GLOBAL_FLAGS.map((option) => option.name),
  ...new Set(VALUED.map(flagName)),
];
const SECRETS = VALUED.filter((setting) => setting.secret).map((setting) => setting.name);

const OPTIONS = {
  ...Object.fromEntries(SWITCHES.map((name) => [name, { type: "boolean" as const }])),
  ...Object.fromEntries([...FLAGS, ...SECRETS].map((name) => [name, { type: "string" as const }])),
  help: { type: "boolean", short: "h" },
} as const;

/** The options of one command, the global ones included. */
function optionsOf({ settings, options, switches = [] }: CommandRow): readonly string[] {
  const own = [...options, ...settings].map(flagName);
  return [...own, ...[...switches, ...GLOBAL_OPTIONS].map((option) => option.name)];
}

/** What is wrong with an option and its value, or `undefined`. */
function optionProblem(
  name: string,
  rawName: string,
  value: string | undefined,
  inline: boolean,
  row: CommandRow | undefined,
): string | undefined {
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
    const own = row === undefined ? [] : optionsOf(row);
    const advice = didYouMean(name, own, "--") ?? didYouMean(name, [...FLAGS, ...SWITCHES], "--") ??
      "heliograph COMMAND --help lists the options";
    return `${shown}: unknown option. ${advice}`;
  }
  if (value !== undefined && (inline || !/^-./.test(value))) return undefined;
  const settings = row === undefined ? VALUED : [...row.options, ...row.settings];
  const setting = settings.find((row) => row.name === name);
  return `--${name}: needs a value. ${setting?.advice ?? "Give the name of a file"}`;
}

/** Whether the option may be given several times; a command's own option hides a setting's. */
function isRepeatable(name: string, row: CommandRow | undefined): boolean {
  const rows = row === undefined ? VALUED : [...row.options, ...row.settings];
  const setting = rows.find((setting) => flagName(setting) === name);
  return setting?.repeatable === true && !setting.secret;
}

/** Sorts arguments; problems name the option as it was written. */
export function sortArguments(args: readonly string[]): Arguments {
  const { tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const words = tokens.flatMap((token) => token.kind === "positional" ? [token.value] : []);
  const found = findCommand(words);
  const row = found.kind === "unknown" ? undefined : COMMANDS[found.name];
  const switches = new Set<string>();
  const flags = new Map<string, string[]>();
  const problems: string[] = [];
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const { name, rawName, value } = token;
    const problem = optionProblem(name, rawName, value, token.inlineValue === true, row);
    if (problem !== undefined) problems.push(problem);
    else if (value === undefined) switches.add(name);
    else if (!flags.has(name)) flags.set(name, [value]);
    else if (isRepeatable(name, row)) flags.get(name)?.push(value);
    else problems.push(`--${name}: given more than once. Give it once`);
  }
  return { words, switches, flags, problems };
}

/** The command that these words call, or what is wrong with them. */
export function findCommand(words: readonly string[]): FoundCommand {
  const name = COMMAND_NAMES.find((name) =>
    COMMANDS[name].words.every((word, at) => words[at] === word)
  );
  if (name === undefined) return { kind: "unknown", problem: unknownCommand(words) };
  const row = COMMANDS[name];
  const rest = words.slice(row.words.length);
  const operand = row.operand === undefined ? undefined : rest.shift();
  const [extra] = rest;
  if (extra !== undefined) {
    const problem = `${quote(extra, SHOWN_VALUE_CHARS_MAX)}: unexpected argument. Remove it`;
    return { kind: "wrong_words", name, problem };
  }
  if (row.operand?.optional === false && operand === undefined) {
    const { placeholder } = row.operand;
    const command = row.words.join(" ");
    const problem = `${command}: needs ${placeholder}. Write heliograph ${command} ${placeholder}`;
    return { kind: "wrong_words", name, problem };
  }
  return { kind: "found", name, operand };
}

function unknownCommand([first, second]: readonly string[]): string {
  const rows = COMMAND_NAMES.map((name) => COMMANDS[name].words);
  const isGroup = rows.some((row) => row.length > 1 && row[0] === first);
  const known = isGroup
    ? rows.filter((row) => row[0] === first).map((row) => row[1] ?? "")
    : [...new Set(rows.map((row) => row[0] ?? ""))];
  const choice = `Use ${known.length === 1 ? "" : `${known.slice(0, -1).join(", ")} or `}${
    known.at(-1)
  }`;
  const word = isGroup ? second : first;
  if (word === undefined) {
    return `${isGroup ? `${first}: ` : ""}needs a command. ${choice}; --help explains them`;
  }
  return `${quote(word, SHOWN_VALUE_CHARS_MAX)}: unknown command. ${
    didYouMean(word, known) ?? choice
  }`;
}

/** What is wrong with options that another command has. */
export function foreignOptions(
  name: CommandName,
  { flags, switches }: Pick<Arguments, "flags" | "switches">,
): readonly string[] {
  const row = COMMANDS[name];
  const own = optionsOf(row);
  const command = row.words.join(" ");
  return [...flags.keys(), ...switches].filter((option) => !own.includes(option)).map((option) =>
    `--${option}: not an option of ${command}. heliograph ${command} --help lists its options`
  );
}
