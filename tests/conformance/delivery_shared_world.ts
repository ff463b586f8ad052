/**
 * What the tests of shared delivery stores have in common: two nodes on the same data, and how often a race
 * is run.
 *
 * @module
 */

import { DeliveryWorld, type SharedDeliveryFixture, type Store } from "./delivery_world.ts";
import type { WallClock } from "./store_world.ts";

/** How often a race is run. */
export const ROUNDS = 12;

/** Two nodes on the same data. */
export class SharedDeliveryWorld implements AsyncDisposable {
  readonly #fixture: SharedDeliveryFixture;
  readonly clock: WallClock;
  /** The nodes, each with what the tests of one store have. */
  readonly nodes: readonly [DeliveryWorld, DeliveryWorld];

  constructor(clock: WallClock, fixture: SharedDeliveryFixture) {
    this.clock = clock;
    this.#fixture = fixture;
    const worldOf = (store: Store) =>
      new DeliveryWorld(clock, {
        store,
        reopen: () => Promise.reject(new Error("not with two stores")),
        corrupt: () => Promise.reject(new Error("not with two stores")),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    this.nodes = [worldOf(fixture.one), worldOf(fixture.other)];
  }

  /** The world of the first node, for what is done before a race and looked at after it. */
  get world(): DeliveryWorld {
    return this.nodes[0];
  }

  /** Both nodes do something at the same time. */
  both<T>(work: (node: DeliveryWorld, place: 0 | 1) => Promise<T>): Promise<readonly [T, T]> {
    return Promise.all([work(this.nodes[0], 0), work(this.nodes[1], 1)]);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#fixture[Symbol.asyncDispose]();
  }
}

/** Declares one test of the suite. */
export type SharedTest = (
  criterion: string,
  run: (shared: SharedDeliveryWorld) => Promise<void>,
) => void;

/** The numbers from 1 to this one. */
export function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
