/**
 * Random supervision trees with schedules of crashes, run here; `otp_oracle.erl` runs the same
 * ones on OTP's own supervisor. Both describe what happened in the same words.
 *
 * @module
 */

import fc from "fast-check";
import {
  type Actor,
  branch,
  type ChildSpec,
  type Ref,
  type RestartType,
  type Supervisor,
  type SupervisorStrategy,
  worker,
} from "../../../actors/mod.ts";
import { World } from "../../../actors/testing/mod.ts";

/** A supervision tree; the workers are numbered from 1 in start order. */
export interface Tree {
  readonly kind: "supervisor";
  readonly strategy: SupervisorStrategy;
  readonly restarts: number;
  readonly withinSeconds: number;
  readonly children: readonly (Tree | Worker)[];
}

/** A worker of a tree. */
export interface Worker {
  readonly kind: "worker";
  readonly id: number;
  readonly restart: RestartType;
}

/** What is done to a tree. */
export type Step =
  | { readonly kind: "crash" | "finish"; readonly id: number }
  | { readonly kind: "fail"; readonly id: number; readonly times: number }
  | { readonly kind: "advance"; readonly seconds: number };

/** A tree and what is done to it. Failures that come first hit its first start. */
export interface Case {
  readonly tree: Tree;
  readonly steps: readonly Step[];
}

const arbitraryWorker = fc.record({
  kind: fc.constant("worker" as const),
  id: fc.constant(0),
  restart: fc.constantFrom<RestartType>("permanent", "permanent", "transient", "temporary"),
});

function arbitraryTree(depth: number): fc.Arbitrary<Tree> {
  const child: fc.Arbitrary<Tree | Worker> = depth === 0
    ? arbitraryWorker
    : fc.oneof({ weight: 3, arbitrary: arbitraryWorker }, {
      weight: 1,
      arbitrary: arbitraryTree(depth - 1),
    });
  return fc.record({
    kind: fc.constant("supervisor" as const),
    strategy: fc.constantFrom<SupervisorStrategy>("one_for_one", "one_for_all", "rest_for_one"),
    restarts: fc.integer({ min: 0, max: 4 }),
    withinSeconds: fc.integer({ min: 1, max: 6 }),
    children: fc.array(child, { minLength: 1, maxLength: 4 }),
  });
}

const arbitraryStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("crash" as const), id: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("finish" as const), id: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("fail" as const),
      id: fc.nat(),
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("advance" as const),
      seconds: fc.integer({ min: 1, max: 7 }),
    }),
  },
);

/** A random case. */
export const arbitraryCase: fc.Arbitrary<Case> = fc
  .record({
    tree: arbitraryTree(2),
    steps: fc.array(arbitraryStep, { minLength: 1, maxLength: 12 }),
  })
  .map(({ tree, steps }) => {
    let count = 0;
    const number = (node: Tree | Worker): Tree | Worker =>
      node.kind === "worker" ? { ...node, id: ++count } : numbered(node);
    const numbered = (node: Tree): Tree => ({ ...node, children: node.children.map(number) });
    const whole = numbered(tree);
    return {
      tree: whole,
      steps: steps.map((step) =>
        step.kind === "advance" ? step : { ...step, id: count === 0 ? 1 : 1 + step.id % count }
      ),
    };
  });

/** The case as an Erlang term. */
export function toErlang(number: number, { tree, steps }: Case): string {
  const terms = steps.map((step) => {
    switch (step.kind) {
      case "crash":
      case "finish":
        return `{${step.kind},${step.id}}`;
      case "fail":
        return `{fail,${step.id},${step.times}}`;
      case "advance":
        return `{advance,${step.seconds}}`;
    }
  });
  return `{${number},${treeToErlang(tree)},[${terms.join(",")}]}.`;
}

function treeToErlang(node: Tree | Worker): string {
  if (node.kind === "worker") return `{worker,${node.id},${node.restart}}`;
  const children = node.children.map(treeToErlang).join(",");
  const { strategy, restarts, withinSeconds } = node;
  return `{supervisor,${strategy},${restarts},${withinSeconds},[${children}]}`;
}

interface WorkerProtocol {
  crash(): void;
  finish(): void;
}

/** A run of a case: what its workers know of each other. */
interface Run {
  readonly log: string[];
  readonly failures: Map<number, number>;
  readonly alive: Set<number>;
  readonly refs: Map<number, Ref<WorkerProtocol>>;
}

function observed(run: Run, id: number): Actor<WorkerProtocol, undefined> {
  return {
    name: "observed",
    mailbox: { capacity: 4, overflow: "refuse" },
    init(_args, ctx) {
      const failures = run.failures.get(id) ?? 0;
      if (failures > 0) {
        run.failures.set(id, failures - 1);
        run.log.push(`fail${id}`);
        throw new Error("failed");
      }
      run.log.push(`start${id}`);
      run.alive.add(id);
      ctx.use({ [Symbol.dispose]: () => run.alive.delete(id) });
    },
    on: {
      crash() {
        throw new Error("crashed");
      },
      finish: (_state, _payload, ctx) => ctx.stop(),
    },
    terminate(_state, exit) {
      if (exit.kind === "shutdown") run.log.push(`stop${id}`);
    },
  };
}

type Refs = Record<string, unknown>;

function toSupervisor(run: Run, tree: Tree): Supervisor<Refs> {
  const children: Record<string, ChildSpec<Refs, unknown>> = {};
  for (const [index, child] of tree.children.entries()) {
    if (child.kind === "supervisor") {
      children[`child${index}`] = branch(toSupervisor(run, child));
      continue;
    }
    const { id, restart } = child;
    children[`worker${id}`] = worker(observed(run, id), {
      // Called when it first starts: the one moment at which the test can learn the ref.
      args: (refs) => void run.refs.set(id, refs[`worker${id}`] as Ref<WorkerProtocol>),
      restart,
    });
  }
  const { strategy, restarts, withinSeconds } = tree;
  return { strategy, intensity: { restarts, withinMs: withinSeconds * 1_000 }, children };
}

/**
 * Runs a case here.
 *
 * @param tested The case.
 * @param seed Seed of the scheduler: the answer must not depend on it.
 * @returns What happened, in the oracle's words.
 */
export async function runCase(tested: Case, seed: number): Promise<string> {
  const run: Run = { log: [], failures: new Map(), alive: new Set(), refs: new Map() };
  const seen: string[] = [];
  const report = (): void => {
    const alive = [...run.alive].sort((a, b) => a - b).map(String);
    seen.push([...run.log.splice(0), "alive", ...alive].join(" "));
  };
  const world = new World({ seed });
  const first = tested.steps.findIndex((step) => step.kind !== "fail");
  const before = first < 0 ? tested.steps.length : first;
  for (const step of tested.steps.slice(0, before)) await take(world, run, step);
  await world.system.start("case", toSupervisor(run, tested.tree)).catch(() => {});
  await world.settle();
  report();
  for (const step of tested.steps.slice(before)) {
    await take(world, run, step);
    await world.settle();
    report();
  }
  await world[Symbol.asyncDispose]();
  report();
  return seen.join(" | ");
}

async function take(world: World, run: Run, step: Step): Promise<void> {
  switch (step.kind) {
    case "crash":
    case "finish":
      if (run.alive.has(step.id)) run.refs.get(step.id)?.trySend(step.kind);
      return;
    case "fail":
      run.failures.set(step.id, step.times);
      return;
    case "advance":
      await world.advance(step.seconds * 1_000);
  }
}
