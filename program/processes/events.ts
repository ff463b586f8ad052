/**
 * What a parent tells about its children, and how its log says it.
 *
 * @module
 */

import { errorText, type Log } from "../../transports/command_line/log.ts";
import type { HeartbeatLine, SharedPorts } from "./channel.ts";

/** Something worth a line; `index` is the child's number from 1, `pid` its process. */
export type ProcessEvent =
  /** A process was started, as this incarnation of the child. */
  | {
    readonly kind: "child_started";
    readonly index: number;
    readonly pid: number;
    readonly incarnation: number;
  }
  /** A child serves, under this name and on these ports. */
  | {
    readonly kind: "child_ready";
    readonly index: number;
    readonly pid: number;
    readonly node: string;
    readonly ports: SharedPorts;
  }
  /** A child's timers were late by at least a second. */
  | { readonly kind: "child_late"; readonly index: number; readonly lateMs: number }
  /** A child printed what is no message of the channel: this many lines at once, and how the first begins. */
  | {
    readonly kind: "child_stray";
    readonly index: number;
    readonly lines: number;
    readonly text: string;
  }
  /** A process has ended. */
  | {
    readonly kind: "child_exited";
    readonly index: number;
    readonly pid: number;
    /** How, in words. */
    readonly reason: string;
    /** Whether the parent was stopping and the child ended as it should. */
    readonly orderly: boolean;
    /** The last heartbeat heard. */
    readonly last: HeartbeatLine | undefined;
  }
  /** All children serve on these ports. */
  | { readonly kind: "ready"; readonly processes: number; readonly ports: SharedPorts }
  /** Too many children have ended in too short a time: the parent ends, too. */
  | {
    readonly kind: "gave_up";
    readonly restarts: number;
    readonly withinMs: number;
    readonly error: unknown;
  };

/** Writes an event into a log. */
export function logProcessEvent(log: Log, event: ProcessEvent): void {
  switch (event.kind) {
    case "child_started":
      return log.info("child_started", {
        child: event.index,
        pid: event.pid,
        incarnation: event.incarnation,
      });
    case "child_ready":
      return log.info("child_ready", { child: event.index, pid: event.pid, node: event.node });
    case "child_late":
      return log.warn("child_late", { child: event.index, late_ms: event.lateMs });
    case "child_stray":
      return log.warn("child_stray", {
        child: event.index,
        lines: event.lines,
        text: event.text,
      });
    case "child_exited":
      return log[event.orderly ? "info" : "error"]("child_exited", {
        child: event.index,
        pid: event.pid,
        reason: event.reason,
        last_late_ms: event.last?.lateMs,
        last_resident_bytes: event.last?.residentBytes,
        last_heap_bytes: event.last?.heapBytes,
      });
    case "ready":
      return log.info("ready", { processes: event.processes, ...event.ports });
    case "gave_up":
      return log.error("supervisor_gave_up", {
        restarts: event.restarts,
        within_ms: event.withinMs,
        error: errorText(event.error),
      });
  }
}
