/**
 * What one setting is, and the kinds of values settings have: each kind turns text into a value or
 * says what is wrong with the text.
 *
 * All sources (a flag, an environment variable, a line of the file) give text, so a value is read
 * by one rule wherever it was written. A problem never contains the text: the caller adds it,
 * unless the setting is a secret.
 *
 * @module
 */

import {
  ALLOWED_HOSTS_MAX,
  API_TOKEN_CHARS_MAX,
  API_TOKEN_CHARS_MIN,
  CRYPTO_KEYS_MAX,
  INFLUX_TOKEN_CHARS_MAX,
  PROXY_ADDRESSES_MAX,
  PUSH_ORIGINS_MAX,
  WEBHOOK_SECRET_CHARS_MAX,
  WEBHOOK_SECRET_CHARS_MIN,
} from "./limits.ts";
import type { EngineAddress } from "./engine_address.ts";
import { isIP } from "node:net";
import { HIDDEN, Secret } from "./secret.ts";

/** A value, or what is wrong with its text in a few words. */
export type Parsed<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "problem"; readonly problem: string };

/** How text becomes a value of one kind. */
export interface Kind<T> {
  /** What stands for the value in a help text: `PORT`. */
  readonly placeholder: string;
  /** The unit of a plain number, empty for counts and for what is no number. */
  readonly unit: "" | "bytes" | "seconds";
  /** What to write, as an imperative sentence without its full stop. */
  readonly advice: string;
  /** Whether it is a list: several flags, an array in the file, or values between commas. */
  readonly repeatable: boolean;
  /** Whether it is told in no answer, list or log, and never taken from an argument itself. */
  readonly secret: boolean;
  /** What in a text is a secret: such a text is never taken from an argument. */
  readonly hidden?: RegExp;
  /** Reads a text that is not empty. */
  parse(text: string): Parsed<T>;
  /** The value as text that `parse` would read, or the mask of a secret. */
  show(value: T): string;
}

/** One row of the table of settings. */
export interface Setting<T> extends Kind<T> {
  /** Its name: the flag without its dashes and the key in the file; the variable derives from it. */
  readonly name: string;
  /** The value when nobody sets it. */
  readonly initial: T;
  /** How help and lists show the initial value. */
  readonly initialText: string;
  /** What it does, in one sentence without its full stop. */
  readonly description: string;
}

/** Where everything is stored. */
export type StoreAddress =
  | { readonly kind: "sqlite"; readonly folder: string }
  | { readonly kind: "memory" }
  | EngineAddress;

/** How much is logged, from most to least. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** All levels, from most to least. */
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A text that was read. */
export function value<T>(value: T): Parsed<T> {
  return { kind: "value", value };
}

/** A text that was refused, with a few words that follow its place. */
export function problem(text: string): Parsed<never> {
  return { kind: "problem", problem: text };
}

/** A kind with the parts that most kinds share. */
export function kind<T>(
  parts: Pick<Kind<T>, "placeholder" | "advice" | "parse" | "show"> & Partial<Kind<T>>,
): Kind<T> {
  return { unit: "", repeatable: false, secret: false, ...parts };
}

/** The kind of setting that may also be absent; its initial value is `undefined`. */
export function optional<T>(inner: Kind<T>): Kind<T | undefined> {
  return { ...inner, show: (value) => value === undefined ? "" : inner.show(value) };
}

/** The name of a file or folder. */
export function path(placeholder: "FILE" | "DIR"): Kind<string> {
  return kind({
    placeholder,
    advice: `Give the name of a ${placeholder === "DIR" ? "folder" : "file"}`,
    parse: (text) => text.includes("\0") ? problem("contains a NUL character") : value(text),
    show: (value) => value,
  });
}

