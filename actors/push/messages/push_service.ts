/**
 * What the push endpoint asks of the Web Push half: is this channel subscribed, take this message,
 * withdraw that one.
 *
 * A message with a TTL is stored durably, then given to the registry, then accepted: the 201 of
 * its sender means it survives the death of this process. The hand-over can fail without loss: the
 * device's session looks into the store at its next keep-alive. A message with TTL 0 never touches
 * the store (RFC 8030 section 5.2: delivered now or never).
 *
 * @module
 */

import type { Ref } from "../../runtime/actor.ts";
import { OFFERS_MAX } from "../limits.ts";
import type {
  Identifiers,
  IncomingMessage,
  MessageStore,
  PushMessage,
  SubscriptionState,
} from "../ports.ts";
import { type Facts, type Span, traced, type Tracer } from "../tracer.ts";
import type { RegistryProtocol } from "./registry.ts";
import type { SortKeys } from "./sort_keys.ts";

/** What became of a posted message. */
export type AcceptOutcome =
  | { readonly kind: "accepted"; readonly messageId: string }
  | { readonly kind: "no_subscription" }
  | { readonly kind: "over_limit" };

/** What the service stands on. */
export interface PushServiceParts {
  /** Where messages wait. */
  readonly store: MessageStore;
  /** Makes message ids. */
  readonly identifiers: Identifiers;
  /** Who is connected. */
  readonly registry: Ref<Pick<RegistryProtocol, "deliver">>;
  /** Gives messages their order. */
  readonly sortKeys: SortKeys;
  /** Wall-clock time in milliseconds. */
  readonly wallNow: () => number;
  /** Messages that may wait for one user agent before the next is the last to be accepted. */
  readonly messageLimit: number;
  /** Records what takes how long, if anybody looks. */
  readonly tracer?: Tracer | undefined;
}

/** The service; see the module. Its methods reject only when the store or the registry is not available. */
export class PushService {
  readonly #parts: PushServiceParts;

  /** A service over these parts. */
  constructor(parts: PushServiceParts) {
    this.#parts = parts;
  }

  /** Whether this channel is subscribed now. */
  subscription(uaid: string, channelId: string): Promise<SubscriptionState> {
    return this.#parts.store.subscription(uaid, channelId);
  }

  /** Takes responsibility for a message, or says why not. */
  async accept(incoming: IncomingMessage): Promise<AcceptOutcome> {
    const { sortKeys, tracer } = this.#parts;
    for (let offer = 0; offer < OFFERS_MAX; offer++) {
      const message = this.#place(incoming);
      const { uaid, sortKey } = message;
      const span = tracer?.begin({ kind: "message", uaid, sortKey }, "accept");
      const outcome = await traced(span, this.#take(message, span), acceptFacts);
      if (outcome.kind !== "behind") return outcome;
      sortKeys.skip(outcome.key);
    }
    throw new Error(`Other nodes were faster ${OFFERS_MAX} times in a row`);
  }

  /** Forgets a message that still waits; one that is gone already is fine. */
  withdraw(uaid: string, sortKey: number): Promise<void> {
    return this.#parts.store.removeMessages(uaid, [sortKey]);
  }

  #place(incoming: IncomingMessage): PushMessage {
    const { sortKeys, identifiers, wallNow } = this.#parts;
    const { uaid, channelId, ttlSeconds } = incoming;
    const nowMs = wallNow();
    const sortKey = sortKeys.next(nowMs);
    const version = identifiers.messageId(uaid, channelId, sortKey);
    const expiresAt = Math.floor(nowMs / 1_000) + ttlSeconds;
    return { ...incoming, sortKey, version, expiresAt };
  }

  /** Stores a message if it is to be kept, and hands it over. */
  async #take(
    message: PushMessage,
    span: Span | undefined,
  ): Promise<AcceptOutcome | { readonly kind: "behind"; readonly key: number }> {
    const { store, registry, messageLimit } = this.#parts;
    if (message.ttlSeconds > 0) {
      const saving = store.saveMessage(message, messageLimit);
      const saved = await traced(span?.child("store"), saving, noFacts);
      if (saved === "over_limit") return { kind: "over_limit" };
      if (saved === "no_channel" || saved === "no_user") return { kind: "no_subscription" };
      if (saved !== "stored") return { kind: "behind", key: saved.behind };
    }
    try {
      await traced(span?.child("hand_over"), registry.send("deliver", message), noFacts);
    } catch (error) {
      // Stored is accepted: the device's next look into the store finds it. TTL 0 asks for now.
      if (message.ttlSeconds === 0) throw error;
    }
    return { kind: "accepted", messageId: message.version };
  }
}

function acceptFacts({ kind }: { readonly kind: AcceptOutcome["kind"] | "behind" }): Facts {
  return kind === "accepted" ? {} : { failure: kind };
}

function noFacts(): Facts {
  return {};
}
