/**
 * Answers like Apple's push service: the checks of headers, token and payload with the reasons that
 * Apple documents ("Handling notification responses from APNs"), then what the recipient says.
 *
 * Certificates are not asked for: a listener of this runtime cannot. Where Apple documents no order of
 * its checks, authentication comes first.
 *
 * @module
 */

import { createPublicKey } from "node:crypto";
import type { HpackField } from "../http2/hpack_table.ts";
import type { Fate } from "./fate.ts";
import { parseObject, readJwt, Verdicts } from "./jwt.ts";
import { type Answer, jsonReply, type Peer, type ProviderRequest, Reply } from "./service.ts";
import type { Service } from "./service.ts";
import type { World } from "./world.ts";

/** Whose pushes Apple takes. */
export interface ApnsAccount {
  /** The public half of the signing key, SPKI PEM. */
  readonly publicKey: string;
  /** The key's id. */
  readonly keyId: string;
  /** The team's id. */
  readonly teamId: string;
  /** The app's bundle id. */
  readonly topic: string;
}

/** Seconds for which a token is good, and within which no newer one is taken on a connection. */
const TOKEN_SECONDS_MAX = 3_600;
const TOKEN_SECONDS_MIN = 1_200;

/** Payload limits in bytes. */
const PAYLOAD_BYTES_MAX = 4_096;
const VOIP_PAYLOAD_BYTES_MAX = 5_120;
const COLLAPSE_ID_BYTES_MAX = 64;

/** What each push type appends to the bundle id; for `mdm` the topic is another thing altogether. */
const TOPIC_SUFFIXES: ReadonlyMap<string, string> = new Map([
  ["alert", ""],
  ["background", ""],
  ["voip", ".voip"],
  ["complication", ".complication"],
  ["fileprovider", ".pushkit.fileprovider"],
  ["mdm", ""],
  ["liveactivity", ".push-type.liveactivity"],
  ["location", ".location-query"],
  ["pushtotalk", ".voip-ptt"],
  ["widgets", ".push-type.widgets"],
  ["controls", ".push-type.controls"],
]);

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The headers that Apple reads. */
interface Headers {
  authorization?: string;
  id?: string;
  topic?: string;
  pushType?: string;
  priority?: string;
  expiration?: string;
  collapseId?: string;
}

const NAMES: ReadonlyMap<string, keyof Headers> = new Map([
  ["authorization", "authorization"],
  ["apns-id", "id"],
  ["apns-topic", "topic"],
  ["apns-push-type", "pushType"],
  ["apns-priority", "priority"],
  ["apns-expiration", "expiration"],
  ["apns-collapse-id", "collapseId"],
]);

/** A refusal: Apple's status and reason. */
type Refusal = readonly [status: number, reason: string];

/** What is thought of a token: good since it was issued, or a reason against it. */
type TokenVerdict = { readonly issuedAtSeconds: number } | { readonly refusal: Refusal };

const OK = new Reply(200);
const GONE = new Reply(410, { "content-type": "application/json" });

/** What recipients say that do not accept. */
const FATEFUL: Readonly<Record<Exclude<Fate, "healthy" | "dead">, Reply>> = {
  malformed: refusalReply([400, "BadDeviceToken"]),
  refused: refusalReply([400, "BadCollapseId"]),
  throttled: refusalReply([429, "TooManyRequests"]),
  unavailable: refusalReply([503, "ServiceUnavailable"]),
  failing: refusalReply([500, "InternalServerError"]),
};

/** Apple, as far as a sender meets it. */
export class Apns implements Service {
  /** Its recipients. */
  readonly world: World;
  readonly #account: ApnsAccount;
  readonly #tokens: Verdicts<TokenVerdict>;
  readonly #refusals = new Map<string, Reply>();
  /** The payload that was read last: a campaign has one. */
  #payload = new Uint8Array(0);

  /** Apple with one customer. */
  constructor(world: World, account: ApnsAccount) {
    this.world = world;
    this.#account = account;
    const key = createPublicKey(account.publicKey);
    this.#tokens = new Verdicts((text) => this.#judge(readJwt(text, "ES256", key)));
  }

