/**
 * The routes of the API as data: what is served where, for whom, and how it is described.
 *
 * @module
 */

import { quoted } from "../http_door/refusal.ts";
import type { Query } from "./delivery.ts";
import { type JsonText, parseJson } from "./json_text.ts";
import { BODY_BYTES_MAX } from "./limits.ts";
import { type Answer, problem, unavailable } from "./problem.ts";
import type { RequestBody } from "./request_body.ts";

/** What a token allows: looking, sending with its devices, or everything. */
export type Scope = "read" | "send" | "admin";

/** The methods in use; a HEAD request is answered as GET. */
export type Method = "GET" | "PUT" | "POST" | "DELETE";

/** What the door looks at in a request. */
export interface ApiRequest {
  /** The method as sent. */
  readonly method: string;
  /** The request target: a path, possibly with a query. */
  readonly target: string;
  /** Headers by lower-case name. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The body, not read yet. */
  readonly body: RequestBody;
  /** Aborted when the answer has ended, however it did, and when the door begins to close. */
  readonly signal: AbortSignal;
}

/** A request at its route. */
export interface Call extends ApiRequest {
  /** What stands in the places of the path. */
  readonly params: Readonly<Record<string, string>>;
  /** The query; of a parameter that comes twice, the last. */
  readonly query: Query;
  /** Whether the request would still be let in: for an answer that takes long enough for its token to end. */
  allowed(): Promise<boolean>;
}

/** A schema, or the name of one of the document's components. */
export type SchemaRef = string | Readonly<Record<string, unknown>>;

/** A route in the OpenAPI document. */
export interface Operation {
  /** Its name for client generators. */
  readonly id: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** Parameters of the query. */
  readonly query?: readonly QueryParameter[];
  /** Headers it looks at, with what they mean. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What it takes, by media type. */
  readonly takes?: Readonly<Record<string, SchemaRef>>;
  /** The status of its good answer; 200 when absent. */
  readonly status?: number;
  /** What it gives, by media type; of a media type of lines, the schema of one line. */
  readonly gives: Readonly<Record<string, SchemaRef>>;
  /** Statuses of its refusals, beside those that follow from the rest. */
  readonly refuses?: readonly number[];
}

/** A parameter of a query. */
export interface QueryParameter {
  /** Its name. */
  readonly name: string;
  /** What it means. */
  readonly description: string;
  /** Its schema. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** Whether it must be there. */
  readonly required?: boolean;
}

/** One thing that is served. */
export interface Route {
  /** Its method. */
  readonly method: Method;
  /** Its path; `{name}` stands for one segment. */
  readonly path: string;
  /** What a token needs for it; without one, no token is needed. */
  readonly scope?: Scope;
  /** Its description; what has none is not in the document. */
  readonly operation?: Operation;
  /** Answers. */
  answer(call: Call): Answer | Promise<Answer>;
}

/** What is served at a path. */
export interface Found {
  /** By method. */
  readonly methods: ReadonlyMap<string, Route>;
  /** What stands in the places of the path. */
  readonly params: Readonly<Record<string, string>>;
}

/** All routes, to be looked up by path. */
export class RouteTable {
  readonly #paths = new Map<string, Map<string, Route>>();
  readonly #patterns: { readonly parts: readonly string[]; readonly path: string }[] = [];

  /** A table of these; a method and path stand for the first route that has them. */
  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      let methods = this.#paths.get(route.path);
      if (methods === undefined) {
        methods = new Map();
        this.#paths.set(route.path, methods);
        if (route.path.includes("{")) {
          this.#patterns.push({ parts: route.path.split("/"), path: route.path });
        }
      }
      if (!methods.has(route.method)) methods.set(route.method, route);
    }
  }

  /** What is served at this path, as sent; a path that is named as a whole goes before one with places. */
  find(path: string): Found | undefined {
    const exact = path.includes("{") ? undefined : this.#paths.get(path);
    const parts = path.split("/");
    for (const pattern of this.#patterns) {
      const params = match(pattern.parts, parts);
      const methods = this.#paths.get(pattern.path);
      if (params === undefined || methods === undefined) continue;
      return { methods: new Map([...methods, ...exact ?? []]), params };
    }
    return exact === undefined ? undefined : { methods: exact, params: {} };
  }
}

function match(
  pattern: readonly string[],
  parts: readonly string[],
): Readonly<Record<string, string>> | undefined {
  if (pattern.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, expected] of pattern.entries()) {
    const part = parts[index] ?? "";
    if (!expected.startsWith("{")) {
      if (part !== expected) return undefined;
      continue;
    }
    const value = decodedSegment(part);
    if (value === undefined) return undefined;
    params[expected.slice(1, -1)] = value;
  }
  return params;
}

function decodedSegment(part: string): string | undefined {
  try {
    return part === "" ? undefined : decodeURIComponent(part);
  } catch {
    return undefined; // A name that cannot be decoded names nothing.
  }
}

/** The parameters of a request target's query. */
export function queryOf(target: string): Query {
  const at = target.indexOf("?");
  return at < 0 ? {} : Object.fromEntries(new URLSearchParams(target.slice(at + 1)));
}

/** A header that comes once. */
export function headerOf(request: Pick<ApiRequest, "headers">, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : value?.[0];
}

/** Refuses a body that is not of one of these media types, or is compressed: 415 (RFC 9110 section 15.5.16). */
export function typeRefusal(call: Call, types: readonly string[]): Answer | undefined {
  const coding = headerOf(call, "content-encoding");
  if (coding !== undefined && coding !== "identity") {
    return problem(415, `Content-Encoding: none is taken, found ${quoted(coding)}`);
  }
  const type = headerOf(call, "content-type");
  if (type !== undefined && types.includes(mediaType(type))) return undefined;
  const found = type === undefined ? "none" : quoted(type);
  return problem(415, `Content-Type must be ${types.join(" or ")}, found ${found}`);
}

/** A media type without its parameters. */
export function mediaType(header: string): string {
  return (header.split(";", 1)[0] ?? "").trim().toLowerCase();
}

/** A JSON body, or the answer to what is none. */
export type JsonBody =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "refused"; readonly answer: Answer };

/** Reads a JSON body whole: 415, 413, 408 or 400 when that cannot be done. */
export async function readJson(call: Call, bytesMax = BODY_BYTES_MAX): Promise<JsonBody> {
  const wrongType = typeRefusal(call, ["application/json"]);
  if (wrongType !== undefined) return refused(wrongType);
  const body = await call.body.read(bytesMax);
  switch (body.kind) {
    case "body":
      return parsed(body.bytes);
    case "too_large": {
      const found = body.declaredBytes === undefined ? "more" : `${body.declaredBytes}`;
      return refused(problem(413, `body: at most ${bytesMax} bytes, found ${found}`));
    }
    case "too_slow":
      return refused(
        problem(408, "the request did not arrive completely in time", { connection: "close" }),
      );
    case "no_room":
      return refused(unavailable("too many large requests at once"));
    case "aborted":
      return refused(problem(400, "the request broke off"));
  }
}

function parsed(bytes: Uint8Array): JsonBody {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refused(problem(400, "body: not UTF-8"));
  }
  const json: JsonText = parseJson(text);
  if (json.kind === "value") return json;
  return refused(problem(400, `body: not JSON at line ${json.line}, column ${json.column}`));
}

function refused(answer: Answer): JsonBody {
  return { kind: "refused", answer };
}
