import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { type Facts, type Span, traced } from "../../../actors/push/tracer.ts";

/** A step that remembers how it ended. */
class Step implements Span {
  readonly ends: (Facts | undefined)[] = [];

  child(): Span {
    return new Step();
  }

  end(facts?: Facts): void {
    this.ends.push(facts);
  }
}

Deno.test("traced() returns the work itself when there is no step", async () => {
  const work = Promise.resolve(1);
  const facts = () => {
    throw new Error("asked for facts");
  };
  assertStrictEquals(traced(undefined, work, facts), work);
  await work;
});

Deno.test("traced() ends a step once, with what its work came to", async () => {
  const span = new Step();
  assertEquals(await traced(span, Promise.resolve(7), (count) => ({ count })), 7);
  assertEquals(span.ends, [{ count: 7 }]);
});

Deno.test("traced() ends the step of work that fails, and hands the error on", async () => {
  const span = new Step();
  const error = new Error("no text of it is told");
  const thrown = await assertRejects(() => traced(span, Promise.reject(error), () => ({})));
  assertStrictEquals(thrown, error);
  assertEquals(span.ends, [{ failure: "unavailable" }]);
});
