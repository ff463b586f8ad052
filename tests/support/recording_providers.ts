/**
 * Providers on loopback that accept what they are sent and write it down: for tests that compare what people
 * were shown with what went out.
 *
 * One listener is Apple, Google and a push service: their requests are told apart by path. Messages to Google
 * for a token that begins with `refused` are refused, in words of the test's choice.
 *
 * @module
 */

import * as v from "valibot";
import type { Origins, Tls } from "../../transports/provider_stand_in/mod.ts";
import { Arrivals } from "./arrivals.ts";
import { PushReceiver } from "./push_receiver.ts";

/** A request that was accepted. */
export interface Sent {
  /** Whose it was. */
  readonly platform: "apns" | "fcm" | "webpush";
  /** To whom: a token, or what follows the last slash of an endpoint. */
  readonly to: string;
  /** Its headers by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** What it said: the body, Google's message, or what the browser would have read. */
  readonly body: string;
}

const fcmBody = v.object({ message: v.looseObject({ token: v.string() }) });

/** The providers. */
export class RecordingProviders implements AsyncDisposable {
  /** What was accepted, in the order of arrival. */
  readonly sent = new Arrivals<Sent>();
  /** Whose keys its subscriptions have. */
  readonly receiver = new PushReceiver();
  /** What Google says of tokens that begin with `refused`. */
  refusal = "";
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** Listens on a free port. */
  constructor(tls: Tls) {
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve({ ...options, ...tls }, (request) => this.#answer(request));
  }

  /** Where all of them are. */
  get origins(): Origins {
    const origin = `https://localhost:${this.#server.addr.port}`;
    return { apns: origin, fcm: origin, webpush: origin, webpushHttp1: origin };
  }

  /** Stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname;
    const to = path.slice(path.lastIndexOf("/") + 1);
    const headers = Object.fromEntries(request.headers);
    const body = new Uint8Array(await request.arrayBuffer());
    const text = new TextDecoder().decode(body);
    if (path === "/token") {
      return Response.json({ access_token: "t", expires_in: 3_600, token_type: "Bearer" });
    }
    if (path.startsWith("/3/device/")) {
      this.sent.add({ platform: "apns", to, headers, body: text });
      return new Response(null);
    }
    if (path.endsWith("messages:send")) return this.#fcm(text, headers);
    const read = this.receiver.readText(body);
    this.sent.add({ platform: "webpush", to, headers, body: read });
    return new Response(null, { status: 201 });
  }

  #fcm(text: string, headers: Readonly<Record<string, string>>): Response {
    const { token, ...message } = v.parse(fcmBody, JSON.parse(text)).message;
    if (token.startsWith("refused")) {
      const error = { code: 400, status: "INVALID_ARGUMENT", message: this.refusal };
      return Response.json({ error }, { status: 400 });
    }
    this.sent.add({ platform: "fcm", to: token, headers, body: JSON.stringify(message) });
    return Response.json({ name: "projects/p/messages/1" });
  }
}
