/**
 * The log: JSON lines, one per event, for `journald`, a file or a collector.
 *
 * Invariants: an event is one line, whatever its fields hold; a line is bounded (16 fields of 200
 * characters); an event is told at most 20 times a second, the rest is counted and the count is
 * told, so a flood of bad requests cannot fill the disk. Secrets, endpoints and bodies are never
 * fields: {@linkcode fingerprint} says which one was meant without giving it away.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  LOG_EVENTS_MAX,
  LOG_FIELDS_MAX,
  LOG_LINES_PER_SECOND_MAX,
  LOG_NAME_CHARS_MAX,
  LOG_VALUE_CHARS_MAX,
} from "./limits.ts";
import { LOG_LEVELS } from "./setting.ts";
import type { LogLevel } from "./setting.ts";
import { cut, escapeInvisible } from "./visible_text.ts";

/** The value of a field; an `undefined` one leaves the field out. */
export type LogValue = string | number | boolean | null | undefined;

/** What is said about an event beside its name. `time`, `level` and `event` are taken. */
export type LogFields = Readonly<Record<string, LogValue>>;

/** What a log is made of. */
export interface LogOptions {
  /** The least severe level that is written. */
  readonly level: LogLevel;
  /** The wall clock, in milliseconds since 1970. */
  readonly clock: { wallNow(): number };
  /** Takes one line with its line feed; {@linkcode writeToStderr} in a program. */
  readonly write: (line: string) => void;
  /** What every line says beside its event, such as which process it is of; nothing by default. */
  readonly common?: LogFields;
}

/** Lines of one event in one second. */
interface Window {
  second: number;
  level: LogLevel;
  suppressed: number;
  lines: number;
}

const TAKEN: readonly string[] = ["time", "level", "event"];

/** The count of all events whose names came after the first 256. */
const FURTHER_EVENTS = "further_events";

/** First eight hexadecimal digits of the SHA-256: tells one secret from another, and no more. */
export function fingerprint(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

/** What an unknown error says: its name and message, and those of its causes; no stack. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  let current = error;
  // A chain of causes may be circular; four links say enough.
  while (current !== undefined && parts.length < 4) {
    if (current instanceof Error) {
      parts.push(`${current.name}: ${current.message}`);
      current = current.cause;
    } else {
      parts.push(typeof current === "object" ? "an object that is no Error" : String(current));
      current = undefined;
    }
  }
  return parts.join(" < ");
}

/** JSON of a value, cut, and with no character in it that is not seen. */
function json(value: LogValue): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return escapeInvisible(JSON.stringify(cut(value, LOG_VALUE_CHARS_MAX)));
}

/** One line without its line feed. */
function format(timeMs: number, level: LogLevel, event: string, fields: LogFields): string {
  const parts = [
    `"time":${json(new Date(timeMs).toISOString())}`,
    `"level":${json(level)}`,
    `"event":${json(event)}`,
  ];
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || TAKEN.includes(name)) continue;
    if (parts.length === TAKEN.length + LOG_FIELDS_MAX) break;
    parts.push(`${json(cut(name, LOG_NAME_CHARS_MAX))}:${json(value)}`);
  }
  return `{${parts.join(",")}}`;
}

/** Writes `text` to standard error, all of it. */
export function writeToStderr(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
}

/** Writes events as JSON lines, within a rate. */
export class Log {
  readonly #level: number;
  readonly #clock: LogOptions["clock"];
  readonly #write: (line: string) => void;
  readonly #common: LogFields;
  readonly #windows = new Map<string, Window>();
  #flushedSecond = 0;

  /** A log of this level. */
  constructor(options: LogOptions) {
    this.#level = LOG_LEVELS.indexOf(options.level);
    this.#clock = options.clock;
    this.#write = options.write;
    this.#common = options.common ?? {};
  }

  /** For those who look for a fault. */
  debug(event: string, fields: LogFields = {}): void {
    this.#log("debug", event, fields);
  }

  /** What a calm operator may want to know. */
  info(event: string, fields: LogFields = {}): void {
    this.#log("info", event, fields);
  }

  /** What should not go on. */
  warn(event: string, fields: LogFields = {}): void {
    this.#log("warn", event, fields);
  }

  /** What somebody has to look at. */
  error(event: string, fields: LogFields = {}): void {
    this.#log("error", event, fields);
  }

  /** Tells what was suppressed and not told yet; call it now and then, and at the end. */
  flush(): void {
    for (const [event, window] of this.#windows) this.#tellSuppressed(event, window);
  }

  #log(level: LogLevel, event: string, fields: LogFields): void {
    if (LOG_LEVELS.indexOf(level) < this.#level) return;
    const now = this.#clock.wallNow();
    const second = Math.floor(now / 1_000);
    if (second !== this.#flushedSecond) {
      this.#flushedSecond = second;
      this.flush();
    }
    const window = this.#window(event, level);
    if (window.second !== second) {
      window.second = second;
      window.lines = 0;
    }
    if (window.lines === LOG_LINES_PER_SECOND_MAX) {
      window.suppressed++;
      return;
    }
    window.lines++;
    this.#write(`${format(now, level, event, { ...this.#common, ...fields })}\n`);
  }

  #window(event: string, level: LogLevel): Window {
    const isNew = !this.#windows.has(event);
    const name = isNew && this.#windows.size >= LOG_EVENTS_MAX ? FURTHER_EVENTS : event;
    let window = this.#windows.get(name);
    if (window === undefined) {
      window = { second: 0, level, suppressed: 0, lines: 0 };
      this.#windows.set(name, window);
    }
    window.level = level;
    return window;
  }

  #tellSuppressed(event: string, window: Window): void {
    if (window.suppressed === 0) return;
    const fields = { ...this.#common, suppressed_event: event, lines: window.suppressed };
    window.suppressed = 0;
    this.#write(`${format(this.#clock.wallNow(), window.level, "suppressed", fields)}\n`);
  }
}
