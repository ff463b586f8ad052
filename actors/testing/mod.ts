/**
 * The test kit of the actor runtime: a world with its own time and chance, and probes.
 *
 * @example Time passes when told to
 * ```ts
 * import { type Actor, type Ref, type Supervisor, worker } from "../mod.ts";
 * import { World } from "./mod.ts";
 *
 * interface AlarmProtocol {
 *   ring(): void;
 *   rung(): number;
 * }
 * const alarm: Actor<AlarmProtocol, { rung: number }> = {
 *   name: "alarm",
 *   mailbox: { capacity: 8, overflow: "refuse" },
 *   init(_args, ctx) {
 *     ctx.after(60_000, "ring");
 *     return { rung: 0 };
 *   },
 *   on: { ring: (state) => void state.rung++, rung: (state) => state.rung },
 * };
 * const tree: Supervisor<{ alarm: Ref<AlarmProtocol> }> = {
 *   strategy: "one_for_one",
 *   intensity: { restarts: 0, withinMs: 0 },
 *   children: { alarm: worker(alarm, { args: () => undefined, restart: "permanent" }) },
 * };
 * await using world = new World({ seed: 1 });
 * const refs = await world.system.start("test", tree);
 * await world.advance(60_000);
 * if (await refs.alarm.ask("rung") !== 1) throw new Error("it did not ring");
 * ```
 *
 * @module
 */

export { deepFreeze } from "./deep_freeze.ts";
export { Probe } from "./probe.ts";
export type { ProbeAnswers, Received } from "./probe.ts";
export { SeededScheduler } from "./seeded_scheduler.ts";
export { World } from "./world.ts";
export type { WorldOptions } from "./world.ts";
export { ManualClock, SeededRandom } from "../runtime/clock.ts";
