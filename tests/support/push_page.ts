/**
 * The site a real browser visits in tests: a page and a service worker on `http://localhost`, a
 * secure context without TLS. The worker reports every push to the site, so that a delivery is
 * seen before any tab is open again, and to its pages.
 *
 * @module
 */

import { Arrivals } from "./arrivals.ts";

/** What the service worker reported. */
export interface Seen {
  /** `"push"`, or `"change"` when the browser dropped the subscription. */
  readonly kind: string;
  /** The decrypted text, `null` for a push without data. */
  readonly text: string | null;
  /** Pages the worker could tell. */
  readonly pages: number;
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>Push test</title><p>Push test</p>
<script src="/page.js"></script>`;

const PAGE_SCRIPT = `"use strict";
globalThis.received = [];
navigator.serviceWorker.addEventListener("message", ({ data }) => received.push(data));
globalThis.subscribe = async (applicationServerKey) => {
  const registration = await navigator.serviceWorker.register("/worker.js");
  await navigator.serviceWorker.ready;
  const options = { userVisibleOnly: true };
  if (applicationServerKey) options.applicationServerKey = applicationServerKey;
  return (await registration.pushManager.subscribe(options)).toJSON();
};
globalThis.unsubscribe = async () => {
  const registration = await navigator.serviceWorker.ready;
  return await (await registration.pushManager.getSubscription()).unsubscribe();
};
globalThis.current = async () => {
  const registration = await navigator.serviceWorker.ready;
  return (await registration.pushManager.getSubscription())?.toJSON() ?? null;
};`;

const WORKER_SCRIPT = `"use strict";
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
const report = async (kind, text) => {
  const pages = await clients.matchAll();
  for (const page of pages) page.postMessage(text);
  const body = JSON.stringify({ kind, text, pages: pages.length });
  await fetch("/seen", { method: "POST", body });
};
addEventListener("push", (event) => {
  const text = event.data ? event.data.text() : null;
  event.waitUntil(Promise.all([
    report("push", text),
    registration.showNotification("Push test", { body: (text ?? "").slice(0, 40) }),
  ]));
});
addEventListener("pushsubscriptionchange", (event) => event.waitUntil(report("change", null)));`;

/** The running site. */
export class PushPage implements AsyncDisposable {
  /** What the service worker reported, in order. */
  readonly seen: Arrivals<Seen> = new Arrivals<Seen>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** Serves the site on a free port of loopback. */
  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  /** The page's address; `localhost` makes it a secure context. */
  get url(): string {
    return `http://localhost:${this.#server.addr.port}/`;
  }

  /** How often the worker saw exactly this text. */
  timesSeen(text: string): number {
    return this.seen.all.filter((one) => one.kind === "push" && one.text === text).length;
  }

  /** Stops serving. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (request.method === "POST" && pathname === "/seen") {
      this.seen.add(parseSeen(await request.json()));
      return new Response(null, { status: 204 });
    }
    switch (pathname) {
      case "/":
        return new Response(PAGE, { headers: { "content-type": "text/html" } });
      case "/page.js":
        return new Response(PAGE_SCRIPT, { headers: { "content-type": "text/javascript" } });
      case "/worker.js":
        return new Response(WORKER_SCRIPT, { headers: { "content-type": "text/javascript" } });
      default:
        return new Response(null, { status: 404 });
    }
  }
}

function parseSeen(value: unknown): Seen {
  if (typeof value !== "object" || value === null) {
    throw new TypeError("Not a report of the worker");
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  const [kind, text, pages] = [fields.get("kind"), fields.get("text"), fields.get("pages")];
  if (typeof kind !== "string" || typeof pages !== "number") {
    throw new TypeError("Not a report of the worker");
  }
  return { kind, text: typeof text === "string" ? text : null, pages };
}