/** A whole number from `min` to `max`. */
export function wholeNumber(
  bounds: { readonly min: number; readonly max: number; readonly note?: string },
  unit: Kind<number>["unit"],
  placeholder = "N",
): Kind<number> {
  const { min, max, note } = bounds;
  return kind({
    placeholder,
    unit,
    advice: `Use a whole number from ${min} to ${max}${note === undefined ? "" : ` (${note})`}`,
    parse(text) {
      if (!/^[+-]?\d+(\.\d+)?$/.test(text)) return problem("not a number");
      if (!/^\d{1,15}$/.test(text)) return problem("out of range or not whole");
      const number = Number(text);
      return number < min || number > max ? problem("out of range") : value(number);
    },
    show: String,
  });
}

/** A TCP port, where 0 takes any free one. */
export const port: Kind<number> = wholeNumber(
  { min: 0, max: 65_535, note: "0 takes any free port" },
  "",
  "PORT",
);

/** Reads `250ms`, `45s`, `5m`, `12h`, `30d` or plain seconds; the result is in milliseconds. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,12})(ms|s|m|h|d|)$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * (MS_PER_UNIT[match[2] || "s"] ?? NaN);
}

/** A duration as the shortest text with one unit: `30d`, `90s`, `250ms`. */
export function showDuration(ms: number): string {
  for (const unit of ["d", "h", "m", "s"]) {
    const size = MS_PER_UNIT[unit] ?? 1;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return ms === 0 ? "0s" : `${ms}ms`;
}

/** A duration between two others, all in milliseconds. */
export function durationMs(minMs: number, maxMs: number): Kind<number> {
  const range = `${showDuration(minMs)} to ${showDuration(maxMs)}`;
  return kind({
    placeholder: "TIME",
    unit: "seconds",
    advice: `Use seconds or a duration such as 45s, 5m, 12h or 30d, from ${range}`,
    parse(text) {
      const ms = parseDuration(text);
      if (ms === undefined) return problem("not a duration");
      return ms < minMs || ms > maxMs ? problem("out of range") : value(ms);
    },
    show: showDuration,
  });
}

/** A duration in whole seconds between two others, all in seconds. */
export function durationSeconds(minSeconds: number, maxSeconds: number): Kind<number> {
  const inner = durationMs(minSeconds * 1_000, maxSeconds * 1_000);
  return kind({
    placeholder: inner.placeholder,
    unit: inner.unit,
    advice: inner.advice,
    parse(text) {
      const parsed = inner.parse(text);
      if (parsed.kind === "problem") return parsed;
      const seconds = parsed.value / 1_000;
      return Number.isInteger(seconds) ? value(seconds) : problem("not whole seconds");
    },
    show: (seconds) => showDuration(seconds * 1_000),
  });
}

/** One word of a closed set. */
export function oneOf<T extends string>(words: readonly T[], placeholder: string): Kind<T> {
  return kind<T>({
    placeholder,
    advice: `Use ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
    parse(text) {
      const word = words.find((word) => word === text);
      return word === undefined ? problem("not one of the words") : value(word);
    },
    show: (value) => value,
  });
}

/** One of the levels of the log. */
export const logLevel: Kind<LogLevel> = oneOf(LOG_LEVELS, "LEVEL");

/** A host name or IP address as a URL writes it, IPv6 in brackets; or `undefined`. */
function canonicalHost(text: string): string | undefined {
  const literal = text.includes(":") && !text.startsWith("[") ? `[${text}]` : text;
  if (/[/?#@\\\s]/.test(literal) || /:\d*$/.test(literal.replace(/^\[.*\]/, ""))) return undefined;
  const url = URL.parse(`http://${literal}`);
  return url === null ? undefined : url.hostname;
}

/** The address to bind to: a host name or an IP address without a port. */
export const host: Kind<string> = kind({
  placeholder: "ADDRESS",
  advice: "Use a host name or an IP address without a port, such as 127.0.0.1, :: or 0.0.0.0",
  parse(text) {
    const host = canonicalHost(text);
    // Sockets are bound to an IPv6 address without brackets.
    return host === undefined ? problem("not an address") : value(host.replace(/^\[|\]$/g, ""));
  },
  show: (value) => value,
});

/** Host names separated by commas, each as a `Host` header writes it. */
export const hosts: Kind<readonly string[]> = kind({
  placeholder: "HOST",
  advice: "Use host names without a port, separated by commas",
  repeatable: true,
  parse(text) {
    const names: string[] = [];
    for (const part of text.split(",")) {
      const host = canonicalHost(part.trim());
      if (host === undefined) return problem("not a list of host names");
      if (!names.includes(host)) names.push(host);
    }
    if (names.length > ALLOWED_HOSTS_MAX) return problem(`more than ${ALLOWED_HOSTS_MAX} names`);
    return value(names);
  },
  show: (value) => value.join(","),
});

/** IP addresses separated by commas. */
export const addresses: Kind<readonly string[]> = kind({
  placeholder: "ADDRESS",
  advice: "Use IP addresses, separated by commas",
  repeatable: true,
  parse(text) {
    const found = [...new Set(text.split(",").map((part) => part.trim()))];
    if (found.some((part) => isIP(part) === 0)) return problem("not a list of IP addresses");
    if (found.length > PROXY_ADDRESSES_MAX) {
      return problem(`more than ${PROXY_ADDRESSES_MAX} addresses`);
    }
    return value(found);
  },
  show: (value) => value.join(","),
});

/**
 * A URL of one of these schemes; `"origin"` allows no path beside `/` and is kept without it. A URL
 * `"with_query"` may be a secret of its receiver: only its origin is shown.
 */
export function url(
  schemes: readonly string[],
  extent: "origin" | "with_path" | "with_query",
): Kind<string> {
  const example = `${schemes.at(-1)}://push.example.org${extent === "origin" ? "" : "/"}`;
  return kind({
    placeholder: "URL",
    advice: `Use ${schemes.map((scheme) => `${scheme}://`).join(" or ")} and a host${
      extent === "origin" ? " without a path" : ""
    }, such as ${example}`,
    parse(text) {
      const url = URL.parse(text);
      if (url === null) return problem("not a URL");
      if (!schemes.includes(url.protocol.slice(0, -1))) return problem("wrong kind of URL");
      if (url.username !== "" || url.password !== "") return problem("contains a user name");
      if (url.hash !== "") return problem("contains a fragment");
      if (url.search !== "" && extent !== "with_query") return problem("contains a query");
      if (extent !== "origin") return value(url.href);
      // The scheme and the host with its port unless it is the usual one: RFC 6454 section 6.2.
      return url.pathname === "/"
        ? value(`${url.protocol}//${url.host}`)
        : problem("contains a path");
    },
    show(value) {
      const { origin, pathname, search } = new URL(value);
      const hidden = extent === "with_query" && pathname + search !== "/";
      return hidden ? `${origin}/…` : value;
    },
  });
}

/** Origins of push services separated by commas, each kept without a path. */
export const pushOrigins: Kind<readonly string[]> = kind({
  placeholder: "URL",
  advice: "Use origins without a path, separated by commas, such as https://push.example.org",
  repeatable: true,
  parse(text) {
    const origin = url(["http", "https"], "origin");
    const found: string[] = [];
    for (const part of text.split(",")) {
      const parsed = origin.parse(part.trim());
      if (parsed.kind === "problem") return parsed;
      if (!found.includes(parsed.value)) found.push(parsed.value);
    }
    return found.length > PUSH_ORIGINS_MAX
      ? problem(`more than ${PUSH_ORIGINS_MAX} origins`)
      : value(found);
  },
  show: (value) => value.join(","),
});

/** Words of a closed set separated by commas, in the order of the set. */
export function someOf<T extends string>(
  words: readonly T[],
  placeholder: string,
): Kind<readonly T[]> {
  return kind<readonly T[]>({
    placeholder,
    advice: `Use one or more of ${words.join(", ")}, separated by commas`,
    repeatable: true,
    parse(text) {
      const given = text.split(",").map((part) => part.trim());
      const strange = given.find((part) => !words.some((word) => word === part));
      if (strange !== undefined) return problem("not a list of these words");
      return value(words.filter((word) => given.includes(word)));
    },
    show: (value) => value.join(","),
  });
}

/** A secret's kind: read by `parse`, shown as its mask. */
function secret<T>(
  parts: Pick<Kind<T>, "placeholder" | "advice" | "parse"> & Partial<Kind<T>>,
): Kind<Secret<T>> {
  return kind({
    placeholder: parts.placeholder,
    advice: parts.advice,
    repeatable: parts.repeatable ?? false,
    secret: true,
    parse(text) {
      const parsed = parts.parse(text);
      return parsed.kind === "problem" ? parsed : value(new Secret(parsed.value));
    },
    show: () => HIDDEN,
  });
}

/**
 * A bearer token as RFC 6750 section 2.1 spells it, long enough not to be guessed. Short ones are
 * refused, because a default such as `admin` is the first thing that is tried.
 */
export const apiToken: Kind<Secret<string>> = secret({
  placeholder: "TOKEN",
  advice: `Use ${API_TOKEN_CHARS_MIN} to ${API_TOKEN_CHARS_MAX} letters, digits or -._~+/, ` +
    "such as heliograph keys token prints",
  parse(text) {
    if (text.length < API_TOKEN_CHARS_MIN) {
      return problem(`under ${API_TOKEN_CHARS_MIN} characters`);
    }
    if (text.length > API_TOKEN_CHARS_MAX) return problem(`over ${API_TOKEN_CHARS_MAX} characters`);
    return /^[A-Za-z0-9\-._~+/]+=*$/.test(text) ? value(text) : problem("not a bearer token");
  },
});

/** A key for the signatures of webhooks, of visible characters and long enough not to be guessed. */
export const webhookSecret: Kind<Secret<string>> = secret({
  placeholder: "SECRET",
  advice: `Use ${WEBHOOK_SECRET_CHARS_MIN} to ${WEBHOOK_SECRET_CHARS_MAX} visible characters ` +
    "without spaces, such as heliograph keys token prints",
  parse(text) {
    if (!/^[!-~]+$/.test(text)) return problem("not visible ASCII characters");
    if (text.length < WEBHOOK_SECRET_CHARS_MIN) {
      return problem(`under ${WEBHOOK_SECRET_CHARS_MIN} characters`);
    }
    return text.length > WEBHOOK_SECRET_CHARS_MAX
      ? problem(`over ${WEBHOOK_SECRET_CHARS_MAX} characters`)
      : value(text);
  },
});

/** What proves this side to an InfluxDB: a token of its making, or a user and a password, which may have spaces. */
export const influxToken: Kind<Secret<string>> = secret({
  placeholder: "TOKEN",
  advice: `Use up to ${INFLUX_TOKEN_CHARS_MAX} visible ASCII characters`,
  parse(text) {
    if (!/^[ -~]+$/.test(text)) return problem("not visible ASCII characters");
    return text.length > INFLUX_TOKEN_CHARS_MAX
      ? problem(`over ${INFLUX_TOKEN_CHARS_MAX} characters`)
      : value(text);
  },
});

/**
 * A list of Fernet keys, first the one which encrypts: `[k1, k2]` as autopush writes it, or the
 * same without brackets, separated by commas or lines. Each key is 32 bytes in base64url.
 */
export const cryptoKeys: Kind<Secret<readonly string[]>> = secret({
  placeholder: "KEYS",
  advice: "Use one or more keys as heliograph keys endpoint prints them, separated by commas",
  repeatable: true,
  parse(text) {
    const keys: string[] = [];
    const list = text.trim().replace(/^\[([^]*)\]$/, "$1").replaceAll(/["' \t\r]/g, "");
    for (const part of list.split(/[,\n]+/)) {
      if (part === "") continue;
      // 32 bytes are 43 digits, of which the last carries 4 bits, and one padding sign.
      if (!/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]=?$/.test(part)) {
        return problem(`key ${keys.length + 1} is not 32 bytes in base64url`);
      }
      keys.push(`${part.slice(0, 43)}=`);
    }
    if (keys.length === 0) return problem("no key in the list");
    if (new Set(keys).size < keys.length) return problem("the same key twice");
    return keys.length > CRYPTO_KEYS_MAX ? problem(`over ${CRYPTO_KEYS_MAX} keys`) : value(keys);
  },
});
