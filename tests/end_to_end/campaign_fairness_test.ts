/**
 * A provider that is slow, fails or talks nonsense slows only what goes to it; an app with a large campaign
 * holds up nobody's small one.
 *
 * `CAMPAIGN_RECIPIENTS=1000000` makes the backlogs longer.
 */

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { CampaignService, numbersOf, sized } from "../support/campaign_service.ts";
import { report } from "../support/seeded.ts";

const BACKLOG = sized("CAMPAIGN_RECIPIENTS", 20_000);
/** Recipients of a small notification. */
const SMALL = 300;
/** Latency of the slow provider: with 100 streams on each of eight connections it takes 270 recipients a second. */
const SLOW_MS = 3_000;
/** How long a small notification may take on a busy machine; the backlog takes ten times as long. */
const SOON_MS = 8_000;

/** How long the broken providers are watched. */
const BROKEN_MS = 4_000;

/** Sends a small notification to its end; how long it took. */
async function small(world: CampaignService, app: string): Promise<number> {
  const began = performance.now();
  const { counts } = await world.ended(await world.send(app), SOON_MS);
  assertEquals([counts.total, counts.delivered], [SMALL, SMALL], app);
  return Math.round(performance.now() - began);
}

Deno.test("A slow provider and a large campaign hold up neither other platforms nor other apps", async () => {
  await using world = await CampaignService.open();
  await world.standIn.behave({ latencyMs: SLOW_MS }, ["fcm"]);
  await world.standIn.behave({ latencyMs: 20 }, ["apns"]);
  const fcm = numbersOf("fcm", BACKLOG + SMALL);
  const apns = numbersOf("apns", BACKLOG + SMALL);
  await world.register("slow", fcm.slice(SMALL));
  await world.register("flood", apns.slice(SMALL));
  await world.register("apns", apns.slice(0, SMALL));
  await world.register("webpush", numbersOf("webpush", SMALL));
  const before = [await small(world, "apns"), await small(world, "webpush")];
  const slow = await world.send("slow");
  const flood = await world.send("flood");
  const beside = await Promise.all([small(world, "apns"), small(world, "webpush")]);
  const [left, flooding] = await Promise.all(
    [slow, flood].map(async (id) => (await world.notification(id)).counts.pending),
  );
  report(
    `small ones to apns and webpush took ${before.join()} ms alone, ${beside.join()} ms beside ` +
      `backlogs of ${BACKLOG}, of which ${left} and ${flooding} are left`,
  );
  assertGreater(left ?? 0, BACKLOG / 2);
  const { counts } = await world.ended(flood, 60_000 + BACKLOG);
  assertEquals([counts.total, counts.delivered], [BACKLOG, BACKLOG]);
  assertGreater((await world.notification(slow)).counts.pending, 0);
});

/** What a provider says that is none. */
const GARBAGE: readonly (readonly [title: string, bytes: Uint8Array<ArrayBuffer>])[] = [
  ["nothing, and closes", new Uint8Array(0)],
  ["HTTP/1.1", new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")],
  ["a frame that is too long", Uint8Array.of(0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0)],
  // SETTINGS, and then HEADERS of a stream that was never opened, with a block that is no HPACK.
  [
    "answers to nobody",
    Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 1, 5, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff),
  ],
];

/** A provider that speaks TLS and then says these bytes to each connection. */
class Garbage implements AsyncDisposable {
  connections = 0;
  readonly #listener: Deno.TlsListener;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #accepting: Promise<void>;

  constructor({ certificate }: CampaignService, bytes: Uint8Array<ArrayBuffer>) {
    const { tls } = certificate;
    const address = { hostname: "127.0.0.1", port: 0 };
    this.#listener = Deno.listenTls({ ...address, ...tls, alpnProtocols: ["h2"] });
    this.#bytes = bytes;
    this.#accepting = this.#accept();
  }

  get origin(): string {
    return `https://localhost:${this.#listener.addr.port}`;
  }

  async #accept(): Promise<void> {
    const talks: Promise<void>[] = [];
    for await (const socket of this.#listener) {
      this.connections++;
      talks.push(this.#talk(socket));
    }
    await Promise.all(talks);
  }

  async #talk(socket: Deno.TlsConn): Promise<void> {
    try {
      await socket.read(new Uint8Array(1_024));
      if (this.#bytes.length > 0) await socket.write(this.#bytes);
    } catch {
      // The client may end it first.
    } finally {
      socket.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
  }
}

Deno.test("A provider that talks nonsense harms its own lane only, and is not asked without end", async () => {
  await using world = await CampaignService.open();
  await using providers = new AsyncDisposableStack();
  await world.register("apns", numbersOf("apns", SMALL));
  const broken: { readonly title: string; readonly id: string; readonly provider: Garbage }[] = [];
  for (const [index, [title, bytes]] of GARBAGE.entries()) {
    const provider = providers.use(new Garbage(world, bytes));
    const app = `broken-${index}`;
    const numbers = numbersOf("apns", 1_000, (index + 1) * 100_000);
    await world.register(app, numbers, { apns: provider.origin });
    broken.push({ title, id: await world.send(app), provider });
  }
  const took: number[] = [];
  const began = performance.now();
  while (performance.now() - began < BROKEN_MS) took.push(await small(world, "apns"));
  const seconds = Math.ceil((performance.now() - began) / 1_000);
  report(
    `${took.length} small ones took ${
      Math.max(...took)
    } ms at most beside ${broken.length} broken providers, which saw ` +
      `${broken.map(({ provider }) => provider.connections).join()} connections in ${seconds} s`,
  );
  for (const { title, id, provider } of broken) {
    const { counts } = await world.notification(id);
    assertEquals([counts.delivered, counts.pending], [0, 1_000], title);
    assertGreater(provider.connections, 0, title);
    // A few at once, then with a pause that grows.
    assertLess(provider.connections, 10 * (seconds + 2), title);
    assertEquals((await world.api.cancel(id)).kind, "ok");
  }
  assert(!world.service.stderr.includes('"actor_crashed"'), world.service.stderr);
  assertEquals(await world.service.stop(), { code: 0, signal: null });
});
