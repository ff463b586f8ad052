/**
 * Web Push (RFC 8030): notifications become blocks of encrypted requests, answers become verdicts.
 *
 * Recipients are split by the origin of their endpoints, and connections are pooled by origin and VAPID key.
 * Each recipient has a body of its own, encrypted when it is sent; all else is the same for the requests
 * of a block and named once.
 *
 * @module
 */

import type { HeaderField, HttpConnection, RequestHead } from "../http2/exchange.ts";
import type { Connect } from "../provider/connect.ts";
import { foldAnswers, type Folded } from "../provider/fold.ts";
import type {
  Answers,
  App,
  Leg,
  Notification,
  Prepared,
  Recipients,
  Routed,
  Verdict,
  WebPushCredentials,
} from "../provider/provider.ts";
import { Remembered } from "../provider/remembered.ts";
import { type Renew, sendRenewing } from "../provider/renewal.ts";
import type { ReportingProvider } from "../provider/token_health.ts";
import { checkWebPushCredentials } from "./credentials.ts";
import type { Bytes } from "./crypto.ts";
import type { EncryptedBlock } from "./encrypt.ts";
import type { Encryption } from "./encryption.ts";
import type { EndpointPolicy, PushOrigin } from "./endpoint.ts";
import {
  BROKEN_MS,
  BUSY_MS,
  CONNECTIONS_MAX,
  RECIPIENT_KEYS_BYTES,
  SIGNERS_MAX,
} from "./limits.ts";
import { messageFields } from "./message_fields.ts";
import { renderWebPush } from "./rendering.ts";
import { webPushJudge } from "./response_table.ts";
import { readVapidKey, VapidSigner, type WallClock } from "./vapid_signer.ts";

/** What the provider is made of. */
export interface WebPushProviderOptions {
  /** Opens connections; {@link pushServiceConnect} with the same policy. */
  readonly connect: Connect;
  /** Which endpoints may be sent to. */
  readonly policy: EndpointPolicy;
  /** Encrypts messages; stays the caller's. */
  readonly encryption: Encryption;
  /** Connections to one origin with one key at once; 4 when absent. */
  readonly connectionsMax?: number;
  /** Tells the time; the system's when absent. */
  readonly clock?: WallClock;
}

/** Credentials that were checked. */
type Identity =
  | { readonly kind: "signer"; readonly signer: VapidSigner }
  | { readonly kind: "problem"; readonly reason: string };

const REMOVED: Verdict = {
  kind: "token_invalid",
  status: 0,
  reason: "removed by the browser",
  doubtful: false,
};

const BAD_KEY: Verdict = {
  kind: "token_invalid",
  status: 0,
  reason: "p256dh is not a point on P-256",
  // Keys are looked at when a device is registered: many that are wrong now were damaged here.
  doubtful: true,
};

const BUSY: Verdict = { kind: "unsent", reason: "encryption is busy", afterMs: BUSY_MS };

/** Says nothing of the push service, whose circuit stays closed. */
const BROKEN: Verdict = { kind: "unsent", reason: "encryption does not work", afterMs: BROKEN_MS };

/** The provider for browsers. */
export function webPushProvider(
  options: WebPushProviderOptions,
): ReportingProvider<WebPushCredentials> {
  const clock = options.clock ?? { wallNow: () => Date.now() };
  const identities = new Remembered<Identity>(SIGNERS_MAX);
  return {
    platform: "webpush",
    prepare(app, notification) {
      const identity = identityOf(app, identities, clock);
      if (identity.kind === "problem") {
        return settled({ kind: "pause", status: 0, reason: identity.reason });
      }
      const rendered = renderWebPush(notification.content);
      if (rendered.kind === "refused") {
        return settled({ kind: "rejected", status: 0, reason: rendered.reason });
      }
      const { signer } = identity;
      const { plaintext } = rendered;
      const message = new WebPushMessage({ ...options, clock, signer, notification, plaintext });
      return Promise.resolve({
        kind: "ready",
        route: (recipients) => message.route(recipients),
      });
    },
    tokenHealth(credentials) {
      const identity = identities.peek(identityName(credentials));
      return identity?.kind === "signer" ? identity.signer.health : undefined;
    },
  };
}

function settled(verdict: Verdict): Promise<Prepared> {
  return Promise.resolve({ kind: "refused", verdict });
}

