/**
 * Pools: many children of one kind, each started with arguments of its own and never restarted.
 *
 * Invariants: never more than `childrenMax` children; a pool halts when its last child has. For
 * connections and batches: a socket cannot be restarted, its device connects again. At the end
 * all children are stopped at the same time under one common deadline, as OTP's
 * `simple_one_for_one` does; a hundred thousand of them take one pass and one timer.
 *
 * @module
 */

import type { Exit, Ref } from "./actor.ts";
import { Cell } from "./cell.ts";
import type { Core } from "./core.ts";
import { invariant } from "./errors.ts";
import {
  POOL_CHILDREN_MAX,
  SHUTDOWN_MS,
  TREE_DEPTH_CLASSES,
  TREE_POOL_CHILDREN_MAX,
} from "./limits.ts";
import { perSecond } from "./rate.ts";
import { CallbackTimer } from "./timers.ts";
import type { ActorNode, CrashNote, HaltIntent, NodeState, Owner, Part, PoolNode } from "./tree.ts";

/** The handle of a pool: what its siblings get among their refs. */
export interface Pool<out P, in A> {
  /** Path from the root. */
  readonly path: string;
  /** Children alive. */
  readonly size: number;
  /**
   * Starts a child; its `init` runs soon after, and messages sent before wait for it.
   *
   * @param args Its arguments.
   * @param name Its name beneath the pool, for people; a number when none is given.
   * @returns Its ref, `"full"` at `childrenMax`, `"stopped"` when the pool is not running.
   */
  start(args: A, name?: string): Ref<P> | "full" | "stopped";
}

/** Options of a pool. */
export interface PoolOptions {
  /** The most children alive, from 1 to 2,097,152. */
  readonly childrenMax: number;
  /**
   * How long all children together, or one that ends by itself, may take to stop before they are
   * killed; default 5,000 ms.
   */
  readonly shutdownMs?: number;
}

/** A pool as a part of the tree. */
export class PoolPart implements Part, Owner {
  readonly #core: Core;
  readonly #owner: Owner;
  readonly #name: string;
  readonly #actor: object & { readonly name: string };
  readonly #options: PoolOptions;
  readonly #children = new Set<Cell>();
  #state: NodeState = "starting";
  #started = 0;
  #crashed = 0;
  /** Messages handled by children that have ended. */
  #handledBefore = 0;
  #lastCrash: CrashNote | undefined = undefined;
  readonly #deadline: CallbackTimer = new CallbackTimer(() => this.#killAll());

  /**
   * @param core What all cells share.
   * @param owner Who starts it.
   * @param name Its name beneath the owner.
   * @param actor What its children are.
   * @param options Its bounds.
   */
  constructor(
    core: Core,
    owner: Owner,
    name: string,
    actor: object & { readonly name: string },
    options: PoolOptions,
  ) {
    const { childrenMax, shutdownMs = SHUTDOWN_MS } = options;
    invariant(shutdownMs >= 0, `Cannot stop "${owner.path}/${name}" within ${shutdownMs} ms`);
    invariant(
      Number.isInteger(childrenMax) && childrenMax >= 1 && childrenMax <= POOL_CHILDREN_MAX,
      `Cannot make a pool of ${childrenMax} children: allowed are 1 to ${POOL_CHILDREN_MAX}`,
    );
    this.#core = core;
    this.#owner = owner;
    this.#name = name;
    this.#actor = actor;
    this.#options = options;
  }

  /** Path from the root. */
  get path(): string {
    return `${this.#owner.path}/${this.#name}`;
  }

  /** Children alive. */
  get size(): number {
    return this.#children.size;
  }

