/**
 * How many Web Push requests does one core generate: at least half of what it does in P-256 key agreements
 * by `openssl speed`, and six times what npm `web-push` does on Node?
 *
 * A request is everything but sending it: recipient to path, VAPID token, headers, encrypted body. Ours
 * goes from recipients to a block for a connection that only counts; `web-push` does the same in
 * `generateRequestDetails`. One at a time, several rounds, the best of each counts: other load on the
 * machine only ever makes a round slower.
 *
 * Run: `deno run -A bench/webpush.ts [seconds of each measurement]`. Needs `openssl` and `node`. With `--steps`, says
 * instead what each step of encrypting takes.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createECDH, randomBytes } from "node:crypto";
import { generateVAPIDKeys } from "../deps/web_push.js";
import { ANSWERED, type HttpConnection, type RequestBlock } from "../transports/http2/exchange.ts";
import { LatencyCounter } from "../transports/http2/latencies.ts";
import type { App, Notification, Recipients } from "../transports/provider/provider.ts";
import { type MessageCrypto, openCrypto } from "../transports/webpush/crypto.ts";
import {
  type Encryption,
  EncryptionThreads,
  inlineEncryption,
} from "../transports/webpush/encryption.ts";
import { EndpointPolicy } from "../transports/webpush/endpoint.ts";
import { nodeCrypto } from "../transports/webpush/node_crypto.ts";
import { webPushProvider } from "../transports/webpush/provider.ts";

/** Recipients of a block: those of a batch. */
const RECIPIENTS = 1_000;
const SUBJECT = "mailto:push@example.org";
const CONTENT = { title: "Sunday's final", body: "It starts in ten minutes.", data: { match: 7 } };
const vapid = generateVAPIDKeys();

/** One rate, and how many bytes of bodies were made, so that nobody can leave the work out. */
export interface WebPushRate {
  /** What was measured. */
  readonly what: string;
  /** Requests, or key agreements, a second. */
  readonly perSecond: number;
  /** Bytes of bodies in the best round; 0 where there are none. */
  readonly bodyBytes: number;
}

/** Takes requests and forgets them. */
class Counter implements HttpConnection {
  readonly streamsMax = RECIPIENTS;
  readonly inFlight = 0;
  readonly ended = new Promise<string>(() => {});
  bodyBytes = 0;

