/**
 * What a node says of itself, as the JSON that directories keep.
 *
 * Invariant: reading never fails. What an older or a newer program wrote, or somebody else, is read as far
 * as it says what this program knows; the rest is as if nothing were said, for a node is found by its
 * record and must not be lost for its numbers.
 *
 * @module
 */

import * as v from "valibot";
import { FACTS_CHARS_MAX, RUNTIME_CHARS_MAX, TIME_MAX } from "./limits.ts";
import type { NodeFacts } from "./records.ts";

const amount = v.pipe(v.number(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));

const SCHEMA: v.GenericSchema<unknown, NodeFacts> = v.object({
  at: v.pipe(amount, v.maxValue(TIME_MAX)),
  deno: v.pipe(v.string(), v.maxLength(RUNTIME_CHARS_MAX)),
  rssBytes: amount,
  heapBytes: amount,
  cpuPercent: amount,
  loopDelayMs: v.object({ p50: amount, p99: amount, max: amount }),
  devices: amount,
  batches: amount,
  deliveriesPerSecond: amount,
  providerConnections: amount,
});

/** The JSON of these facts; `undefined` when there are none. */
export function nodeFactsText(facts: NodeFacts | undefined): string | undefined {
  return facts === undefined ? undefined : JSON.stringify(facts);
}

/** The facts in this JSON; `undefined` when it is missing, longer than {@linkcode FACTS_CHARS_MAX}, or says anything else. */
export function readNodeFacts(text: string | undefined): NodeFacts | undefined {
  if (text === undefined || text.length > FACTS_CHARS_MAX) return undefined;
  const read = v.safeParse(SCHEMA, parsed(text));
  return read.success ? read.output : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