  /** Starts a child. */
  start(args: unknown, name: string | undefined): Ref<never> | "full" | "stopped" {
    if (this.#state !== "running") return "stopped";
    if (this.#children.size >= this.#options.childrenMax) return "full";
    const { shutdownMs } = this.#options;
    const number = ++this.#started;
    const options = { name: name ?? number, args, shutdownMs };
    const child = new Cell(this.#core, this, this.#actor, options);
    this.#children.add(child);
    child.boot();
    return child.ref();
  }

  /** Opens it. */
  boot(): void {
    this.#state = "running";
    this.#owner.started(this);
  }

  /** Stops all children in parallel. They never start again, whatever the pool does. */
  halt(_intent: HaltIntent): void {
    // Children which have not begun end within the call, and the last of them must not end the
    // pool before the pass is over: only then is it stopping.
    for (const child of this.#children) child.haltUntimed("end");
    this.#state = "stopping";
    if (this.#children.size === 0) this.#halted();
    else this.#core.timers.arm(this.#deadline, this.#options.shutdownMs ?? SHUTDOWN_MS);
  }

  /** It has halted for good. */
  bury(): void {
    this.#state = "stopped";
  }

  /** A child is ready: nobody waits for that. */
  started(): void {}

  /** A child ended. */
  halted(part: Part, exit: Exit): void {
    if (!(part instanceof Cell)) return;
    this.#children.delete(part);
    this.#handledBefore += part.handled;
    if (exit.kind === "crashed") {
      this.#crashed++;
      this.#lastCrash = part.lastCrash;
    }
    part.bury(exit);
    if (this.#state === "stopping" && this.#children.size === 0) this.#halted();
  }

  /** What the live tree shows of it: sums over all children, and the children themselves if they are few. */
  inspect(): PoolNode {
    const listed = this.#children.size <= TREE_POOL_CHILDREN_MAX;
    const children: readonly ActorNode[] = listed
      ? [...this.#children].map((child) => child.inspect())
      : [];
    return {
      kind: "pool",
      path: this.path,
      actor: this.#actor.name,
      state: this.#state,
      size: this.#children.size,
      childrenMax: this.#options.childrenMax,
      started: this.#started,
      crashed: this.#crashed,
      ...this.#load(),
      lastCrash: this.#lastCrash?.text,
      lastCrashAt: this.#lastCrash?.at,
      children,
    };
  }

  /** One pass over the children that allocates nothing for each: there may be hundreds of thousands. */
  #load(): Pick<PoolNode, "handled" | "perSecond" | "waiting" | "busy" | "depths"> {
    const depths = new Array<number>(TREE_DEPTH_CLASSES).fill(0);
    let handled = this.#handledBefore;
    let waiting = 0;
    let busy = 0;
    for (const child of this.#children) {
      const { queued } = child;
      // How many binary digits a number has is its class: 0, 1, 2 to 3, 4 to 7.
      const place = Math.min(TREE_DEPTH_CLASSES - 1, 32 - Math.clz32(queued));
      depths[place] = (depths[place] ?? 0) + 1;
      handled += child.handled;
      waiting += queued;
      if (child.busy) busy++;
    }
    const rate = perSecond(this, handled, this.#core.clock.now());
    return { handled, perSecond: rate, waiting, busy, depths };
  }

  #killAll(): void {
    for (const child of this.#children) child.kill();
  }

  #halted(): void {
    this.#core.timers.disarm(this.#deadline);
    this.#state = "restarting";
    this.#owner.halted(this, { kind: "shutdown" });
  }
}

/** What a pool's siblings hold: starting is all they may do with it. */
export class PoolHandle<P, A> implements Pool<P, A> {
  readonly #part: PoolPart;

  /** @param part The pool; whoever makes the handle knows the types of its actor. */
  constructor(part: PoolPart) {
    this.#part = part;
  }

  /** Path from the root. */
  get path(): string {
    return this.#part.path;
  }

  /** Children alive. */
  get size(): number {
    return this.#part.size;
  }

  /** Starts a child. */
  start(args: A, name?: string): Ref<P> | "full" | "stopped" {
    return this.#part.start(args, name);
  }
}
