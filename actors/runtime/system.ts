/**
 * The system: the root of all trees, the attribution of leaked rejections, the orderly end.
 *
 * Invariants: trees stop in the reverse of their start order; after the end nothing is armed and
 * nothing listens. A rejection nobody handled crashes the actor whose turn made the promise, and
 * no other: the platform carries the incarnation through every await. A rejection that belongs
 * to no actor of this system is left to whoever else listens, in the end to the platform.
 *
 * @example One counter
 * ```ts
 * import { type Actor, type Ref, type Supervisor, System, worker } from "../mod.ts";
 *
 * interface CounterProtocol {
 *   add(count: number): void;
 *   total(): number;
 * }
 * const counter: Actor<CounterProtocol, { total: number }> = {
 *   name: "counter",
 *   mailbox: { capacity: 100, overflow: "refuse" },
 *   init: () => ({ total: 0 }),
 *   on: {
 *     add: (state, count) => void (state.total += count),
 *     total: (state) => state.total,
 *   },
 * };
 * const tree: Supervisor<{ counter: Ref<CounterProtocol> }> = {
 *   strategy: "one_for_one",
 *   intensity: { restarts: 3, withinMs: 5_000 },
 *   children: { counter: worker(counter, { args: () => undefined, restart: "permanent" }) },
 * };
 * await using system = new System();
 * const refs = await system.start("example", tree);
 * refs.counter.trySend("add", 2);
 * if (await refs.counter.ask("total") !== 2) throw new Error("lost a message");
 * ```
 *
 * @module
 */

import type { Exit } from "./actor.ts";
import { type Clock, type Random, realClock, realRandom } from "./clock.ts";
import { context, Core } from "./core.ts";
import { invariant, StartError } from "./errors.ts";
import type { DeadLetters, RuntimeEvent } from "./events.ts";
import { Incarnation } from "./incarnation.ts";
import { FifoScheduler, type Scheduler } from "./scheduler.ts";
import { buildSupervisor } from "./spec.ts";
import type { Supervisor, SupervisorPart } from "./supervisor.ts";
import type { NodeState, Owner, Part, SystemNode } from "./tree.ts";

/** Options of a system; all have a default fit for production. */
export interface SystemOptions {
  /** First part of every path; default `"root"`. */
  readonly name?: string;
  /** Time; default the platform's. */
  readonly clock?: Clock;
  /** Chance; default the platform's. */
  readonly random?: Random;
  /** Who runs next; default first come, first served, in slices. */
  readonly scheduler?: Scheduler;
  /** Told every event, synchronously; it must be quick and must not throw. */
  readonly onEvent?: (event: RuntimeEvent) => void;
  /** Shown every payload that is offered, before it is queued; the test kit freezes them. */
  readonly onAccepted?: (payload: unknown) => void;
}

/** A tree of the system. */
interface Tree {
  readonly part: SupervisorPart;
  /** Settles its start; absent once that has happened. */
  started: ((exit: Exit | undefined) => void) | undefined;
  /** Resolves when it is down. */
  readonly halted: PromiseWithResolvers<Exit>;
}

/** A system of actors. */
export class System implements AsyncDisposable {
  readonly #core: Core;
  readonly #name: string;
  readonly #trees: Tree[] = [];
  readonly #ended = Promise.withResolvers<Exit>();
  #stopping: Promise<Exit> | undefined;
  #state: NodeState = "running";
  readonly #owner: Owner;
  readonly #onRejection = (event: PromiseRejectionEvent): void => this.#attribute(event);

