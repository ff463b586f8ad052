/**
 * Supervisors: plain data that says what is started, in which order, and what follows a crash.
 *
 * The semantics are those of OTP's `supervisor`: children start in the order of the keys, each
 * after the one before it is ready, and stop in reverse. `one_for_one` restarts the child that
 * ended; `one_for_all` stops and restarts all; `rest_for_one` those started after it, too.
 * `permanent` children are always restarted, `transient` ones after a crash, `temporary` ones
 * never, and they are forgotten also when a strategy takes them down. A failed restart is tried
 * again after everything that happened meanwhile, and each try counts. Above its intensity a
 * supervisor stops its children in reverse and ends as crashed: its own supervisor decides.
 *
 * Unlike OTP: a restart keeps refs and mailboxes; a window is counted in milliseconds; a child
 * may have a backoff, during which the supervisor serves the others and nothing is counted; a
 * stop does not wait for a child that hangs in `init` longer than its `shutdownMs`.
 *
 * @module
 */

import type { Backoff, Exit, RestartType } from "./actor.ts";
import { backoffMs, type Intensity, RestartWindow } from "./window.ts";
import type { Core } from "./core.ts";
import { invariant, RestartLimitError, StartError } from "./errors.ts";
import type { ChildSpec } from "./spec.ts";
import { CallbackTimer } from "./timers.ts";
import type { HaltIntent, NodeState, Owner, Part, SupervisorNode } from "./tree.ts";
import { restarts } from "./tree.ts";

/** Who is restarted with a child that ended. */
export type SupervisorStrategy = "one_for_one" | "one_for_all" | "rest_for_one";

/**
 * A supervisor, as data.
 *
 * @typeParam C The refs of its children by name: `Ref<P>`, `Pool<P, A>`, or the refs of a branch.
 */
export interface Supervisor<C> {
  /** Who is restarted with a child that ended. */
  readonly strategy: SupervisorStrategy;
  /** How many restarts it allows. */
  readonly intensity: Intensity;
  /** Its children; they start in the order of the keys. */
  readonly children: { readonly [K in keyof C]: ChildSpec<C, C[K]> };
}

/** A child as its supervisor keeps it. */
export interface ChildPart {
  /** The child. */
  readonly part: Part;
  /** When it is started again. */
  readonly restart: RestartType;
  /** Delay of its restarts. */
  readonly backoff: Backoff | undefined;
}

/**
 * - `down`: not started, or ended and not to be restarted for itself.
 * - `starting`, `stopping`: the supervisor waits for it. `up`: it runs.
 * - `exited`: it ended by itself and its turn to be dealt with will come.
 * - `waiting`: its backoff runs. `retrying`: a restart failed and will be tried again.
 */
type ChildState = "down" | "starting" | "stopping" | "up" | "exited" | "waiting" | "retrying";

const SHUTDOWN: Exit = { kind: "shutdown" };

/** A child, and where it stands. */
class Child {
  readonly part: Part;
  readonly restart: RestartType;
  readonly backoff: Backoff | undefined;
  state: ChildState = "down";
  /** Settles what the supervisor waits for while the child starts or stops. */
  settle: ((exit: Exit | undefined) => void) | undefined;
  /** Restarts in a row. */
  attempts = 0;
  /** Since when it is up; absent when that was dealt with or has not happened yet. */
  upSince: number | undefined;
  timer: CallbackTimer | undefined;
  lastExit: Exit = SHUTDOWN;

  constructor(spec: ChildPart) {
    this.part = spec.part;
    this.restart = spec.restart;
    this.backoff = spec.backoff;
  }
}

/** Something to deal with, in order of arrival. Each child has at most one of each kind pending. */
interface Job {
  readonly kind: "exited" | "retry" | "backoff_over";
  readonly child: Child;
}

/** A supervisor as a part of the tree. */
export class SupervisorPart implements Part, Owner {
  readonly #core: Core;
  readonly #owner: Owner;
  readonly #name: string;
  readonly #strategy: SupervisorStrategy;
  readonly #intensity: Intensity;
  #specs: readonly ChildPart[] = [];
  #children: Child[] = [];
  readonly #byPart = new Map<Part, Child>();
  #window: RestartWindow;
  #state: NodeState = "starting";
  #jobs: Job[] = [];
  #intent: HaltIntent | undefined;
  #wake: (() => void) | undefined;

