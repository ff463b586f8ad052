/**
 * How many asks does one actor answer in a second? Each iteration is `COUNT` asks; the same load
 * on Erlang/OTP is in `erlang/actors.erl`.
 *
 * Run: `deno bench -A bench/ask_bench.ts`
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { ask, askBetweenActors, openBench } from "./actors_load.ts";

const COUNT = 50_000;

for (const askers of [1, 100]) {
  Deno.bench(`Actor: answer ${COUNT} asks of ${askers} asker(s)`, async (b) => {
    await using bench = await openBench();
    b.start();
    const answered = await ask(bench, askers, COUNT / askers);
    b.end();
    assertEquals(answered, COUNT);
  });
}

Deno.bench(`Actor: answer ${COUNT} asks of another actor`, async (b) => {
  await using bench = await openBench();
  b.start();
  const answered = await askBetweenActors(bench, COUNT);
  b.end();
  assertEquals(answered, COUNT);
});
