/**
 * The feedback of providers: a device whose address is dead leaves all audiences.
 *
 * A sink of its own, so that a store which cannot do it now delays nothing else and the rows are
 * offered again. Marking twice is harmless, and a device that was registered again since is left
 * alone: the store compares with the row's `registeredBefore`.
 *
 * @module
 */

import type { RowSink } from "../ports.ts";
import type { DeliveryStore } from "../store.ts";
import { ofStore } from "./store_away.ts";

/** The name under which the feedback's position is remembered. */
export const FEEDBACK_SINK = "feedback";

/** The sink that marks devices invalid; recipients without a device have nothing to mark. */
export function feedbackSink(store: Pick<DeliveryStore, "invalidate">): RowSink {
  return {
    name: FEEDBACK_SINK,
    rows: "failures",
    async record(rows) {
      const dead = rows.filter(({ outcome, device }) =>
        outcome === "token_invalid" && device !== undefined
      );
      if (dead.length > 0) await ofStore(store.invalidate(dead));
    },
  };
}
