/**
 * A child's process: started, heard and ended.
 *
 * Invariants: it is asked to end once at most, since a second SIGTERM means "at once" to some; one
 * that has not ended 30 s later is killed; the one that disposes of the handle leaves no process
 * behind. Its standard input stays open and empty for as long as the parent lives: that it ends is
 * how the child learns that the parent has.
 *
 * @module
 */

import type { Clock } from "../../actors/mod.ts";
import type { ChildRole } from "./channel.ts";
import { ROLE_VARIABLE, roleText } from "./channel.ts";
import { DRAIN_MS, LINE_BYTES_MAX } from "./limits.ts";
import { LineSplitter } from "./line_splitter.ts";

/** How a child is started, its role aside. */
export interface ChildCommand {
  /** The program, by path or by name. */
  readonly program: string;
  /** Its arguments. */
  readonly args: readonly string[];
}

/** How a process ended. */
export interface ChildExit {
  /** Exit status; 128 and the signal's number when a signal ended it. */
  readonly code: number;
  /** The signal that ended it, if one did. */
  readonly signal: Deno.Signal | null;
  /** Why the parent killed it, if it did. */
  readonly killed: string | undefined;
}

/** What comes from a child. */
export type ChildNews =
  /** Lines it printed; none when all that came was part of one. */
  | { readonly kind: "lines"; readonly lines: readonly string[] }
  /** It has ended; nothing comes after. */
  | { readonly kind: "exited"; readonly exit: ChildExit };

/** A process. */
export class ChildHandle implements AsyncDisposable {
  /** Resolves when it has ended. */
  readonly ended: Promise<ChildExit>;
  readonly #process: Deno.ChildProcess;
  readonly #clock: Clock;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  readonly #splitter = new LineSplitter(LINE_BYTES_MAX);
  #killed: string | undefined;
  #hasEnded = false;
  #drain: Promise<ChildExit> | undefined;

  /**
   * Starts a process in this role. Its log goes where this one's goes.
   *
   * @throws {Error} When there is no such program, or it may not be run.
   */
  constructor(command: ChildCommand, role: ChildRole, clock: Clock) {
    this.#clock = clock;
    this.#process = new Deno.Command(command.program, {
      args: [...command.args],
      env: { [ROLE_VARIABLE]: roleText(role) },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#output = this.#process.stdout.getReader();
    this.ended = this.#process.status.then(({ code, signal }) => {
      this.#hasEnded = true;
      // Whatever it may have started holds the other end no longer than this one waits.
      this.#output.cancel().catch(() => {});
      return { code, signal, killed: this.#killed };
    });
  }

  /** Its process id. */
  get pid(): number {
    return this.#process.pid;
  }

  /** What comes next; ask again only after the answer. */
  async next(): Promise<ChildNews> {
    const { done, value } = await this.#output.read();
    if (done) return { kind: "exited", exit: await this.ended };
    return { kind: "lines", lines: this.#splitter.push(value) };
  }

  /** Asks it to end in order, kills it when it takes too long; again it only waits. */
  drain(): Promise<ChildExit> {
    this.#drain ??= this.#drained();
    return this.#drain;
  }

  /** Ends it at once; the first reason given is the one told. */
  kill(reason: string): void {
    if (this.#hasEnded) return;
    this.#killed ??= reason;
    this.#signal("SIGKILL");
  }

  /** Ends it at once, waits for that and closes the channel. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("the parent has no more use for it");
    await this.ended;
    // The pipe is broken when the process ended first; then it is closed all the same.
    await this.#process.stdin.close().catch(() => {});
  }

  async #drained(): Promise<ChildExit> {
    const reason = `it did not end within ${DRAIN_MS / 1_000} s of SIGTERM`;
    const deadline = this.#clock.set(DRAIN_MS, () => this.kill(reason));
    this.#signal("SIGTERM");
    const exit = await this.ended;
    this.#clock.clear(deadline);
    return exit;
  }

  #signal(signal: Deno.Signal): void {
    try {
      if (!this.#hasEnded) this.#process.kill(signal);
    } catch (error) {
      // It has ended by itself, and its status comes.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
