/**
 * One actor: its mailbox, its turns, its incarnations and its end.
 *
 * Invariants: one message at a time; nothing is handled while a handler's promise is outstanding;
 * the system lane goes before the mailbox; every ask that reached the mailbox is settled exactly
 * once; the exit is published once, when the owner has decided that no incarnation follows.
 * Why the cell is itself the ref: a million idle actors cost a million of these objects, so there
 * is one where there could be three.
 *
 * @module
 */

import type { Actor, Exit, Ref, SpawnOptions } from "./actor.ts";
import { Address, type Watcher } from "./address.ts";
import { DeferredArgs } from "./behaviour.ts";
import type { Call } from "./calls.ts";
import { context, type Core } from "./core.ts";
import { errorText, invariant, InvariantError } from "./errors.ts";
import { Incarnation, LaterReply, type Notice, release } from "./incarnation.ts";
import { CRASH_TEXT_CHARS, SHUTDOWN_MS, TURN_MESSAGES_MAX } from "./limits.ts";
import { perSecond } from "./rate.ts";
import type { Runnable } from "./scheduler.ts";
import { CallbackTimer } from "./timers.ts";
import type { ActorNode, CrashNote, HaltIntent, NodeState, Owner, Part } from "./tree.ts";

/** What a cell is made of, beside its actor. */
export interface CellOptions {
  /** Its name beneath its owner; pools use numbers, which cost nothing. */
  readonly name: string | number;
  /** Its arguments, or `DeferredArgs`. */
  readonly args: unknown;
  /** How long an orderly stop may take before it is killed, in milliseconds; default 5,000. */
  readonly shutdownMs?: number | undefined;
}

/**
 * - `down`: no incarnation; not started yet, or halted and in its owner's hands.
 * - `starting`: `init` is due or awaited. `running`: messages are handled.
 * - `halting`: the incarnation is being unwound. `ended`: buried.
 */
type Phase = "down" | "starting" | "running" | "halting" | "ended";

/** One actor. */
export class Cell extends Address implements Part, Runnable {
  readonly #owner: Owner;
  readonly #name: string | number;
  readonly #shutdownMs: number;
  #args: unknown;
  #laneHead: Notice | undefined = undefined;
  #laneTail: Notice | undefined = undefined;
  #phase: Phase = "down";
  /** `busy` also when no turn is wanted: only an idle cell is scheduled by a message. */
  #activity: "idle" | "scheduled" | "busy" = "busy";
  #intent: HaltIntent | undefined = undefined;
  #incarnation: Incarnation | undefined = undefined;
  #incarnations = 0;
  #handled = 0;
  #watchers: Set<Watcher> | undefined = undefined;
  #exit: Exit | undefined = undefined;
  #lastCrash: CrashNote | undefined = undefined;
  #deadline: CallbackTimer | undefined = undefined;

