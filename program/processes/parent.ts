/**
 * The parent of several processes that serve the same ports.
 *
 * ```
 * processes      one_for_one
 * └─ 1, 2, …     child_process: one each, permanent
 * ```
 *
 * It opens nothing itself: it starts children, hears them, and ends with them. The first child picks
 * the ports, where a setting leaves that open, and all others and all later incarnations are given
 * them. Children start one after the other, and drain at the same time.
 *
 * @module
 */

import {
  type Clock,
  realClock,
  type Ref,
  type RuntimeEvent,
  type Supervisor,
  System,
  worker,
} from "../../actors/mod.ts";
import { StartError, startError } from "../start_error.ts";
import type { SharedPorts } from "./channel.ts";
import type { ChildCommand } from "./child_handle.ts";
import {
  ChildExitError,
  childProcess,
  type ChildProcessProtocol,
  type Family,
} from "./child_process.ts";
import type { ProcessEvent } from "./events.ts";
import { SHUTDOWN_MS } from "./limits.ts";

/** The status of a process that was told twice to end, as shells count SIGINT. */
const INTERRUPTED = 130;

/** A child that was restarted five times in ten seconds is not helped by a sixth; as everywhere in this program. */
const INTENSITY = { restarts: 5, withinMs: 10_000 };
const BACKOFF = { minMs: 100, maxMs: 5_000 };

/** What a parent is given. */
export interface ParentOptions {
  /** How many processes, 1 to 64. */
  readonly processes: number;
  /** How each is started, its role aside. */
  readonly command: ChildCommand;
  /** When aborted, all children drain. */
  readonly stop: AbortSignal;
  /** When aborted, all children are killed. */
  readonly kill: AbortSignal;
  /** Told what happens, synchronously; it must not throw. */
  readonly onEvent: (event: ProcessEvent) => void;
  /** Time; default the platform's. */
  readonly clock?: Clock;
}

/**
 * Starts the processes and keeps them alive until it is told to stop.
 *
 * @returns The exit status: 0 when told to stop and all children ended in order; 130 when they were
 *   killed; 1 or 2 as the child said that could not start; 1 for any other end.
 * @throws {StartError} When a child cannot start and has not said why itself.
 */
export async function runParent(options: ParentOptions): Promise<number> {
  return await new Parent(options).run();
}

class Parent {
  readonly #options: ParentOptions;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  #ports: SharedPorts | undefined;
  #orderly = true;

  constructor(options: ParentOptions) {
    this.#options = options;
    this.#clock = options.clock ?? realClock;
  }

  async run(): Promise<number> {
    const { processes, stop, kill, onEvent } = this.#options;
    if (stop.aborted || kill.aborted) return this.#status();
    await using system = new System({
      clock: this.#clock,
      onEvent: (event) => this.#runtimeEvent(event),
    });
    const end = () => {
      this.#stopping.abort();
      // From here on the supervisor restarts nobody; it waits for the children one after the other.
      void system.stop();
    };
    stop.addEventListener("abort", end);
    kill.addEventListener("abort", end);
    try {
      await system.start("processes", this.#tree());
      if (this.#ports !== undefined) onEvent({ kind: "ready", processes, ports: this.#ports });
      const exit = await system.ended;
      return exit.kind === "crashed" ? 1 : this.#status();
    } catch (error) {
      return this.#told() ? this.#status() : startStatus(error);
    } finally {
      stop.removeEventListener("abort", end);
      kill.removeEventListener("abort", end);
    }
  }

  #tree(): Supervisor<Readonly<Record<string, Ref<ChildProcessProtocol>>>> {
    const family: Family = {
      command: this.#options.command,
      clock: this.#clock,
      stopping: this.#stopping.signal,
      killing: this.#options.kill,
      ports: () => this.#ports,
      onEvent: (event) => this.#processEvent(event),
    };
    const child = (_: unknown, position: number) => {
      const index = position + 1;
      return [
        `${index}`,
        worker(childProcess, {
          args: () => ({ index, family }),
          restart: "permanent",
          shutdownMs: SHUTDOWN_MS,
          backoff: BACKOFF,
        }),
      ] as const;
    };
    return {
      strategy: "one_for_one",
      intensity: INTENSITY,
      children: Object.fromEntries(Array.from({ length: this.#options.processes }, child)),
    };
  }

  #processEvent(event: ProcessEvent): void {
    if (event.kind === "child_ready") this.#ports ??= event.ports;
    if (event.kind === "child_exited" && this.#stopping.signal.aborted && !event.orderly) {
      this.#orderly = false;
    }
    this.#options.onEvent(event);
  }

  #runtimeEvent(event: RuntimeEvent): void {
    // What follows is the end of all, and a supervisor ends its children one after the other:
    // told together they drain together.
    if (isFailedStart(event) || event.type === "gave_up") this.#stopping.abort();
    if (event.type !== "gave_up") return;
    const { restarts, withinMs, error } = event;
    this.#options.onEvent({ kind: "gave_up", restarts, withinMs, error });
  }

  #told(): boolean {
    return this.#options.stop.aborted || this.#options.kill.aborted;
  }

  #status(): number {
    if (this.#options.kill.aborted) return INTERRUPTED;
    return this.#orderly ? 0 : 1;
  }
}

/** Whether a child has failed to serve for the first time: one that crashes later is started again. */
function isFailedStart(event: RuntimeEvent): boolean {
  if (event.type !== "crashed" || event.incarnation > 1) return false;
  return !(event.error instanceof ChildExitError && event.error.served);
}

/** The status that a child gave with its reason; without one the reason is thrown. */
function startStatus(error: unknown): number {
  const cause = error instanceof Error ? error.cause : undefined;
  const exit = cause instanceof ChildExitError ? cause.exit : undefined;
  if (exit?.signal === null && (exit.code === 1 || exit.code === 2)) return exit.code;
  throw new StartError(`processes: ${startError(error).message}`, 1, { cause: error });
}
