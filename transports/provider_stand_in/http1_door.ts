/**
 * The push service once more, for senders that have to do without HTTP/2: some push services speak
 * HTTP/1.1 only.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { readBody } from "../http_door/body.ts";
import { answer, type HttpDoor, openHttpDoor } from "../http_door/http_door.ts";
import { BODY_BYTES_MAX } from "./limits.ts";
import type { Tls } from "./server.ts";
import type { Service } from "./service.ts";

/** Opens a listener on a free port of loopback that speaks HTTP/1.1. */
export function openHttp1Door(service: Service, tls: Tls | undefined): Promise<HttpDoor> {
  return openHttpDoor({
    hostname: "127.0.0.1",
    port: 0,
    ...(tls === undefined ? {} : { tls }),
    handle: (request, response) => handle(service, request, response),
  });
}

async function handle(
  service: Service,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request, response, BODY_BYTES_MAX);
  if (body.kind === "aborted") return;
  const { reply, own, body: ownBody } = body.kind === "too_large"
    ? service.tooLarge()
    : service.answer({
      method: request.method ?? "",
      path: request.url ?? "",
      fields: Object.entries(request.headers).map(([name, value]) => ({ name, value: `${value}` })),
      body: body.bytes,
    }, { authenticated: false, issuedAtSeconds: undefined });
  const fields = own === undefined ? reply.fields : [...reply.fields, own];
  const headers = Object.fromEntries(fields.map(({ name, value }) => [name, value]));
  answer(response, reply.status, headers, ownBody ?? reply.body);
}
