/**
 * A gateway: sends blocks of recipients to one provider over connections it opens, shares and
 * replaces.
 *
 * Invariants: every recipient of a block gets exactly one verdict; a request that was not processed
 * is sent again over another connection a few times, then handed back as `unsent`; an origin whose
 * circuit is open gets a few probes and nothing else. What the provider is, only its `Provider`
 * knows: rendering, splitting by destination, sending and judging.
 *
 * @module
 */

import type { Actor, Context, Later } from "../../runtime/actor.ts";
import type { Pool } from "../../runtime/pool.ts";
import type { Span } from "../tracer.ts";
import { originFailed } from "./circuit.ts";
import {
  type Carried,
  type ConnectionArgs,
  type ConnectionNews,
  type ConnectionOwnerProtocol,
  type ConnectionProtocol,
  LOST,
  verdictOf,
} from "./connection.ts";
import { DestinationPool, fruitless, type Line, measure } from "./destination_pool.ts";
import { covers, endRequests, Job } from "./job.ts";
import {
  CIRCUIT_MIN_MS,
  DESTINATIONS_MAX,
  GATEWAY_MAILBOX,
  GATEWAY_MS,
  IDLE_LOOK_MS,
  IDLE_MS,
  PREPARED_MAX,
  PROBE_MAX,
  RESENDS_MAX,
  RETRY_MIN_MS,
} from "./limits.ts";
import type {
  Answers,
  DeliveryObserver,
  Leg,
  Prepared,
  Provider,
  ProviderConnection,
  Routed,
  SendBlock,
  Verdict,
} from "./ports.ts";

/** The numbers of connections that one incarnation of a gateway has to itself. */
const NUMBERS = 2 ** 32;

/** What a gateway understands. */
export interface GatewayProtocol<C extends ProviderConnection> extends ConnectionOwnerProtocol {
  /** Sends to the recipients of a block. */
  send(block: SendBlock): Answers;
  /** A notification was rendered, or could not be. */
  prepared(prepared: PreparedBlock<C>): void;
  /** Requests over a connection ended. */
  carried(end: CargoEnd<C>): void;
  /** Time to look for idle connections. */
  idleDue(): void;
  /** The node stops: what waits for a connection goes back to its batches. */
  handBackWaiting(): void;
}

/** What a gateway works with. */
export interface GatewayArgs<C extends ProviderConnection> {
  /** The provider. */
  readonly provider: Provider<C>;
  /** Where connections are started. */
  readonly connections: Pool<ConnectionProtocol<C>, ConnectionArgs<C>>;
  /** Told of connections and circuits. */
  readonly observer: DeliveryObserver;
}

/** A block whose notification was rendered. */
export interface PreparedBlock<C extends ProviderConnection> {
  /** The block. */
  readonly block: SendBlock;
  /** Whoever waits for its answers. */
  readonly later: Later<Answers>;
  /** What rendering came to. */
  readonly outcome: PromiseSettledResult<Prepared<C>>;
}

/** Requests on their way: recipients of one leg. */
export interface Cargo<C extends ProviderConnection> {
  /** The block they are of. */
  readonly job: Job;
  /** The leg. */
  readonly leg: Leg<C>;
  /** Its recipients, by their index in its places. */
  readonly indexes: readonly number[];
  /** How often they were sent and not processed. */
  readonly resends: number;
  /** Whether they try a circuit. */
  readonly probe: boolean;
}

/** How requests ended. */
export interface CargoEnd<C extends ProviderConnection> {
  /** The requests. */
  readonly cargo: Cargo<C>;
  /** The connection's number. */
  readonly line: number;
  /** When they were given to it, monotonic. */
  readonly since: number;
  /** Their trace, when it is recorded. */
  readonly span: Span | undefined;
  /** Its answers. */
  readonly outcome: PromiseSettledResult<Carried>;
}

/** A gateway's state. */
export interface GatewayState<C extends ProviderConnection> extends GatewayArgs<C> {
  /** Destinations by key, the one used longest ago first. */
  readonly pools: Map<string, DestinationPool<C, Cargo<C>>>;
  /** The destination of each connection. */
  readonly owners: Map<number, DestinationPool<C, Cargo<C>>>;
  /** Rendered notifications, the one used longest ago first. */
  readonly prepared: Map<string, Promise<Prepared<C>>>;
  /** Connections opened so far. */
  opened: number;
  /** Whether what was not processed goes back to its batch at once: the node is stopping. */
  handingBack: boolean;
}

