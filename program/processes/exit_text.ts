/**
 * How a process ended, in words.
 *
 * @module
 */

import type { ChildExit } from "./child_handle.ts";

/** What the signals mean that end a process which nobody meant to end. */
const SIGNALS: { readonly [S in Deno.Signal]?: string } = {
  // V8 ends the process by a trap or an abort, depending on how it was built.
  SIGABRT: "a fatal error of V8, such as an exhausted heap",
  SIGBUS: "a fault in native code",
  SIGILL: "a fatal error of V8, such as an exhausted heap",
  SIGKILL: "by somebody, or by the system for want of memory",
  SIGSEGV: "a fault in native code",
  SIGTRAP: "a fatal error of V8, such as an exhausted heap",
};

/** The reason of an end: why the parent killed it, the signal and what it means, or the status. */
export function exitText({ code, signal, killed }: ChildExit): string {
  if (killed !== undefined) return `killed: ${killed}`;
  if (signal === null) return `exit status ${code}`;
  const meaning = SIGNALS[signal];
  return meaning === undefined ? signal : `${signal}: ${meaning}`;
}
