/**
 * Reads what callers give against a schema, and says everything that is wrong with it.
 *
 * A schema's messages are rules: "must be a whole number from 0 to 10". Here they become problems, each
 * with its path and the value seen, cut; of a secret only its kind is told. Nothing here throws for
 * any input: depth is bounded before anything recurses.
 *
 * @module
 */

import * as v from "valibot";
import { DEPTH_MAX, PROBLEMS_MAX, SHOWN_CHARS_MAX } from "./input_limits.ts";
import type { Json, JsonObject } from "./records.ts";

/** One thing that is wrong with an input. */
export interface InputProblem {
  /** Where: `content.apns.priority`, `to.tokens[3].token`; empty for the whole. */
  readonly path: string;
  /** What was found, and what is allowed. */
  readonly message: string;
}

/** An input that was read, or what is wrong with it. */
export type Read<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "problems"; readonly problems: readonly InputProblem[] };

/** How to read. */
export interface ReadOptions {
  /** Whether the values must not be repeated in problems. */
  readonly secret?: boolean;
}

/** Reads an input, which is no list, against a schema; at most 100 problems are told. */
export function readInput<S extends v.GenericSchema>(
  schema: S,
  input: unknown,
  options: ReadOptions = {},
): Read<v.InferOutput<S>> {
  if (isDeeper(input, DEPTH_MAX)) {
    return invalid("", `must not be nested deeper than ${DEPTH_MAX} levels`);
  }
  if (Array.isArray(input)) return invalid("", `must be an object, found ${shown(input)}`);
  const parsed = v.safeParse(schema, input, { abortPipeEarly: true });
  if (parsed.success) return { kind: "value", value: parsed.output };
  return { kind: "problems", problems: told(parsed.issues, options.secret ?? false) };
}

/** One problem as the outcome of reading. */
export function invalid(path: string, message: string): {
  readonly kind: "problems";
  readonly problems: readonly InputProblem[];
} {
  return { kind: "problems", problems: [{ path, message }] };
}

/** Puts problems of a part below its path in the whole. */
export function below(path: string, problems: readonly InputProblem[]): readonly InputProblem[] {
  return problems.map(({ path: rest, message }) => {
    const whole = rest === "" ? path : rest.startsWith("[") ? path + rest : `${path}.${rest}`;
    return { path: whole, message };
  });
}

/** A value as a problem repeats it: texts cut, quoted and printable, lists and objects by their size. */
export function shown(value: unknown): string {
  if (typeof value === "string") {
    const cut = value.length > SHOWN_CHARS_MAX ? `${value.slice(0, SHOWN_CHARS_MAX)}…` : value;
    return `"${cut.replace(/[^\x20-\x7e…]|["\\]/g, "?")}"`;
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  return value === undefined ? "nothing" : String(value).slice(0, SHOWN_CHARS_MAX);
}

/** An object with these fields and no other. */
export function fields<const E extends v.ObjectEntries>(
  entries: E,
): v.StrictObjectSchema<E, (issue: v.StrictObjectIssue) => string> {
  const known = Object.keys(entries).join(", ");
  const schema = v.strictObject(entries, (issue) => {
    if (issue.path === undefined) return "must be an object";
    return issue.expected === "never" ? `unknown field; known are ${known}` : "missing";
  });
  const run = schema["~run"];
  return {
    ...schema,
    // To the library a list is an object, too: without this an empty list would be one without fields.
    "~run"(dataset, config) {
      const { value } = dataset;
      if (!Array.isArray(value)) return run.call(this, dataset, config);
      const refused = run.call(this, { value: null }, config);
      for (const issue of refused.issues ?? []) Object.assign(issue, { input: value });
      return refused;
    },
  };
}

/** The schema of a text. */
export type TextSchema = v.SchemaWithPipe<
  readonly [
    v.StringSchema<string>,
    v.MinLengthAction<string, number, string>,
    v.MaxLengthAction<string, number, string>,
    v.RegexAction<string, string>,
  ]
>;

/** A text with bounds on its characters (UTF-16 units); by default without control characters. */
export function text(
  charsMin: number,
  charsMax: number,
  pattern = /^[^\p{Cc}]*$/u,
  what = "text",
): TextSchema {
  const length = charsMin === charsMax ? `${charsMax}` : `${charsMin} to ${charsMax}`;
  const rule = `must be ${what} of ${length} characters`;
  return v.pipe(
    v.string(rule),
    v.minLength(charsMin, rule),
    v.maxLength(charsMax, rule),
    v.regex(pattern, rule),
  );
}

/** The schema of a whole number. */
export type WholeSchema = v.SchemaWithPipe<
  readonly [
    v.NumberSchema<string>,
    v.IntegerAction<number, string>,
    v.MinValueAction<number, number, string>,
    v.MaxValueAction<number, number, string>,
  ]
>;

/** A whole number between bounds. */
export function whole(min: number, max: number, unit = "number"): WholeSchema {
  const rule = `must be a whole ${unit} from ${min} to ${max}`;
  return v.pipe(
    v.number(rule),
    v.integer(rule),
    v.minValue(min, rule),
    v.maxValue(max, rule),
  );
}

/** One of these values. */
export function oneOf<const T extends readonly (string | number)[]>(
  values: T,
): v.PicklistSchema<T, string> {
  return v.picklist(values, `must be one of ${values.join(", ")}`);
}

/** Any JSON object. */
export const jsonObject: v.CustomSchema<JsonObject, string> = v.custom<JsonObject, string>(
  (input) => isObject(input) && isJson(input),
  "must be a JSON object",
);

/** Whether a value is an object and no list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value is JSON; its depth is bounded already. */
function isJson(value: unknown): value is Json {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "object":
      return value === null || Object.values(value).every(isJson);
    default:
      return false;
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

function told(issues: readonly v.BaseIssue<unknown>[], secret: boolean): readonly InputProblem[] {
  const problems = issues.slice(0, PROBLEMS_MAX).map((issue) => problemOf(issue, secret));
  const more = issues.length - problems.length;
  return more === 0 ? problems : [...problems, { path: "", message: `and ${more} more problems` }];
}

function problemOf({ path, input, message }: v.BaseIssue<unknown>, secret: boolean): InputProblem {
  const place = (path ?? []).reduce((whole, { key }) => {
    if (typeof key === "number") return `${whole}[${key}]`;
    // An unknown field's name is the caller's text.
    const name = shown(key).slice(1, -1);
    return whole === "" ? name : `${whole}.${name}`;
  }, "");
  if (path?.at(-1)?.origin === "key") return { path: place, message };
  const found = secret && typeof input === "string"
    ? `text of ${input.length} characters`
    : shown(input);
  return { path: place, message: `${message}, found ${found}` };
}