/** The gateway of a provider; see the module. */
export function gateway<C extends ProviderConnection>(
  name: string,
): Actor<GatewayProtocol<C>, GatewayState<C>, GatewayArgs<C>> {
  return {
    name,
    mailbox: { capacity: GATEWAY_MAILBOX, overflow: "refuse" },
    init(args, ctx) {
      ctx.after(IDLE_LOOK_MS, "idleDue");
      // Connections outlive their gateway's crash: their news must not be taken for another one's.
      const opened = (ctx.incarnation - 1) * NUMBERS;
      const maps = { pools: new Map(), owners: new Map(), prepared: new Map() };
      const state = { ...args, ...maps, opened, handingBack: false };
      ctx.use({ [Symbol.dispose]: () => leaveAll(state) });
      return state;
    },
    on: {
      send(state, block, ctx) {
        const later = ctx.later<Answers>();
        state.handingBack = false;
        ctx.pipe(prepare(state, block), "prepared", (outcome) => ({ block, later, outcome }));
        return later;
      },
      prepared: route,
      carried,
      connectionNews: heard,
      idleDue(state, _, ctx) {
        retireIdle(state, ctx.now());
        ctx.after(IDLE_LOOK_MS, "idleDue");
      },
      handBackWaiting(state, _, ctx) {
        state.handingBack = true;
        for (const pool of state.pools.values()) {
          returnWaiting(pool, "the node is stopping", ctx);
          pool.retire();
        }
      },
    },
  };
}

/** Renders a notification once for all its blocks. */
function prepare<C extends ProviderConnection>(
  { provider, prepared }: GatewayState<C>,
  { app, notification }: SendBlock,
): Promise<Prepared<C>> {
  const key = `${notification.id} ${app.name} ${app.version}`;
  const known = prepared.get(key) ?? Promise.try(() => provider.prepare(app, notification));
  prepared.delete(key);
  prepared.set(key, known);
  // One that failed is tried again by the next block.
  known.catch(() => prepared.delete(key));
  if (prepared.size > PREPARED_MAX) prepared.delete(prepared.keys().next().value ?? key);
  return known;
}

function route<C extends ProviderConnection>(
  state: GatewayState<C>,
  { block, later, outcome }: PreparedBlock<C>,
  ctx: Context<GatewayProtocol<C>>,
): void {
  const { recipients } = block;
  const job = new Job(later, recipients.numbers.length, block.span);
  const all = (verdict: Verdict): void => {
    for (let place = 0; place < recipients.numbers.length; place++) job.settle(place, verdict);
  };
  if (outcome.status === "rejected") {
    return all({ kind: "unsent", reason: String(outcome.reason), afterMs: RETRY_MIN_MS });
  }
  if (outcome.value.kind === "refused") return all(outcome.value.verdict);
  let routed: Routed<C>;
  try {
    routed = outcome.value.route(recipients);
    covers(routed, recipients.numbers.length);
  } catch (error) {
    // One block that a provider cannot take must not cost the others theirs.
    return later.reject(error);
  }
  const { settled, legs } = routed;
  for (const [place, verdict] of settled) job.settle(place, verdict);
  for (const leg of legs) {
    const indexes = leg.places.map((_, index) => index);
    dispatch(state, { job, leg, indexes, resends: 0, probe: false }, ctx);
  }
}

/** Sends requests, lets a few of them probe, or hands them back, as the origin's circuit has it. */
function dispatch<C extends ProviderConnection>(
  state: GatewayState<C>,
  cargo: Cargo<C>,
  ctx: Context<GatewayProtocol<C>>,
): void {
  const pool = poolOf(state, cargo.leg, ctx.now());
  const permit = cargo.probe ? { kind: "free" } as const : pool.circuit.permit(ctx.now());
  switch (permit.kind) {
    case "free":
      return place(state, pool, cargo, ctx);
    case "probe": {
      const { indexes } = cargo;
      const rest = { ...cargo, indexes: indexes.slice(PROBE_MAX) };
      handBack(rest, "the provider is being probed", CIRCUIT_MIN_MS);
      const probe = { ...cargo, indexes: indexes.slice(0, PROBE_MAX), probe: true };
      return place(state, pool, probe, ctx);
    }
    case "wait":
      return handBack(cargo, "the provider does not work", permit.ms);
  }
}

function handBack<C extends ProviderConnection>(
  { job, leg, indexes }: Cargo<C>,
  reason: string,
  afterMs: number,
): void {
  const verdict: Verdict = { kind: "unsent", reason, afterMs };
  for (const index of indexes) job.settle(leg.places[index] ?? 0, verdict);
}

