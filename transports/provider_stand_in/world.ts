/**
 * One provider's recipients: gives each request that reached one its fate, and counts.
 *
 * @module
 */

import type { Platform } from "../provider/provider.ts";
import { type Behaviour, initialBehaviour, type Seen } from "./behaviour.ts";
import { type Fate, fateOf, hashAddress } from "./fate.ts";
import { Ledger } from "./ledger.ts";
import { REASONS_MAX } from "./limits.ts";

/** What connections count. */
export type Counter = "connections" | "goaways" | "unprocessed" | "resets" | "cuts";

/** The recipients of one provider. */
export class World {
  /** Which provider. */
  readonly platform: Platform;
  /** How it behaves now. */
  behaviour: Behaviour;
  readonly #seed: number;
  readonly #ledger = new Ledger();
  #fates = noFates();
  readonly #refused = new Map<string, number>();
  #requests = 0;
  #accepted = 0;
  #acceptedAgain = 0;
  #deferred = 0;
  #counters = noCounts();

  /** A provider nobody has asked yet. */
  constructor(platform: Platform, seed: number) {
    this.platform = platform;
    this.behaviour = initialBehaviour(platform);
    this.#seed = seed;
  }

  /**
   * A request reached a recipient: what it says to it. A recipient that puts its sender off says
   * `healthy` when it has done so often enough.
   */
  visit(address: string): Fate {
    const hash = hashAddress(address);
    const { shares, refusals } = this.behaviour;
    const before = this.#ledger.visit(hash);
    const fate = fateOf(hash, this.#seed, shares);
    this.#requests++;
    if (before === 0) this.#fates[fate]++;
    const patient = fate === "throttled" || fate === "unavailable";
    if ((patient && before < refusals) || fate === "failing") this.#deferred++;
    if (fate !== "healthy" && !(patient && before >= refusals)) return fate;
    if (this.#ledger.accept(hash) === 0) this.#accepted++;
    else this.#acceptedAgain++;
    return "healthy";
  }

  /** A request was refused before it came to a recipient. */
  refuse(reason: string): void {
    const known = this.#refused.get(reason);
    if (known === undefined && this.#refused.size >= REASONS_MAX) return;
    this.#refused.set(reason, (known ?? 0) + 1);
  }

  /** Something happened to a connection. */
  count(what: Counter): void {
    this.#counters[what]++;
  }

  /** Requests to a recipient, and how many it accepted. */
  look(address: string): { readonly requests: number; readonly accepted: number } {
    return this.#ledger.look(hashAddress(address));
  }

  /** What was seen so far. */
  seen(): Seen {
    return {
      ...this.#counters,
      requests: this.#requests,
      recipients: this.#ledger.recipients,
      fates: { ...this.#fates },
      accepted: this.#accepted,
      acceptedAgain: this.#acceptedAgain,
      deferred: this.#deferred,
      refused: Object.fromEntries(this.#refused),
    };
  }

  /** Forgets what was seen. */
  forget(): void {
    this.#ledger.clear();
    this.#refused.clear();
    this.#fates = noFates();
    this.#counters = noCounts();
    this.#requests =
      this.#accepted =
      this.#acceptedAgain =
      this.#deferred =
        0;
  }
}

function noFates(): Record<Fate, number> {
  return {
    healthy: 0,
    dead: 0,
    malformed: 0,
    refused: 0,
    throttled: 0,
    unavailable: 0,
    failing: 0,
  };
}

function noCounts(): Record<Counter, number> {
  return { connections: 0, goaways: 0, unprocessed: 0, resets: 0, cuts: 0 };
}
