/**
 * How many tells does one actor take in a second, and how many letters does a bare mailbox?
 * Each iteration is `COUNT` messages; the same load on Erlang/OTP is in `erlang/actors.erl`.
 *
 * Run: `deno bench -A bench/mailbox_bench.ts`
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { type Letter, Mailbox } from "../actors/runtime/mailbox.ts";
import { openBench, tell } from "./actors_load.ts";

const COUNT = 100_000;

Deno.bench(`Mailbox: push and shift ${COUNT} letters`, () => {
  const mailbox = new Mailbox<object>({ capacity: 1_000, overflow: "refuse" });
  const letter: Letter<object> = { type: "", payload: undefined, asker: undefined };
  let letters = 0;
  while (letters < COUNT) {
    while (mailbox.push("add", 1, undefined) === "accepted");
    while (mailbox.shift(letter)) letters++;
  }
  assertEquals(letters, COUNT);
});

Deno.bench(`Actor: handle ${COUNT} tells from one sender`, async (b) => {
  await using bench = await openBench();
  b.start();
  const total = await tell(bench, COUNT);
  b.end();
  assertEquals(total, COUNT);
});
