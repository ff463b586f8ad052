/**
 * What requests to the delivery service come to: a value, or why there is none.
 *
 * @module
 */

import { type InputProblem, type Read, shown } from "./input.ts";

/** Why a request was refused. */
export type Refused =
  /** It is wrong, in these places. */
  | { readonly kind: "invalid"; readonly problems: readonly InputProblem[] }
  /** There is too much in one call. */
  | { readonly kind: "too_many"; readonly message: string }
  /** What it is about is not there. */
  | { readonly kind: "unknown"; readonly message: string }
  /** It does not fit what is there. */
  | { readonly kind: "conflict"; readonly message: string };

/** What a request came to. */
export type Reply<T> = { readonly kind: "ok"; readonly value: T } | Refused;

/** A row of an import with its place in what the caller gave. */
export interface InputRow {
  /** Its line, from 1. */
  readonly line: number;
  /** What stands there. */
  readonly value: unknown;
}

/** What a part of an import came to. */
export interface ImportedRows {
  /** Rows that are stored. */
  readonly imported: number;
  /** The others, by line. */
  readonly failed: readonly { readonly line: number; readonly problems: readonly InputProblem[] }[];
}

/** A reply with a value. */
export function ok<T>(value: T): { readonly kind: "ok"; readonly value: T } {
  return { kind: "ok", value };
}

/** A refusal of an input for these problems. */
export function refuse({ problems }: { readonly problems: readonly InputProblem[] }): Refused {
  return { kind: "invalid", problems };
}

/** A refusal of what does not fit what is there. */
export function conflict(message: string): Refused {
  return { kind: "conflict", message };
}

/** That there is no such app. */
export function noApp(name: string): Refused {
  return { kind: "unknown", message: `there is no app ${shown(name)}` };
}

/** That there is no such device. */
export function noDevice(id: string): Refused {
  return { kind: "unknown", message: `there is no device ${shown(id)}` };
}

/** That there is no such notification. */
export function noNotification(id: string): Refused {
  return { kind: "unknown", message: `there is no notification ${shown(id)}` };
}

/** The problem of an input that names an app which is not there. */
export function unknownApp(name: string): InputProblem {
  return { path: "app", message: `there is no app ${shown(name)}` };
}

/** Problems of a whole, told of its name. */
export function prefixed(path: string, problems: readonly InputProblem[]): readonly InputProblem[] {
  return problems.map(({ message }) => ({ path, message }));
}

/** Rows that can be read, and what is wrong with the others. */
export function sorted<T>(
  rows: readonly InputRow[],
  read: (value: unknown) => Read<T>,
): {
  readonly good: readonly { readonly line: number; readonly value: T }[];
  readonly failed: { readonly line: number; readonly problems: readonly InputProblem[] }[];
} {
  const good: { readonly line: number; readonly value: T }[] = [];
  const failed: { readonly line: number; readonly problems: readonly InputProblem[] }[] = [];
  for (const { line, value } of rows) {
    const outcome = read(value);
    if (outcome.kind === "value") good.push({ line, value: outcome.value });
    else failed.push({ line, problems: outcome.problems });
  }
  return { good, failed };
}
