/**
 * The stand-in's thread: on a core of its own it takes nothing from the sender beside it.
 *
 * It answers each message with one, in order. What it cannot foresee it does not catch: the thread dies,
 * and its handle says so.
 *
 * @module
 */

import type { HttpDoor } from "../http_door/http_door.ts";
import type { Platform } from "../provider/provider.ts";
import { Apns } from "./apns.ts";
import { Fcm } from "./fcm.ts";
import { openHttp1Door } from "./http1_door.ts";
import type { Ask, Opening, Ports, Told } from "./messages.ts";
import { Server } from "./server.ts";
import { WebPush } from "./web_push.ts";
import { World } from "./world.ts";

/** What a dedicated worker finds in its global scope; the compiler is told of windows only. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Ask>) => void) | null;
  postMessage(told: Told): void;
}

/** The listeners of all providers. */
class Providers {
  readonly #servers: Readonly<Record<Platform, Server>>;
  readonly #door: HttpDoor;

  private constructor(servers: Readonly<Record<Platform, Server>>, door: HttpDoor) {
    this.#servers = servers;
    this.#door = door;
  }

  static async open({ seed, tls, accounts }: Opening): Promise<Providers> {
    // No request arrives before the ports are known.
    const origins: Record<keyof Ports, string> = {
      apns: "",
      fcm: "",
      webpush: "",
      webpushHttp1: "",
    };
    const webPush = new WebPush(
      new World("webpush", seed),
      accounts.webpush,
      () => [origins.webpush, origins.webpushHttp1],
    );
    const servers = {
      apns: new Server(new Apns(new World("apns", seed), accounts.apns), tls),
      fcm: new Server(new Fcm(new World("fcm", seed), accounts.fcm, () => origins.fcm), tls),
      webpush: new Server(webPush, tls),
    };
    const providers = new Providers(servers, await openHttp1Door(webPush, tls));
    for (const name of ["apns", "fcm", "webpush", "webpushHttp1"] as const) {
      origins[name] = originOf(providers.ports[name], tls !== undefined);
    }
    return providers;
  }

  get ports(): Ports {
    const { apns, fcm, webpush } = this.#servers;
    return {
      apns: apns.port,
      fcm: fcm.port,
      webpush: webpush.port,
      webpushHttp1: this.#door.port,
    };
  }

  async tell(ask: Exclude<Ask, { readonly kind: "open" }>): Promise<Told> {
    const { apns, fcm, webpush } = this.#servers;
    switch (ask.kind) {
      case "behave":
        for (const platform of ask.platforms) {
          const { service } = this.#servers[platform];
          service.world.behaviour = { ...service.world.behaviour, ...ask.change };
          this.#servers[platform].behave();
        }
        return { kind: "done" };
      case "seen": {
        const [a, f, w] = [apns, fcm, webpush].map(({ service }) => service.world.seen());
        if (a === undefined || f === undefined || w === undefined) throw new Error("Three worlds");
        return { kind: "seen", seen: { apns: a, fcm: f, webpush: w } };
      }
      case "look":
        return {
          kind: "recipient",
          recipient: this.#servers[ask.platform].service.world.look(ask.address),
        };
      case "forget":
        for (const { service } of [apns, fcm, webpush]) service.world.forget();
        return { kind: "done" };
      case "close":
        await Promise.all([apns, fcm, webpush].map((server) => server.close()));
        await this.#door.close(0);
        return { kind: "done" };
    }
  }
}

/** The origin of a port; `localhost`, since certificates and cookies have names. */
function originOf(port: number, secure: boolean): string {
  return `${secure ? "https" : "http"}://localhost:${port}`;
}

let providers: Providers | undefined;

async function tell(ask: Ask): Promise<Told> {
  if (ask.kind === "open") {
    try {
      providers = await Providers.open(ask.opening);
      return { kind: "opened", ports: providers.ports };
    } catch (error) {
      // Keys and certificate are given from outside; whoever gave them is told.
      return { kind: "refused", reason: error instanceof Error ? error.message : String(error) };
    }
  }
  if (providers === undefined) throw new Error("Asked before it was opened");
  return await providers.tell(ask);
}

const scope: WorkerScope = Object(globalThis);
/** Asks are worked off one after the other, so that answers keep their order. */
let last: Promise<void> = Promise.resolve();
scope.onmessage = ({ data }) => {
  last = last.then(async () => scope.postMessage(await tell(data)));
};
