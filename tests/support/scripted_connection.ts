/**
 * A connection to a provider whose answers a test writes: it keeps the blocks it was given.
 *
 * @module
 */

import {
  type AnswerBlock,
  ANSWERED,
  type End,
  type HttpConnection,
  type RequestBlock,
} from "../../transports/http2/exchange.ts";
import { LatencyCounter } from "../../transports/http2/latencies.ts";
import type {
  Answers,
  App,
  Credentials,
  Leg,
  Notification,
  Platform,
  Recipients,
  Verdict,
} from "../../transports/provider/provider.ts";

/** The answer to one request, or its end without one. */
export type ScriptedAnswer =
  | {
    readonly status: number;
    readonly headers?: Readonly<Record<string, string>>;
    /** Text as it is, anything else as JSON. */
    readonly body?: unknown;
  }
  | { readonly end: Exclude<End, typeof ANSWERED>; readonly reason?: string };

/** What was sent, one request at a time. */
export interface SeenRequest {
  /** The method. */
  readonly method: string;
  /** `:authority`. */
  readonly authority: string;
  /** `:path`. */
  readonly path: string;
  /** All fields, in their order. */
  readonly fields: Readonly<Record<string, string>>;
  /** The body as text. */
  readonly body: string;
}

/** Answers requests with what a function says. */
export class ScriptedConnection implements HttpConnection {
  readonly streamsMax = 100;
  readonly inFlight = 0;
  readonly ended: Promise<string>;
  /** The blocks, in the order in which they came. */
  readonly blocks: RequestBlock[] = [];
  /** How often somebody wanted it closed. */
  closed = 0;
  readonly #answer: (request: SeenRequest) => ScriptedAnswer;
  readonly #end: (reason: string) => void;

  /** Makes a connection that answers with `answer`; with 200 when absent. */
  constructor(answer: (request: SeenRequest) => ScriptedAnswer = () => ({ status: 200 })) {
    this.#answer = answer;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.#end = resolve;
  }

  /** All requests of all blocks. */
  get requests(): readonly SeenRequest[] {
    return this.blocks.flatMap(requestsOf);
  }

  exchange(block: RequestBlock): Promise<AnswerBlock> {
    this.blocks.push(block);
    const requests = requestsOf(block);
    const ends = new Uint8Array(requests.length);
    const statuses = new Uint16Array(requests.length);
    const details = new Map<number, { headers: Map<string, string>; body: Uint8Array }>();
    let reason = "";
    for (const [place, request] of requests.entries()) {
      const answer = this.#answer(request);
      if ("end" in answer) {
        ends[place] = answer.end;
        reason = answer.reason ?? "";
        continue;
      }
      ends[place] = ANSWERED;
      statuses[place] = answer.status;
      if (answer.status >= 200 && answer.status < 300) continue;
      const { headers = {}, body = "" } = answer;
      const text = typeof body === "string" ? body : JSON.stringify(body);
      details.set(place, {
        headers: new Map(Object.entries(headers)),
        body: new TextEncoder().encode(text),
      });
    }
    return Promise.resolve({ ends, statuses, details, reason, latencies: new LatencyCounter() });
  }

  close(): Promise<void> {
    this.closed++;
    this.#end("closed");
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function requestsOf({ head, paths, fields, bodies }: RequestBlock): readonly SeenRequest[] {
  return paths.map((path, place) => {
    const own = fields.flatMap(({ name, values }): [string, string][] => {
      const value = values[place];
      return value === undefined ? [] : [[name, value]];
    });
    const body = bodies instanceof Uint8Array ? bodies : bodies[place];
    return {
      method: head.method,
      authority: head.authority,
      path,
      fields: Object.fromEntries([
        ...head.fields.map(({ name, value }) => [name, value]),
        ...own,
      ]),
      body: new TextDecoder().decode(body),
    };
  });
}

/** The time in these tests: 2026-01-01. */
export const NOW = Date.UTC(2026, 0, 1);

/** A notification that says "Hello" and lives an hour; fields may differ. */
export function notificationOf(fields: Partial<Notification> = {}): Notification {
  return {
    id: "11111111-2222-4333-8444-555555555555",
    app: "shop",
    content: { title: "Hello", body: "World" },
    ttlSeconds: 3_600,
    urgency: "normal",
    topic: undefined,
    createdAt: NOW,
    sendAt: NOW,
    expiresAt: NOW + 3_600_000,
    ratePerSecond: undefined,
    rows: "failures",
    ...fields,
  };
}

/** An app with these credentials. */
export function appOf(credentials: Credentials): App {
  return { name: "shop", version: 1, credentials };
}

/** Recipients numbered from 0. */
export function recipientsOf(
  platform: Platform,
  addresses: readonly string[],
  suspects: readonly number[] = [],
): Recipients {
  const numbers = addresses.map((_, place) => place);
  return { platform, numbers, addresses, keys: new Uint8Array(), suspects };
}

/** Sends to all recipients of a leg. */
export async function sendAll(leg: Leg, connection: HttpConnection): Promise<readonly Verdict[]> {
  return verdictsOf(await leg.send(connection, leg.places.map((_, index) => index)));
}

/** The verdict of each recipient. */
export function verdictsOf({ verdicts, of }: Answers): readonly Verdict[] {
  return [...of].map((index) => {
    const verdict = verdicts[index];
    if (verdict === undefined) throw new Error(`No verdict has the index ${index}`);
    return verdict;
  });
}

/** A clock that moves only when told to. */
export class StandingClock {
  /** Milliseconds since 1970. */
  now: number = NOW;
  /** What was slept, in milliseconds. */
  readonly slept: number[] = [];

  wallNow(): number {
    return this.now;
  }

  sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    this.now += ms;
    return Promise.resolve();
  }
}
