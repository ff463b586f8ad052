/**
 * Finds each setting's value among flags, environment and file, and remembers where it came from.
 *
 * Flags win over the environment, the environment over the file. Problems are gathered, not
 * thrown, so that one run tells all of them.
 *
 * @module
 */

import type { ConfigurationFile } from "./configuration_file.ts";
import { SECRET_FILE_BYTES_MAX, SHOWN_VALUE_CHARS_MAX } from "./limits.ts";
import type { ReadFile } from "./read_file.ts";
import type { Kind, Setting } from "./setting.ts";
import { environmentName } from "./settings.ts";
import { quote } from "./visible_text.ts";

/** The environment's variables; `Deno.env` fits. */
export interface Environment {
  /** The variable's value, `undefined` when it is not set. */
  get(name: string): string | undefined;
}

/** One setting as it is in force, for the report of `check`. */
export interface SettingOrigin {
  /** The setting's name. */
  readonly name: string;
  /** Its value as text, the mask for a secret. */
  readonly value: string;
  /** Where the value was written: a flag, a variable, `file:line`, or `default`. */
  readonly origin: string;
}

/** Where settings are looked for. */
export interface Sources {
  /** The values of each flag, without dashes; several only of a list. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
  /** The environment. */
  readonly env: Environment;
  /** The configuration file, when one was given. */
  readonly file: ConfigurationFile | undefined;
  /** Reads the files which hold secrets. */
  readonly readFile: ReadFile;
}

/** A text that was found, and its place as answers name it. */
interface Found {
  readonly text: string | undefined;
  readonly origin: string;
  readonly isPath: boolean;
}

/** Reads settings one after the other and gathers what is wrong with them. */
export class SettingsReader {
  /** What is wrong, one sentence each, in the order it was found. */
  readonly problems: string[] = [];
  /** What was read. */
  readonly origins: SettingOrigin[] = [];
  readonly #sources: Sources;

  /** A reader of these sources. */
  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /** The value in force; after a problem the initial value, which nobody should use. */
  take<T>(setting: Setting<T>): T {
    const found = this.#find(setting);
    const value = found === undefined ? undefined : this.#read(setting, found);
    this.origins.push({
      name: setting.name,
      value: value === undefined ? setting.initialText : setting.show(value.value),
      origin: value === undefined ? "default" : value.origin,
    });
    return value === undefined ? setting.initial : value.value;
  }

  /** The value in force, arguments aside: for a command that calls an option of its own so. */
  takeAround<T>(setting: Setting<T>): T {
    const found = this.#inEnvironment(setting) ?? this.#inFile(setting);
    return (found === undefined ? undefined : this.#read(setting, found))?.value ??
      setting.initial;
  }

  /** Whether an option is among the arguments, right or wrong. */
  has({ name }: { readonly name: string }): boolean {
    return this.#sources.flags.has(name);
  }

  /** An option that only arguments set; `undefined` without it, and after a problem. */
  option<T>(setting: Setting<T>): T | undefined {
    return this.options(setting)[0];
  }

  /** All values of an option that may be repeated, each read by itself. */
  options<T>(setting: Setting<T>): readonly T[] {
    const origin = `--${setting.name}`;
    const values: T[] = [];
    for (const text of this.#sources.flags.get(setting.name) ?? []) {
      const read = this.#read(setting, { text, origin, isPath: false });
      if (read !== undefined) values.push(read.value);
    }
    return values;
  }

  /** The content of the file that an option names; `undefined` without it, and after a problem. */
  fileOf(setting: Setting<string | undefined>, bytesMax: number): string | undefined {
    const path = this.option(setting);
    if (path === undefined) return undefined;
    const file = this.#sources.readFile(path, bytesMax);
    if (file.kind === "text") return file.text;
    const shown = quote(path, SHOWN_VALUE_CHARS_MAX);
    return this.refuse(`--${setting.name}`, `${shown} ${file.cause}`, setting.advice);
  }

  /** What a command is about; after a problem an empty text, which nobody should use. */
  operand(kind: Kind<string>, text: string): string {
    return this.#parse(kind, text, kind.placeholder)?.value ?? "";
  }

  /** Adds a problem of `place`, with what to do. */
  refuse(place: string, problem: string, advice: string): undefined {
    this.problems.push(`${place}: ${problem}. ${advice}`);
  }

  #find<T>(setting: Setting<T>): Found | undefined {
    return this.#inFlags(setting) ?? this.#inEnvironment(setting) ?? this.#inFile(setting);
  }

