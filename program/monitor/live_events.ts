/**
 * What pages watch: each second's bars, how the pipeline is loaded, the live tree and what happens in it.
 *
 * Invariants: each frame is made once, however many watch it; what nobody watches is not looked at. The
 * tree and the load are read once a second, just after it has begun; crashes are told as they happen.
 *
 * @module
 */

import type { RuntimeEvent, TreeNode } from "../../actors/mod.ts";
import type { Bar, BarFeed } from "../../actors/push/delivery/sinks/monitor.ts";
import type { ApiEvents } from "../../transports/api/delivery.ts";
import type { EventFrame, EventTopic } from "../../transports/api/event_frame.ts";
import { eventFrame, together } from "../../transports/api/event_frame.ts";
import { Crashes, isCrash } from "./crashes.ts";
import type { Flow } from "./flow.ts";
import { FRAME_POOL_CHILDREN_MAX, LOOK_MS } from "./limits.ts";

/** The time of those who watch. */
export interface WatchClock {
  /** Milliseconds since 1970. */
  wallNow(): number;
  /** Calls `run` once after `ms`, unless the returned function is called before. */
  after(ms: number, run: () => void): () => void;
}

/** What is watched. */
export interface LiveEventsParts {
  /** Where each second's bars come from. */
  readonly feed: BarFeed;
  /** The monitor's bars of this second and all after it. */
  readonly bars: (since: number) => Promise<readonly Bar[]>;
  /** How the pipeline is loaded. */
  readonly status: () => Promise<unknown>;
  /** The live tree. */
  readonly tree: () => TreeNode;
  /** What flows. */
  readonly flow: Flow;
  /** Replaced in tests. */
  readonly clock?: WatchClock;
}

const CLOCK: WatchClock = {
  wallNow: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** One who watches. */
interface Watcher {
  readonly topics: ReadonlySet<EventTopic>;
  readonly listener: (frame: EventFrame) => void;
}

/** The events of a node; see the module. */
export class LiveEvents implements ApiEvents {
  readonly #parts: LiveEventsParts;
  readonly #clock: WatchClock;
  readonly #watchers = new Set<Watcher>();
  readonly #crashes = new Crashes();
  #unfollow: (() => void) | undefined;
  #stopClock: (() => void) | undefined;
  #asking = false;

  /** Events of these parts; nothing runs until somebody watches. */
  constructor(parts: LiveEventsParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? CLOCK;
  }

  /** Calls the listener with each frame of these topics, until the returned function is called. */
  subscribe(
    topics: ReadonlySet<EventTopic>,
    listener: Watcher["listener"],
  ): (() => void) | undefined {
    if (topics.has("bars") && this.#unfollow === undefined) {
      this.#unfollow = this.#parts.feed.subscribe((bars) => {
        this.#tell("bars", barsFrame(bars));
      });
      if (this.#unfollow === undefined) return undefined;
    }
    const watcher: Watcher = { topics, listener };
    this.#watchers.add(watcher);
    if (this.#needsClock()) this.#arm();
    return () => this.#leave(watcher);
  }

  /** The bars of this second and all after it. */
  async bars(since: number): Promise<EventFrame | undefined> {
    const bars = await this.#parts.bars(since);
    return bars.length === 0 ? undefined : barsFrame(bars);
  }

  /** An event of the actor runtime, for those who watch the tree. */
  runtimeEvent(event: RuntimeEvent): void {
    if (!isCrash(event) || !this.#watched("tree")) return;
    const crash = this.#crashes.take(event, this.#clock.wallNow());
    if (crash !== undefined) this.#tell("tree", eventFrame("crash", crash));
  }

  #leave(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (!this.#watched("bars")) {
      this.#unfollow?.();
      this.#unfollow = undefined;
    }
    if (!this.#needsClock()) {
      this.#stopClock?.();
      this.#stopClock = undefined;
    }
  }

  #watched(topic: EventTopic): boolean {
    return this.#watchers.values().some(({ topics }) => topics.has(topic));
  }

  #needsClock(): boolean {
    return this.#watched("status") || this.#watched("tree");
  }

  /** A tick comes just after a second of the wall clock has begun. */
  #arm(): void {
    this.#stopClock ??= this.#clock.after(LOOK_MS - this.#clock.wallNow() % LOOK_MS, () => {
      this.#stopClock = undefined;
      this.#arm();
      this.#look();
    });
  }

  #look(): void {
    if (this.#watched("status")) this.#askStatus();
    if (!this.#watched("tree")) return;
    const at = this.#clock.wallNow();
    const more = this.#crashes.tick(at);
    if (more !== undefined) this.#tell("tree", eventFrame("crash", more));
    const tree = folded(this.#parts.tree());
    this.#tell("tree", eventFrame("tree", { at, tree, flow: this.#parts.flow.totals }));
  }

  #askStatus(): void {
    if (this.#asking) return;
    this.#asking = true;
    this.#parts.status().then(
      (status) => this.#tell("status", eventFrame("status", status)),
      // A store that cannot answer now is shown by its readiness, and asked again in a second.
      () => {},
    ).finally(() => this.#asking = false);
  }

  #tell(topic: EventTopic, frame: EventFrame): void {
    for (const { topics, listener } of this.#watchers) {
      if (topics.has(topic)) listener(frame);
    }
  }
}

/** After a sleep of the machine ten minutes come at once: as frames of their own they would end every stream. */
function barsFrame(bars: readonly Bar[]): EventFrame {
  return together("bar", bars.map((bar) => eventFrame("bar", bar, bar.second)));
}

/** The tree with the children of small pools only; a large one has its sums. */
function folded(node: TreeNode): TreeNode {
  switch (node.kind) {
    case "system":
    case "supervisor":
      return { ...node, children: node.children.map(folded) };
    case "pool":
      return node.size > FRAME_POOL_CHILDREN_MAX ? { ...node, children: [] } : node;
    case "actor":
      return node;
  }
}