function poolOf<C extends ProviderConnection>(
  { pools }: GatewayState<C>,
  { destination }: Leg<C>,
  now: number,
): DestinationPool<C, Cargo<C>> {
  const { key } = destination;
  const pool = pools.get(key) ?? new DestinationPool<C, Cargo<C>>(destination, now);
  // The newest one opens connections from now on: it has the newest credentials.
  pool.destination = destination;
  pool.usedAt = now;
  pools.delete(key);
  pools.set(key, pool);
  if (pools.size > DESTINATIONS_MAX) {
    const oldest = pools.entries().find(([, { idle }]) => idle);
    if (oldest !== undefined) pools.delete(oldest[0]);
  }
  return pool;
}

/** Gives requests to the freest connection, or lets them wait; opens another one where that helps. */
function place<C extends ProviderConnection>(
  state: GatewayState<C>,
  pool: DestinationPool<C, Cargo<C>>,
  cargo: Cargo<C>,
  ctx: Context<GatewayProtocol<C>>,
): void {
  const line = pool.freest();
  if (line === undefined) pool.waiting.push(cargo);
  else load(line, cargo, ctx);
  if (pool.wantsLine(ctx.now())) open(state, pool, ctx);
}

function load<C extends ProviderConnection>(
  line: Line<C>,
  cargo: Cargo<C>,
  ctx: Context<GatewayProtocol<C>>,
): void {
  const { leg, indexes } = cargo;
  const since = ctx.now();
  const span = cargo.job.begin(cargo, line.id % NUMBERS);
  line.inFlight += indexes.length;
  line.usedAt = since;
  ctx.pipe(
    line.ref.within(GATEWAY_MS).ask("carry", { leg, indexes }),
    "carried",
    (outcome) => ({ cargo, line: line.id, since, span, outcome }),
  );
}

function open<C extends ProviderConnection>(
  state: GatewayState<C>,
  pool: DestinationPool<C, Cargo<C>>,
  ctx: Context<GatewayProtocol<C>>,
): void {
  const id = ++state.opened;
  const { destination } = pool;
  const started = state.connections.start({ destination, id, owner: ctx.self }, `${id}`);
  if (started === "full" || started === "stopped") {
    retireIdle(state, Infinity);
    if (pool.living === 0) returnWaiting(pool, "no room for another connection", ctx);
    return;
  }
  pool.add(id, started, ctx.now());
  state.owners.set(id, pool);
}

/** Everything that waits goes back to its batch. */
function returnWaiting<C extends ProviderConnection>(
  pool: DestinationPool<C, Cargo<C>>,
  reason: string,
  ctx: Context<GatewayProtocol<C>>,
): void {
  const afterMs = pool.circuit.pauseMs(ctx.now());
  for (const cargo of pool.waiting.splice(0)) {
    // A probe that never left says nothing, and the next one may try.
    if (cargo.probe) pool.circuit.record(0, 0, ctx.now(), ctx.random());
    handBack(cargo, reason, afterMs);
  }
}

function heard<C extends ProviderConnection>(
  state: GatewayState<C>,
  news: ConnectionNews,
  ctx: Context<GatewayProtocol<C>>,
): void {
  const pool = state.owners.get(news.id);
  const line = pool?.lines.get(news.id);
  if (pool === undefined || line === undefined) return;
  const { observer, provider: { platform } } = state;
  const { origin } = pool.destination;
  switch (news.kind) {
    case "open":
      line.state = "open";
      line.opened = true;
      line.streamsMax = news.streamsMax;
      observer.record({ kind: "connected", platform, origin });
      break;
    case "leaving":
      line.state = "leaving";
      if (fruitless(line)) failed(state, pool, news.reason, ctx);
      break;
    case "gone": {
      pool.lines.delete(news.id);
      state.owners.delete(news.id);
      const { reason, opened } = news;
      observer.record({
        kind: opened ? "disconnected" : "connect_failed",
        platform,
        origin,
        reason,
      });
      if (!opened) failed(state, pool, reason, ctx);
    }
  }
  drain(state, pool, ctx);
}

/** A connection came to nothing; without another one the origin is left alone for a while. */
function failed<C extends ProviderConnection>(
  state: GatewayState<C>,
  pool: DestinationPool<C, Cargo<C>>,
  reason: string,
  ctx: Context<GatewayProtocol<C>>,
): void {
  pool.failed(ctx.now());
  if (pool.living > 0) return;
  judge(state, pool, () => pool.circuit.unreachable(ctx.now(), ctx.random()));
  returnWaiting(pool, `no connection: ${reason}`, ctx);
}