  /**
   * @param core What all cells share.
   * @param owner Who starts it.
   * @param name Its name beneath the owner.
   * @param options Its strategy and intensity.
   * @param options.strategy Who is restarted with a child that ended.
   * @param options.intensity How many restarts it allows.
   */
  constructor(
    core: Core,
    owner: Owner,
    name: string,
    options: { readonly strategy: SupervisorStrategy; readonly intensity: Intensity },
  ) {
    this.#core = core;
    this.#owner = owner;
    this.#name = name;
    this.#strategy = options.strategy;
    this.#intensity = options.intensity;
    this.#window = new RestartWindow(options.intensity);
  }

  /** Path from the root. */
  get path(): string {
    return `${this.#owner.path}/${this.#name}`;
  }

  /** Gives it its children, once, before it is started. */
  employ(specs: readonly ChildPart[]): void {
    invariant(this.#specs.length === 0, `Cannot give "${this.path}" its children twice`);
    this.#specs = specs;
  }

  /** Starts it with all the children it was given. */
  boot(): void {
    this.#intent = undefined;
    this.#jobs = [];
    this.#window = new RestartWindow(this.#intensity);
    this.#children = this.#specs.map((spec) => new Child(spec));
    this.#byPart.clear();
    for (const child of this.#children) this.#byPart.set(child.part, child);
    this.#state = "starting";
    void this.#live();
  }

  /** Stops its children in reverse, then itself. A child that is being started is stopped first. */
  halt(intent: HaltIntent): void {
    this.#intent = intent;
    const starting = this.#children.find((child) => child.state === "starting");
    starting?.part.halt(intent);
    this.#wake?.();
  }

  /** It will not start again, and neither will its children. */
  bury(): void {
    this.#state = "stopped";
    for (const { part } of this.#specs) part.bury(this.#byPart.get(part)?.lastExit ?? SHUTDOWN);
  }

  /** A child is ready. */
  started(part: Part): void {
    const child = this.#child(part);
    child.state = "up";
    child.upSince = this.#core.clock.now();
    this.#settle(child, undefined);
  }

  /** A child is down. */
  halted(part: Part, exit: Exit): void {
    const child = this.#child(part);
    child.lastExit = exit;
    if (child.settle !== undefined) {
      child.state = "down";
      this.#settle(child, exit);
    } else {
      child.state = "exited";
      this.#push({ kind: "exited", child });
    }
  }

  /** What the live tree shows of it. */
  inspect(): SupervisorNode {
    return {
      kind: "supervisor",
      path: this.path,
      strategy: this.#strategy,
      state: this.#state,
      restarts: this.#window.count(this.#core.clock.now()),
      children: this.#children.map((child) => child.part.inspect()),
    };
  }

  /** Its life from start to end; it deals with one thing at a time. */
  async #live(): Promise<void> {
    const failed = await this.#startAll(this.#children);
    let exit: Exit = { kind: "shutdown" };
    if (failed !== undefined && this.#intent === undefined) {
      exit = { kind: "crashed", error: startError(failed) };
    } else if (this.#intent === undefined) {
      this.#state = "running";
      this.#owner.started(this);
      exit = await this.#supervise();
    }
    this.#state = "stopping";
    const intent = this.#intent ?? "restart";
    for (const child of [...this.#children].reverse()) await this.#stop(child, intent);
    this.#state = "restarting";
    this.#owner.halted(this, exit);
  }

  async #supervise(): Promise<Exit> {
    while (this.#intent === undefined) {
      const job = this.#jobs.shift();
      if (job === undefined) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        this.#wake = undefined;
      } else {
        const error = await this.#deal(job);
        if (error !== undefined) return { kind: "crashed", error };
      }
    }
    return { kind: "shutdown" };
  }

  async #deal(job: Job): Promise<RestartLimitError | undefined> {
    const { kind, child } = job;
    switch (kind) {
      case "exited":
        return child.state === "exited" ? await this.#exited(child) : undefined;
      case "retry":
        return child.state === "retrying" ? await this.#restart(child) : undefined;
      case "backoff_over":
        if (child.state === "waiting") await this.#startGroup(child);
        return undefined;
    }
  }

  #exited(child: Child): Promise<RestartLimitError | undefined> | undefined {
    child.state = "down";
    if (restarts(child.restart, child.lastExit)) return this.#restart(child);
    child.part.bury(child.lastExit);
    if (child.restart === "temporary") this.#forget(child);
    return undefined;
  }

