/**
 * A child process as an actor: the process lives as long as an incarnation does.
 *
 * The first incarnation is ready when its process serves, so that children start one after the other
 * and a start that fails ends the parent. Later ones are ready at once: a child that takes its time
 * to come back holds up nobody, and one that ends before it serves has crashed like any other.
 *
 * Invariants: a process that ends unasked crashes its actor; one that hangs is killed, and so ends;
 * when the incarnation ends, whatever the reason, so has its process; each end is told once.
 *
 * @module
 */

import type { Actor, Clock, Context } from "../../actors/mod.ts";
import { cut } from "../../transports/command_line/visible_text.ts";
import { type HeartbeatLine, readLine, type SharedPorts } from "./channel.ts";
import { type ChildCommand, type ChildExit, ChildHandle, type ChildNews } from "./child_handle.ts";
import type { ProcessEvent } from "./events.ts";
import { exitText } from "./exit_text.ts";
import { Heartbeats } from "./heartbeats.ts";
import {
  HEARTBEAT_MS,
  HEARTBEATS_MISSED_MAX,
  LATE_MS,
  START_MS,
  STRAY_CHARS_MAX,
} from "./limits.ts";

/** What a child's actor understands; all of it comes from itself. */
export interface ChildProcessProtocol {
  /** Something came from the process. */
  heard(news: ChildNews): void;
  /** The time of a heartbeat has passed. */
  heartbeatDue(): void;
}

/** What all children of a parent have in common. */
export interface Family {
  /** How a child is started. */
  readonly command: ChildCommand;
  /** Time. */
  readonly clock: Clock;
  /** Aborted when all children are to end in order. */
  readonly stopping: AbortSignal;
  /** Aborted when all are to end at once. */
  readonly killing: AbortSignal;
  /** The ports to share; none until a child has picked them. */
  ports(): SharedPorts | undefined;
  /** Told what happens, synchronously; it must not throw. */
  onEvent(event: ProcessEvent): void;
}

/** Arguments of a child's actor. */
export interface ChildProcessArgs {
  /** Its number, from 1. */
  readonly index: number;
  /** What it shares with the others. */
  readonly family: Family;
}

/** A process that ended without having been asked to. */
export class ChildExitError extends Error {
  /** Name of the class. */
  override readonly name = "ChildExitError";
  /** How it ended. */
  readonly exit: ChildExit;
  /** Whether it had been ready. */
  readonly served: boolean;

  /** The error of this child's end. */
  constructor(index: number, exit: ChildExit, served: boolean) {
    super(`process ${index} has ended: ${exitText(exit)}`);
    this.exit = exit;
    this.served = served;
  }
}

/** What a child's actor knows of its process. */
interface State extends ChildProcessArgs {
  readonly handle: ChildHandle;
  readonly heartbeats: Heartbeats;
  ready: boolean;
  last: HeartbeatLine | undefined;
}

/** The actor. */
export const childProcess: Actor<ChildProcessProtocol, State, ChildProcessArgs> = {
  name: "child_process",
  // It sends itself timers and piped news only, which need no room here.
  mailbox: { capacity: 1, overflow: "refuse" },
  async init({ index, family }, ctx) {
    const role = { index, ports: family.ports() };
    const handle = ctx.use(new ChildHandle(family.command, role, family.clock));
    const heartbeats = new Heartbeats(HEARTBEATS_MISSED_MAX);
    const state: State = { index, family, handle, heartbeats, ready: false, last: undefined };
    const { pid } = handle;
    family.onEvent({ kind: "child_started", index, pid, incarnation: ctx.incarnation });
    void handle.ended.then((exit) => tellExit(state, exit));
    ctx.use(onAbort(family.stopping, () => void handle.drain()));
    ctx.use(onAbort(family.killing, () => handle.kill("it was told to end at once")));
    ctx.use(startDeadline(state));
    while (ctx.incarnation === 1 && !state.ready) take(state, await handle.next(), ctx);
    listen(state, ctx);
    return state;
  },
  on: {
    heard(state, news, ctx) {
      if (news.kind === "exited" && state.family.stopping.aborted) return ctx.stop("drained");
      take(state, news, ctx);
      listen(state, ctx);
    },
    heartbeatDue({ heartbeats, handle }, _, ctx) {
      const seconds = HEARTBEAT_MS * HEARTBEATS_MISSED_MAX / 1_000;
      if (heartbeats.check() === "hanging") handle.kill(`no heartbeat for ${seconds} s`);
      else ctx.after(HEARTBEAT_MS, "heartbeatDue");
    },
  },
  async terminate({ handle }) {
    await handle.drain();
  },
};

/** Asks for the next piece of news; only when the last was dealt with, so the pipe holds up who floods it. */
function listen({ handle }: State, ctx: Context<ChildProcessProtocol>): void {
  ctx.pipe(handle.next(), "heard", (outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}

function take(state: State, news: ChildNews, ctx: Context<ChildProcessProtocol>): void {
  if (news.kind === "exited") throw new ChildExitError(state.index, news.exit, state.ready);
  const strays = news.lines.filter((line) => !takeLine(state, line, ctx));
  const [text] = strays;
  if (text === undefined) return;
  state.family.onEvent({
    kind: "child_stray",
    index: state.index,
    lines: strays.length,
    text: cut(text, STRAY_CHARS_MAX),
  });
}

/** Whether the line was one of the channel's. */
function takeLine(state: State, text: string, ctx: Context<ChildProcessProtocol>): boolean {
  const { index, family, handle, heartbeats } = state;
  const line = readLine(text);
  switch (line?.type) {
    case undefined:
      return false;
    case "ready":
      if (state.ready) return false;
      state.ready = true;
      heartbeats.heard();
      ctx.after(HEARTBEAT_MS, "heartbeatDue");
      family.onEvent({
        kind: "child_ready",
        index,
        pid: handle.pid,
        node: line.node,
        ports: line.ports,
      });
      return true;
    case "heartbeat":
      state.last = line;
      heartbeats.heard();
      if (line.lateMs >= LATE_MS) {
        family.onEvent({ kind: "child_late", index, lateMs: line.lateMs });
      }
      return true;
  }
}

/** Kills a process that is not ready in time. */
function startDeadline(state: State): Disposable {
  const { clock } = state.family;
  const timer = clock.set(START_MS, () => {
    if (!state.ready) state.handle.kill(`it was not ready within ${START_MS / 1_000} s`);
  });
  return { [Symbol.dispose]: () => clock.clear(timer) };
}

/** An end is orderly that was asked for: with status 0, or in whatever way before it served anybody. */
function tellExit({ index, family, handle, ready, last }: State, exit: ChildExit): void {
  const orderly = family.stopping.aborted &&
    (exit.code === 0 || !ready && exit.killed === undefined);
  const reason = exitText(exit);
  family.onEvent({ kind: "child_exited", index, pid: handle.pid, reason, orderly, last });
}

/** Calls back when the signal is aborted, at once if it is. */
function onAbort(signal: AbortSignal, callback: () => void): Disposable {
  if (signal.aborted) callback();
  else signal.addEventListener("abort", callback, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", callback) };
}
