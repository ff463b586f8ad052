/**
 * Kinds of the values that only the API's clients take: names, recipients, content and times.
 *
 * The API checks what it is sent and says what is wrong with it. Here stands only what a person is
 * better told before anything is read or sent.
 *
 * @module
 */

import { isRecord } from "./is_record.ts";
import {
  APP_NAME_CHARS_MAX,
  IDEMPOTENCY_KEY_CHARS_MAX,
  OPTION_TEXT_CHARS_MAX,
  RECIPIENT_CHARS_MAX,
} from "./limits.ts";
import { type Kind, kind, type Parsed, parseDuration, problem, value } from "./setting.ts";

/** A JSON object that was given, not looked into. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** When to begin: at a time, in milliseconds since 1970, or so many milliseconds from now. */
export type SendTime =
  | { readonly kind: "at"; readonly timeMs: number }
  | { readonly kind: "in"; readonly delayMs: number };

/** A text a person wrote, bounded. */
export function text(placeholder: string, charsMax: number = OPTION_TEXT_CHARS_MAX): Kind<string> {
  return kind({
    placeholder,
    advice: `Use at most ${charsMax} characters`,
    parse: (text) => text.length > charsMax ? problem(`over ${charsMax} characters`) : value(text),
    show: (value) => value,
  });
}

/** The name of an app, as it stands in URLs. */
export const appName: Kind<string> = kind({
  placeholder: "NAME",
  advice: `Use 1 to ${APP_NAME_CHARS_MAX} lower-case letters, digits, dots, dashes or ` +
    "underscores, first a letter or digit",
  parse: (text) =>
    /^[a-z0-9][a-z0-9._-]*$/.test(text) && text.length <= APP_NAME_CHARS_MAX
      ? value(text)
      : problem("not an app's name"),
  show: (value) => value,
});

/** An id of a device, user or notification: what can stand in a URL without a line's end. */
export function identifier(placeholder: string): Kind<string> {
  return kind({
    placeholder,
    advice: `Use 1 to ${RECIPIENT_CHARS_MAX} visible characters`,
    parse: (text) =>
      /^[^\p{C}\p{Z}]+$/u.test(text) && text.length <= RECIPIENT_CHARS_MAX
        ? value(text)
        : problem("not an id"),
    show: (value) => value,
  });
}

/** A key that makes the same submission count once: visible ASCII, as a header carries it. */
export const idempotencyKey: Kind<string> = kind({
  placeholder: "KEY",
  advice: `Use 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters without spaces`,
  parse: (text) =>
    /^[!-~]+$/.test(text) && text.length <= IDEMPOTENCY_KEY_CHARS_MAX
      ? value(text)
      : problem("not a key"),
  show: (value) => value,
});

/** A JSON object as text. */
export const jsonObject: Kind<JsonRecord> = kind<JsonRecord>({
  placeholder: "JSON",
  advice: `Use a JSON object such as '{"key":"value"}'`,
  parse: parseJsonObject,
  show: (value) => JSON.stringify(value),
});

/** Reads a JSON object; a problem names the place where it ends to be one, never the text. */
export function parseJsonObject(text: string): Parsed<JsonRecord> {
  try {
    const parsed: unknown = JSON.parse(text);
    return isRecord(parsed) ? value(parsed) : problem("not a JSON object");
  } catch (error) {
    const at = /line \d+ column \d+/.exec(error instanceof Error ? error.message : "")?.[0];
    return problem(at === undefined ? "not JSON" : `not JSON at ${at}`);
  }
}

/** A time with its zone (RFC 3339), or how long from now. */
export const sendTime: Kind<SendTime> = kind<SendTime>({
  placeholder: "TIME",
  advice: "Use a time with its zone such as 2027-01-31T08:00:00Z, or a time from now such as " +
    "10m or 2h",
  parse(text) {
    const delayMs = parseDuration(text);
    if (delayMs !== undefined) return value({ kind: "in", delayMs });
    const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i.test(text);
    const timeMs = isTime ? Date.parse(text) : NaN;
    return Number.isNaN(timeMs) ? problem("not a time") : value({ kind: "at", timeMs });
  },
  show: (time) => time.kind === "at" ? new Date(time.timeMs).toISOString() : `${time.delayMs}ms`,
});
