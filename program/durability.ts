/**
 * What a crash of Redis loses of what a node keeps there: said at every start, since Redis decides
 * it and not this program.
 *
 * @module
 */

import type { EngineAddress } from "../transports/command_line/engine_address.ts";
import type { Settings } from "../transports/command_line/settings.ts";
import { access } from "./engines.ts";
import { messageOf } from "./start_error.ts";

/** What is to be known of one setting's Redis. */
export interface DurabilityNotice {
  /** The setting that names the Redis. */
  readonly setting: "store" | "source" | "counters";
  /** Whether something that was answered for may be lost. */
  readonly loses: boolean;
  /** Whether it could be asked. */
  readonly asked: boolean;
  /** Sentences for people, without a stop at the end. */
  readonly text: string;
}

/** Settings that name a Redis whose loss matters. A queue's does not: what it loses comes again from the store. */
type Named = Pick<Settings, "store" | "source" | "counters" | "storeCaFile">;

/** Asks each Redis that keeps something. One that does not tell is said not to. */
export async function durabilityNotices(settings: Named): Promise<readonly DurabilityNotice[]> {
  const { store, source, counters } = settings;
  const named = [
    ["store", store?.kind === "redis" ? store : undefined],
    ["source", source],
    ["counters", counters],
  ] as const;
  const asked = named.flatMap(([setting, address]) =>
    address === undefined ? [] : [ask(settings, setting, address)]
  );
  return await Promise.all(asked);
}

async function ask(
  settings: Named,
  setting: DurabilityNotice["setting"],
  address: EngineAddress,
): Promise<DurabilityNotice> {
  const { openRedis } = await import("../transports/redis/redis.ts");
  const { readDurability } = await import("../transports/redis/durability.ts");
  try {
    await using redis = await openRedis(access(settings, address));
    const { loses, evicts, text } = await readDurability(redis);
    return { setting, loses: loses !== "nothing" || evicts !== false, asked: true, text };
  } catch (error) {
    const text = `What a crash of Redis loses could not be asked: ${messageOf(error)}`;
    return { setting, loses: true, asked: false, text };
  }
}
