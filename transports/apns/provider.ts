/**
 * Apple's push notification service: notifications become blocks of requests, answers become verdicts.
 *
 * Connections are pooled by origin and credentials, since Apple binds a connection to the team of its
 * first push; recipients whose last answer was a failure go over a connection of their own, since
 * each failure may bring down the number of requests Apple takes at once. All requests of a block
 * share head and body; what differs is the path and `apns-id`, which is the same when a delivery is
 * tried again.
 *
 * @module
 */

import type { HttpConnection, RequestHead } from "../http2/exchange.ts";
import type { Connect } from "../provider/connect.ts";
import { deliveryId, deliveryIdPrefix } from "../provider/delivery_id.ts";
import { foldAnswers } from "../provider/fold.ts";
import { parseOrigin } from "../provider/origin.ts";
import type {
  ApnsCredentials,
  App,
  Destination,
  Leg,
  Notification,
  Prepared,
  Recipients,
  Routed,
  Verdict,
} from "../provider/provider.ts";
import { Remembered } from "../provider/remembered.ts";
import { sendRenewing } from "../provider/renewal.ts";
import type { ReportingProvider } from "../provider/token_health.ts";
import {
  APNS_PRODUCTION_ORIGIN,
  checkApnsCredentials,
  checkTopic,
  credentialsName,
} from "./credentials.ts";
import {
  CONNECTIONS_MAX,
  SIGNERS_MAX,
  SUSPECT_CONNECTIONS_MAX,
  TOKEN_CHARACTERS_MAX,
} from "./limits.ts";
import { type ApnsMessage, renderApns } from "./rendering.ts";
import { apnsJudge } from "./response_table.ts";
import { Signer, type WallClock } from "./signer.ts";

/** What the provider is made of. */
export interface ApnsProviderOptions {
  /** Opens connections to Apple. */
  readonly connect: Connect;
  /** Connections of one key at once, beside the one for suspects; 8 when absent. */
  readonly connectionsMax?: number;
  /** Tells the time; the system's when absent. */
  readonly clock?: WallClock;
}

/** Credentials that were checked. */
interface Identity {
  /** Signs with the key; a certificate has nothing to sign. */
  readonly signer: Signer | undefined;
  /** Why they cannot be used now: a certificate ends some day, a key does not. */
  problem(): string | undefined;
}

const BAD_TOKEN: Verdict = { kind: "rejected", status: 0, reason: "bad token" };

/**
 * The provider for Apple's devices.
 *
 * @param options How to connect, and its bounds.
 */
export function apnsProvider(options: ApnsProviderOptions): ReportingProvider<ApnsCredentials> {
  const clock = options.clock ?? { wallNow: () => Date.now() };
  const identities = new Remembered<Identity>(SIGNERS_MAX);
  return {
    platform: "apns",
    prepare: (app, notification) =>
      Promise.resolve(prepare({ app, notification, identities, clock, options })),
    tokenHealth: (credentials) => identities.peek(credentialsName(credentials))?.signer?.health,
  };
}

interface Preparation {
  readonly app: App;
  readonly notification: Notification;
  readonly identities: Remembered<Identity>;
  readonly clock: WallClock;
  readonly options: ApnsProviderOptions;
}

function prepare({ app, notification, identities, clock, options }: Preparation): Prepared {
  const credentials = app.credentials.apns;
  if (credentials === undefined) return paused("no credentials for APNs");
  const origin = parseOrigin(credentials.origin ?? APNS_PRODUCTION_ORIGIN);
  if (origin.kind === "problem") return paused(`apns.origin: ${origin.message}`);
  const topic = checkTopic(credentials.topic);
  if (topic !== undefined) return paused(`apns.topic: ${topic}`);
  const name = credentialsName(credentials);
  const identity = identities.get(name, () => identify(credentials, clock));
  const problem = identity.problem();
  if (problem !== undefined) return paused(problem);
  const rendered = renderApns(notification, credentials);
  if (rendered.kind === "refused") {
    return {
      kind: "refused",
      verdict: { kind: "rejected", status: 0, reason: rendered.reason },
    };
  }
  const route = new ApnsRoute({
    message: rendered.message,
    notification: notification.id,
    authority: origin.authority,
    signer: identity.signer,
    clock,
    ...destinations(origin.origin, name, credentials, options),
  });
  return { kind: "ready", route: (recipients) => route.route(recipients) };
}

function paused(reason: string): Prepared {
  return { kind: "refused", verdict: { kind: "pause", status: 0, reason } };
}

/** Checks what two apps with one key share; each has a topic and an origin of its own. */
function identify(credentials: ApnsCredentials, clock: WallClock): Identity {
  const look = (): string | undefined => {
    const problems = checkApnsCredentials(credentials, clock.wallNow());
    const problem = problems.find(({ path }) => path !== "topic" && path !== "origin");
    return problem === undefined ? undefined : `apns.${problem.path}: ${problem.message}`;
  };
  if (!("key" in credentials)) return { signer: undefined, problem: look };
  const problem = look();
  return { signer: new Signer(credentials, clock), problem: () => problem };
}