  /**
   * Makes a system; it listens for rejections until it is stopped.
   *
   * @param options Time, chance, scheduling and the ear of the host.
   */
  constructor(options: SystemOptions = {}) {
    const clock = options.clock ?? realClock;
    this.#name = options.name ?? "root";
    this.#core = new Core({
      clock,
      random: options.random ?? realRandom,
      scheduler: options.scheduler ?? new FifoScheduler(clock),
      onEvent: options.onEvent,
      onAccepted: options.onAccepted,
    });
    this.#owner = {
      path: this.#name,
      started: (part) => this.#started(this.#tree(part), undefined),
      halted: (part, exit) => this.#halted(this.#tree(part), exit),
    };
    globalThis.addEventListener("unhandledrejection", this.#onRejection);
  }

  /** Resolves when the system has ended: by `stop`, or because a tree gave up, which is `crashed`. */
  get ended(): Promise<Exit> {
    return this.#ended.promise;
  }

  /** Messages that were accepted and never handled. */
  get deadLetters(): DeadLetters {
    return this.#core.deadLetters;
  }

  /**
   * Starts a tree and waits until all of it is ready.
   *
   * @typeParam C The refs of its children.
   * @param name Its name, unique in the system.
   * @param supervisor The tree, as data.
   * @returns The refs of its children.
   * @throws {StartError} When a child's `init` fails or the system is stopped meanwhile; what had
   *   started is stopped in reverse.
   */
  async start<C>(name: string, supervisor: Supervisor<C>): Promise<C> {
    const path = `${this.#name}/${name}`;
    invariant(this.#stopping === undefined, `Cannot start "${path}": the system has stopped`);
    invariant(
      this.#trees.every(({ part }) => part.path !== path),
      `Cannot start "${path}": there is one already`,
    );
    const site = { core: this.#core, owner: this.#owner, name };
    const { part, refs } = buildSupervisor(site, supervisor);
    const tree: Tree = { part, started: undefined, halted: Promise.withResolvers<Exit>() };
    this.#trees.push(tree);
    const exit = await new Promise<Exit | undefined>((resolve) => {
      tree.started = resolve;
      part.boot();
    });
    if (exit === undefined) return refs;
    part.bury();
    this.#trees.splice(this.#trees.indexOf(tree), 1);
    throw exit.kind === "crashed"
      ? exit.error
      : new StartError(path, "it was stopped while starting");
  }

  /**
   * Stops all trees in reverse and waits for them; again it only waits.
   *
   * @returns How the system ended: `shutdown`, or `crashed` when a tree had given up.
   */
  stop(): Promise<Exit> {
    return this.#end({ kind: "shutdown" });
  }

  /** The live tree. */
  tree(): SystemNode {
    return {
      kind: "system",
      path: this.#name,
      state: this.#state,
      children: this.#trees.map(({ part }) => part.inspect()),
    };
  }

  /** Stops it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #end(exit: Exit): Promise<Exit> {
    this.#stopping ??= this.#stopAll(exit);
    return this.#stopping;
  }

  async #stopAll(exit: Exit): Promise<Exit> {
    this.#state = "stopping";
    for (const tree of [...this.#trees].reverse()) {
      tree.part.halt("end");
      await tree.halted.promise;
      tree.part.bury();
    }
    this.#core[Symbol.dispose]();
    globalThis.removeEventListener("unhandledrejection", this.#onRejection);
    this.#state = "stopped";
    this.#ended.resolve(exit);
    return exit;
  }

  #tree(part: Part): Tree {
    const tree = this.#trees.find((candidate) => candidate.part === part);
    invariant(tree !== undefined, `"${part.path}" is no tree of this system`);
    return tree;
  }

  #started(tree: Tree, exit: Exit | undefined): void {
    const { started } = tree;
    tree.started = undefined;
    started?.(exit);
  }

  /** A tree is down: it could not start, was stopped, or gave up, which ends the system. */
  #halted(tree: Tree, exit: Exit): void {
    tree.halted.resolve(exit);
    if (tree.started !== undefined) this.#started(tree, exit);
    else if (this.#stopping === undefined) void this.#end(exit);
  }

  #attribute(event: PromiseRejectionEvent): void {
    const incarnation = context.getStore();
    const error: unknown = event.reason;
    if (!(incarnation instanceof Incarnation)) {
      this.#core.emit({ type: "rejection_unattributed", error });
      return;
    }
    const { cell } = incarnation;
    if (cell.core !== this.#core) return;
    event.preventDefault();
    if (cell.crash(incarnation, error)) return;
    this.#core.emit({ type: "rejection_late", path: cell.path, error });
  }
}
