/**
 * The route of what ended in the past: ten minutes, an hour or a day as bars.
 *
 * @module
 */

import type { Pipeline } from "./pipeline.ts";
import { json, replied, unavailable } from "./problem.ts";
import type { Route } from "./route.ts";

/** The route of bars. */
export function barRoute({ delivery, onFailure }: Pipeline): Route {
  return {
    method: "GET",
    path: "/v1/bars",
    scope: "read",
    operation: {
      id: "listBars",
      summary:
        "How many recipients ended how in each step of a span up to now, on all nodes where they share the store; steps in which nothing ended are left out.",
      query: [{
        name: "span",
        description: "Ten minutes by the second, an hour by ten seconds, or a day by five minutes.",
        schema: { enum: ["ten_minutes", "hour", "day"], default: "ten_minutes" },
      }],
      gives: { "application/json": "Bars" },
    },
    answer: async ({ query }) => {
      try {
        return replied(await delivery.bars(query), (bars) => json(200, bars));
      } catch (error) {
        onFailure(error);
        return unavailable("the bars are not available now");
      }
    },
  };
}
