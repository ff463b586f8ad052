/**
 * What pages watch: each second's bars, and how the pipeline is loaded.
 *
 * @module
 */

import type { ApiEvents } from "../transports/api/delivery.ts";
import type { Pipeline } from "./pipeline.ts";

/** The events of a pipeline: with each second's bars one `status`, asked for once for all who watch. */
export function pipelineEvents({ feed, service }: Pipeline): ApiEvents {
  let asked: Promise<unknown> | undefined;
  const status = (): Promise<unknown> => {
    asked ??= service.status().finally(() => asked = undefined);
    return asked;
  };
  return {
    subscribe: (listener) =>
      feed.subscribe((bars) => {
        for (const data of bars) listener({ type: "bar", data });
        // A store that cannot answer now is shown by its readiness, and asked again in a second.
        status().then((data) => listener({ type: "status", data }), () => {});
      }),
  };
}
