/**
 * The script that reads a notification with its progress, all of one moment.
 *
 * @module
 */

import { OUTCOMES } from "../../delivery_store/records.ts";
import { readingScript } from "./core.ts";

/** The fields of a notification that its status shows. */
export const STATUS_FIELDS = ["body", "state", "started_at", "finished_at"] as const;

/** The fields of a tally. */
export const TALLY_FIELDS = ["total", ...OUTCOMES, "retries"] as const;

function quotedList(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(", ");
}

/** Answers {@link STATUS_FIELDS} of the notification `ARGV[1]`, and {@link TALLY_FIELDS} of its three platforms. */
export const STATUS = readingScript(
  "read a notification",
  `
local found = { call('HMGET', base .. 'notification:' .. ARGV[1], ${quotedList(STATUS_FIELDS)}) }
for platform = 0, 2 do
  found[platform + 2] = call('HMGET', base .. 'tally:' .. ARGV[1] .. ':' .. platform,
    ${quotedList(TALLY_FIELDS)})
end
return found
`,
);