  exchange({ paths, bodies }: RequestBlock) {
    if (!(bodies instanceof Uint8Array)) {
      for (const body of bodies) this.bodyBytes += body.length;
    }
    return Promise.resolve({
      ends: new Uint8Array(paths.length).fill(ANSWERED),
      statuses: new Uint16Array(paths.length).fill(201),
      details: new Map(),
      reason: "",
      latencies: new LatencyCounter(),
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** Subscriptions with keys of their own. */
function newRecipients(count: number): Recipients {
  const keys = new Uint8Array(count * 81);
  for (let place = 0; place < count; place++) {
    keys.set(createECDH("prime256v1").generateKeys(), place * 81);
    keys.set(randomBytes(16), place * 81 + 65);
  }
  const addresses = Array.from(
    { length: count },
    (_, place) => `https://push.example.net/wpush/v2/${place}${randomBytes(60).toString("hex")}`,
  );
  const numbers = addresses.map((_, place) => place);
  return { platform: "webpush", numbers, addresses, keys, suspects: [] };
}

const app: App = {
  name: "bench",
  version: 1,
  credentials: { webpush: { vapidPrivateKey: vapid.privateKey, subject: SUBJECT } },
};

function newNotification(): Notification {
  const now = Date.now();
  return {
    id: crypto.randomUUID(),
    app: app.name,
    content: CONTENT,
    ttlSeconds: 3_600,
    urgency: "normal",
    topic: undefined,
    createdAt: now,
    sendAt: now,
    expiresAt: now + 3_600_000,
    ratePerSecond: undefined,
    rows: "failures",
  };
}

/** Our requests a second, with so many blocks under way. */
async function measureOurs(
  what: string,
  encryption: Encryption,
  { forMs, blocks, count }: { forMs: number; blocks: number; count: number },
): Promise<WebPushRate> {
  const recipients = newRecipients(count);
  const connection = new Counter();
  const provider = webPushProvider({
    policy: new EndpointPolicy(),
    encryption,
    connect: () => Promise.resolve(connection),
  });
  let sent = 0;
  const sendBlock = async () => {
    const prepared = await provider.prepare(app, newNotification());
    if (prepared.kind !== "ready") throw new Error("The notification was refused");
    for (const leg of prepared.route(recipients).legs) {
      const { verdicts } = await leg.send(connection, leg.places.map((_, index) => index));
      if (verdicts.some(({ kind }) => kind !== "delivered")) throw new Error("Not delivered");
      sent += leg.places.length;
    }
  };
  await sendBlock();
  sent = 0;
  connection.bodyBytes = 0;
  const start = performance.now();
  await Promise.all(Array.from({ length: blocks }, async () => {
    do await sendBlock(); while (performance.now() - start < forMs);
  }));
  const perSecond = sent / (performance.now() - start) * 1_000;
  return { what, perSecond, bodyBytes: connection.bodyBytes };
}

/** Key agreements a second, as `openssl speed` counts them. */
async function measureOpenssl(seconds: number): Promise<WebPushRate> {
  const output = await run("openssl", ["speed", "-seconds", `${seconds}`, "ecdhp256"], undefined);
  const perSecond = Number(/nistp256\)\s+\S+\s+([\d.]+)/.exec(output)?.[1]);
  return { what: "openssl speed ecdhp256", perSecond, bodyBytes: 0 };
}

/** What Node runs; the subscription and the time come as arguments. */
const WEB_PUSH_SCRIPT = `
const webPush = require("web-push");
const [subscription, vapidDetails, payload, forMs] = JSON.parse(process.argv[2]);
const options = { vapidDetails, TTL: 3600 };
const one = () => webPush.generateRequestDetails(subscription, payload, options).body.length;
for (let warm = 0; warm < 50; warm++) one();
let made = 0, bodyBytes = 0;
const start = performance.now();
do { bodyBytes += one(); made++; } while (performance.now() - start < forMs);
console.log(JSON.stringify([made / (performance.now() - start) * 1000, bodyBytes]));
`;

/** Requests a second of npm `web-push` on Node. */
async function measureWebPush(folder: string, forMs: number): Promise<WebPushRate> {
  const { addresses, keys } = newRecipients(1);
  const text = (from: number, to: number) =>
    Buffer.from(keys.subarray(from, to)).toString("base64url");
  const subscription = {
    endpoint: addresses[0],
    keys: { p256dh: text(0, 65), auth: text(65, 81) },
  };
  const details = { subject: SUBJECT, ...vapid };
  const args = JSON.stringify([subscription, details, JSON.stringify(CONTENT), forMs]);
  const output = await run("node", ["web_push.cjs", args], folder);
  const [perSecond, bodyBytes] = JSON.parse(output);
  return {
    what: "npm web-push on Node",
    perSecond: Number(perSecond),
    bodyBytes: Number(bodyBytes),
  };
}

/** A folder in which Node finds `web-push`, from the packages the tests have. */
async function makeNodeFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "heliograph-bench-" });
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  const config = { nodeModulesDir: "auto", imports: { "web-push": imports["web-push"] } };
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(config));
  await Deno.writeTextFile(`${folder}/web_push.cjs`, WEB_PUSH_SCRIPT);
  await run(Deno.execPath(), ["install", "--quiet"], folder);
  return folder;
}

