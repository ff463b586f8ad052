/**
 * Folding blocks of answers into verdicts.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { ANSWERED, type End, LOST, UNSENT } from "../../../transports/http2/exchange.ts";
import { LatencyCounter } from "../../../transports/http2/latencies.ts";
import { foldAnswers } from "../../../transports/provider/fold.ts";

Deno.test("foldAnswers() judges answers that are the same once, and those with a detail each", () => {
  const detail = { headers: new Map(), body: new Uint8Array([1]) };
  const rows: readonly (readonly [End, number])[] = [
    [ANSWERED, 200],
    [ANSWERED, 410],
    [LOST, 0],
    [ANSWERED, 200],
    [ANSWERED, 410],
    [UNSENT, 0],
    [LOST, 0],
    [ANSWERED, 500],
  ];
  const judged: string[] = [];
  const say = (text: string) => {
    judged.push(text);
    return text;
  };
  const { verdicts, of } = foldAnswers({
    ends: Uint8Array.from(rows, ([end]) => end),
    statuses: Uint16Array.from(rows, ([, status]) => status),
    details: new Map([[1, detail], [4, detail]]),
    reason: "reset",
    latencies: new LatencyCounter(),
  }, {
    answered: (status, given) => say(given === undefined ? `${status}` : `${status} with detail`),
    ended: (end, reason) => say(`${end} ${reason}`),
  });
  assertEquals([...of].map((index) => verdicts[index]), [
    "200",
    "410 with detail",
    "2 reset",
    "200",
    "410 with detail",
    "1 reset",
    "2 reset",
    "500",
  ]);
  assertEquals(judged, ["200", "410 with detail", "2 reset", "410 with detail", "1 reset", "500"]);
});
