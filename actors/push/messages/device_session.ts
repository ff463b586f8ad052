/**
 * The actor of one device connection: carries out what its session decides.
 *
 * The session (`session.ts`) is pure; here are its socket, timers and store. Effects are carried
 * out in order, and the result of one goes back into the session before the next is looked at, so
 * the device sees answers in the order of its questions. Removing acknowledged messages is the one
 * exception: it is piped, since nothing said to the device depends on it.
 *
 * A crash ends this connection and nothing else: whatever was not acknowledged is in the store,
 * and the device connects again.
 *
 * @module
 */

import type { Actor, Context, Ref } from "../../runtime/actor.ts";
import { CHANNELS_MAX, CLOSE_GRACE_MS, SESSION_MAILBOX, USER_REFRESH_MS } from "../limits.ts";
import type { Arrivals } from "../cluster/arrivals.ts";
import type { DeviceSocket, Identifiers, MessageStore, Observer, PushMessage } from "../ports.ts";
import type { Tracer } from "../tracer.ts";
import type { BroadcastsProtocol } from "./broadcasts.ts";
import type { ConnectedSession, Registration, RegistryProtocol } from "./registry.ts";
import {
  type Effect,
  GREETING,
  type Input,
  type RegisterOutcome,
  type Session,
  type SessionSettings,
  step,
} from "./session.ts";
import { acceptedAtMs } from "./sort_keys.ts";

/** What a device session understands: its socket's events, the registry's messages, its own timers. */
export interface DeviceSessionProtocol extends ConnectedSession {
  /** A text message of the device. */
  received(text: string): void;
  /** The device answered a Ping. */
  ponged(): void;
  /** The connection is over; the reason is for statistics. */
  disconnected(reason: string): void;
  /** No hello came in time. */
  helloDue(): void;
  /** Time for a server ping. */
  keepAliveDue(): void;
  /** A Pong did not come in time. */
  pongDue(): void;
  /** A removal of acknowledged messages ended. */
  removed(done: boolean): void;
  /** The user agent's record was refreshed, was gone, or could not be reached. */
  refreshed(outcome: "refreshed" | "gone" | "failed"): void;
}

/** What every session of a node shares. */
export interface SessionServices {
  /** Where user agents, channels and messages are. */
  readonly store: MessageStore;
  /** Makes endpoints and UAIDs. */
  readonly identifiers: Identifiers;
  /** Who is connected. */
  readonly registry: Ref<RegistryProtocol>;
  /** Tells other nodes who is here, if there are any. */
  readonly arrivals?: Arrivals;
  /** Who knows the broadcasts. */
  readonly broadcasts: Ref<BroadcastsProtocol>;
  /** Told what happens. */
  readonly observer: Observer;
  /** Records what takes how long, if anybody looks. */
  readonly tracer?: Tracer | undefined;
  /** Times and bounds. */
  readonly settings: SessionSettings;
}

/** What one session is given at its start. */
export interface DeviceSessionArgs {
  /** Its socket, just upgraded; the session owns it. */
  readonly socket: DeviceSocket;
  /** What it shares with the others. */
  readonly services: SessionServices;
}

type Ctx = Context<DeviceSessionProtocol>;

/** One incarnation's state; released at any end, a crash included, which leaves the registry. */
export class DeviceSessionState implements Disposable {
  /** Its socket. */
  readonly socket: DeviceSocket;
  /** What it shares with the others. */
  readonly services: SessionServices;
  /** What was decided so far. */
  session: Session = GREETING;
  /** Its entry in the registry, once it has one. */
  registration: Registration | undefined = undefined;
  /** Wall-clock time at which the store last heard of the user agent. */
  refreshedAt = 0;
  /** Why it ended, for statistics. */
  endReason = "Crashed";
  readonly #ctx: Pick<Ctx, "now">;
  readonly #openedAt: number;

