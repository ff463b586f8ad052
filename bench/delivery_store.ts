/**
 * What does a recipient cost in the delivery store: imported, found in an audience, claimed, loaded
 * and recorded; in processor time over all threads, and in time?
 *
 * `deno run -A bench/delivery_store.ts [DEVICES] [FOLDER]` prints a table; the default is a million
 * devices in the working directory. Results are in `delivery_store.md`.
 *
 * @module
 */

import {
  type ClaimedBatch,
  openSqliteDeliveryStore,
  type SqliteDeliveryStore,
} from "../transports/sqlite/sqlite_delivery_store.ts";

/** What is measured of a store. */
export type MeasuredStore = Pick<
  SqliteDeliveryStore,
  | "saveApp"
  | "saveDevices"
  | "submit"
  | "expand"
  | "claim"
  | "load"
  | "campaign"
  | "commit"
  | "notification"
>;

/** How much is measured. */
export interface DeliveryPlan {
  /** A folder on the disk to measure; the store makes one inside it. */
  readonly folder: string;
  /** Devices to register and to notify. */
  readonly devices: number;
}

/** What one part of the work cost. */
export interface DeliveryCost {
  /** The part. */
  readonly what: string;
  /** Devices or recipients it was done for. */
  readonly count: number;
  /** Microseconds each. */
  readonly timeUs: number;
  /** Microseconds of processor time each, of all threads of this process, and of the server's when there is one. */
  readonly processorUs: number;
}

/** Batches at work at once, as a node has them. */
const IN_FLIGHT = 32;

/** Calls of an import on their way at once. */
const IMPORTS_IN_FLIGHT = 32;

/** Bytes of a subscription's keys. */
const KEYS = crypto.getRandomValues(new Uint8Array(81));

const PLATFORMS = ["apns", "fcm", "webpush"] as const;

const NONE = { delivered: 0, token_invalid: 0, rejected: 0, expired: 0, failed: 0, cancelled: 0 };

