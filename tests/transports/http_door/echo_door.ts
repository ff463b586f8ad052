/**
 * A door that answers with what arrived, for tests.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { IncomingMessage, ServerResponse } from "node:http";
import { readBody } from "../../../transports/http_door/body.ts";
import {
  answer,
  type HttpDoor,
  type HttpDoorOptions,
  openHttpDoor,
} from "../../../transports/http_door/http_door.ts";
import { exchange } from "./raw_client.ts";

const BODY_BYTES_MAX = 100;

/** Answers with what arrived: method, target and number of bytes. */
export async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const outcome = await readBody(request, response, BODY_BYTES_MAX);
  switch (outcome.kind) {
    case "body":
      return answer(response, 200, {}, `${request.method} ${request.url} ${outcome.bytes.length}`);
    case "too_large":
      return answer(response, 413, {}, `too large: ${outcome.declaredBytes}`);
    case "aborted":
      return;
  }
}

/** Opens a door on a free port that echoes, unless told otherwise. */
export function openDoor(options: Partial<HttpDoorOptions> = {}): Promise<HttpDoor> {
  return openHttpDoor({ hostname: "127.0.0.1", port: 0, handle: echo, ...options });
}

/** A good request. */
export const GOOD = "POST /good HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc";

/** Asserts that a good client is served. */
export async function assertServes(door: HttpDoor): Promise<void> {
  const good = await exchange(door.port, GOOD);
  assertEquals([good.status, good.body], [200, "POST /good 3"]);
}

/** The header every request needs. */
export const H = "Host: localhost\r\n";
