/**
 * Is the runtime as fast and as small as it should be beside Erlang/OTP on the same machine: 4
 * times its tells a second, 2 times its asks, a quarter of its bytes for an idle actor?
 *
 * Both sides do the same work in turn, several rounds, and the best round of each counts: other
 * load on the machine only ever makes a round slower. Erlang uses all cores; we use one.
 *
 * Run: `deno run -A --v8-flags=--expose-gc bench/beside_erlang.ts [messages]`
 *
 * @module
 */

import { ask, idleCost, openBench, tell } from "./actors_load.ts";

/** One measurement of `erlang/actors.erl`. */
interface ErlangLine {
  readonly bench: string;
  readonly kind: string;
  readonly perSecond?: number;
  readonly bytesEach?: number;
  readonly startMs?: number;
  readonly stopMs?: number;
}

/** Rates by the name of the bench, and bytes of an idle actor. */
export type Measured = Readonly<Record<string, number>>;

/**
 * Compiles and runs the Erlang side.
 *
 * @param messages How many messages; a fifth as many idle processes.
 * @returns The best of its rounds: `"tells gen_server"` and so on, a second or in bytes.
 */
export async function measureErlang(messages: number): Promise<Measured> {
  const folder = await Deno.makeTempDir();
  try {
    const source = new URL("./erlang/actors.erl", import.meta.url).pathname;
    await run("erlc", ["-o", folder, source]);
    const start = ["-noshell", "-pa", folder, "-s", "actors", "main", "--", `${messages}`];
    const lines = (await run("erl", start)).trimEnd().split("\n").slice(1);
    const best: Record<string, number> = {};
    for (const line of lines) {
      const { bench, kind, perSecond, bytesEach } = JSON.parse(line) as ErlangLine;
      const key = `${bench} ${kind}`;
      if (perSecond !== undefined) best[key] = Math.max(best[key] ?? 0, perSecond);
      if (bytesEach !== undefined) best[key] = bytesEach;
    }
    return best;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const output = await new Deno.Command(program, { args: [...args] }).output();
  const decoder = new TextDecoder();
  if (!output.success) throw new Error(`Cannot run "${program}": ${decoder.decode(output.stderr)}`);
  return decoder.decode(output.stdout);
}

/**
 * Measures our side with the same loads.
 *
 * @param messages How many messages; a fifth as many idle actors.
 * @param rounds How many rounds; the best counts.
 */
export async function measureOurs(messages: number, rounds: number): Promise<Measured> {
  const best = { tells: 0, asks_one_asker: 0, asks_100_askers: 0 };
  for (let round = 0; round < rounds; round++) {
    await using bench = await openBench();
    const rate = async (work: () => Promise<number>): Promise<number> => {
      const start = performance.now();
      const count = await work();
      return count * 1_000 / (performance.now() - start);
    };
    best.tells = Math.max(best.tells, await rate(() => tell(bench, messages)));
    best.asks_one_asker = Math.max(
      best.asks_one_asker,
      await rate(() => ask(bench, 1, messages / 4)),
    );
    best.asks_100_askers = Math.max(
      best.asks_100_askers,
      await rate(() => ask(bench, 100, messages / 400)),
    );
  }
  const { gc } = globalThis as { readonly gc?: () => void };
  const { heapBytesEach, startMs, stopMs } = await idleCost(messages / 5, gc ?? (() => {}));
  return { ...best, idle: heapBytesEach, idle_start_ms: startMs, idle_stop_ms: stopMs };
}

if (import.meta.main) {
  const messages = Number(Deno.args[0] ?? 1_000_000);
  const erlang = await measureErlang(messages);
  const ours = await measureOurs(messages, 5);
  const rows = ["tells", "asks_one_asker", "asks_100_askers", "idle"].flatMap((bench) =>
    ["gen_server", "plain"].map((kind) => {
      const theirs = erlang[`${bench} ${kind}`] ?? NaN;
      const own = ours[bench] ?? NaN;
      return {
        bench,
        "Erlang kind": kind,
        ours: Math.round(own),
        Erlang: Math.round(theirs),
        ratio: Number((bench === "idle" ? theirs / own : own / theirs).toFixed(2)),
      };
    })
  );
  // deno-lint-ignore no-console -- a bench is run to be read
  console.table(rows);
  // deno-lint-ignore no-console -- as above
  console.log(JSON.stringify({ startMs: ours["idle_start_ms"], stopMs: ours["idle_stop_ms"] }));
}
