/**
 * What the stream of events says, as far as a client looks into it; read loosely, as all answers are.
 *
 * @module
 */

import * as v from "valibot";
import {
  type AnswerReader,
  type NodeAnswer,
  type ReadAnswer,
  reader,
  readNode,
} from "./answers.ts";

/** What ended on one platform in one second. */
export interface PlatformBarAnswer {
  /** Accepted by the provider. */
  readonly delivered: number;
  /** Dead addresses. */
  readonly token_invalid: number;
  /** Refused for what was sent. */
  readonly rejected: number;
  /** Not sent in time. */
  readonly expired: number;
  /** Given up. */
  readonly failed: number;
  /** Not sent because somebody cancelled. */
  readonly cancelled: number;
  /** Requests that are to be sent again. */
  readonly retries: number;
}

/** One second; one that comes again replaces what came before. */
export interface BarAnswer {
  /** The second, of those since 1970. */
  readonly second: number;
  /** What ended in it, by platform. */
  readonly platforms: Readonly<Record<string, PlatformBarAnswer>>;
}

/** What ended in the past. */
export interface BarsAnswer {
  /** The first second of the span. */
  readonly from: number;
  /** The first second behind it: the present one, which is not over, is the last in it. */
  readonly to: number;
  /** Its bars, oldest first; a second without one is one in which nothing ended. */
  readonly bars: readonly BarAnswer[];
}

/** The live actors and what flows through them. */
export interface TreeAnswer {
  /** When it was read, in milliseconds since 1970. */
  readonly at: number;
  /** The root; its children are as `GET /v1/tree` has them. */
  readonly tree: { readonly kind: string; readonly path: string };
  /** Totals since the node's start by name, some of them by platform or outcome. */
  readonly flow: Readonly<Record<string, number | Readonly<Record<string, number>>>>;
}

/** What happened to an actor or a supervisor. */
export interface ActorCrashAnswer {
  /** When, in milliseconds since 1970. */
  readonly at: number;
  /** What. */
  readonly kind: "crashed" | "restarted" | "gave_up";
  /** To whom. */
  readonly path: string;
  /** The error in one line; `null` for a restart. */
  readonly error: string | null;
  /** Which life of the actor it is; `null` for a supervisor. */
  readonly incarnation: number | null;
}

/** Of one second, how many crashes and restarts were not told one by one. */
export interface MoreCrashesAnswer {
  /** When they were counted, in milliseconds since 1970. */
  readonly at: number;
  /** Tells it from an {@link ActorCrashAnswer}. */
  readonly kind: "more";
  /** How many. */
  readonly count: number;
}

/** Something that happened on a node. */
export type LiveEvent =
  | { readonly type: "bar"; readonly data: BarAnswer }
  | { readonly type: "status"; readonly data: NodeAnswer }
  | { readonly type: "tree"; readonly data: TreeAnswer }
  | { readonly type: "crash"; readonly data: ActorCrashAnswer | MoreCrashesAnswer };

const count = v.pipe(v.number(), v.minValue(0));
const text = v.string();

const bar = v.looseObject({
  second: count,
  platforms: v.record(
    text,
    v.looseObject({
      delivered: count,
      token_invalid: count,
      rejected: count,
      expired: count,
      failed: count,
      cancelled: count,
      retries: count,
    }),
  ),
});

const readBar: AnswerReader<BarAnswer> = reader(bar);

/** Reads the bars of the past. */
export const readBars: AnswerReader<BarsAnswer> = reader(
  v.looseObject({ from: count, to: count, bars: v.array(bar) }),
);

const readTree: AnswerReader<TreeAnswer> = reader(v.looseObject({
  at: count,
  tree: v.looseObject({ kind: text, path: text }),
  flow: v.record(text, v.union([count, v.record(text, count)])),
}));

const readCrash: AnswerReader<ActorCrashAnswer | MoreCrashesAnswer> = reader(v.variant("kind", [
  v.looseObject({
    at: count,
    kind: v.picklist(["crashed", "restarted", "gave_up"]),
    path: text,
    error: v.nullable(text),
    incarnation: v.nullable(count),
  }),
  v.looseObject({ at: count, kind: v.literal("more"), count }),
]));

/** Reads an event's data; `undefined` for one that this client does not know, of a newer node. */
export function readLiveEvent(type: string, value: unknown): ReadAnswer<LiveEvent> | undefined {
  switch (type) {
    case "bar":
      return made(readBar(value), (data) => ({ type, data }));
    case "status":
      return made(readNode(value), (data) => ({ type, data }));
    case "tree":
      return made(readTree(value), (data) => ({ type, data }));
    case "crash":
      return made(readCrash(value), (data) => ({ type, data }));
    default:
      return undefined;
  }
}

function made<T>(answer: ReadAnswer<T>, make: (data: T) => LiveEvent): ReadAnswer<LiveEvent> {
  return answer.kind === "wrong" ? answer : { kind: "value", value: make(answer.value) };
}