  /** Restarts a child and whom the strategy takes with it; the error when that is one too many. */
  async #restart(child: Child): Promise<RestartLimitError | undefined> {
    const now = this.#core.clock.now();
    if (!this.#window.add(now)) {
      const error = this.#giveUp(child);
      child.state = "down";
      return error;
    }
    for (const other of this.#group(child).reverse()) {
      if (other === child) continue;
      await this.#stop(other, other.restart === "temporary" ? "end" : "restart");
      if (other.restart === "temporary") this.#forget(other);
    }
    const { backoff } = child;
    if (backoff === undefined) await this.#startGroup(child);
    else this.#delay(child, backoff, now);
    return undefined;
  }

  #delay(child: Child, backoff: Backoff, now: number): void {
    const upMs = child.upSince === undefined ? 0 : now - child.upSince;
    child.upSince = undefined;
    // It ran for longer than the longest delay: the trouble before is over.
    if (upMs >= backoff.maxMs) child.attempts = 0;
    const ms = backoffMs(backoff, child.attempts++, this.#core.random);
    child.state = "waiting";
    child.timer = new CallbackTimer(() => this.#push({ kind: "backoff_over", child }));
    this.#core.timers.arm(child.timer, ms);
  }

  async #startGroup(child: Child): Promise<void> {
    const failed = await this.#startAll(this.#group(child));
    if (failed === undefined || this.#intent !== undefined) return;
    failed.state = "retrying";
    this.#push({ kind: "retry", child: failed });
  }

  /** Starts these in order; the one which failed, if any, ends the series. */
  async #startAll(children: readonly Child[]): Promise<Child | undefined> {
    for (const child of children) {
      if (this.#intent !== undefined) return undefined;
      this.#disarm(child);
      const exit = await this.#settled(child, "starting", () => child.part.boot());
      if (exit !== undefined) return child;
    }
    return undefined;
  }

  async #stop(child: Child, intent: HaltIntent): Promise<void> {
    this.#disarm(child);
    if (child.state === "up") {
      await this.#settled(child, "stopping", () => child.part.halt(intent));
    }
    child.state = "down";
    if (intent === "end") child.part.bury(child.lastExit);
  }

  /** Waits until the child has started (`undefined`) or halted (its exit). */
  #settled(
    child: Child,
    state: "starting" | "stopping",
    begin: () => void,
  ): Promise<Exit | undefined> {
    child.state = state;
    return new Promise((resolve) => {
      child.settle = resolve;
      begin();
    });
  }

  /** Ends the wait at once: whatever the child does next is an event of its own. */
  #settle(child: Child, exit: Exit | undefined): void {
    const { settle } = child;
    child.settle = undefined;
    settle?.(exit);
  }

  #child(part: Part): Child {
    const child = this.#byPart.get(part);
    invariant(child !== undefined, "A part reported to a supervisor which is not its own");
    return child;
  }

  /** Whom the strategy takes with this child, in start order, itself included. */
  #group(child: Child): Child[] {
    switch (this.#strategy) {
      case "one_for_one":
        return [child];
      case "one_for_all":
        return [...this.#children];
      case "rest_for_one":
        return this.#children.slice(this.#children.indexOf(child));
    }
  }

  #giveUp(child: Child): RestartLimitError {
    const { lastExit } = child;
    const cause = lastExit.kind === "crashed" ? lastExit.error : undefined;
    this.#core.emit({ type: "gave_up", path: this.path, ...this.#intensity, error: cause });
    return new RestartLimitError(this.path, this.#intensity, cause);
  }

  #forget(child: Child): void {
    this.#children = this.#children.filter((other) => other !== child);
  }

  #disarm(child: Child): void {
    if (child.timer !== undefined) this.#core.timers.disarm(child.timer);
    child.timer = undefined;
  }

  #push(job: Job): void {
    this.#jobs.push(job);
    this.#wake?.();
  }
}

function startError(child: Child): StartError {
  const { lastExit, part } = child;
  if (lastExit.kind !== "crashed") return new StartError(part.path, "it ended while starting");
  return lastExit.error instanceof StartError
    ? lastExit.error
    : new StartError(part.path, lastExit.error);
}