function identityOf(app: App, identities: Remembered<Identity>, clock: WallClock): Identity {
  const credentials = app.credentials.webpush;
  if (credentials === undefined) return { kind: "problem", reason: "no credentials for Web Push" };
  return identities.get(identityName(credentials), () => identify(credentials, clock));
}

function identityName({ vapidPrivateKey, subject }: WebPushCredentials): string {
  return `${vapidPrivateKey} ${subject}`;
}

function identify(credentials: WebPushCredentials, clock: WallClock): Identity {
  const [problem] = checkWebPushCredentials(credentials);
  if (problem !== undefined) {
    return { kind: "problem", reason: `webpush.${problem.path}: ${problem.message}` };
  }
  const key = readVapidKey(credentials.vapidPrivateKey);
  if (key === undefined) throw new Error("A VAPID key that was found good cannot be read");
  return { kind: "signer", signer: new VapidSigner(key, credentials.subject, clock) };
}

/** What a notification's requests are made of. */
interface MessageOptions extends WebPushProviderOptions {
  readonly clock: WallClock;
  readonly signer: VapidSigner;
  readonly notification: Notification;
  readonly plaintext: Bytes;
}

/** Recipients of a block at one origin. */
interface Group {
  readonly service: PushOrigin;
  readonly places: number[];
  readonly paths: string[];
  /** Its messages, once they are encrypted or on their way to be. */
  encrypted?: Promise<EncryptedBlock | "busy" | "broken"> | undefined;
}

/** One notification, ready for any of its recipients. */
class WebPushMessage {
  readonly #options: MessageOptions;

  constructor(options: MessageOptions) {
    this.#options = options;
  }

  /** Splits recipients by origin. */
  route(recipients: Recipients): Routed {
    const settled = new Map<number, Verdict>();
    const groups = new Map<string, Group>();
    for (const [place, address] of recipients.addresses.entries()) {
      const checked = this.#options.policy.check(address);
      if (checked.kind === "dead") {
        settled.set(place, REMOVED);
      } else if (checked.kind === "refused") {
        const reason = `endpoint ${checked.reason}`;
        settled.set(place, { kind: "rejected", status: 0, reason });
      } else {
        const { service, path } = checked;
        let group = groups.get(service.origin);
        if (group === undefined) {
          groups.set(service.origin, group = { service, places: [], paths: [] });
        }
        group.places.push(place);
        group.paths.push(path);
      }
    }
    return { settled, legs: [...groups.values()].map((group) => this.#leg(recipients, group)) };
  }

  #leg(recipients: Recipients, group: Group): Leg {
    const { connect, connectionsMax = CONNECTIONS_MAX, signer } = this.#options;
    const { origin } = group.service;
    return {
      destination: {
        key: `webpush ${origin} ${signer.publicKey}`,
        origin,
        connectionsMax,
        connect: () => connect({ origin }),
      },
      places: group.places,
      send: (connection, indexes) => this.#send(connection, recipients, group, indexes),
    };
  }

  async #send(
    connection: HttpConnection,
    recipients: Recipients,
    group: Group,
    indexes: readonly number[],
  ): Promise<Answers> {
    const { signer } = this.#options;
    const { origin, allowed, vendor } = group.service;
    // Anybody may have a host and a subscription there.
    const believed = allowed || vendor.name !== "other";
    const { block, rows } = await this.#encrypt(recipients, group, indexes);
    if (block === "busy" || block === "broken") {
      const verdict = block === "busy" ? BUSY : BROKEN;
      return { verdicts: [verdict], of: new Uint16Array(indexes.length) };
    }
    const bad = new Set(block.bad);
    const good = [...indexes.keys()].filter((position) => !bad.has(rows[position] ?? 0));
    const paths = indexes.map((index) => group.paths[index] ?? "/");
    const answers = await sendRenewing(good, {
      credential: await signer.authorization(origin),
      send: (token, positions) =>
        this.#exchange(connection, group.service, { token, block, rows, paths, positions }),
      renew: async (refused, { status, reason }) =>
        signer.trusted(origin)
          // Others were accepted with the same credentials: it is something with this subscription.
          ? { kind: "refused", verdict: { kind: "retry", status, reason, scope: "recipient" } }
          : { kind: "renewed", credential: await signer.renewed(origin, refused) },
      refused: (refusal) => believed && signer.refused(origin, refusal),
    });
    const judged = believed ? answers : withoutPauses(answers);
    return good.length === indexes.length ? judged : withBad(judged, good, indexes.length);
  }

