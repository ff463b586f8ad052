/**
 * The service as a real process, or as several that share what they stand on, and a stand-in for the
 * providers that it trusts: what an operator has who sends campaigns.
 *
 * Recipients are numbers, as the stand-in deals them out; a test that uses several apps gives each of
 * them numbers of its own, so that no address is in two.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { NotificationAnswer } from "../../transports/api_client/answers.ts";
import { ApiClient, type ApiResult } from "../../transports/api_client/api_client.ts";
import {
  type Change,
  type MadeCertificate,
  makeCertificate,
  type Origins,
  type Platform,
  recipientPlatform,
  recipientRow,
  type Seen,
  type StandIn,
  startStandIn,
} from "../../transports/provider_stand_in/mod.ts";
import { Service, type ServiceOptions } from "./service.ts";
import { MADE } from "./stand_in.ts";

/** Time between two looks at a notification, in milliseconds. */
const LOOK_MS = 100;

/** How both are started. */
export interface CampaignServiceOptions extends Omit<ServiceOptions, "certificates"> {
  /** Decides which recipient has which fate; 1 by default. */
  readonly seed?: number;
  /** How the providers behave from the beginning. */
  readonly change?: Change;
  /** The providers' certificate; one of its own when absent. */
  readonly certificate?: MadeCertificate;
  /** Nodes, all with these flags, with the same keys and the same API token; 1 by default. */
  readonly nodes?: number;
}

/** The service with its peer. */
export class CampaignService implements AsyncDisposable {
  /** The providers. */
  readonly standIn: StandIn;
  /** The node, or the first one of several. */
  readonly service: Service;
  /** All nodes. */
  readonly nodes: readonly Service[];
  /** The certificate of the providers, for further servers. */
  readonly certificate: MadeCertificate;
  /** Flags with which a node trusts the providers, for further nodes. */
  readonly trust: readonly string[];
  readonly #resources: AsyncDisposableStack;

  private constructor(
    parts: Pick<CampaignService, "standIn" | "service" | "nodes" | "certificate" | "trust">,
    resources: AsyncDisposableStack,
  ) {
    this.standIn = parts.standIn;
    this.service = parts.service;
    this.nodes = parts.nodes;
    this.certificate = parts.certificate;
    this.trust = parts.trust;
    this.#resources = resources;
  }

  /** Starts all; the service trusts the stand-in and may send to its push service. */
  static async open(options: CampaignServiceOptions = {}): Promise<CampaignService> {
    const { seed = 1, change = {}, certificate = makeCertificate(), flags = [], ...more } = options;
    const { nodes: count = 1, ...rest } = more;
    await using opening = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "heliograph-campaign-" });
    opening.defer(() => Deno.remove(folder, { recursive: true }));
    const caFile = `${folder}/ca.pem`;
    await Deno.writeTextFile(caFile, certificate.caPem);
    const { accounts } = MADE;
    const standIn = opening.use(await startStandIn({ seed, accounts, tls: certificate.tls }));
    await standIn.behave(change);
    const { origins } = standIn;
    const trust = ["--ca-file", caFile, "--allowed-push-origin", origins.webpush];
    const start = async (more: readonly string[]): Promise<Service> =>
      opening.use(await Service.start({ ...rest, flags: [...trust, ...flags, ...more] }));
    const service = await start([]);
    const shared = ["endpoint-keys", "api-token"].map((name) => `${service.dataDir}/${name}`);
    const [keys = "", token = ""] = shared;
    const nodes = [service];
    while (nodes.length < count) {
      nodes.push(await start(["--crypto-keys-file", keys, "--api-token-file", token]));
    }
    return new CampaignService({ standIn, service, nodes, certificate, trust }, opening.move());
  }

  /** A client of the first node's API. */
  get api(): ApiClient {
    return this.apiOf(this.service);
  }

  /** A client of a node's API; the token is read again, for another node may be on the same port. */
  apiOf({ apiPort }: Service): ApiClient {
    const token = Deno.readTextFileSync(`${this.service.dataDir}/api-token`).trim();
    return new ApiClient({ origin: `http://127.0.0.1:${apiPort}`, token });
  }

  /** Saves an app with these recipients as its devices; its providers are the stand-in's unless others are named. */
  async register(
    app: string,
    numbers: readonly number[],
    origins: Partial<Origins> = {},
  ): Promise<void> {
    const credentials = MADE.credentials({ ...this.standIn.origins, ...origins });
    valueOf(await this.api.putApp(app, credentials));
    const rows = this.rows(app, numbers);
    const options = { app, format: "ndjson" } as const;
    const imported = valueOf(await this.api.importDevices(rows, options, () => {}));
    assertEquals([imported.imported, imported.problems], [numbers.length, []]);
  }

  /** Recipients as rows of an import. */
  rows(app: string, numbers: readonly number[]): ReadableStream<Uint8Array<ArrayBuffer>> {
    const world = { origins: this.standIn.origins, keys: MADE.receiver };
    const lines = numbers.map((number) => `${JSON.stringify(recipientRow(number, app, world))}\n`);
    return new Blob(lines).stream();
  }

  /** Sends to all devices of an app; the notification's id. */
  async send(app: string, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const content = { title: "Hello", body: "to everybody" };
    return valueOf(await this.api.submit({ app, content, to: { all: true }, ...more }));
  }

  /** How far a notification is; every look is checked to add up. */
  async notification(id: string): Promise<NotificationAnswer> {
    const found = valueOf(await this.api.notification(id));
    const { total, retries: _, ...parts } = found.counts;
    assertEquals(Object.values(parts).reduce((sum, one) => sum + one, 0), total);
    return found;
  }

  /** Waits until what is seen of a notification is what is awaited. */
  async until(
    id: string,
    match: (found: NotificationAnswer) => boolean,
    { what, withinMs }: { readonly what: string; readonly withinMs: number },
  ): Promise<NotificationAnswer> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const found = await this.notification(id);
      if (match(found)) return found;
      const seen = `${found.status}, ${JSON.stringify(found.counts)}`;
      assert(performance.now() < deadline, `Waited ${withinMs} ms for ${what}: ${seen}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Waits until every recipient has its outcome. */
  ended(id: string, withinMs: number): Promise<NotificationAnswer> {
    return this.until(id, ({ status }) => status === "done", { what: "the end", withinMs });
  }

  /** Batches under a lease, as the file of the store says. */
  leased(): number {
    using database = new DatabaseSync(`${this.service.dataDir}/delivery.sqlite`);
    return Number(database.prepare("SELECT count(*) AS n FROM batch WHERE place = 1").get()?.["n"]);
  }

  /** Stops both. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** The first so many numbers of a platform's recipients from a number on. */
export function numbersOf(platform: Platform, count: number, from = 0): readonly number[] {
  const numbers: number[] = [];
  for (let number = from; numbers.length < count; number++) {
    if (recipientPlatform(number) === platform) numbers.push(number);
  }
  return numbers;
}

/** The sum of a number over all platforms. */
export function total(
  seen: Readonly<Record<Platform, Seen>>,
  of: (one: Seen) => number,
): number {
  return Object.values(seen).reduce((sum, one) => sum + of(one), 0);
}

/** The value of an answer that must be one. */
export function valueOf<T>(result: ApiResult<T>): T {
  if (result.kind === "ok") return result.value;
  throw new Error(`The API answered ${JSON.stringify(result.failure)}`);
}

/** A number from the environment, for longer runs. */
export function sized(variable: string, initial: number): number {
  return Number(Deno.env.get(variable) ?? initial);
}
