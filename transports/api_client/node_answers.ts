/**
 * The nodes that share a store, as far as a client looks into them; read loosely, as all answers are.
 *
 * @module
 */

import * as v from "valibot";
import { type AnswerReader, reader } from "./answers.ts";

/** How a node did when it last said so. */
export interface NodeFactsAnswer {
  /** Resident memory. */
  readonly rssBytes: number;
  /** CPU time as a share of one core. */
  readonly cpuPercent: number;
  /** How late its timers fire. */
  readonly loopDelayMs: { readonly p99: number };
  /** Device sockets open. */
  readonly devices: number;
  /** Batches in flight. */
  readonly batches: number;
  /** Deliveries that end. */
  readonly deliveriesPerSecond: number;
  /** Connections to providers open. */
  readonly providerConnections: number;
}

/** A node of those that share a store. */
export interface ListedNodeAnswer {
  /** Its id. */
  readonly id: string;
  /** Whether it is the one that answers. */
  readonly self: boolean;
  /** What it does. */
  readonly roles: readonly string[];
  /** Its version. */
  readonly version: string;
  /** How it does; `null` when it does not say so. */
  readonly facts: NodeFactsAnswer | null;
}

/** Something that a node needs. */
export interface CheckAnswer {
  /** What was looked at. */
  readonly name: string;
  /** Whether it works. */
  readonly ok: boolean;
  /** What is right or wrong with it. */
  readonly detail: string;
}

/** The nodes, and what of the one that answers works. */
export interface NodesAnswer {
  /** By their start. */
  readonly nodes: readonly ListedNodeAnswer[];
  /** Of the node that answers. */
  readonly checks: readonly CheckAnswer[];
}

const text = v.string();
const amount = v.pipe(v.number(), v.minValue(0));

/** Reads the nodes. */
export const readNodes: AnswerReader<NodesAnswer> = reader(v.looseObject({
  nodes: v.array(v.looseObject({
    id: text,
    self: v.boolean(),
    roles: v.array(text),
    version: text,
    facts: v.nullable(v.looseObject({
      rssBytes: amount,
      cpuPercent: amount,
      loopDelayMs: v.looseObject({ p99: amount }),
      devices: amount,
      batches: amount,
      deliveriesPerSecond: amount,
      providerConnections: amount,
    })),
  })),
  checks: v.array(v.looseObject({ name: text, ok: v.boolean(), detail: text })),
}));
