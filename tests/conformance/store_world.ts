/**
 * What the tests of message stores share: a clock, some names, and a store with a user agent in it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type {
  MessageStore,
  NodeDirectory,
  PageRequest,
  Presence,
  PushMessage,
  SaveOutcome,
} from "../../actors/push/ports.ts";

/** A store under test, with the means to open it again on what it kept. */
export interface StoreFixture extends AsyncDisposable {
  /** The store; another one after `reopen`. */
  readonly store: MessageStore;
  /** Closes the store and opens it again on the same data. */
  reopen(): Promise<void>;
}

/** A store that several nodes use, as one of them has it. */
export type SharedStore = MessageStore & Presence & NodeDirectory;

/** Two nodes' stores on the same data. */
export interface SharedFixture extends AsyncDisposable {
  /** The store of one node. */
  readonly one: SharedStore;
  /** The store of the other. */
  readonly other: SharedStore;
}

/** What a fixture is opened with. */
export interface StoreSettings {
  /** The wall clock of the store. */
  readonly clock: WallClock;
  /** Seconds after which a user agent lapses. */
  readonly userLifetimeSeconds: number;
}

/** A wall clock that the test sets, in milliseconds since 1970. */
export class WallClock {
  /** The time. */
  nowMs = 1_800_000_000_000;

  /** The time, as stores ask for it. */
  wallNow(): number {
    return this.nowMs;
  }

  /** The time in whole seconds. */
  get seconds(): number {
    return Math.floor(this.nowMs / 1000);
  }
}

/** Lifetime of user agents in the suite: ten days. */
export const USER_LIFETIME_SECONDS = 864_000;

/** A user agent of the tests: the same digit 32 times. */
export function uaidOf(digit: number): string {
  return digit.toString(16).repeat(32);
}

/** A channel of the tests: a UUID that ends in this number. */
export function channelOf(number: number): string {
  return `00000000-0000-4000-8000-${number.toString().padStart(12, "0")}`;
}

/** A user agent. */
export const ALICE = uaidOf(10);
/** Another user agent. */
export const BOB = uaidOf(11);
/** A channel. */
export const NEWS = channelOf(1);
/** Another channel. */
export const MAIL = channelOf(2);
/** More messages than any test leaves waiting. */
const WAITING_MAX = 100;

/** What every test of the suite is given. */
export class World implements AsyncDisposable {
  readonly clock: WallClock;
  readonly fixture: StoreFixture;

  constructor(clock: WallClock, fixture: StoreFixture) {
    this.clock = clock;
    this.fixture = fixture;
  }

  get store(): MessageStore {
    return this.fixture.store;
  }

  /** A plain message of Alice's to the channel NEWS that lives for a minute, with differences. */
  message(sortKey: number, differences: Partial<PushMessage> = {}): PushMessage {
    return {
      uaid: ALICE,
      channelId: NEWS,
      ttlSeconds: 60,
      topic: undefined,
      content: { body: new Uint8Array([sortKey % 256]), headers: { encoding: "aes128gcm" } },
      sortKey,
      version: `v${sortKey}`,
      expiresAt: this.clock.seconds + 60,
      ...differences,
    };
  }

  save(sortKey: number, differences: Partial<PushMessage> = {}): Promise<SaveOutcome> {
    return this.store.saveMessage(this.message(sortKey, differences), WAITING_MAX);
  }

  page(differences: Partial<PageRequest> = {}): Promise<readonly PushMessage[]> {
    const nowSeconds = this.clock.seconds;
    return this.store.messages({
      uaid: ALICE,
      kind: "plain",
      limit: 1000,
      nowSeconds,
      ...differences,
    });
  }

  async keys(differences: Partial<PageRequest> = {}): Promise<readonly number[]> {
    return (await this.page(differences)).map(({ sortKey }) => sortKey);
  }

  /** Alice with her channel NEWS. */
  async subscribe(uaid = ALICE, channelId = NEWS): Promise<void> {
    await this.store.saveUser({ uaid, connectedAt: this.clock.nowMs });
    assertEquals(await this.store.addChannel(uaid, channelId, 10), "added");
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.fixture[Symbol.asyncDispose]();
  }
}
