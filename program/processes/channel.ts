/**
 * What parent and child tell each other.
 *
 * The parent tells once, by an environment variable, which child a process is and which ports to
 * share. The child tells by lines of JSON on its standard output: that it is ready, and each second
 * that it lives. The parent's end is told by the end of the child's standard input, which the system
 * brings about however the parent ends.
 *
 * Invariant: whatever is no message of this module is read as none. Something in a child may
 * print a line of its own, and that must end nobody.
 *
 * @module
 */

import type { BoundPorts } from "../../transports/command_line/addresses.ts";
import { isRecord } from "../../transports/command_line/is_record.ts";
import { cut } from "../../transports/command_line/visible_text.ts";
import { StartError } from "../start_error.ts";
import { NODE_CHARS_MAX, PROCESSES_MAX, STRAY_CHARS_MAX } from "./limits.ts";

/** The variable that makes a process a child: a {@linkcode ChildRole} as JSON. */
export const ROLE_VARIABLE = "HELIOGRAPH_PROCESS";

/** The ports that processes share; each has a node port of its own. One that is not opened is as it was set. */
export type SharedPorts = Pick<BoundPorts, "endpointPort" | "devicePort" | "apiPort">;

/** Which child a process is. */
export interface ChildRole {
  /** Its number among its parent's children, from 1. */
  readonly index: number;
  /** The ports to share; none in the first child, which picks them by its settings. */
  readonly ports: SharedPorts | undefined;
}

/** A child serves. */
export interface ReadyLine {
  /** What kind of line. */
  readonly type: "ready";
  /** The ports it listens on. */
  readonly ports: SharedPorts;
  /** What it calls itself among the nodes, for people; at most 1,000 characters. */
  readonly node: string;
}

/** A child lives. */
export interface HeartbeatLine {
  /** What kind of line. */
  readonly type: "heartbeat";
  /** How late its timer was, in milliseconds: the time for which nothing else was served. */
  readonly lateMs: number;
  /** Resident memory, in bytes. */
  readonly residentBytes: number;
  /** Memory of JavaScript's heap in use, in bytes. */
  readonly heapBytes: number;
}

/** A message of the channel. */
export type ChildLine = ReadyLine | HeartbeatLine;

/** A message as it is written, with its line feed. */
export function lineText(line: ChildLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** The message that a line holds, `undefined` when it is none. */
export function readLine(text: string): ChildLine | undefined {
  const value = parsed(text);
  if (!isRecord(value)) return undefined;
  switch (value.type) {
    case "ready":
      return readReady(value);
    case "heartbeat":
      return readHeartbeat(value);
    default:
      return undefined;
  }
}

/** The role as the variable holds it. */
export function roleText(role: ChildRole): string {
  return JSON.stringify(role);
}

/**
 * The role that the variable's text gives, `undefined` without one: the process is nobody's child.
 *
 * @throws {StartError} When the text is no role: somebody else has set the variable.
 */
export function readRole(text: string | undefined): ChildRole | undefined {
  if (text === undefined) return undefined;
  const value = parsed(text);
  const index = isRecord(value) ? wholeNumber(value.index, 1, PROCESSES_MAX) : undefined;
  const ports = isRecord(value) && value.ports !== undefined ? readPorts(value.ports) : "none";
  if (index === undefined || ports === undefined) {
    const shown = JSON.stringify(cut(text, STRAY_CHARS_MAX));
    throw new StartError(
      `${ROLE_VARIABLE}: ${shown} was not set by this program, which alone uses it. Unset it`,
      2,
    );
  }
  return { index, ports: ports === "none" ? undefined : ports };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Not JSON, and so no message.
  }
}

function readReady(value: Readonly<Record<string, unknown>>): ReadyLine | undefined {
  const ports = readPorts(value.ports);
  const { node } = value;
  if (ports === undefined || typeof node !== "string" || node.length > NODE_CHARS_MAX) {
    return undefined;
  }
  return { type: "ready", ports, node };
}

function readHeartbeat(value: Readonly<Record<string, unknown>>): HeartbeatLine | undefined {
  const lateMs = wholeNumber(value.lateMs, 0);
  const residentBytes = wholeNumber(value.residentBytes, 0);
  const heapBytes = wholeNumber(value.heapBytes, 0);
  if (lateMs === undefined || residentBytes === undefined || heapBytes === undefined) {
    return undefined;
  }
  return { type: "heartbeat", lateMs, residentBytes, heapBytes };
}

function readPorts(value: unknown): SharedPorts | undefined {
  if (!isRecord(value)) return undefined;
  const endpointPort = wholeNumber(value.endpointPort, 0, 65_535);
  const devicePort = wholeNumber(value.devicePort, 0, 65_535);
  const apiPort = wholeNumber(value.apiPort, 0, 65_535);
  if (endpointPort === undefined || devicePort === undefined || apiPort === undefined) {
    return undefined;
  }
  return { endpointPort, devicePort, apiPort };
}

function wholeNumber(
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number | undefined {
  if (typeof value !== "number" || !Number.isInteger(value)) return undefined;
  return value >= min && value <= max ? value : undefined;
}