  /** A session at its greeting. */
  constructor({ socket, services }: DeviceSessionArgs, ctx: Pick<Ctx, "now">) {
    this.socket = socket;
    this.services = services;
    this.#ctx = ctx;
    this.#openedAt = ctx.now();
  }

  /** Leaves the registry and reports the end. */
  [Symbol.dispose](): void {
    const { registry, observer, arrivals } = this.services;
    if (this.registration !== undefined) {
      arrivals?.depart(this.registration);
      // Waits for room: when a proxy fails all its devices leave at once, and an entry that nobody
      // removes would stay. A registry that stopped meanwhile has forgotten everybody.
      registry.send("leave", this.registration).catch(() => {});
    }
    const lastedMs = this.#ctx.now() - this.#openedAt;
    observer.record({ kind: "session_ended", reason: this.endReason, lastedMs });
  }
}

/** One device connection; see the module. */
export const deviceSession: Actor<DeviceSessionProtocol, DeviceSessionState, DeviceSessionArgs> = {
  name: "device_session",
  mailbox: { capacity: SESSION_MAILBOX, overflow: "refuse" },
  init(args, ctx) {
    ctx.use(args.socket);
    ctx.after(args.services.settings.helloTimeoutMs, "helloDue");
    return ctx.use(new DeviceSessionState(args, ctx));
  },
  on: {
    received(state, text, ctx) {
      if (state.session.phase === "greeting") ctx.cancel("helloDue");
      return advance(state, { kind: "text", text }, ctx);
    },
    ponged(state, _, ctx) {
      ctx.cancel("pongDue");
      return advance(state, { kind: "ponged" }, ctx);
    },
    disconnected(state, reason, ctx) {
      if (state.session.phase !== "closed") state.endReason = reason;
      state.session = { phase: "closed" };
      ctx.stop(state.endReason);
    },
    deliver: (state, message, ctx) => advance(state, { kind: "delivered", message }, ctx),
    checkStorage: (state, _, ctx) => advance(state, { kind: "storage_changed" }, ctx),
    displaced: (state, _, ctx) => advance(state, { kind: "displaced" }, ctx),
    helloDue: (state, _, ctx) => advance(state, { kind: "hello_due" }, ctx),
    keepAliveDue(state, _, ctx) {
      refresh(state, ctx);
      return advance(state, { kind: "keep_alive_due" }, ctx);
    },
    pongDue: (state, _, ctx) => advance(state, { kind: "pong_due" }, ctx),
    removed: (state, done, ctx) =>
      advance(state, { kind: done ? "removed" : "storage_failed" }, ctx),
    refreshed(state, outcome, ctx) {
      if (outcome === "refreshed") state.refreshedAt = ctx.wallNow();
      // Removed behind this connection's back: the device learns it by connecting again.
      if (outcome === "gone") return advance(state, { kind: "storage_failed" }, ctx);
    },
  },
  terminate(state, exit) {
    if (exit.kind === "shutdown") endSession(state, { code: 1001, reason: "Shutdown" });
  },
};

/** Steps the session and carries out what it wants; a promise only where an effect has to wait. */
function advance(state: DeviceSessionState, input: Input, ctx: Ctx): void | Promise<void> {
  const [session, effects] = step(state.session, input, ctx.now(), state.services.settings);
  state.session = session;
  return carryOut(state, effects, 0, ctx);
}

function carryOut(
  state: DeviceSessionState,
  effects: readonly Effect[],
  from: number,
  ctx: Ctx,
): void | Promise<void> {
  for (let index = from; index < effects.length; index++) {
    const effect = effects[index];
    const waiting = effect === undefined ? undefined : perform(state, effect, ctx);
    if (waiting !== undefined) return resume(state, effects, index + 1, waiting, ctx);
  }
}

async function resume(
  state: DeviceSessionState,
  effects: readonly Effect[],
  next: number,
  waiting: Promise<Input | undefined>,
  ctx: Ctx,
): Promise<void> {
  const input = await waiting;
  if (input !== undefined) await advance(state, input, ctx);
  await carryOut(state, effects, next, ctx);
}

