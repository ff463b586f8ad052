/**
 * Supervision compared with the original: the same random trees and schedules of crashes run
 * here under a manual clock and on Erlang/OTP's supervisor, and must tell the same story.
 *
 * `HELIOGRAPH_OTP_CASES` sets how many (default 300), `HELIOGRAPH_OTP_SEED` which.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { arbitraryCase, type Case, runCase, toErlang } from "./otp_cases.ts";

const ORACLE = new URL("./otp_oracle.erl", import.meta.url);

async function askOracle(cases: readonly Case[]): Promise<readonly string[]> {
  const file = await Deno.makeTempFile({ suffix: ".terms" });
  try {
    await Deno.writeTextFile(
      file,
      cases.map((tested, index) => toErlang(index, tested)).join("\n"),
    );
    const command = new Deno.Command("escript", { args: [ORACLE.pathname, file] });
    const { success, stdout, stderr } = await command.output().catch((error: unknown) => {
      assert(
        !(error instanceof Deno.errors.NotFound),
        "Erlang is missing: install it with `apt-get install erlang-base`",
      );
      throw error;
    });
    assert(success, new TextDecoder().decode(stderr));
    const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
    return lines.map((line) => line.slice(line.indexOf(": ") + 2));
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("Supervisor does what OTP's supervisor does, whatever the schedule", async () => {
  const numRuns = Number(Deno.env.get("HELIOGRAPH_OTP_CASES") ?? 300);
  const seed = Number(Deno.env.get("HELIOGRAPH_OTP_SEED") ?? Math.trunc(Math.random() * 2 ** 31));
  const cases = fc.sample(arbitraryCase, { numRuns, seed });
  const expected = await askOracle(cases);
  assertEquals(expected.length, cases.length);
  for (const [index, tested] of cases.entries()) {
    const actual = await runCase(tested, seed + index);
    const again = `HELIOGRAPH_OTP_SEED=${seed} HELIOGRAPH_OTP_CASES=${numRuns}`;
    assertEquals(actual, expected[index], `${again}, case ${toErlang(index, tested)}`);
  }
});
