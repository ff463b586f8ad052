/**
 * What does an idle actor cost, and how long do many of them take to start and to stop?
 *
 * Run: `deno run --v8-flags=--expose-gc bench/idle_actors.ts [actors]`
 *
 * @module
 */

import { idleCost } from "./actors_load.ts";

if (import.meta.main) {
  const { gc } = globalThis as { readonly gc?: () => void };
  if (gc === undefined) throw new Error("Cannot measure without --v8-flags=--expose-gc");
  const cost = await idleCost(Number(Deno.args[0] ?? 200_000), gc);
  // deno-lint-ignore no-console -- a bench is run to be read
  console.log(JSON.stringify(cost));
}
