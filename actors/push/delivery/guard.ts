/**
 * The guard of the lanes: how many retries a lane may still make, and whether its provider's answers
 * look like a wrong configuration instead of dead devices.
 *
 * Retry budget: a lane earns a tenth of a retry with each first request; what it retries beyond that
 * waits a minute, so retries never multiply the load on a provider in trouble. Brake: a wrong key or
 * environment makes every device look dead; above a share of such answers the lane is paused and no
 * device is taken for dead. New credentials are judged anew. Why an actor of its own and not the router: batches ask it, and what is
 * asked must lie downhill.
 *
 * @module
 */

import type { Actor } from "../../runtime/actor.ts";
import {
  BATCHES_MAX,
  BRAKE_ANSWERS_MIN,
  BRAKE_SHARE,
  BRAKE_TRUSTED,
  BRAKE_WINDOW,
  LANES_MAX,
  RETRIES_SAVED_MAX,
  RETRY_SHARE,
} from "./limits.ts";
import type { Lane } from "./store.ts";

/** What a batch's answers came to, before they are settled. */
export interface LaneReport {
  /** The lane. */
  readonly lane: Lane;
  /** The app's version: answers to other credentials say nothing of these. */
  readonly version: number;
  /** Requests that were answered in whatever way. */
  readonly answered: number;
  /** Among them, those that say a device is dead but may mean a wrong configuration. */
  readonly doubtful: number;
  /** First requests for their recipients. */
  readonly first: number;
  /** Recipients to be tried again. */
  readonly retries: number;
}

/** How a batch is to be settled. */
export interface Guidance {
  /** Doubtful answers are not believed: their recipients stay pending, and the lane is paused. */
  readonly brake: boolean;
  /** The retry budget is spent: retries wait longer. */
  readonly overBudget: boolean;
}

/** What the guard understands. */
export interface GuardProtocol {
  /** Takes a report into account. */
  guidance(report: LaneReport): Guidance;
  /** Somebody looked at the lane and resumed it: what it answers next is believed. */
  trust(lane: Lane): void;
}

/** What is remembered of one lane. */
export interface LaneRecord {
  /** The newest version of the app that was reported. */
  version: number;
  /** Retries it may still make. */
  retriesLeft: number;
  /** Recent answers. */
  answered: number;
  /** Doubtful ones among them. */
  doubtful: number;
  /** Answers to come that are believed. */
  trusted: number;
}

/** The lanes, the one used longest ago first. */
export interface GuardState {
  /** By app and platform. */
  readonly lanes: Map<string, LaneRecord>;
}

/** The guard; see the module. */
export const guard: Actor<GuardProtocol, GuardState> = {
  name: "guard",
  mailbox: { capacity: 8 * BATCHES_MAX, overflow: "refuse" },
  init: () => ({ lanes: new Map() }),
  on: {
    guidance(state, report) {
      const lane = recall(state, report.lane);
      lane.retriesLeft = Math.min(
        lane.retriesLeft + report.first * RETRY_SHARE,
        RETRIES_SAVED_MAX,
      );
      const overBudget = report.retries > lane.retriesLeft;
      if (!overBudget) lane.retriesLeft -= report.retries;
      return { brake: braked(lane, report), overBudget };
    },
    trust(state, lane) {
      const record = recall(state, lane);
      record.answered = 0;
      record.doubtful = 0;
      record.trusted = BRAKE_TRUSTED;
    },
  },
};

function braked(lane: LaneRecord, { version, answered, doubtful }: LaneReport): boolean {
  // Of credentials that were replaced meanwhile no doubtful answer is believed.
  if (version < lane.version) return doubtful > 0;
  if (version > lane.version) {
    if (lane.version > 0) lane.answered = lane.doubtful = lane.trusted = 0;
    lane.version = version;
  }
  if (lane.trusted > 0) {
    lane.trusted -= answered;
    return false;
  }
  lane.answered += answered;
  lane.doubtful += doubtful;
  const brake = doubtful > 0 && lane.answered >= BRAKE_ANSWERS_MIN &&
    lane.doubtful > lane.answered * BRAKE_SHARE;
  if (lane.answered >= BRAKE_WINDOW) {
    lane.answered /= 2;
    lane.doubtful /= 2;
  }
  return brake;
}

function keyOf({ app, platform }: Lane): string {
  return `${platform} ${app}`;
}

function recall({ lanes }: GuardState, lane: Lane): LaneRecord {
  const key = keyOf(lane);
  const known = lanes.get(key) ??
    { version: 0, retriesLeft: RETRIES_SAVED_MAX, answered: 0, doubtful: 0, trusted: 0 };
  lanes.delete(key);
  lanes.set(key, known);
  if (lanes.size > LANES_MAX) {
    for (const oldest of lanes.keys()) {
      lanes.delete(oldest);
      break;
    }
  }
  return known;
}