async function run(
  program: string,
  args: readonly string[],
  cwd: string | undefined,
): Promise<string> {
  const command = new Deno.Command(program, {
    args: [...args],
    ...(cwd === undefined ? {} : { cwd }),
  });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Cannot run "${program}": ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** How large the measurement is. */
export interface WebPushPlan {
  /** Seconds of one measurement of `openssl`, a whole number. */
  readonly seconds: number;
  /** Milliseconds of each other measurement. */
  readonly forMs: number;
  /** Rounds, of which the best counts. */
  readonly rounds: number;
  /** Recipients of a block. */
  readonly recipients: number;
}

/** Measures both peers, each library inline, and one thread; the best round of each. */
export async function measureWebPushSenders(plan: WebPushPlan): Promise<readonly WebPushRate[]> {
  const { seconds, forMs, rounds, recipients } = plan;
  const folder = await makeNodeFolder();
  try {
    const best = new Map<string, WebPushRate>();
    const keep = (rate: WebPushRate) => {
      if (rate.perSecond > (best.get(rate.what)?.perSecond ?? 0)) best.set(rate.what, rate);
    };
    const inline = { forMs, blocks: 1, count: recipients };
    const measureInline = async (crypto: MessageCrypto) => {
      await using encryption = inlineEncryption(crypto);
      keep(await measureOurs(`inline, ${crypto.name}`, encryption, inline));
    };
    for (let round = 0; round < rounds; round++) {
      keep(await measureOpenssl(seconds));
      await measureInline(openCrypto());
      keep(await measureWebPush(folder, forMs));
      await measureInline(nodeCrypto);
      await using threads = await EncryptionThreads.start({ threads: 1 });
      const underWay = { forMs, blocks: 3, count: recipients };
      keep(await measureOurs(`one thread, ${threads.name}`, threads, underWay));
    }
    return [...best.values()];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Microseconds of each step of encrypting a message, the lowest of five runs. */
export function measureSteps(
  crypto: MessageCrypto,
  runs: number,
): readonly (readonly [string, number])[] {
  const { keys } = newRecipients(1);
  const peer = new Uint8Array(keys.subarray(0, 65));
  const [publicKey, secret, mac] = [new Uint8Array(65), new Uint8Array(32), new Uint8Array(32)];
  const [info, sealed] = [new Uint8Array(145), new Uint8Array(3_016)];
  const [short, long] = [new Uint8Array(100), new Uint8Array(3_000)];
  const [key, nonce] = [new Uint8Array(16), new Uint8Array(12)];
  const steps: readonly (readonly [string, () => void])[] = [
    ["key pair and agreement", () => crypto.agree(peer, publicKey, secret)],
    ["HMAC of 145 bytes", () => crypto.hmac(secret, info, mac)],
    ["AES-128-GCM of 100 bytes", () => crypto.seal(key, nonce, short, sealed)],
    ["AES-128-GCM of 3,000 bytes", () => crypto.seal(key, nonce, long, sealed)],
  ];
  return steps.map(([what, step]) => {
    let lowest = Infinity;
    for (let round = 0; round < 5; round++) {
      const start = performance.now();
      for (let count = 0; count < runs; count++) step();
      lowest = Math.min(lowest, (performance.now() - start) * 1_000 / runs);
    }
    return [what, lowest];
  });
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main && Deno.args[0] === "--steps") {
  for (const crypto of [openCrypto(), nodeCrypto]) {
    for (const [what, micros] of measureSteps(crypto, 2_000)) {
      print(`${crypto.name.padEnd(12)} ${what.padEnd(28)} ${micros.toFixed(2)} µs`);
    }
  }
} else if (import.meta.main) {
  const seconds = Number(Deno.args[0] ?? 2);
  const plan = { seconds, forMs: seconds * 1_000, rounds: 3, recipients: RECIPIENTS };
  const rates = await measureWebPushSenders(plan);
  const rateOf = (what: string) => rates.find((rate) => rate.what === what)?.perSecond ?? NaN;
  const openssl = rateOf("openssl speed ecdhp256");
  const webPush = rateOf("npm web-push on Node");
  for (const { what, perSecond, bodyBytes } of rates) {
    const ratios = [perSecond / openssl, perSecond / webPush].map((ratio) => ratio.toFixed(2));
    const line = [
      what.padEnd(24),
      `${Math.round(perSecond)}/s`.padStart(10),
      `${ratios[0]} of openssl`.padStart(18),
      `${ratios[1]} times web-push`.padStart(22),
      `${bodyBytes} bytes`.padStart(18),
    ].join(" ");
    print(line);
  }
}
