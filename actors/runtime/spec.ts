/**
 * Child specifications: how a supervisor's data becomes live parts and typed refs.
 *
 * All parts of a tree are made before anything starts, so refs exist when arguments are made and
 * siblings may know each other in any direction. A branch that is given as a function of the
 * refs is made when it is first looked at.
 *
 * @module
 */

import type { Actor, Backoff, Ref, RestartType } from "./actor.ts";
import { DeferredArgs } from "./behaviour.ts";
import { Cell } from "./cell.ts";
import type { Core } from "./core.ts";
import { invariant } from "./errors.ts";
import { type Pool, PoolHandle, type PoolOptions, PoolPart } from "./pool.ts";
import { type ChildPart, type Supervisor, SupervisorPart } from "./supervisor.ts";
import type { Owner } from "./tree.ts";

/** Where a child is made. */
interface Site {
  /** What all cells share. */
  readonly core: Core;
  /** Its supervisor. */
  readonly owner: Owner;
  /** Its name. */
  readonly name: string;
}

/** A child that was made and not started. */
interface Built<T> extends ChildPart {
  /** What its siblings get among their refs. */
  readonly refs: T;
}

type Build<Refs, T> = (site: Site, refs: Refs) => Built<T>;

// The two doors into a specification, closed to everyone outside this module.
let specify: <Refs, T>(kind: ChildKind, build: Build<Refs, T>) => ChildSpec<Refs, T>;
let buildChild: <Refs, T>(spec: ChildSpec<Refs, T>, site: Site, refs: Refs) => Built<T>;

/** What kind of child: one actor, many of a kind, or a supervisor of its own. */
export type ChildKind = "worker" | "pool" | "branch";

/**
 * A child of a supervisor, made by `worker`, `pool` or `branch`.
 *
 * @typeParam Refs The refs of the supervisor's children.
 * @typeParam T What this child is among them.
 */
export class ChildSpec<in Refs, out T> {
  static {
    specify = (kind, build) => new ChildSpec(kind, build);
    buildChild = (spec, site, refs) => spec.#build(site, refs);
  }
  /** What kind of child. */
  readonly kind: ChildKind;
  readonly #build: Build<Refs, T>;

  private constructor(kind: ChildKind, build: Build<Refs, T>) {
    this.kind = kind;
    this.#build = build;
  }
}

/** Options of a worker. */
export interface WorkerOptions<A, Refs> {
  /** Makes its arguments, once, from the refs of its siblings. */
  readonly args: (refs: Refs) => A;
  /** When it is started again. */
  readonly restart: RestartType;
  /** How long an orderly stop may take before it is killed; default 5,000 ms. */
  readonly shutdownMs?: number;
  /** Delay of its restarts; without one they are immediate. */
  readonly backoff?: Backoff;
}

/**
 * A single actor.
 *
 * @typeParam P Its protocol.
 * @typeParam S Its state.
 * @typeParam A Its arguments.
 * @typeParam Refs The refs of its siblings.
 * @param actor The actor.
 * @param options Its arguments and how it is restarted and stopped.
 */
export function worker<P, S, A, Refs>(
  actor: Actor<P, S, A>,
  options: WorkerOptions<A, Refs>,
): ChildSpec<Refs, Ref<P>> {
  const { restart, backoff, shutdownMs } = options;
  invariant(
    backoff === undefined || (backoff.minMs > 0 && backoff.maxMs >= backoff.minMs),
    `Cannot delay restarts of "${actor.name}" by ${backoff?.minMs} to ${backoff?.maxMs} ms`,
  );
  return specify("worker", ({ core, owner, name }, refs) => {
    const args = new DeferredArgs(() => options.args(refs));
    const part = new Cell(core, owner, actor, { name, args, shutdownMs });
    return { part, restart, backoff, refs: part.ref() };
  });
}

/**
 * A pool of temporary children, each started with arguments of its own.
 *
 * @typeParam P Their protocol.
 * @typeParam S Their state.
 * @typeParam A Their arguments.
 * @typeParam Refs The refs of the pool's siblings.
 * @param actor What its children are.
 * @param options Its bounds.
 */
export function pool<P, S, A, Refs>(
  actor: Actor<P, S, A>,
  options: PoolOptions,
): ChildSpec<Refs, Pool<P, A>> {
  return specify("pool", ({ core, owner, name }) => {
    const part = new PoolPart(core, owner, name, actor, options);
    return {
      part,
      restart: "permanent",
      backoff: undefined,
      refs: new PoolHandle<P, A>(part),
    };
  });
}

/**
 * A supervisor beneath another one; it is restarted as a whole when it gave up. Stopping it takes
 * as long as its children take, as OTP does with supervisors.
 *
 * @typeParam C The refs of its children.
 * @typeParam Refs The refs of its siblings.
 * @param supervisor The supervisor, or what makes it from the refs of its siblings.
 */
export function branch<C, Refs>(
  supervisor: Supervisor<C> | ((refs: Refs) => Supervisor<C>),
): ChildSpec<Refs, C> {
  return specify("branch", (site, refs) => {
    const data = typeof supervisor === "function" ? supervisor(refs) : supervisor;
    const built = buildSupervisor(site, data);
    return { part: built.part, restart: "permanent", backoff: undefined, refs: built.refs };
  });
}

/**
 * Makes a supervisor and all beneath it, without starting anything.
 *
 * @typeParam C The refs of its children.
 * @param site Where it is made.
 * @param supervisor The supervisor, as data.
 * @returns The part and its children's refs.
 */
export function buildSupervisor<C>(
  site: Site,
  supervisor: Supervisor<C>,
): { readonly part: SupervisorPart; readonly refs: C } {
  const { core } = site;
  const part = new SupervisorPart(core, site.owner, site.name, supervisor);
  // Each ref is a property that makes its child when first read, and is complete below.
  const refs = {} as C;
  const names = Object.keys(supervisor.children) as (keyof C & string)[];
  const built = new Map<string, ChildPart | "in_the_making">();
  const make = <K extends keyof C & string>(name: K): C[K] => {
    invariant(
      built.get(name) !== "in_the_making",
      `Cannot make "${part.path}/${name}": it needs its own refs to be made`,
    );
    built.set(name, "in_the_making");
    const child = buildChild(supervisor.children[name], { core, owner: part, name }, refs);
    built.set(name, child);
    Object.defineProperty(refs, name, { value: child.refs, enumerable: true });
    return child.refs;
  };
  for (const name of names) {
    Object.defineProperty(refs, name, {
      get: () => make(name),
      enumerable: true,
      configurable: true,
    });
  }
  part.employ(names.map((name) => {
    if (!built.has(name)) make(name);
    const child = built.get(name);
    invariant(child !== undefined && child !== "in_the_making", `"${name}" was not made`);
    return child;
  }));
  return { part, refs };
}
