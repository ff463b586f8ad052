/**
 * How fast does a store move from SQLite to PostgreSQL?
 *
 * `deno run -A bench/store_copy.ts [DEVICES] [MESSAGES]` fills a folder, starts a server whose commits
 * reach the disk, copies, and prints rows and seconds. Results are in `store.md`.
 *
 * @module
 */

import { copyStore } from "../program/store_copy/copy.ts";
import { rowsIn } from "../program/store_copy/report.ts";
import { Source } from "../program/store_copy/source.ts";
import { Target } from "../program/store_copy/target.ts";
import { startPostgres } from "../tests/support/postgres_server.ts";
import type { DeviceRecord } from "../transports/delivery_store/records.ts";
import { migrate } from "../transports/postgres/mod.ts";
import { DELIVERY_PART } from "../transports/postgres_delivery/mod.ts";
import { MESSAGES_PART } from "../transports/postgres_messages/mod.ts";
import { openSqliteDeliveryStore } from "../transports/sqlite/sqlite_delivery_store.ts";
import { openSqliteStore } from "../transports/sqlite/sqlite_store.ts";

/** What is copied. */
export interface CopyPlan {
  /** Devices, of which each has a person and every third two tags. */
  readonly devices: number;
  /** Messages with bodies of 500 bytes, ten to a user agent. */
  readonly messages: number;
}

/** Devices in one call. */
const PAGE = 1_000;

/** Messages of a user agent. */
const MESSAGES_EACH = 10;

/** Copies a folder of this size; answers rows of all tables, and milliseconds. */
export async function measureStoreCopy(
  plan: CopyPlan,
): Promise<{ readonly rows: number; readonly tookMs: number }> {
  const folder = await Deno.makeTempDir({ prefix: "heliograph_copy_" });
  try {
    await fillDevices(folder, plan.devices);
    await fillMessages(folder, plan.messages);
    await using server = await startPostgres({ durable: true });
    const url = server.freshUrl();
    await migrate({ url }, [MESSAGES_PART, DELIVERY_PART]);
    const startedAt = performance.now();
    using source = new Source(folder);
    await using target = await Target.open({ url });
    const options = { wallNow: () => Date.now(), onProgress: () => {} };
    const rows = rowsIn(await copyStore(source, target, options));
    return { rows, tookMs: performance.now() - startedAt };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function fillDevices(directory: string, count: number): Promise<void> {
  await using store = await openSqliteDeliveryStore({ directory });
  await store.saveApp("news", {}, Date.now());
  for (let first = 0; first < count; first += PAGE) {
    const size = Math.min(PAGE, count - first);
    const devices = Array.from({ length: size }, (_, index) => deviceOf(first + index));
    await store.saveDevices(devices, Date.now());
  }
}

/** One in four is a browser. */
function deviceOf(number: number): DeviceRecord {
  const token = crypto.randomUUID().repeat(4);
  const webpush = number % 4 === 0;
  return {
    id: `device-${number}`,
    app: "news",
    platform: webpush ? "webpush" : "fcm",
    address: webpush ? `https://push.example/wpush/v2/${token}` : token,
    keys: webpush ? new Uint8Array(81).fill(number % 256) : undefined,
    user: `user-${number}`,
    tags: number % 3 === 0 ? ["news", `city-${number % 100}`] : [],
  };
}

async function fillMessages(directory: string, count: number): Promise<void> {
  await using store = await openSqliteStore({ directory });
  const now = Date.now();
  const body = crypto.getRandomValues(new Uint8Array(500));
  const content = { body, headers: { encoding: "aes128gcm" } } as const;
  for (let first = 0; first < count; first += MESSAGES_EACH) {
    const uaid = first.toString(16).padStart(32, "0");
    const channelId = crypto.randomUUID();
    await Promise.all([
      store.saveUser({ uaid, connectedAt: now }),
      store.addChannel(uaid, channelId, 1),
      ...Array.from(
        { length: Math.min(MESSAGES_EACH, count - first) },
        (_, index) =>
          store.saveMessage({
            ...{ uaid, channelId, ttlSeconds: 86_400, topic: undefined, content },
            sortKey: first + index + 1,
            version: `v${first + index}`,
            expiresAt: Math.floor(now / 1_000) + 86_400,
          }, MESSAGES_EACH),
      ),
    ]);
  }
}

if (import.meta.main) {
  const [devices = 1_000_000, messages = 100_000] = Deno.args.map(Number);
  const { rows, tookMs } = await measureStoreCopy({ devices, messages });
  const perSecond = Math.round(rows * 1_000 / tookMs);
  const text = `${rows} rows in ${(tookMs / 1_000).toFixed(1)} s: ${perSecond} a second\n`;
  await Deno.stdout.write(new TextEncoder().encode(text));
}
