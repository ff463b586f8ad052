/**
 * Answers like Google's FCM HTTP v1 API and the token endpoint that belongs to it: the checks of token,
 * project and message, and errors with the details that Google documents ("FCM ErrorCode").
 *
 * @module
 */

import type { Fate } from "./fate.ts";
import { type Members, members, parseObject } from "./jwt.ts";
import { OAuth, type ServiceAccount } from "./oauth.ts";
import { type Answer, jsonReply, type ProviderRequest, Reply, type Service } from "./service.ts";
import type { World } from "./world.ts";

/** Bytes of a message, for a device and for a topic. */
const MESSAGE_BYTES_MAX = 4_096;
const TOPIC_MESSAGE_BYTES_MAX = 2_048;

const TARGETS = ["token", "fid", "topic", "condition"] as const;
const SEND = /^\/v1\/projects\/([^/]+)\/messages:send$/;
const FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
const BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest";
const QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure";
const ENCODER = new TextEncoder();

/** What recipients say that do not accept. */
const FATEFUL: Readonly<Record<Exclude<Fate, "healthy">, Reply>> = {
  dead: fcmError(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED"),
  malformed: fcmError(
    400,
    "INVALID_ARGUMENT",
    "The registration token is not a valid FCM registration token",
    "INVALID_ARGUMENT",
  ),
  refused: fieldError("message.data", "Invalid value"),
  throttled: fcmError(
    429,
    "RESOURCE_EXHAUSTED",
    "Message rate of the device exceeded.",
    "QUOTA_EXCEEDED",
    {
      "@type": QUOTA_FAILURE,
      violations: [{ subject: "device", description: "Device message rate exceeded" }],
    },
  ),
  unavailable: fcmError(503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE"),
  failing: fcmError(500, "INTERNAL", "Internal error encountered.", "INTERNAL"),
};

const NOT_FOUND = statusError(404, "NOT_FOUND", "Requested entity was not found.");
const UNAUTHENTICATED = statusError(
  401,
  "UNAUTHENTICATED",
  "Request had invalid authentication credentials. Expected OAuth 2 access token.",
);
const NO_JSON = statusError(400, "INVALID_ARGUMENT", "Invalid JSON payload received.");
const TOO_LARGE = statusError(413, "INVALID_ARGUMENT", "Request Entity Too Large");
const ACCEPTED = new Reply(200, { "content-type": "application/json" });

/** Google, as far as a sender meets it. */
export class Fcm implements Service {
  /** Its recipients. */
  readonly world: World;
  readonly #projectId: string;
  readonly #oauth: OAuth;
  #accepted = 0;

  /**
   * Google with one project.
   *
   * @param world Its recipients.
   * @param account The project's service account.
   * @param origin Where it is reached.
   */
  constructor(world: World, account: ServiceAccount, origin: () => string) {
    this.world = world;
    this.#projectId = account.projectId;
    this.#oauth = new OAuth(account, () => `${origin()}/token`);
  }

  /** Answers a request for a token or a message. */
  answer(request: ProviderRequest): Answer {
    if (request.path === "/token" && request.method === "POST") {
      const form = new TextDecoder().decode(request.body);
      return { reply: this.#oauth.grant(form, this.world.behaviour.accessTokenSeconds) };
    }
    const project = SEND.exec(request.path)?.[1];
    if (project === undefined || request.method !== "POST") return this.#refuse(NOT_FOUND, "path");
    if (!this.#authenticated(request)) return this.#refuse(UNAUTHENTICATED, "UNAUTHENTICATED");
    if (project !== this.#projectId) {
      return this.#refuse(permissionDenied(project), "PERMISSION_DENIED");
    }
    const message = members(parseObject(request.body)?.get("message"));
    if (message === undefined) return this.#refuse(NO_JSON, "INVALID_ARGUMENT message");
    const wrong = wrongField(message, request.body.length);
    if (wrong !== undefined) {
      return this.#refuse(fieldError(...wrong), `INVALID_ARGUMENT ${wrong[0]}`);
    }
    const target = TARGETS.map((name) => message.get(name)).find((value) => value !== undefined);
    return this.#answerOf(this.world.visit(String(target)));
  }

  /** The answer to a body that nobody reads to its end. */
  tooLarge(): Answer {
    return this.#refuse(TOO_LARGE, "Request Entity Too Large");
  }

  #answerOf(fate: Fate): Answer {
    if (fate === "healthy") {
      const id = `0:${++this.#accepted}`;
      const name = `projects/${this.#projectId}/messages/${id}`;
      return { reply: ACCEPTED, body: ENCODER.encode(JSON.stringify({ name })) };
    }
    const reply = FATEFUL[fate];
    if (fate !== "throttled" && fate !== "unavailable") return { reply };
    const value = String(this.world.behaviour.retryAfterSeconds);
    return { reply, own: { name: "retry-after", value } };
  }

  #refuse(reply: Reply, reason: string): Answer {
    this.world.refuse(reason);
    return { reply };
  }

  #authenticated({ fields }: ProviderRequest): boolean {
    const value = fields.find(({ name }) => name === "authorization")?.value;
    const token = /^bearer (.+)$/i.exec(value ?? "")?.[1];
    return token !== undefined && this.#oauth.knows(token);
  }
}

/** The first field of a message that Google does not take, and why. */
function wrongField(message: Members, bytes: number): readonly [string, string] | undefined {
  const targets = TARGETS.filter((name) => message.has(name));
  const [target] = targets;
  if (target === undefined) return ["message", "Recipient of the message is not set."];
  if (targets.length > 1) return ["message", "Only one recipient may be set."];
  if (typeof message.get(target) !== "string" || message.get(target) === "") {
    return [`message.${target}`, "Invalid value"];
  }
  const large = bytes > (target === "topic" ? TOPIC_MESSAGE_BYTES_MAX : MESSAGE_BYTES_MAX);
  if (large) return ["message", "Message is too big"];
  const data = message.get("data");
  if (data === undefined) return undefined;
  const entries = [...members(data) ?? [["", undefined]]];
  const strings = entries.every(([name, value]) => typeof value === "string" && !reserved(name));
  return strings ? undefined : ["message.data", "Invalid data payload"];
}

/** Names that Google keeps for itself. */
function reserved(name: string): boolean {
  return /^(?:from$|message_type$|notification$|google\.|gcm\.)/.test(name);
}

function fcmError(
  code: number,
  status: string,
  message: string,
  errorCode: string,
  ...details: readonly object[]
): Reply {
  return statusError(code, status, message, { "@type": FCM_ERROR, errorCode }, ...details);
}

function fieldError(field: string, description: string): Reply {
  return statusError(400, "INVALID_ARGUMENT", `${description} (${field})`, {
    "@type": BAD_REQUEST,
    fieldViolations: [{ field, description }],
  });
}

function permissionDenied(project: string): Reply {
  return statusError(
    403,
    "PERMISSION_DENIED",
    `Permission 'cloudmessaging.messages.create' denied on resource '//cloudresourcemanager.googleapis.com/projects/${
      project.slice(0, 60)
    }' (or it may not exist).`,
  );
}

function statusError(
  code: number,
  status: string,
  message: string,
  ...details: readonly object[]
): Reply {
  const more = details.length === 0 ? {} : { details };
  return jsonReply(code, { error: { code, message, status, ...more } });
}