  /**
   * @param core What all cells share.
   * @param owner Who starts and buries it.
   * @param actor The actor; an object here, since its types end here.
   * @param options Its place and arguments.
   */
  constructor(core: Core, owner: Owner, actor: object, options: CellOptions) {
    super(core, actor);
    this.#owner = owner;
    this.#name = options.name;
    this.#args = options.args;
    this.#shutdownMs = options.shutdownMs ?? SHUTDOWN_MS;
    if (!(this.#shutdownMs >= 0)) {
      throw new InvariantError(`Cannot stop "${this.path}" within ${this.#shutdownMs} ms`);
    }
  }

  /** Path from the root. */
  override get path(): string {
    return `${this.#owner.path}/${this.#name}`;
  }

  /** Whether nothing is accepted any more. */
  protected override get closed(): boolean {
    return this.#intent === "end" || this.#phase === "ended";
  }

  // As a part of its owner.

  /** Starts the next incarnation; `init` runs in its first turn. */
  boot(): void {
    invariant(this.#phase === "down" || this.#phase === "ended", "An actor was started twice");
    this.#exit = undefined;
    this.#intent = undefined;
    this.#incarnation = new Incarnation(this, ++this.#incarnations);
    this.#phase = "starting";
    this.#schedule();
  }

  /** Stops it: after its queue, or at once when it is to start again. Killed when its time is up. */
  halt(intent: HaltIntent): void {
    this.haltUntimed(intent);
    if (this.#incarnation !== undefined) this.#armDeadline();
  }

  /** `halt` for an owner that watches the time itself. */
  haltUntimed(intent: HaltIntent): void {
    const incarnation = this.#incarnation;
    if (incarnation === undefined) return;
    this.#intent = intent;
    if (intent === "end") this.dismissWaiting();
    if (this.#phase === "starting" && this.#activity !== "busy") {
      this.#phase = "halting";
      this.#finish(incarnation, { kind: "shutdown" });
    } else this.wake();
  }

  /**
   * Ends it and all it spawned at once: no queue, no `terminate`, no waiting. Goes through the
   * family with a list and not by recursion, for a family may be deep.
   */
  kill(): void {
    if (this.#incarnation === undefined) return;
    const doomed: Cell[] = [this];
    for (const cell of doomed) {
      if (cell.#incarnation !== undefined) doomed.push(...cell.#incarnation.children);
    }
    for (const cell of doomed.reverse()) cell.#die();
  }

  /** Its owner will not start it again: the queue becomes dead letters, the exit is published. */
  bury(exit: Exit): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#intent = undefined;
    this.#exit = exit;
    this.#args = this.#args instanceof DeferredArgs ? this.#args : undefined;
    this.discard();
    const watchers = this.#watchers;
    this.#watchers = undefined;
    if (watchers !== undefined) { for (const watcher of watchers) watcher.exited(exit); }
    if (this.core.listening) this.core.emit({ type: "stopped", path: this.path, exit });
  }

  /** What the live tree shows of it. */
  inspect(): ActorNode {
    return {
      kind: "actor",
      path: this.path,
      actor: this.behaviour.name,
      state: this.#state(),
      busy: this.busy,
      mailbox: {
        length: this.queued,
        capacity: this.behaviour.mailbox.capacity,
        waiting: this.waiting,
      },
      restarts: Math.max(0, this.#incarnations - 1),
      handled: this.#handled,
      perSecond: perSecond(this, this.#handled, this.core.clock.now()),
      lastCrash: this.#lastCrash?.text,
      lastCrashAt: this.#lastCrash?.at,
      children: this.#incarnation?.children.map((child) => child.inspect()) ?? [],
    };
  }

  // What its pool sums up without looking at each child's node: thousands are read in a pass.

  /** Messages handled, notices of the system lane included. */
  get handled(): number {
    return this.#handled;
  }

  /** Whether it awaits a handler's promise. */
  get busy(): boolean {
    return this.#phase === "running" && this.#activity === "busy";
  }

  /** The last crash, if there was one. */
  get lastCrash(): CrashNote | undefined {
    return this.#lastCrash;
  }

  #state(): NodeState {
    switch (this.#phase) {
      case "down":
        return this.#incarnations === 0 ? "starting" : "restarting";
      case "starting":
        return this.#incarnations === 1 ? "starting" : "restarting";
      case "running":
        return this.#intent === undefined ? "running" : "stopping";
      case "halting":
        return "stopping";
      case "ended":
        return "stopped";
    }
  }

  // As something to be watched.

  /** Tells of the end, at once when it is over. */
  override watch(watcher: Watcher): void {
    if (this.#exit !== undefined) watcher.exited(this.#exit);
    else (this.#watchers ??= new Set()).add(watcher);
  }

  /** Forgets a watcher. */
  override unwatch(watcher: Watcher): void {
    this.#watchers?.delete(watcher);
  }

  // As its incarnation's actor.

  /** Starts a child of this incarnation. */
  spawn<C, S, A>(parent: Incarnation, actor: Actor<C, S, A>, options: SpawnOptions<A>): Ref<C> {
    const { name } = options;
    const child = new Cell(this.core, parent, actor, options);
    if (parent.retired) child.bury({ kind: "killed" });
    else {
      parent.adopt(name, child);
      child.watch({ exited: () => parent.orphan(name) });
      child.boot();
    }
    return child.ref();
  }

  /** Puts a notice into the system lane. */
  notify(notice: Notice): void {
    notice.nextNotice = undefined;
    if (this.#laneTail === undefined) this.#laneHead = notice;
    else this.#laneTail.nextNotice = notice;
    this.#laneTail = notice;
    this.wake();
  }

  /** Gives a turn when it is idle. */
  override wake(): void {
    if (this.#activity === "idle") this.#schedule();
  }

  /**
   * Crashes an incarnation: by a throw, a rejected handler or a promise it leaked.
   *
   * @returns `false` when that life is over already.
   */
  crash(incarnation: Incarnation, error: unknown): boolean {
    if (incarnation.retired) return false;
    this.#noteCrash(error);
    if (this.core.listening) {
      const number = incarnation.incarnation;
      this.core.emit({ type: "crashed", path: this.path, incarnation: number, error });
    }
    incarnation.retire();
    incarnation.conclude("crashed", error);
    this.#unwind(incarnation, { kind: "crashed", error });
    return true;
  }

  // Turns.

  /** Takes a turn: at most 128 messages. */
  turn(): number {
    if (this.#activity !== "scheduled" || this.#incarnation === undefined) return 0;
    return context.run(this.#incarnation, takeTurn, this, this.#incarnation);
  }

  /** Does what is due next; `false` when there is nothing more to do now. */
  step(incarnation: Incarnation): boolean {
    if (this.#phase === "starting") this.#initialise(incarnation);
    else if (this.#phase !== "running") return false;
    else if (incarnation.stopReason !== undefined) {
      this.#unwind(incarnation, { kind: "normal", reason: incarnation.stopReason });
    } else if (this.#intent === "restart") this.#unwind(incarnation, { kind: "shutdown" });
    else if (this.#laneHead !== undefined) this.#handleNotice(incarnation, this.#laneHead);
    else if (this.take(this.core.letter)) {
      const { type, payload, asker } = this.core.letter;
      // An asker that gave up has been told; doing its work now would only make others wait.
      if (asker === undefined || !asker.settled) this.#handle(incarnation, type, payload, asker);
    } else {
      if (this.#intent === "end") this.#unwind(incarnation, { kind: "shutdown" });
      else this.#activity = "idle";
      return false;
    }
    return this.#activity === "scheduled";
  }

  /** The turn is over and there was more to do. */
  yieldTurn(): void {
    this.core.scheduler.schedule(this);
  }

  #schedule(): void {
    this.#activity = "scheduled";
    this.core.scheduler.schedule(this);
  }

  #initialise(incarnation: Incarnation): void {
    this.#activity = "busy";
    let state: unknown;
    try {
      const args = this.#args instanceof DeferredArgs ? this.#args.args : this.#args;
      state = this.behaviour.init(args, incarnation);
    } catch (error) {
      this.crash(incarnation, error);
      return;
    }
    if (!(state instanceof Promise)) {
      this.#activity = "scheduled";
      this.#initialised(incarnation, state);
      return;
    }
    state.then((made: unknown) => {
      if (incarnation.retired) return;
      this.#initialised(incarnation, made);
      this.#schedule();
    }, (error: unknown) => this.crash(incarnation, error));
  }

  #initialised(incarnation: Incarnation, state: unknown): void {
    incarnation.state = state;
    this.#phase = "running";
    if (this.core.listening) {
      const number = incarnation.incarnation;
      this.core.emit(
        number === 1
          ? { type: "started", path: this.path }
          : { type: "restarted", path: this.path, incarnation: number },
      );
    }
    this.#owner.started(this);
  }

  #handleNotice(incarnation: Incarnation, notice: Notice): void {
    this.#laneHead = notice.nextNotice;
    if (this.#laneHead === undefined) this.#laneTail = undefined;
    try {
      if (!notice.open()) return;
    } catch (error) {
      this.crash(incarnation, error);
      return;
    }
    this.#handle(incarnation, notice.type, notice.payload, undefined);
  }

  #handle(incarnation: Incarnation, type: string, payload: unknown, asker: Call | undefined): void {
    this.#handled++;
    if (asker !== undefined) incarnation.hand = asker;
    let result: unknown;
    try {
      const handler = this.core.handlers.find(this.behaviour.on, type);
      if (handler === undefined) throw new InvariantError(`No handler for "${type}"`);
      result = handler(incarnation.state, payload, incarnation);
    } catch (error) {
      this.crash(incarnation, error);
      return;
    }
    if (result instanceof Promise) this.#await(incarnation, result, asker);
    else if (incarnation.retired) return; // It was killed in its own handler; the asker was told.
    else if (asker !== undefined) {
      incarnation.hand = undefined;
      if (result instanceof LaterReply) result.bind(asker);
      else asker.resolve(result);
    }
  }

  #await(incarnation: Incarnation, result: Promise<unknown>, asker: Call | undefined): void {
    if (!incarnation.retired) this.#activity = "busy";
    result.then((reply) => {
      if (incarnation.retired) return;
      incarnation.hand = undefined;
      asker?.resolve(reply);
      this.#schedule();
    }, (error: unknown) => {
      if (this.crash(incarnation, error) || !this.core.listening) return;
      this.core.emit({ type: "rejection_late", path: this.path, error });
    });
  }

  // The end of an incarnation.

  #unwind(incarnation: Incarnation, exit: Exit): void {
    this.#phase = "halting";
    this.#activity = "busy";
    this.#laneHead = this.#laneTail = undefined;
    incarnation.retire();
    const orderly = exit.kind !== "crashed" && this.behaviour.terminate !== undefined;
    if (incarnation.bare && !orderly) this.#finish(incarnation, exit);
    else {
      this.#armDeadline();
      void this.#unwindSlowly(incarnation, exit);
    }
  }

  /** Children, `terminate`, resources: each step may take a while, and a kill may come in between. */
  async #unwindSlowly(incarnation: Incarnation, exit: Exit): Promise<void> {
    let last = exit;
    const over = (): boolean => this.#incarnation !== incarnation;
    for (const child of [...incarnation.children].reverse()) {
      await new Promise<void>((resolve) => {
        child.watch({ exited: () => resolve() });
        child.halt("end");
      });
      if (over()) return;
    }
    if (exit.kind !== "crashed") {
      try {
        await this.behaviour.terminate?.(incarnation.state, exit, this.queued);
      } catch (error) {
        last = this.#crashedWhileEnding(error);
      }
      if (over()) return;
    }
    incarnation.conclude("stopped");
    for (let next = incarnation.takeResource(); next; next = incarnation.takeResource()) {
      try {
        await release(next);
      } catch (error) {
        this.core.emit({ type: "release_failed", path: this.path, error });
        if (last.kind !== "crashed") {
          last = { kind: "crashed", error };
          this.#noteCrash(error);
        }
      }
      if (over()) return;
    }
    this.#finish(incarnation, last);
  }

  #crashedWhileEnding(error: unknown): Exit {
    this.#noteCrash(error);
    const incarnation = this.#incarnations;
    this.core.emit({ type: "crashed", path: this.path, incarnation, error });
    return { kind: "crashed", error };
  }

  #noteCrash(error: unknown): void {
    const text = errorText(error).slice(0, CRASH_TEXT_CHARS);
    this.#lastCrash = { text, at: this.core.clock.wallNow() };
  }

  #die(): void {
    const incarnation = this.#incarnation;
    if (incarnation === undefined) return;
    this.#phase = "halting";
    this.#activity = "busy";
    this.#laneHead = this.#laneTail = undefined;
    incarnation.retire();
    // A deadline or a parent kills it, but what its signal and resources then do is its own doing.
    context.run(incarnation, () => {
      incarnation.conclude("stopped");
      incarnation.releaseAll();
    });
    this.#finish(incarnation, { kind: "killed" });
  }

  #finish(incarnation: Incarnation, exit: Exit): void {
    incarnation.retire();
    incarnation.conclude("stopped");
    if (this.#deadline !== undefined) this.core.timers.disarm(this.#deadline);
    this.#deadline = undefined;
    this.#incarnation = undefined;
    this.#phase = "down";
    this.#owner.halted(this, exit);
  }

  #armDeadline(): void {
    if (this.#deadline !== undefined) return;
    this.#deadline = new CallbackTimer(() => this.kill());
    this.core.timers.arm(this.#deadline, this.#shutdownMs);
  }
}

/** A turn, inside the context that names its incarnation. */
function takeTurn(cell: Cell, incarnation: Incarnation): number {
  for (let count = 0; count < TURN_MESSAGES_MAX; count++) {
    if (!cell.step(incarnation)) return count;
  }
  cell.yieldTurn();
  return TURN_MESSAGES_MAX;
}