function perform(
  state: DeviceSessionState,
  effect: Effect,
  ctx: Ctx,
): Promise<Input | undefined> | undefined {
  const { socket, services } = state;
  switch (effect.kind) {
    case "send":
      socket.send(effect.text);
      return undefined;
    case "send_message":
      if (socket.send(effect.text)) reportSent(services.observer, effect, ctx.wallNow());
      return undefined;
    case "ping":
      ctx.after(services.settings.pingTimeoutMs, "pongDue");
      socket.ping();
      return undefined;
    case "arm_keep_alive":
      ctx.after(services.settings.pingIntervalMs, "keepAliveDue");
      return undefined;
    case "count":
      services.observer.record(effect.what);
      return undefined;
    case "remove":
      remove(state, effect.sortKeys, ctx);
      return undefined;
    case "close":
      // The socket answers with `disconnected`, and that ends the actor; the timer is for a socket
      // that was lost while this session was too busy to be told.
      endSession(state, effect);
      ctx.after(CLOSE_GRACE_MS, "disconnected", effect.reason);
      return undefined;
    case "identify":
      return stored(services, "hello", identify(state, effect, ctx));
    case "read_page":
      return stored(services, "read", readPage(state, effect, ctx));
    case "register":
      return register(state, effect, ctx);
    case "unregister":
      return unregister(state, effect.channelId);
    case "subscribe_broadcasts":
      return askBroadcasts(services, effect);
    case "reset_user":
      return stored(services, "reset", resetUser(services, effect.uaid));
  }
}

/** The input of an outside call, or `storage_failed` in its place: every refusal means "not now". */
async function stored(
  services: SessionServices,
  operation: string,
  call: Promise<Input | undefined>,
): Promise<Input | undefined> {
  try {
    return await call;
  } catch (error) {
    reportFailure(services.observer, operation, error);
    return { kind: "storage_failed" };
  }
}

async function identify(
  state: DeviceSessionState,
  { uaid: claimed, broadcasts: wanted }: Extract<Effect, { kind: "identify" }>,
  ctx: Ctx,
): Promise<Input> {
  const { store, identifiers, registry, broadcasts, observer, arrivals } = state.services;
  const connectedAt = ctx.wallNow();
  let user = claimed === undefined ? undefined : await store.user(claimed);
  state.refreshedAt = user?.connectedAt ?? connectedAt;
  if (user !== undefined && connectedAt - user.connectedAt > USER_REFRESH_MS) {
    if (!await store.refreshUser({ uaid: user.uaid, connectedAt })) user = undefined;
    state.refreshedAt = connectedAt;
  }
  const uaid = user?.uaid ?? identifiers.newUaid();
  // Registered before storage is read: a message accepted from here on waits in the mailbox.
  state.registration = { uaid, session: ctx.self, id: arrivals?.newSession() ?? "" };
  await registry.ask("enter", state.registration);
  if (user !== undefined) await arrivals?.arrive(state.registration);
  const answer = await broadcasts.ask("news", { wanted, subscription: undefined });
  const known = user !== undefined;
  const kind = known ? "existing" : claimed === undefined ? "new" : "reassigned";
  observer.record({ kind: "hello", user: kind });
  return { kind: "identified", uaid, known, broadcasts: answer };
}

/** Keeps a user agent known that stays connected for longer than one is remembered. */
function refresh(state: DeviceSessionState, ctx: Ctx): void {
  const { session, services, refreshedAt } = state;
  const connectedAt = ctx.wallNow();
  if (session.phase !== "open" || !session.userStored) return;
  if (connectedAt - refreshedAt <= USER_REFRESH_MS) return;
  const refreshing = services.store.refreshUser({ uaid: session.uaid, connectedAt });
  ctx.pipe(refreshing, "refreshed", (outcome) => {
    if (outcome.status === "fulfilled") return outcome.value ? "refreshed" : "gone";
    reportFailure(services.observer, "refresh", outcome.reason);
    return "failed";
  });
}