/** Gives what waits to connections with room. */
function drain<C extends ProviderConnection>(
  state: GatewayState<C>,
  pool: DestinationPool<C, Cargo<C>>,
  ctx: Context<GatewayProtocol<C>>,
): void {
  for (let line = pool.freest(); line !== undefined; line = pool.freest()) {
    const cargo = pool.waiting.shift();
    if (cargo === undefined) break;
    load(line, cargo, ctx);
  }
  if (pool.wantsLine(ctx.now())) open(state, pool, ctx);
}

function carried<C extends ProviderConnection>(
  state: GatewayState<C>,
  { cargo, line: id, since, span, outcome }: CargoEnd<C>,
  ctx: Context<GatewayProtocol<C>>,
): void {
  const { indexes, leg } = cargo;
  const pool = poolOf(state, leg, ctx.now());
  const line = pool.lines.get(id);
  if (line !== undefined) {
    line.inFlight -= indexes.length;
    line.usedAt = ctx.now();
  }
  const end = outcome.status === "fulfilled"
    ? outcome.value
    : endOf(outcome.reason, indexes.length);
  const { answers, leaving, streamsMax } = end;
  if (span !== undefined) endRequests(span, answers, outcome.status);
  if (line !== undefined) {
    if (leaving) line.state = "leaving";
    if (answers.verdicts.every(({ kind }) => kind === "unsent")) {
      if (line.use === "none") line.use = "refused";
    } else {
      line.use = "served";
      line.streamsMax = streamsMax;
      measure(line, indexes.length, ctx.now() - since);
    }
    if (fruitless(line)) failed(state, pool, "the peer takes no requests", ctx);
  }
  settle(state, pool, cargo, answers, ctx);
  drain(state, pool, ctx);
}

function endOf(error: unknown, count: number): Carried {
  const verdict = verdictOf(error);
  const leaving = verdict.kind === "unsent";
  return { answers: { verdicts: [verdict], of: new Uint16Array(count) }, leaving, streamsMax: 1 };
}

function settle<C extends ProviderConnection>(
  state: GatewayState<C>,
  pool: DestinationPool<C, Cargo<C>>,
  cargo: Cargo<C>,
  { verdicts, of }: Answers,
  ctx: Context<GatewayProtocol<C>>,
): void {
  const { job, leg, indexes, resends, probe } = cargo;
  const unsent: number[] = [];
  let good = 0;
  let bad = 0;
  const again = resends < RESENDS_MAX && !state.handingBack;
  for (const [position, index] of indexes.entries()) {
    const verdict = verdicts[of[position] ?? 0] ?? LOST;
    if (again && verdict.kind === "unsent" && verdict.afterMs === undefined) {
      unsent.push(index);
      continue;
    }
    if (originFailed(verdict)) bad++;
    else if (verdict.kind !== "unsent") good++;
    job.settle(leg.places[index] ?? 0, verdict);
  }
  const { closed } = pool.circuit;
  if (probe || good + bad > 0) {
    judge(state, pool, () => pool.circuit.record(good, bad, ctx.now(), ctx.random()));
  }
  if (closed && !pool.circuit.closed) returnWaiting(pool, "the provider does not work", ctx);
  if (unsent.length > 0) {
    dispatch(state, { ...cargo, indexes: unsent, resends: resends + 1, probe: false }, ctx);
  }
}

/** Tells when a circuit opens or closes. */
function judge<C extends ProviderConnection>(
  { observer, provider: { platform } }: GatewayState<C>,
  { circuit, destination: { origin } }: DestinationPool<C, Cargo<C>>,
  change: () => void,
): void {
  const before = circuit.closed;
  change();
  if (circuit.closed === before) return;
  const now = circuit.closed ? "closed" : "open";
  observer.record({ kind: "circuit", platform, origin, state: now });
}

/** Lets go of connections that were not used for a while, and of destinations without any. */
function retireIdle<C extends ProviderConnection>(state: GatewayState<C>, now: number): void {
  for (const [key, pool] of state.pools) {
    for (const line of pool.lines.values()) {
      if (line.state !== "open" || line.inFlight > 0 || now - line.usedAt < IDLE_MS) continue;
      line.state = "leaving";
      line.ref.trySend("retire");
    }
    if (pool.idle && now - pool.usedAt >= IDLE_MS) state.pools.delete(key);
  }
}

/** The news of its connections reach nobody when a gateway has ended: they are told of as gone now. */
function leaveAll<C extends ProviderConnection>(state: GatewayState<C>): void {
  const { observer, pools, provider: { platform } } = state;
  const gone = { kind: "disconnected", platform, reason: "its gateway has ended" } as const;
  for (const pool of pools.values()) {
    const { lines, destination: { origin } } = pool;
    for (const { opened } of lines.values()) if (opened) observer.record({ ...gone, origin });
    pool.retire();
  }
}