  /** Answers a push. */
  answer(request: ProviderRequest, peer: Peer): Answer {
    const headers: Headers = {};
    const refusal = readHeaders(request.fields, headers) ?? this.#authenticate(headers, peer) ??
      checkTarget(request) ?? checkHeaders(headers, this.#account.topic) ??
      this.#checkPayload(headers, request.body);
    const own = { name: "apns-id", value: headers.id ?? crypto.randomUUID() };
    if (refusal !== undefined) {
      this.world.refuse(refusal[1]);
      return { reply: this.#refusal(refusal), own };
    }
    const fate = this.world.visit(request.path.slice(PATH.length));
    if (fate === "healthy") return { reply: OK, own };
    if (fate !== "dead") return { reply: FATEFUL[fate], own };
    // Found dead only now: no sender has registered it since.
    const body = JSON.stringify({ reason: "Unregistered", timestamp: Date.now() });
    return { reply: GONE, own, body: new TextEncoder().encode(body) };
  }

  /** The answer to a payload that nobody reads to its end. */
  tooLarge(): Answer {
    this.world.refuse("PayloadTooLarge");
    return { reply: this.#refusal([413, "PayloadTooLarge"]) };
  }

  #refusal(refusal: Refusal): Reply {
    const [, reason] = refusal;
    const reply = this.#refusals.get(reason) ?? refusalReply(refusal);
    this.#refusals.set(reason, reply);
    return reply;
  }

  #authenticate({ authorization }: Headers, peer: Peer): Refusal | undefined {
    const token = /^bearer (.+)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined) return [403, "MissingProviderToken"];
    const verdict = this.#tokens.on(token);
    if ("refusal" in verdict) return verdict.refusal;
    const { issuedAtSeconds } = verdict;
    if (Date.now() / 1_000 - issuedAtSeconds > TOKEN_SECONDS_MAX) {
      return [403, "ExpiredProviderToken"];
    }
    const age = issuedAtSeconds - (peer.issuedAtSeconds ?? -Infinity);
    if (age > 0 && age < TOKEN_SECONDS_MIN) return [429, "TooManyProviderTokenUpdates"];
    peer.issuedAtSeconds = issuedAtSeconds;
    peer.authenticated = true;
    return undefined;
  }

  #judge(jwt: ReturnType<typeof readJwt>): TokenVerdict {
    const { keyId, teamId } = this.#account;
    const issuedAtSeconds = jwt?.claims.get("iat");
    const ours = jwt?.signed === true && jwt.header.get("kid") === keyId &&
      jwt.claims.get("iss") === teamId;
    return ours && Number.isSafeInteger(issuedAtSeconds)
      ? { issuedAtSeconds: Number(issuedAtSeconds) }
      : { refusal: [403, "InvalidProviderToken"] };
  }

  #checkPayload({ pushType }: Headers, body: Uint8Array): Refusal | undefined {
    if (body.length === 0) return [400, "PayloadEmpty"];
    const bytesMax = pushType === "voip" ? VOIP_PAYLOAD_BYTES_MAX : PAYLOAD_BYTES_MAX;
    if (body.length > bytesMax) return [413, "PayloadTooLarge"];
    if (equalBytes(body, this.#payload)) return undefined;
    // Apple documents no reason for it; a sender's mistake is to be seen.
    if (parseObject(body) === undefined) return [400, "BadPayload"];
    this.#payload = body.slice();
    return undefined;
  }
}

const PATH = "/3/device/";

function readHeaders(fields: readonly HpackField[], headers: Headers): Refusal | undefined {
  for (const { name, value } of fields) {
    const key = NAMES.get(name);
    if (key === undefined) continue;
    if (headers[key] !== undefined) return [400, "DuplicateHeaders"];
    headers[key] = value;
  }
  return undefined;
}

function checkTarget({ method, path }: ProviderRequest): Refusal | undefined {
  if (!path.startsWith(PATH)) return [404, "BadPath"];
  if (method !== "POST") return [405, "MethodNotAllowed"];
  if (path.length === PATH.length) return [400, "MissingDeviceToken"];
  return /^(?:[0-9a-f]{2})+$/i.test(path.slice(PATH.length)) ? undefined : [400, "BadDeviceToken"];
}

function checkHeaders(headers: Headers, bundle: string): Refusal | undefined {
  const { id, topic, pushType = "alert", priority, expiration, collapseId } = headers;
  const suffix = TOPIC_SUFFIXES.get(pushType);
  if (suffix === undefined) return [400, "InvalidPushType"];
  if (topic === undefined) return [400, "MissingTopic"];
  if (topic !== bundle + suffix && pushType !== "mdm") return [400, "TopicDisallowed"];
  if (id !== undefined && !UUID.test(id)) return [400, "BadMessageId"];
  if (!/^(?:1|5|10)$/.test(priority ?? "10")) return [400, "BadPriority"];
  if (pushType === "background" && priority !== "5") return [400, "BadPriority"];
  if (!/^\d{1,12}$/.test(expiration ?? "0")) return [400, "BadExpirationDate"];
  return (collapseId?.length ?? 0) > COLLAPSE_ID_BYTES_MAX ? [400, "BadCollapseId"] : undefined;
}

function refusalReply([status, reason]: Refusal): Reply {
  return jsonReply(status, { reason });
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