async function readPage(
  state: DeviceSessionState,
  { messages: kind, limit }: Extract<Effect, { kind: "read_page" }>,
  ctx: Ctx,
): Promise<Input> {
  const nowSeconds = Math.floor(ctx.wallNow() / 1_000);
  const uaid = uaidOf(state);
  const messages = await state.services.store.messages({ uaid, kind, limit, nowSeconds });
  return { kind: "page", messages, limit };
}

async function register(
  state: DeviceSessionState,
  { channelId, key, userStored }: Extract<Effect, { kind: "register" }>,
  ctx: Ctx,
): Promise<Input> {
  const { store, identifiers, observer, arrivals } = state.services;
  const uaid = uaidOf(state);
  let outcome: RegisterOutcome;
  try {
    if (!userStored) {
      await store.saveUser({ uaid, connectedAt: ctx.wallNow() });
      if (state.registration !== undefined) await arrivals?.arrive(state.registration);
    }
    const added = await store.addChannel(uaid, channelId, CHANNELS_MAX);
    // Removed in the meantime (by the sweep, or on another connection): the device learns it now.
    if (added === "no_user") return { kind: "storage_failed" };
    outcome = added === "over_limit" ? { kind: "over_limit" } : {
      kind: "registered",
      endpoint: identifiers.endpointUrl(uaid, channelId, key),
    };
  } catch (error) {
    reportFailure(observer, "register", error);
    outcome = { kind: "storage_failed" };
  }
  return { kind: "registered", channelId, outcome };
}

async function unregister(state: DeviceSessionState, channelId: string): Promise<Input> {
  try {
    await state.services.store.removeChannel(uaidOf(state), channelId);
    return { kind: "unregistered", channelId, done: true };
  } catch (error) {
    reportFailure(state.services.observer, "unregister", error);
    return { kind: "unregistered", channelId, done: false };
  }
}

async function askBroadcasts(
  { broadcasts }: SessionServices,
  { wanted, subscription, tick }: Extract<Effect, { kind: "subscribe_broadcasts" }>,
): Promise<Input> {
  const answer = await broadcasts.ask("news", { wanted, subscription });
  return { kind: "broadcasts", answer, tick };
}

async function resetUser({ store, observer }: SessionServices, uaid: string): Promise<undefined> {
  await store.removeUser(uaid);
  observer.record({ kind: "user_reset" });
}

function remove(state: DeviceSessionState, sortKeys: readonly number[], ctx: Ctx): void {
  const { store, observer, tracer } = state.services;
  const uaid = uaidOf(state);
  const spans = tracer &&
    sortKeys.map((sortKey) => tracer.begin({ kind: "message", uaid, sortKey }, "acknowledge"));
  ctx.pipe(store.removeMessages(uaid, sortKeys), "removed", (outcome) => {
    const done = outcome.status === "fulfilled";
    spans?.forEach((span) => span?.end(done ? undefined : { failure: "unavailable" }));
    if (outcome.status === "rejected") reportFailure(observer, "acknowledge", outcome.reason);
    return done;
  });
}

function endSession(
  state: DeviceSessionState,
  { code, reason }: { readonly code: number; readonly reason: string },
): void {
  state.endReason = reason;
  state.socket.close(code, reason);
}

function uaidOf({ session }: DeviceSessionState): string {
  if (session.phase !== "open") throw new Error(`Cannot use the store while ${session.phase}`);
  return session.uaid;
}

function reportSent(
  observer: Observer,
  { message, source }: { readonly message: PushMessage; readonly source: "direct" | "stored" },
  wallNowMs: number,
): void {
  const delayMs = Math.max(0, wallNowMs - acceptedAtMs(message.sortKey));
  observer.record({ kind: "sent", source, delayMs });
}

function reportFailure(observer: Observer, operation: string, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  observer.record({ kind: "store_failed", operation, reason });
}
