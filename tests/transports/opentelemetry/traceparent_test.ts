import { assertEquals } from "@std/assert";
import { TRACEPARENT_CHARS_MAX } from "../../../transports/opentelemetry/limits.ts";
import { readTraceparent } from "../../../transports/opentelemetry/traceparent.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

const ROWS: readonly (readonly [header: string | undefined, sampled: boolean | undefined])[] = [
  [`00-${TRACE}-${SPAN}-01`, true],
  [`00-${TRACE}-${SPAN}-00`, false],
  // Other flags say nothing of sampling.
  [`00-${TRACE}-${SPAN}-03`, true],
  [`00-${TRACE}-${SPAN}-02`, false],
  // A later version is read as far as it is known.
  [`cc-${TRACE}-${SPAN}-01`, true],
  [`cc-${TRACE}-${SPAN}-01-what-comes-later`, true],
  [`cc-${TRACE}-${SPAN}-01.what-comes-later`, undefined],
  [undefined, undefined],
  ["", undefined],
  [`ff-${TRACE}-${SPAN}-01`, undefined],
  [`00-${TRACE}-${SPAN}-01-more`, undefined],
  [`00-${"0".repeat(32)}-${SPAN}-01`, undefined],
  [`00-${TRACE}-${"0".repeat(16)}-01`, undefined],
  [`00-${TRACE.toUpperCase()}-${SPAN}-01`, undefined],
  [`00-${TRACE.slice(1)}-${SPAN}-01`, undefined],
  [`00-${TRACE}-${SPAN}`, undefined],
  [`00-${TRACE}-${SPAN}-1`, undefined],
  [`00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`, undefined],
  [`cc-${TRACE}-${SPAN}-01-${"x".repeat(TRACEPARENT_CHARS_MAX)}`, undefined],
];

for (const [header, sampled] of ROWS) {
  const shown = header === undefined ? "no header" : `"${header.slice(0, 80)}"`;
  Deno.test(`readTraceparent() reads ${shown} => ${sampled}`, () => {
    const expected = sampled === undefined ? undefined : { traceId: TRACE, spanId: SPAN, sampled };
    assertEquals(readTraceparent(header), expected);
  });
}
