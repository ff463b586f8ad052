/**
 * `store copy`: from the folder of an embedded store into PostgreSQL, resumable.
 *
 * @module
 */

import type { Command } from "../../transports/command_line/parse_command_line.ts";
import { grouped, showSpan } from "../../transports/command_line/shown_number.ts";
import type { World } from "../commands/world.ts";
import { access } from "../engines.ts";
import { messageOf, naming, StartError } from "../start_error.ts";
import { CopyReport, rowsIn } from "./report.ts";

/** Copies the store the command names; resolves with the exit status. */
export async function runStoreCopy(
  { from, to, settings }: Extract<Command, { readonly name: "store_copy" }>,
  json: boolean,
  world: World,
): Promise<number> {
  // What only this command needs is not in the memory of a node.
  const { Source } = await import("./source.ts");
  const { Target } = await import("./target.ts");
  const { copyStore } = await import("./copy.ts");
  using source = await naming("--from", () => Promise.try(() => new Source(from)));
  await using target = await naming("store", () => Target.open(access(settings, to)));
  const report = new CopyReport(world);
  const startedAt = world.now();
  const copy = () =>
    copyStore(source, target, {
      wallNow: () => world.wallNow(),
      onProgress: (tables, at) => json || report.show(tables, at),
    });
  try {
    const tables = await naming("store", copy);
    const copied = Object.fromEntries(tables.map(({ name, copied }) => [name, copied]));
    report.end();
    world.terminal.print(
      json
        ? `${JSON.stringify({ copied })}\n`
        : `Complete with ${grouped(rowsIn(tables))} rows, in ${
          showSpan(world.now() - startedAt)
        }. Start nodes on ${to.shown}, and none on sqlite:${from} any more.\n`,
    );
    return 0;
  } catch (error) {
    // Both kinds of store name so what went wrong around them; anything else is a bug of this program.
    if (!(error instanceof Error) || error.name !== "StoreError") throw error;
    throw new StartError(
      `store copy: ${messageOf(error)}. Run it again to go on from there`,
      1,
      { cause: error },
    );
  }
}
