/**
 * What sinks need of the delivery store in memory: how far each has come, and which node feeds it.
 *
 * @module
 */

import type { SinkClaim, SinkLog } from "../delivery_store/records.ts";
import type { Disk, SinkEntry } from "./delivery_disk.ts";

/** A sink; one that is new begins at the newest entry of its log, and is known from now on. */
export function sinkOf(disk: Disk, name: string, log: SinkLog): SinkEntry {
  const sink = disk.sinks.get(name) ?? {
    position: log === "rows" ? disk.lastPosition : disk.lastTally,
    node: undefined,
    until: 0,
  };
  disk.sinks.set(name, sink);
  return sink;
}

/** Gives a node the lease on a sink unless another one has it; answers the position. */
export function claimSink(disk: Disk, claim: SinkClaim): number | undefined {
  const { name, node, now, leaseMs } = claim;
  const sink = sinkOf(disk, name, claim.log);
  if (sink.node !== undefined && sink.node !== node && sink.until > now) return undefined;
  const held = leaseMs > 0;
  disk.sinks.set(name, { ...sink, node: held ? node : undefined, until: now + leaseMs });
  return sink.position;
}

/** Remembers how far a sink has come; it never goes back. */
export function saveSinkPosition(disk: Disk, name: string, position: number): void {
  const sink = disk.sinks.get(name) ?? { position: 0, node: undefined, until: 0 };
  disk.sinks.set(name, { ...sink, position: Math.max(position, sink.position) });
}

/** Ends the leases of a node on sinks; without a node, those of all. */
export function freeSinks(disk: Disk, node?: string): void {
  for (const [name, sink] of disk.sinks) {
    if (node === undefined || sink.node === node) {
      disk.sinks.set(name, { ...sink, node: undefined });
    }
  }
}
