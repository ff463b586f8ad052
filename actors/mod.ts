/**
 * The actor runtime of Heliograph, a library in its own right: typed actors with bounded
 * mailboxes under supervisors, as in Erlang/OTP, without a process or a thread for each.
 *
 * @module
 */

export type * from "./runtime/actor.ts";
export { ManualClock, realClock, realRandom, SeededRandom } from "./runtime/clock.ts";
export type { Clock, Random, TimerHandle } from "./runtime/clock.ts";
export {
  AskError,
  errorText,
  invariant,
  InvariantError,
  RestartLimitError,
  StartError,
} from "./runtime/errors.ts";
export type { AskErrorCode, RuntimeError } from "./runtime/errors.ts";
export type { DeadLetter, DeadLetterReason, DeadLetters, RuntimeEvent } from "./runtime/events.ts";
export type { Pool, PoolOptions } from "./runtime/pool.ts";
export type { Runnable, Scheduler } from "./runtime/scheduler.ts";
export { branch, pool, worker } from "./runtime/spec.ts";
export type { ChildKind, ChildSpec, WorkerOptions } from "./runtime/spec.ts";
export type { Supervisor, SupervisorStrategy } from "./runtime/supervisor.ts";
export { System } from "./runtime/system.ts";
export type { SystemOptions } from "./runtime/system.ts";
export type {
  ActorNode,
  NodeState,
  PoolNode,
  SupervisorNode,
  SystemNode,
  TreeNode,
} from "./runtime/tree.ts";
export type { Intensity } from "./runtime/window.ts";
