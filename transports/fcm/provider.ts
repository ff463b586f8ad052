/**
 * Google's push service, FCM, by its HTTP v1 API: notifications become blocks of requests, answers
 * become verdicts.
 *
 * Nothing binds a connection to a project, so all projects of an origin share a pool; each has a
 * pace of its own, since Google counts messages by project. What has no turn within some seconds is
 * given back unsent instead of waiting.
 *
 * @module
 */

import type { HttpConnection, RequestHead } from "../http2/exchange.ts";
import type { Connect } from "../provider/connect.ts";
import { foldAnswers } from "../provider/fold.ts";
import { parseOrigin } from "../provider/origin.ts";
import type {
  Answers,
  App,
  Destination,
  FcmCredentials,
  Leg,
  Notification,
  Prepared,
  Recipients,
  Routed,
  Verdict,
} from "../provider/provider.ts";
import { Remembered } from "../provider/remembered.ts";
import { sendRenewing } from "../provider/renewal.ts";
import type { ReportingProvider, TokenHealth } from "../provider/token_health.ts";
import { AccessTokens } from "./access_token.ts";
import { type FcmClock, SYSTEM_CLOCK } from "./clock.ts";
import { accountName, FCM_ORIGIN, readServiceAccount, type ServiceAccount } from "./credentials.ts";
import {
  ACCOUNTS_MAX,
  CONNECTIONS_MAX,
  INDEXED_TOKEN_CHARACTERS_MAX,
  MESSAGES_PER_MINUTE,
  RENDERED_MS_MAX,
  STREAMS_MAX,
  TOKEN_CHARACTERS_MAX,
} from "./limits.ts";
import { Quota } from "./quota.ts";
import { fcmBodies, type FcmMessage, renderFcm } from "./rendering.ts";
import { fcmJudge } from "./response_table.ts";

/** What the provider is made of. */
export interface FcmProviderOptions {
  /** Opens connections to Google. */
  readonly connect: Connect;
  /** Further roots that token endpoints may be certified by, PEM. */
  readonly caCerts?: readonly string[];
  /** Connections to one origin at once; 8 when absent. */
  readonly connectionsMax?: number;
  /** Messages a minute that one project sends by this provider; 600,000 when absent, Google's default quota. Nodes that share a project share its quota: give each its part. */
  readonly messagesPerMinute?: number;
  /** Tells the time and waits; the system's when absent. */
  readonly clock?: FcmClock;
}

const BAD_TOKEN: Verdict = { kind: "rejected", status: 0, reason: "bad token" };

/**
 * The provider for Google's devices.
 *
 * @param options How to connect, and its bounds.
 */
export function fcmProvider(options: FcmProviderOptions): ReportingProvider<FcmCredentials> {
  const provider = new FcmProvider(options);
  return {
    platform: "fcm",
    prepare: (app, notification) => Promise.resolve(provider.prepare(app, notification)),
    tokenHealth: (credentials) => provider.tokenHealth(credentials),
  };
}

class FcmProvider {
  readonly #options: FcmProviderOptions;
  readonly #clock: FcmClock;
  readonly #tokens = new Remembered<AccessTokens>(ACCOUNTS_MAX);
  readonly #quotas = new Remembered<Quota>(ACCOUNTS_MAX);

  constructor(options: FcmProviderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  tokenHealth(credentials: FcmCredentials): TokenHealth | undefined {
    return this.#tokens.peek(accountName(credentials))?.health;
  }

  prepare(app: App, notification: Notification): Prepared {
    const credentials = app.credentials.fcm;
    if (credentials === undefined) return paused("no credentials for FCM");
    const origin = parseOrigin(credentials.origin ?? FCM_ORIGIN);
    if (origin.kind === "problem") return paused(`fcm.origin: ${origin.message}`);
    const read = readServiceAccount(credentials);
    if (read.kind === "problems") {
      const [first] = read.problems;
      return paused(`fcm.${first?.path}: ${first?.message}`);
    }
    const renderedAt = this.#clock.wallNow();
    const rendered = renderFcm(notification, renderedAt);
    if (rendered.kind === "refused") {
      return {
        kind: "refused",
        verdict: { kind: "rejected", status: 0, reason: rendered.reason },
      };
    }
    const first = { message: rendered.message, renderedAt };
    const route = this.#route(origin, read.account, notification, first);
    return { kind: "ready", route: (recipients) => route.route(recipients) };
  }

  #route(
    { origin, authority }: { readonly origin: string; readonly authority: string },
    account: ServiceAccount,
    notification: Notification,
    rendered: RenderedMessage,
  ): FcmRoute {
    const { connect, connectionsMax, messagesPerMinute, caCerts } = this.#options;
    const clock = this.#clock;
    return new FcmRoute(rendered, {
      notification,
      authority,
      path: `/v1/projects/${account.projectId}/messages:send`,
      tokens: this.#tokens.get(
        account.name,
        () => new AccessTokens(account, clock, caCerts ?? []),
      ),
      quota: this.#quotas.get(
        `${origin} ${account.projectId}`,
        () => new Quota(messagesPerMinute ?? MESSAGES_PER_MINUTE),
      ),
      clock,
      destination: {
        key: `fcm ${origin}`,
        origin,
        connectionsMax: connectionsMax ?? CONNECTIONS_MAX,
        connect: () => connect({ origin, streamsMax: STREAMS_MAX }),
      },
    });
  }
}

