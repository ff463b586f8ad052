/**
 * The history: what ended when, kept by the store over days.
 *
 * A sink of its own, so that a store which cannot do it now delays nothing else and the tallies are
 * offered again. The store adds them and remembers how far it has come in one transaction: a page that
 * is offered twice, after a crash or by two nodes, counts once.
 *
 * @module
 */

import type { TallySink } from "../ports.ts";
import type { DeliveryStore } from "../store.ts";
import { ofStore } from "./store_away.ts";

/** The name under which the history's position is remembered; stores know it. */
export const HISTORY_SINK = "history";

/** The sink that adds tallies to the store's history. */
export function historySink(store: Pick<DeliveryStore, "addToHistory">): TallySink {
  return {
    name: HISTORY_SINK,
    rows: "tallies",
    record: (tallies) => ofStore(store.addToHistory(tallies)),
  };
}