function destinations(
  origin: string,
  name: string,
  credentials: ApnsCredentials,
  { connect, connectionsMax }: ApnsProviderOptions,
): { readonly clean: Destination; readonly suspect: Destination } {
  const target = "key" in credentials ? { origin } : {
    origin,
    clientCertificate: {
      certificate: credentials.certificate,
      key: credentials.certificateKey,
    },
  };
  const common = { origin, connect: () => connect(target) };
  return {
    clean: {
      ...common,
      key: `apns ${origin} ${name} clean`,
      connectionsMax: connectionsMax ?? CONNECTIONS_MAX,
    },
    suspect: {
      ...common,
      key: `apns ${origin} ${name} suspect`,
      connectionsMax: SUSPECT_CONNECTIONS_MAX,
    },
  };
}

/** What a notification's requests are made of. */
interface ApnsRouteOptions {
  readonly message: ApnsMessage;
  readonly notification: string;
  readonly authority: string;
  readonly signer: Signer | undefined;
  readonly clock: WallClock;
  readonly clean: Destination;
  readonly suspect: Destination;
}

/** One notification, ready for any of its recipients. */
class ApnsRoute {
  readonly #options: ApnsRouteOptions;
  readonly #idPrefix: string;
  /** The head of the last requests: as long as the token is the same, so is the object. */
  #head: { readonly token: string; readonly head: RequestHead } | undefined;

  constructor(options: ApnsRouteOptions) {
    this.#options = options;
    this.#idPrefix = deliveryIdPrefix(options.notification);
  }

  /** Splits recipients into those with a token that can be sent to, clean and suspect, and the others. */
  route(recipients: Recipients): Routed {
    const settled = new Map<number, Verdict>();
    const clean: number[] = [];
    const suspect: number[] = [];
    const suspects = recipients.suspects.length === 0 ? undefined : new Set(recipients.suspects);
    for (let place = 0; place < recipients.addresses.length; place++) {
      if (!isToken(recipients.addresses[place] ?? "")) settled.set(place, BAD_TOKEN);
      else if (suspects?.has(place)) suspect.push(place);
      else clean.push(place);
    }
    const legs: Leg[] = [];
    if (clean.length > 0) legs.push(this.#leg(recipients, clean, this.#options.clean));
    if (suspect.length > 0) legs.push(this.#leg(recipients, suspect, this.#options.suspect));
    return { settled, legs };
  }

  #leg(recipients: Recipients, places: readonly number[], destination: Destination): Leg {
    const exchange = async (
      connection: HttpConnection,
      token: string,
      indexes: readonly number[],
    ) => {
      const paths: string[] = [];
      const ids: string[] = [];
      for (const index of indexes) {
        const place = places[index] ?? 0;
        paths.push(`/3/device/${recipients.addresses[place] ?? ""}`);
        ids.push(deliveryId(this.#idPrefix, recipients.numbers[place] ?? 0));
      }
      const answers = await connection.exchange({
        head: this.#headWith(token),
        paths,
        fields: [{ name: "apns-id", values: ids }],
        bodies: this.#options.message.body,
      });
      return foldAnswers(answers, this.#judge(connection));
    };
    const signer = this.#options.signer;
    return {
      destination,
      places,
      send: async (connection, indexes) =>
        await sendRenewing(indexes, {
          credential: await signer?.token() ?? "",
          send: (token, some) => exchange(connection, token, some),
          renew: async (used, refusal) =>
            await signer?.renew(used, refusal) ?? {
              kind: "refused",
              verdict: { kind: "pause", status: refusal.status, reason: refusal.reason },
            },
          refused: (refusal) => signer?.refused(refusal),
        }),
    };
  }

  #judge(connection: HttpConnection): ReturnType<typeof apnsJudge> {
    const { authority, message, signer, clock } = this.#options;
    return apnsJudge({
      authority,
      ownTopic: message.ownTopic,
      renewable: signer !== undefined,
      now: clock.wallNow(),
      // Its end is told by `ended`; whoever holds the connection waits for it there.
      leave: () => void connection.close().catch(() => {}),
    });
  }

  #headWith(token: string): RequestHead {
    if (this.#head?.token === token) return this.#head.head;
    const { authority, message } = this.#options;
    const fields = token === "" ? message.fields : [
      { name: "authorization", value: `bearer ${token}`, indexing: "literal" } as const,
      ...message.fields,
    ];
    const head: RequestHead = { method: "POST", authority, fields };
    this.#head = { token, head };
    return head;
  }
}

/** Whether Apple could have made this token: bytes in hexadecimal, of whatever length. */
function isToken(text: string): boolean {
  return text.length % 2 === 0 && text.length <= TOKEN_CHARACTERS_MAX && /^[0-9a-f]+$/i.test(text);
}