  /**
   * Encrypts for these recipients; for all of a leg at once and once for all: what a connection that went
   * away did not process is sent again as it is. Each recipient's body is at its row of the block.
   */
  async #encrypt(recipients: Recipients, group: Group, indexes: readonly number[]) {
    const { encryption, plaintext } = this.#options;
    const encrypt = async (places: readonly number[]) => {
      const keys = keysOf(recipients.keys, places);
      return await encryption.encrypt(plaintext, keys).catch(() => "broken" as const);
    };
    if (indexes.length < group.places.length && group.encrypted === undefined) {
      const block = await encrypt(indexes.map((index) => group.places[index] ?? 0));
      return { block, rows: [...indexes.keys()] };
    }
    group.encrypted ??= encrypt(group.places);
    const block = await group.encrypted;
    if (block === "busy" || block === "broken") group.encrypted = undefined;
    return { block, rows: indexes };
  }

  async #exchange(
    connection: HttpConnection,
    service: PushOrigin,
    requests: {
      readonly token: string;
      readonly block: EncryptedBlock;
      /** Where in the block the body of each is. */
      readonly rows: readonly number[];
      readonly paths: readonly string[];
      /** Which of them are sent. */
      readonly positions: readonly number[];
    },
  ): Promise<Folded<Verdict | Renew>> {
    const { token, block, rows, paths, positions } = requests;
    const { clock, signer } = this.#options;
    if (positions.length === 0) return { verdicts: [], of: new Uint16Array(0) };
    const { bodies, bodyBytes } = block;
    const answers = await connection.exchange({
      head: this.#head(service, token, bodyBytes),
      paths: positions.map((position) => paths[position] ?? "/"),
      fields: [],
      bodies: positions.map((position) => {
        const at = (rows[position] ?? 0) * bodyBytes;
        return bodies.subarray(at, at + bodyBytes);
      }),
    });
    const folded = foldAnswers(
      answers,
      webPushJudge({
        authority: service.authority,
        vendor: service.vendor.name,
        now: clock.wallNow(),
        // Its end is told by `ended`; whoever holds the connection waits for it there.
        leave: () => void connection.close().catch(() => {}),
      }),
    );
    if (folded.verdicts.some(({ kind }) => kind === "delivered")) signer.accepted(service.origin);
    return folded;
  }

  /** What the requests to an origin share at this moment. */
  #head({ authority, vendor }: PushOrigin, token: string, bodyBytes: number): RequestHead {
    const { clock, notification } = this.#options;
    const fields: HeaderField[] = [
      { name: "authorization", value: token, indexing: "indexed" },
      { name: "content-encoding", value: "aes128gcm", indexing: "indexed" },
      { name: "content-type", value: "application/octet-stream", indexing: "indexed" },
      { name: "content-length", value: `${bodyBytes}`, indexing: "literal" },
      { name: "accept-encoding", value: "identity", indexing: "indexed" },
      ...messageFields(notification, vendor, clock.wallNow()),
    ];
    return { method: "POST", authority, fields };
  }
}

/** The keys of some recipients; those of one that has none are zeros, which are no point. */
function keysOf(all: Uint8Array, places: readonly number[]): Bytes {
  const keys = new Uint8Array(places.length * RECIPIENT_KEYS_BYTES);
  for (const [row, place] of places.entries()) {
    const at = place * RECIPIENT_KEYS_BYTES;
    keys.set(all.subarray(at, at + RECIPIENT_KEYS_BYTES), row * RECIPIENT_KEYS_BYTES);
  }
  return keys;
}

/**
 * Answers of a service that nobody vouches for: one subscription at a host of its owner's must not be enough
 * to pause an app.
 */
function withoutPauses({ verdicts, of }: Answers): Answers {
  return {
    verdicts: verdicts.map((verdict) =>
      verdict.kind === "pause" ? { ...verdict, kind: "rejected" } : verdict
    ),
    of,
  };
}

/** Answers for all rows, of which only some were sent. */
function withBad(answers: Answers, sent: readonly number[], count: number): Answers {
  const of = new Uint16Array(count).fill(answers.verdicts.length);
  for (const [index, row] of sent.entries()) of[row] = answers.of[index] ?? 0;
  return { verdicts: [...answers.verdicts, BAD_KEY], of };
}
