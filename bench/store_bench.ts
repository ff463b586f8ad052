/**
 * How many messages a second can be accepted and be on the disk? Saves one at a time and with many in
 * flight, the whole life of a message (saved, then removed), and the reads of every POST.
 *
 * `deno run -A bench/store_bench.ts [FOLDER]` prints a table; the folder decides which disk is measured,
 * the default is the working directory's. Results are in `store.md`.
 *
 * @module
 */

import type { MessageStore } from "../actors/push/ports.ts";
import { openSqliteStore } from "../transports/sqlite/sqlite_store.ts";

/** How much is measured. */
export interface StorePlan {
  /** A folder on the disk to measure; the store makes one inside it. */
  readonly folder: string;
  /** Milliseconds each rate is measured for. */
  readonly forMs: number;
  /** Callers at once, one rate for each. */
  readonly inFlight: readonly number[];
}

/** One measured rate. */
export interface StoreRate {
  /** What was done. */
  readonly what: string;
  /** Callers at once. */
  readonly inFlight: number;
  /** Times it was done. */
  readonly count: number;
  /** Times a second. */
  readonly perSecond: number;
  /** The slowest of a hundred took this long or longer, in milliseconds. */
  readonly p99Ms: number;
}

/** User agents among which the messages are spread. */
const USERS = 1_000;
const CHANNEL = "00000000-0000-4000-8000-000000000001";
const WAITING_MAX = 1_000_000;
const BODY = crypto.getRandomValues(new Uint8Array(1_000));

function uaidOf(number: number): string {
  return (number % USERS).toString(16).padStart(32, "0");
}

/** Measures every rate of the plan on a new store, which is removed in the end. */
export async function measureStore(plan: StorePlan): Promise<readonly StoreRate[]> {
  const directory = await Deno.makeTempDir({ dir: plan.folder, prefix: "heliograph_bench_" });
  try {
    await using store = await openSqliteStore({ directory });
    return await measureRates(store, plan);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Measures every rate of the plan on this store, which is new. */
export async function measureRates(
  store: MessageStore,
  plan: Pick<StorePlan, "forMs" | "inFlight">,
): Promise<readonly StoreRate[]> {
  await subscribe(store);
  let sortKey = 0;
  const save = () => store.saveMessage(messageOf(++sortKey), WAITING_MAX);
  const life = async () => {
    const message = messageOf(++sortKey);
    await store.saveMessage(message, WAITING_MAX);
    await store.removeMessages(message.uaid, [message.sortKey]);
  };
  const rates: StoreRate[] = [];
  for (const count of plan.inFlight) rates.push(await rateOf("save", count, plan.forMs, save));
  for (const count of plan.inFlight) {
    rates.push(await rateOf("save, then remove", count, plan.forMs, life));
  }
  let reads = 0;
  const reading: Readonly<Record<string, () => Promise<unknown>>> = {
    "read a subscription": () => store.subscription(uaidOf(reads++), CHANNEL),
    "read a user agent": () => store.user(uaidOf(reads++)),
    "read a page of 10": () => store.messages(pageOf(uaidOf(reads++))),
  };
  for (const [what, read] of Object.entries(reading)) {
    rates.push(await rateOf(what, 1, plan.forMs, read));
  }
  return rates;
}

/** The rates as rows of a table for `store.md`. */
export function tableOf(rates: readonly StoreRate[]): string {
  const lines = rates.map(({ what, inFlight, perSecond, p99Ms }) =>
    `| ${what} | ${inFlight} | ${perSecond.toLocaleString("en")} | ${p99Ms.toFixed(2)} |`
  );
  const head = ["| what | in flight | a second | p99 ms |", "| --- | ---: | ---: | ---: |"];
  return [...head, ...lines, ""].join("\n");
}

async function subscribe(store: MessageStore): Promise<void> {
  const connectedAt = Date.now();
  const users = Array.from({ length: USERS }, (_, number) => uaidOf(number));
  await Promise.all(users.map((uaid) => store.saveUser({ uaid, connectedAt })));
  await Promise.all(users.map((uaid) => store.addChannel(uaid, CHANNEL, 1)));
}

function messageOf(sortKey: number) {
  return {
    uaid: uaidOf(sortKey),
    channelId: CHANNEL,
    ttlSeconds: 3_600,
    topic: undefined,
    content: { body: BODY, headers: { encoding: "aes128gcm" } },
    sortKey,
    version: `gAAAAA${sortKey.toString(36).padStart(114, "0")}`,
    expiresAt: Math.floor(Date.now() / 1000) + 3_600 + sortKey % 86_400,
  } as const;
}

function pageOf(uaid: string) {
  return { uaid, kind: "plain", limit: 10, nowSeconds: Math.floor(Date.now() / 1000) } as const;
}

/** Runs `work` from so many loops at once for so long. */
async function rateOf(
  what: string,
  inFlight: number,
  forMs: number,
  work: () => Promise<unknown>,
): Promise<StoreRate> {
  const started = performance.now();
  const tookMs: number[] = [];
  const loop = async () => {
    for (let now = performance.now(); now - started < forMs;) {
      await work();
      const done = performance.now();
      tookMs.push(done - now);
      now = done;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const seconds = (performance.now() - started) / 1000;
  const p99Ms = tookMs.sort((a, b) => a - b)[Math.floor(tookMs.length * 0.99)] ?? 0;
  const perSecond = Math.round(tookMs.length / seconds);
  return { what, inFlight, count: tookMs.length, perSecond, p99Ms };
}

if (import.meta.main) {
  const folder = Deno.args[0] ?? ".";
  const rates = await measureStore({ folder, forMs: 3_000, inFlight: [1, 64, 512] });
  await Deno.stdout.write(new TextEncoder().encode(tableOf(rates)));
}