function paused(reason: string): Prepared {
  return { kind: "refused", verdict: { kind: "pause", status: 0, reason } };
}

/** A message, and when its lifetime was counted. */
interface RenderedMessage {
  readonly message: FcmMessage;
  readonly renderedAt: number;
}

/** What a notification's requests are made of. */
interface FcmRouteOptions {
  readonly notification: Notification;
  readonly authority: string;
  readonly path: string;
  readonly tokens: AccessTokens;
  readonly quota: Quota;
  readonly clock: FcmClock;
  readonly destination: Destination;
}

/** One notification, ready for any of its recipients. */
class FcmRoute {
  readonly #options: FcmRouteOptions;
  #rendered: RenderedMessage;
  /** The head of the last requests: as long as the token is the same, so is the object. */
  #head: { readonly token: string; readonly head: RequestHead } | undefined;

  constructor(rendered: RenderedMessage, options: FcmRouteOptions) {
    this.#options = options;
    this.#rendered = rendered;
  }

  /** All recipients with a token go one way. */
  route(recipients: Recipients): Routed {
    const settled = new Map<number, Verdict>();
    const places: number[] = [];
    for (const [place, token] of recipients.addresses.entries()) {
      if (token === "" || token.length > TOKEN_CHARACTERS_MAX) settled.set(place, BAD_TOKEN);
      else places.push(place);
    }
    return { settled, legs: places.length === 0 ? [] : [this.#leg(recipients, places)] };
  }

  #leg({ addresses }: Recipients, places: readonly number[]): Leg {
    return {
      destination: this.#options.destination,
      places,
      send: async (connection, indexes) => {
        const { tokens, quota, clock } = this.#options;
        const grant = await tokens.token();
        if (grant.kind === "refused") return all(indexes.length, grant.verdict);
        const { granted, waitMs, afterMs } = quota.take(indexes.length, clock.wallNow());
        if (granted > 0 && waitMs > 0) await clock.sleep(waitMs);
        const answers = await this.#send(connection, {
          token: grant.text,
          indexes: indexes.slice(0, granted),
          address: (index) => addresses[places[index] ?? 0] ?? "",
        });
        return granted === indexes.length ? answers : padded(answers, indexes.length, {
          kind: "unsent",
          reason: "the project's quota is spent",
          afterMs,
        });
      },
    };
  }

  async #send(
    connection: HttpConnection,
    { token, indexes, address }: {
      readonly token: string;
      readonly indexes: readonly number[];
      address(index: number): string;
    },
  ): Promise<Answers> {
    if (indexes.length === 0) return { verdicts: [], of: new Uint16Array() };
    const { path, tokens, authority, clock, quota } = this.#options;
    return await sendRenewing(indexes, {
      credential: token,
      send: async (credential, some) => {
        const answers = await connection.exchange({
          head: this.#headWith(credential),
          paths: new Array<string>(some.length).fill(path),
          fields: [],
          bodies: fcmBodies(this.#messageAt(clock.wallNow()), some.map(address)),
        });
        const now = clock.wallNow();
        const slowDown = (afterMs: number) => quota.hold(now + afterMs);
        return foldAnswers(answers, fcmJudge({ authority, now, slowDown }));
      },
      renew: async (used) => {
        const grant = await tokens.renew(used);
        return grant.kind === "token"
          ? { kind: "renewed", credential: grant.text }
          : { kind: "refused", verdict: grant.verdict };
      },
      refused: (refusal) => tokens.refused(refusal),
    });
  }

  /** The message with the lifetime it has left. */
  #messageAt(now: number): FcmMessage {
    if (Math.abs(now - this.#rendered.renderedAt) > RENDERED_MS_MAX) {
      const rendered = renderFcm(this.#options.notification, now);
      // It was no reason to refuse it before, and only its lifetime has changed.
      if (rendered.kind === "message") {
        this.#rendered = { message: rendered.message, renderedAt: now };
      }
    }
    return this.#rendered.message;
  }

  #headWith(token: string): RequestHead {
    if (this.#head?.token === token) return this.#head.head;
    // An entry larger than the peer's table would empty it.
    const indexing = token.length <= INDEXED_TOKEN_CHARACTERS_MAX ? "indexed" : "literal";
    const head: RequestHead = {
      method: "POST",
      authority: this.#options.authority,
      fields: [
        { name: "authorization", value: `Bearer ${token}`, indexing },
        { name: "content-type", value: "application/json", indexing: "indexed" },
      ],
    };
    this.#head = { token, head };
    return head;
  }
}

/** The same verdict for all. */
function all(count: number, verdict: Verdict): Answers {
  return { verdicts: [verdict], of: new Uint16Array(count) };
}

/** Answers for the first ones, and this verdict for the rest. */
function padded({ verdicts, of }: Answers, count: number, rest: Verdict): Answers {
  const longer = new Uint16Array(count).fill(verdicts.length);
  longer.set(of);
  return { verdicts: [...verdicts, rest], of: longer };
}
