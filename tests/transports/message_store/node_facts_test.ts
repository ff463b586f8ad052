import { assertEquals } from "@std/assert";
import { nodeFactsText, readNodeFacts } from "../../../transports/message_store/node_facts.ts";
import { factsOf, FOREIGN_FACTS } from "../../support/node_facts.ts";

Deno.test("readNodeFacts() reads what nodeFactsText() wrote, and nothing where it wrote nothing", () => {
  assertEquals(readNodeFacts(nodeFactsText(factsOf())), factsOf());
  assertEquals(readNodeFacts(nodeFactsText(undefined)), undefined);
});

Deno.test("readNodeFacts() leaves out what a newer program says beside them", () => {
  const text = JSON.stringify({
    ...factsOf(),
    gpus: 3,
    loopDelayMs: { p50: 1, p99: 2, max: 3, p1: 0 },
  });
  assertEquals(readNodeFacts(text), factsOf({ loopDelayMs: { p50: 1, p99: 2, max: 3 } }));
});

Deno.test("readNodeFacts() reads up to 2,048 characters", () => {
  assertEquals(readNodeFacts(JSON.stringify(factsOf()).padEnd(2_048)), factsOf());
});

for (const [what, text] of FOREIGN_FACTS) {
  Deno.test(`readNodeFacts() takes ${what} for no facts`, () => {
    assertEquals(readNodeFacts(text), undefined);
  });
}
