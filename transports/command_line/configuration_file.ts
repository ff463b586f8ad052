/**
 * The configuration file: one flat TOML table whose keys are the settings' names.
 *
 * Every problem names the file and the line. A line is repeated in an answer with everything
 * masked that could be a secret, because a file that fails to parse cannot say which text is one.
 *
 * @module
 */

import { parse, TomlError } from "smol-toml";
import { CONFIG_FILE_BYTES_MAX, SHOWN_LINE_CHARS_MAX, SHOWN_VALUE_CHARS_MAX } from "./limits.ts";
import { didYouMean } from "./nearest_name.ts";
import type { ReadFile } from "./read_file.ts";
import { cut, escapeInvisible, quote } from "./visible_text.ts";

/** One key of the file. */
export interface FileEntry {
  /** The value as text for a setting's `parse`; `undefined` for a value of a wrong type. */
  readonly text: string | undefined;
  /** Whether the value was an array. */
  readonly listed: boolean;
  /** The line of the key, from 1. */
  readonly line: number;
}

/** A file that was read, its unknown keys reported and left out. */
export interface ConfigurationFile {
  /** Its path, as given. */
  readonly path: string;
  /** Its known keys. */
  readonly entries: ReadonlyMap<string, FileEntry>;
  /** Answers about unknown keys, or about the file when it could not be read at all. */
  readonly problems: readonly string[];
}

/** The names the file may use; a secret's value never appears in an answer. */
export interface KnownKeys {
  /** Keys whose values may be shown. */
  readonly open: readonly string[];
  /** Keys whose values may not. */
  readonly secret: readonly string[];
}

/** The line in which `key` is set, or 1 when it is written in a way this does not recognise. */
function lineOf(lines: readonly string[], key: string): number {
  const name = RegExp.escape(key);
  const pattern = new RegExp(
    `^[ \\t]*\\[{0,2}[ \\t]*(?:${name}|"${name}"|'${name}')[ \\t]*[.=\\]]`,
  );
  return Math.max(0, lines.findIndex((line) => pattern.test(line))) + 1;
}

/**
 * The line as an answer may show it: whole when it sets a key that is open; otherwise without what
 * follows the key, and without long words, which may be a secret's second line.
 */
function showLine(line: string, known: KnownKeys): string {
  const key = /^\s*["']?([\w-]+)["']?\s*=/.exec(line)?.[1];
  if (key !== undefined && known.open.includes(key)) {
    return quote(line.trim(), SHOWN_LINE_CHARS_MAX);
  }
  const masked = (key === undefined ? line.trim() : `${key} = …`)
    .replace(/[\w.~+/=-]{12,}/g, (word) => known.secret.includes(word) ? word : "…");
  return quote(masked, SHOWN_LINE_CHARS_MAX);
}

/** The text of a TOML value, in the spelling a flag would use. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  if (!Array.isArray(value)) return undefined;
  const parts: unknown[] = value;
  return parts.every((part) => typeof part === "string") ? parts.join(",") : undefined;
}

/** What a parser's error says, with its place and line. */
function syntaxProblem(path: string, lines: readonly string[], error: TomlError, known: KnownKeys) {
  const reason = (error.message.split("\n", 1)[0] ?? "").replace(/^Invalid TOML document: /, "");
  const line = showLine(lines[error.line - 1] ?? "", known);
  return `${path}:${error.line}:${error.column}: ${cut(escapeInvisible(reason), 100)}: ${line}. ` +
    `Correct this line; a setting is written as name = "text" or name = number`;
}

/**
 * Reads the configuration file at `path`.
 *
 * @param path The file.
 * @param origin Who named it, for answers: `--config` or a variable.
 * @param known The keys it may have.
 * @param readFile Reads it.
 */
export function readConfigurationFile(
  path: string,
  origin: string,
  known: KnownKeys,
  readFile: ReadFile,
): ConfigurationFile {
  const entries = new Map<string, FileEntry>();
  const shownPath = escapeInvisible(path);
  const file = readFile(path, CONFIG_FILE_BYTES_MAX);
  if (file.kind !== "text") {
    const problem = `${origin}: ${quote(path, SHOWN_VALUE_CHARS_MAX)} ${file.cause}. ` +
      "Give the name of a TOML file";
    return { path: shownPath, entries, problems: [problem] };
  }
  const lines = file.text.split(/\r?\n/);
  let table: Readonly<Record<string, unknown>>;
  try {
    table = parse(file.text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return { path: shownPath, entries, problems: [syntaxProblem(shownPath, lines, error, known)] };
  }
  const problems: string[] = [];
  const names = [...known.open, ...known.secret];
  for (const [key, value] of Object.entries(table)) {
    const line = lineOf(lines, key);
    if (names.includes(key)) {
      entries.set(key, { text: textOf(value), listed: Array.isArray(value), line });
    } else {
      const advice = didYouMean(key, names) ?? "heliograph serve --help lists the settings";
      problems.push(`${shownPath}:${line}: unknown key ${quote(key, 40)}. ${advice}`);
    }
  }
  return { path: shownPath, entries, problems };
}