/** Measures every part on a new store, which is removed in the end. */
export async function measureDeliveryStore(plan: DeliveryPlan): Promise<readonly DeliveryCost[]> {
  const directory = await Deno.makeTempDir({ dir: plan.folder, prefix: "heliograph_bench_" });
  try {
    await using store = await openSqliteDeliveryStore({ directory });
    return await measureParts(store, plan.devices);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Measures every part on a new store, for so many devices; processes are those whose time counts. */
export async function measureParts(
  store: MeasuredStore,
  count: number,
  processes: () => readonly (number | "self")[] = () => ["self"],
): Promise<readonly DeliveryCost[]> {
  const costOf = async (what: string, work: () => Promise<number>): Promise<DeliveryCost> => {
    const started = performance.now();
    const before = processorMs(processes());
    const count = await work();
    const timeUs = (performance.now() - started) * 1000 / count;
    const processorUs = (processorMs(processes()) - before) * 1000 / count;
    return { what, count, timeUs, processorUs };
  };
  await store.saveApp("bench", {}, Date.now());
  const costs = [
    await costOf("import", () => importDevices(store, count)),
    await costOf("import again", () => importDevices(store, Math.ceil(count / 10))),
  ];
  for (
    const [title, tags, rows] of [
      ["all", undefined, "failures"],
      ["one tag of two", ["half-1"], "failures"],
      ["all, a row of each", undefined, "all"],
    ] as const
  ) {
    const id = await submit(store, tags, rows);
    costs.push(await costOf(`expand: ${title}`, () => expand(store, id)));
    costs.push(await costOf(`claim, load, commit: ${title}`, () => deliver(store, rows)));
    const status = await store.notification(id);
    if (status?.state !== "done") throw new Error(`The notification is ${status?.state}`);
  }
  return costs;
}

/** Processor time of processes so far: user and system ticks of a hundredth of a second. */
function processorMs(processes: readonly (number | "self")[]): number {
  return processes.reduce<number>((sum, process) => {
    const fields = Deno.readTextFileSync(`/proc/${process}/stat`).split(") ")[1]?.split(" ") ?? [];
    return sum + (Number(fields[11]) + Number(fields[12])) * 10;
  }, 0);
}

/** Registers devices as an import does: a thousand to a call, ids and users in no order, three tags each. */
async function importDevices(store: MeasuredStore, count: number): Promise<number> {
  let next = 0;
  const loop = async () => {
    while (next < count) {
      const first = next;
      next = Math.min(count, next + 1_000);
      await store.saveDevices(
        Array.from({ length: next - first }, (_, index) => deviceOf(first + index)),
        Date.now(),
      );
    }
  };
  await Promise.all(Array.from({ length: IMPORTS_IN_FLIGHT }, loop));
  return count;
}

function deviceOf(number: number) {
  const platform = PLATFORMS[number % 3] ?? "apns";
  // A number's digits spread by a prime: in no order, and the same device for the same number.
  const spread = (number * 2_654_435_761 % 4_294_967_296).toString(16).padStart(8, "0");
  return {
    id: `${spread}-5b1c-4b0a-9d5e-${number.toString(16).padStart(12, "0")}`,
    app: "bench",
    platform,
    address: `${spread.repeat(platform === "fcm" ? 18 : 8)}`,
    keys: platform === "webpush" ? KEYS : undefined,
    user: `user-${spread}`,
    tags: [`half-${number % 2}`, `tenth-${number % 10}`, "everyone"],
  };
}

async function submit(
  store: MeasuredStore,
  tags: readonly string[] | undefined,
  rows: "failures" | "all",
): Promise<string> {
  const now = Date.now();
  const id = crypto.randomUUID();
  await store.submit({
    notification: {
      id,
      app: "bench",
      content: { title: "Hello", body: "How much is this?" },
      ttlSeconds: 3_600,
      urgency: "normal",
      topic: undefined,
      createdAt: now,
      sendAt: now,
      expiresAt: now + 3_600_000,
      ratePerSecond: undefined,
      rows,
    },
    audience: tags === undefined ? { kind: "all" } : { kind: "tags", tags },
    idempotencyKey: undefined,
    digest: "d",
  });
  return id;
}

async function expand(store: MeasuredStore, id: string): Promise<number> {
  for (let added = 0;;) {
    const step = await store.expand(id, { limit: 10_000, batchMax: 1_000 });
    added += step.added;
    if (step.done) return added;
  }
}

/** Claims all there is, loads it, and records it: two of a hundred dead, one of a hundred again. */
async function deliver(store: MeasuredStore, rows: "failures" | "all"): Promise<number> {
  let recipients = 0;
  const running = new Set<Promise<void>>();
  const work = async (batch: ClaimedBatch) => {
    const ended = await deliverOne(store, batch, rows);
    recipients += ended;
  };
  while (true) {
    const { batches } = await store.claim({
      node: "bench",
      now: Date.now(),
      leaseMs: 60_000,
      batchesMax: IN_FLIGHT - running.size,
      laneBatchesMax: IN_FLIGHT,
      lanes: [],
    });
    for (const batch of batches) {
      const one: Promise<void> = work(batch).finally(() => running.delete(one));
      running.add(one);
    }
    if (running.size === 0) return recipients;
    await Promise.race(running);
  }
}

/** Says how many recipients had their outcome. */
async function deliverOne(
  store: MeasuredStore,
  batch: ClaimedBatch,
  rows: "failures" | "all",
): Promise<number> {
  const [loaded] = await Promise.all([
    store.load(batch.lease),
    store.campaign(batch.notification),
  ]);
  if (typeof loaded === "string") throw new Error(`A batch is ${loaded}`);
  const { numbers, addresses } = loaded.recipients;
  const again = batch.attempt === 0 ? numbers.filter((_, place) => place % 100 === 7) : [];
  const retried = new Set(again);
  const dead = numbers.filter((number, place) => place % 50 === 3 && !retried.has(number));
  const deadOnes = new Set(dead);
  const at = Date.now();
  await store.commit({
    lease: batch.lease,
    notification: batch.notification,
    lane: { app: batch.app, platform: batch.platform },
    outcomes: {
      ...NONE,
      token_invalid: dead.length,
      delivered: batch.count - dead.length - again.length,
    },
    rows: numbers.flatMap((number, place) => {
      const gone = deadOnes.has(number);
      if (retried.has(number) || (rows === "failures" && !gone)) return [];
      return [{
        number,
        address: addresses[place] ?? "",
        outcome: gone ? "token_invalid" as const : "delivered" as const,
        status: gone ? 410 : 200,
        reason: gone ? "Unregistered" : "",
        registeredBefore: undefined,
      }];
    }),
    remainders: [{ numbers: again, attempt: batch.attempt + 1, notBefore: at }],
    attempts: batch.attempt + 1,
    suspects: { marked: dead, cleared: [] },
    pause: undefined,
    at,
  });
  return batch.count - again.length;
}

/** The costs as a table in Markdown. */
export function tableOf(costs: readonly DeliveryCost[]): string {
  const lines = costs.map(({ what, count, timeUs, processorUs }) =>
    `| ${what} | ${count.toLocaleString("en")} | ${
      Math.round(1e6 / timeUs).toLocaleString("en")
    } | ${timeUs.toFixed(2)} | ${processorUs.toFixed(2)} |`
  );
  const head = [
    "| what | count | a second | µs each | µs of processor each |",
    "| --- | ---: | ---: | ---: | ---: |",
  ];
  return [...head, ...lines, ""].join("\n");
}

if (import.meta.main) {
  const [devices = "1000000", folder = "."] = Deno.args;
  const costs = await measureDeliveryStore({ folder, devices: Number(devices) });
  await Deno.stdout.write(new TextEncoder().encode(tableOf(costs)));
}
