/**
 * What ended when, and the last that is known about devices, in the delivery store in memory.
 *
 * @module
 */

import {
  checkSpan,
  foldTallies,
  HISTORY_SINK,
  HISTORY_SLOT_SECONDS,
  historyBegin,
  sumSlots,
} from "../delivery_store/history.ts";
import { LAST_OUTCOMES_MAX } from "../delivery_store/limits.ts";
import type { DeliveryRow, HistorySlot, HistorySpan, Tally } from "../delivery_store/records.ts";
import { type Disk, invariant } from "./delivery_disk.ts";
import { rowOf } from "./delivery_notifications.ts";
import { saveSinkPosition } from "./delivery_sinks.ts";

/** Adds what has not been counted yet, and forgets what is too old. */
export function addToHistory(disk: Disk, tallies: readonly Tally[], now: number): void {
  const counted = disk.sinks.get(HISTORY_SINK)?.position ?? 0;
  const { slots, position } = foldTallies(tallies, counted, now);
  const kept = disk.history.filter(({ second }) => second >= historyBegin(now));
  disk.history = sumSlots([...kept, ...slots], HISTORY_SLOT_SECONDS);
  saveSinkPosition(disk, HISTORY_SINK, position);
}

/** The history of a span, summed by step. */
export function historyOf(disk: Disk, span: HistorySpan): readonly HistorySlot[] {
  checkSpan(span);
  const within = disk.history.filter(({ second }) => second >= span.from && second < span.to);
  return sumSlots(within, span.stepSeconds);
}

/** The newest row about each device, unless it has been swept. */
export function lastOutcomes(
  disk: Disk,
  devices: readonly string[],
): readonly (DeliveryRow | undefined)[] {
  invariant(devices.length <= LAST_OUTCOMES_MAX, `${devices.length} devices in a call`);
  const positions = devices.map((id) => disk.lastRows.get(disk.devices.get(id)?.number ?? 0));
  const wanted = new Set(positions);
  const rows = new Map(
    disk.rows.filter(({ position }) => wanted.has(position)).map((row) => [row.position, row]),
  );
  return positions.map((position) => {
    const row = rows.get(position ?? 0);
    return row && rowOf(disk, row);
  });
}
