/**
 * The head of an HTTP/1.1 request, read strictly (RFC 9112 sections 2 to 5).
 *
 * Devices and proxies write plain heads. Everything two parsers could understand differently is
 * refused instead of repaired: bare CR or LF, folded lines, spaces around names, absolute
 * targets, a body. So no request can mean one thing to a proxy and another one here.
 *
 * @module
 */

import type { DeviceLimits } from "./limits.ts";

/** A refused request: the status to answer and one sentence for whoever reads the answer. */
export interface HttpProblem {
  /** The status code. */
  readonly status: 400 | 404 | 405 | 408 | 426 | 429 | 431 | 500 | 503;
  /** What is wrong and what is allowed. */
  readonly message: string;
}

/** The request line and the fields. */
export interface RequestHead {
  /** The method, upper case. */
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  /** The protocol's version. */
  readonly version: "1.0" | "1.1";
  /** Values by lower-case name, in the order of appearance. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
}

/** What the bytes so far are. */
export type HeadScan =
  | { readonly kind: "incomplete" }
  | { readonly kind: "complete"; readonly headBytes: number }
  | { readonly kind: "refused"; readonly problem: HttpProblem };

const CR = 13;
const LF = 10;
const TAB = 9;

/** Finds the end of a head whose bytes arrive in portions, looking at each byte once. */
export class HeadScanner {
  readonly #limits: Pick<DeviceLimits, "headBytesMax" | "headerFieldsMax">;
  #at = 0;
  #lines = 0;
  #lineStart = 0;

  /** Begins a new head. */
  constructor(limits: Pick<DeviceLimits, "headBytesMax" | "headerFieldsMax">) {
    this.#limits = limits;
  }

  /** Looks at the bytes up to `end` that it has not seen. */
  scan(bytes: Uint8Array, end: number): HeadScan {
    const { headBytesMax, headerFieldsMax } = this.#limits;
    for (; this.#at < end; this.#at++) {
      const byte = bytes[this.#at] ?? 0;
      if (this.#at >= headBytesMax) return refused(431, `head over ${headBytesMax} bytes`);
      const afterCr = this.#at > 0 && bytes[this.#at - 1] === CR;
      if (afterCr !== (byte === LF)) return refused(400, "lines must end with CR LF");
      if (byte === LF) {
        if (this.#at - this.#lineStart === 1) {
          return this.#lines === 0
            ? refused(400, "empty request line")
            : { kind: "complete", headBytes: this.#at + 1 };
        }
        this.#lineStart = this.#at + 1;
        this.#lines++;
        if (this.#lines > headerFieldsMax + 1) {
          return refused(431, `over ${headerFieldsMax} header fields`);
        }
      } else if ((byte < 32 && byte !== CR && byte !== TAB) || byte === 127) {
        return refused(400, `control character ${byte} in the head`);
      }
    }
    return { kind: "incomplete" };
  }
}

function refused(status: HttpProblem["status"], message: string): HeadScan {
  return { kind: "refused", problem: { status, message } };
}

const latin1 = new TextDecoder("latin1");
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP\/1\.([01])$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;
const HOST = /^[A-Za-z0-9._~%!$&'()*+,;=:[\]-]+$/;

/**
 * Parses a complete head: the bytes that {@linkcode HeadScanner} found.
 *
 * @returns The head, or the problem that a client can understand.
 */
export function parseHead(bytes: Uint8Array): RequestHead | HttpProblem {
  const lines = latin1.decode(bytes.subarray(0, bytes.length - 4)).split("\r\n");
  const requestLine = REQUEST_LINE.exec(lines[0] ?? "");
  if (requestLine === null) return bad("request line is not METHOD PATH HTTP/1.1");
  const [, method = "", target = "", minor] = requestLine;
  if (method !== method.toUpperCase()) return bad("method must be upper case");
  if (!target.startsWith("/")) return bad("request target must begin with /");
  const fields = new Map<string, string[]>();
  for (const line of lines.slice(1)) {
    const field = FIELD.exec(line);
    if (field === null) return bad(`header field ${fields.size + 1} is not NAME: VALUE`);
    const [, name = "", value = ""] = field;
    const values = fields.get(name.toLowerCase());
    if (values === undefined) fields.set(name.toLowerCase(), [value]);
    else values.push(value);
  }
  const version = minor === "0" ? "1.0" : "1.1";
  return judgeFields(version, fields) ??
    { method, path: target.replace(/[?#].*$/, ""), version, fields };
}

/** Host exactly once (RFC 9112 section 3.2), and no body, which no request here has. */
function judgeFields(
  version: RequestHead["version"],
  fields: RequestHead["fields"],
): HttpProblem | undefined {
  const [host, ...others] = fields.get("host") ?? [];
  if (host === undefined && version === "1.1") return bad("Host is missing");
  if (others.length > 0) return bad("Host given twice");
  if (host !== undefined && !HOST.test(host)) return bad("Host is not a host name");
  if (fields.has("transfer-encoding")) return bad("Transfer-Encoding: a body is not accepted");
  const lengths = fields.get("content-length") ?? [];
  if (lengths.length > 1 || (lengths.length === 1 && lengths[0] !== "0")) {
    return bad("Content-Length: a body is not accepted");
  }
  return undefined;
}

function bad(message: string): HttpProblem {
  return { status: 400, message };
}