  #inFlags<T>(setting: Setting<T>): Found | undefined {
    const flag = setting.secret ? `${setting.name}-file` : setting.name;
    const texts = this.#sources.flags.get(flag);
    if (texts === undefined) return undefined;
    const text = texts.join(",");
    const origin = `--${flag}`;
    if (setting.hidden?.test(text) === true) {
      const variable = environmentName(setting.name);
      this.refuse(
        origin,
        "has a password, and arguments can be read by every user of this machine",
        `Use ${variable} or ${variable}_FILE`,
      );
    }
    return { text, origin, isPath: setting.secret };
  }

  #inEnvironment<T>(setting: Setting<T>): Found | undefined {
    const origin = environmentName(setting.name);
    const text = this.#sources.env.get(origin);
    const inFile = setting.secret || setting.hidden !== undefined;
    const path = inFile ? this.#sources.env.get(`${origin}_FILE`) : undefined;
    if (text !== undefined && path !== undefined) {
      this.refuse(origin, `set together with ${origin}_FILE`, "Unset one of them");
    }
    if (text !== undefined) return { text, origin, isPath: false };
    if (path !== undefined) return { text: path, origin: `${origin}_FILE`, isPath: true };
    return undefined;
  }

  #inFile<T>(setting: Setting<T>): Found | undefined {
    const file = this.#sources.file;
    const inline = file?.entries.get(setting.name);
    const named = setting.secret ? file?.entries.get(`${setting.name}-file`) : undefined;
    const entry = inline ?? named;
    if (file === undefined || entry === undefined) return undefined;
    const key = inline === undefined ? `${setting.name}-file` : setting.name;
    const origin = `${file.path}:${entry.line}: ${key}`;
    if (inline !== undefined && named !== undefined) {
      this.refuse(origin, `set together with ${setting.name}-file`, "Remove one of them");
    }
    const isList = entry.listed && (!setting.repeatable || inline === undefined);
    return { text: isList ? undefined : entry.text, origin, isPath: inline === undefined };
  }

  #read<T>(
    setting: Setting<T>,
    found: Found,
  ): { readonly value: T; readonly origin: string } | undefined {
    const { origin } = found;
    const advice = found.isPath ? "Give the name of a file" : setting.advice;
    if (found.text === undefined) {
      return this.refuse(origin, "has a value of a wrong type", advice);
    }
    if (found.text.trim() === "") return this.refuse(origin, "empty", advice);
    if (!found.isPath) return this.#parse(setting, found.text, origin);
    const file = this.#sources.readFile(found.text, SECRET_FILE_BYTES_MAX);
    const shown = quote(found.text, SHOWN_VALUE_CHARS_MAX);
    if (file.kind !== "text") return this.refuse(origin, `${shown} ${file.cause}`, advice);
    const text = file.text.trim();
    if (text === "") return this.refuse(origin, `${shown} is empty`, setting.advice);
    return this.#parse(setting, text, `${origin} ${shown}`);
  }

  #parse<T>(
    setting: Kind<T>,
    text: string,
    origin: string,
  ): { readonly value: T; readonly origin: string } | undefined {
    const parsed = setting.parse(text);
    if (parsed.kind === "value") return { value: parsed.value, origin };
    // A secret is not repeated, however wrong it is, nor is the password of a URL.
    const open = text.replace(/\/\/.*@/s, "//…@");
    const shown = setting.secret ? "" : `: ${quote(open, SHOWN_VALUE_CHARS_MAX)}`;
    return this.refuse(origin, `${parsed.problem}${shown}`, setting.advice);
  }
}
