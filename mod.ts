/**
 * Heliograph: a push server, and the actors it is made of.
 *
 * `deno run -A mod.ts serve` runs a node; `--help` says the rest. As a library this module has the
 * actor runtime, the Web Push half with its ports, and `Pipeline`, which sends notifications without
 * a node around it. The pipeline's actors and ports (`actors/push/delivery`) and the transports
 * (`transports/device_socket`, `push_endpoint`, `sqlite`, `memory`, …) are modules of their own, so that
 * a program of your own can put them together differently: with another store, say, or inside a
 * larger tree.
 *
 * @module
 */

export * from "./actors/mod.ts";
export * from "./actors/push/mod.ts";
export * from "./program/pipeline.ts";

if (import.meta.main) {
  const { main } = await import("./program/main.ts");
  Deno.exit(await main(Deno.args));
}
