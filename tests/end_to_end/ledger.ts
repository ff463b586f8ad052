/**
 * What a sender and its devices wrote down, and what must be true of it: the judge of every round
 * in which the service is killed.
 *
 * The rules it checks:
 * - a message answered 201 with a TTL arrives, unless a later post of its topic may have replaced it;
 * - a message always carries the version its sender was told;
 * - what a device acknowledged, and knows to be received, does not come again;
 * - first deliveries of a subscription come in the order of acceptance, except topics, which come
 *   first when a device returns, and messages for now or never, which do not wait behind others.
 *
 * Where several nodes accept and deliver, the last two are counted and not judged: a message on its
 * way between two nodes may come behind a later one, or behind the copy that a device read from the
 * store and acknowledged.
 *
 * @module
 */

import { opaqueBody } from "../support/sender.ts";

/** Bytes before the id in each body: what an encrypted body starts with. */
const PREFIX_BYTES = 100;
/** Broken rules kept for the report. */
const BROKEN_MAX = 20;

/** How long a message may wait and whether a later one takes its place. */
export type Kind = "plain" | "topic" | "now_or_never";

/** One message a sender tried to post. */
export interface Entry {
  /** Its number in its channel, from 1, in the order of posting. */
  readonly number: number;
  /** Its channel. */
  readonly channelId: string;
  /** Its kind. */
  readonly kind: Kind;
  /** The version a 201 told, `undefined` while there was none. */
  version: string | undefined;
  /** Versions under which devices got it. */
  readonly arrivedAs: Set<string>;
  /** How often devices got it. */
  arrivals: number;
  /** What the device knows of its acknowledgement. */
  acknowledged: "no" | "sent" | "received";
}

/** What was counted. */
export interface Counts {
  /** Posts tried. */
  readonly posted: number;
  /** Posts answered 201. */
  readonly accepted: number;
  /** Messages that arrived at least once. */
  readonly delivered: number;
  /** Arrivals beyond the first of each. */
  readonly redelivered: number;
  /** Messages that arrived although their post got no answer. */
  readonly unanswered: number;
  /** Accepted messages that must arrive and have not. */
  readonly missing: number;
  /** Arrivals after a received acknowledgement; where it is one node, there are none. */
  readonly afterAck: number;
  /** First arrivals behind a later message of the channel; where it is one node, there are none. */
  readonly outOfOrder: number;
}

/** How many nodes accept and deliver. */
export type Nodes = "one" | "several";

/** The book of one run. */
export class Ledger {
  readonly #channels = new Map<string, Entry[]>();
  readonly #highest = new Map<string, number>();
  readonly #broken: string[] = [];
  readonly #nodes: Nodes;
  #missing = 0;
  #afterAck = 0;
  #outOfOrder = 0;

  /** An empty book. */
  constructor(nodes: Nodes = "one") {
    this.#nodes = nodes;
  }

  /** Rules found broken, the first twenty. */
  get broken(): readonly string[] {
    return this.#broken;
  }

  /** Accepted messages that must still arrive. */
  get missing(): number {
    return this.#missing;
  }

  /** Writes down that a message is about to be posted, and gives its body. */
  post(channelId: string, kind: Kind): { entry: Entry; body: Uint8Array<ArrayBuffer> } {
    const entries = this.#channels.get(channelId) ?? [];
    this.#channels.set(channelId, entries);
    const number = entries.length + 1;
    const entry: Entry = {
      number,
      channelId,
      kind,
      version: undefined,
      arrivedAs: new Set(),
      arrivals: 0,
      acknowledged: "no",
    };
    if (kind === "topic") this.#replace(entries);
    entries.push(entry);
    const id = new TextEncoder().encode(`${number}`);
    const body = new Uint8Array(PREFIX_BYTES + id.length);
    body.set(opaqueBody(PREFIX_BYTES));
    body.set(id, PREFIX_BYTES);
    return { entry, body };
  }

  /** Writes down a 201. */
  accepted(entry: Entry, version: string): void {
    entry.version = version;
    for (const other of entry.arrivedAs) {
      if (other !== version) this.#break(`${name(entry)} was accepted under another version`);
    }
    if (this.#mustArrive(entry) && entry.arrivals === 0) this.#missing++;
  }

  /** Writes down that a device got a message, and returns its entry. */
  arrived(channelId: string, version: string, data: string): Entry {
    const bytes = Uint8Array.fromBase64(data, { alphabet: "base64url" });
    const number = Number(new TextDecoder().decode(bytes.subarray(PREFIX_BYTES)));
    const entry = this.#channels.get(channelId)?.[number - 1];
    if (entry === undefined) throw new Error(`Nobody posted message ${number} of ${channelId}`);
    if (entry.acknowledged === "received") {
      this.#afterAck++;
      if (this.#nodes === "one") this.#break(`${name(entry)} came after its ack`);
    }
    if (entry.arrivals === 0) this.#first(entry);
    else if (!entry.arrivedAs.has(version)) this.#break(`${name(entry)} came under two versions`);
    if (entry.version !== undefined && entry.version !== version) {
      this.#break(`${name(entry)} came under another version than its 201 told`);
    }
    entry.arrivals++;
    entry.arrivedAs.add(version);
    return entry;
  }

  /** What was counted so far. */
  counts(): Counts {
    const all = [...this.#channels.values()].flat();
    const arrived = all.filter((one) => one.arrivals > 0);
    return {
      posted: all.length,
      accepted: all.filter((one) => one.version !== undefined).length,
      delivered: arrived.length,
      redelivered: arrived.reduce((sum, one) => sum + one.arrivals - 1, 0),
      unanswered: arrived.filter((one) => one.version === undefined).length,
      missing: this.#missing,
      afterAck: this.#afterAck,
      outOfOrder: this.#outOfOrder,
    };
  }

  /** Names of the accepted messages that never arrived, the first twenty. */
  missingNames(): readonly string[] {
    return [...this.#channels.values()].flat()
      .filter((one) => one.version !== undefined && one.arrivals === 0 && this.#mustArrive(one))
      .slice(0, BROKEN_MAX)
      .map(name);
  }

  #first(entry: Entry): void {
    if (entry.version !== undefined && this.#mustArrive(entry)) this.#missing--;
    if (entry.kind !== "plain") return;
    const highest = this.#highest.get(entry.channelId) ?? 0;
    if (entry.number < highest) {
      this.#outOfOrder++;
      if (this.#nodes === "one") this.#break(`${name(entry)} came first after number ${highest}`);
    }
    this.#highest.set(entry.channelId, Math.max(highest, entry.number));
  }

  /** From the moment a topic is posted again, its earlier messages may or may not arrive. */
  #replace(entries: readonly Entry[]): void {
    for (let index = entries.length - 1; index >= 0; index--) {
      const earlier = entries[index];
      if (earlier?.kind !== "topic") continue;
      if (earlier.version !== undefined && earlier.arrivals === 0) this.#missing--;
      return;
    }
  }

  #mustArrive(entry: Entry): boolean {
    if (entry.kind !== "topic") return entry.kind === "plain";
    const entries = this.#channels.get(entry.channelId) ?? [];
    return entries.findLast((one) => one.kind === "topic") === entry;
  }

  #break(rule: string): void {
    if (this.#broken.length < BROKEN_MAX) this.#broken.push(rule);
  }
}

function name(entry: Entry): string {
  return `${entry.kind} message ${entry.number} of channel ${entry.channelId.slice(0, 8)}`;
}
