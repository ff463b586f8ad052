/**
 * Two nodes as real processes on one store: the same endpoint keys, a node port each, nothing else
 * in common.
 *
 * @module
 */

import { TokenBox } from "../../transports/push_endpoint/token_box.ts";
import { Service } from "./service.ts";
import type { SharedEngine } from "./shared_engine.ts";

/** How they are started. */
export interface TwoNodesOptions {
  /** Where the store is. */
  readonly engine: Pick<SharedEngine, "freshStore">;
  /** Flags of both. */
  readonly flags?: readonly string[];
  /** Further flags of node a. */
  readonly a?: readonly string[];
  /** Further flags of node b, which may name ports of node a. */
  readonly b?: (a: Service) => readonly string[];
}

/** The running nodes. */
export class TwoNodes implements AsyncDisposable {
  /** Address of their store. */
  readonly store: string;
  /** Flags that make a further node theirs. */
  readonly flags: readonly string[];
  /** The node that started first. */
  readonly a: Service;
  /** The other one. */
  readonly b: Service;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    parts: Pick<TwoNodes, "store" | "flags" | "a" | "b">,
    resources: AsyncDisposableStack,
  ) {
    this.store = parts.store;
    this.flags = parts.flags;
    this.a = parts.a;
    this.b = parts.b;
    this.#resources = resources;
  }

  /** Starts both; resolves when all their listeners accept. */
  static async open({ engine, flags: more = [], a = [], b = () => [] }: TwoNodesOptions): Promise<
    TwoNodes
  > {
    await using opening = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "heliograph-two-nodes-" });
    opening.defer(() => Deno.remove(folder, { recursive: true }));
    const store = await engine.freshStore();
    const keys = `${folder}/endpoint-keys`;
    await Deno.writeTextFile(keys, TokenBox.generateKey(), { mode: 0o600 });
    const flags = ["--store", store, "--crypto-keys-file", keys, "--node-port", "0", ...more];
    const first = opening.use(await Service.start({ flags: [...flags, ...a] }));
    const second = opening.use(await Service.start({ flags: [...flags, ...b(first)] }));
    return new TwoNodes({ store, flags, a: first, b: second }, opening.move());
  }

  /** Ends both. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** An endpoint as it is reached through this node, whichever node made it. */
export function endpointAt(endpoint: string, { endpointPort }: Service): string {
  const url = new URL(endpoint);
  url.port = `${endpointPort}`;
  return url.href;
}
