/**
 * How many requests a second does one HTTP/2 connection carry, beside `h2load`?
 *
 * A POST with a path of 64 hex digits, nine fields and 150 bytes, as a push provider gets them, 100
 * at a time over one connection, to `nghttpd` and to nginx, with TLS and without. Both clients are
 * driven against the same server process, in turns, and the median of their rates is compared. The
 * server has one core of the machine's two and the client the other.
 *
 * ```sh
 * deno run -A bench/http2.ts [--requests N] [--rounds N]
 * ```
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { run } from "../tests/support/programs.ts";
import { report } from "../tests/support/seeded.ts";
import {
  type RealServer,
  startNghttpd,
  startNginx,
} from "../tests/transports/http2/real_servers.ts";
import {
  ANSWERED,
  connectHttp2,
  type HeaderField,
  type HttpConnection,
  type RequestBlock,
} from "../transports/http2/mod.ts";

/** Streams at once, for both. */
const STREAMS = 100;
/** Requests of a block, as a batch of the pipeline. */
const BLOCK_REQUESTS = 1_000;
/** Blocks on their way, so that the connection never runs dry. */
const BLOCKS_IN_FLIGHT = 2;
/** Bytes of each body. */
const BODY_BYTES = 150;
/** A device token. */
const TOKEN = "0123456789abcdef".repeat(4);

const FIELDS: readonly HeaderField[] = [
  { name: "authorization", value: `bearer ${"t".repeat(180)}`, indexing: "literal" },
  { name: "apns-topic", value: "com.example.app", indexing: "indexed" },
  { name: "apns-push-type", value: "alert", indexing: "indexed" },
  { name: "apns-priority", value: "10", indexing: "indexed" },
  { name: "apns-expiration", value: "0", indexing: "indexed" },
  { name: "content-type", value: "application/json", indexing: "indexed" },
  { name: "content-length", value: `${BODY_BYTES}`, indexing: "indexed" },
];

/** How much is measured. */
export interface Http2Plan {
  /** Requests of each client in each round. */
  readonly requests: number;
  /** Rounds. */
  readonly rounds: number;
}

/** One server. */
export interface Http2Reading {
  /** Which. */
  readonly server: string;
  /** Median rate of this client, requests a second. */
  readonly ours: number;
  /** Median rate of `h2load`. */
  readonly h2load: number;
  /** CPU time of this client's process for each request, in microseconds. */
  readonly cpuMicros: number;
  /** Requests of both that were answered 200. */
  readonly answered: number;
}

/** Measures both clients on every server. */
export async function measureHttp2(plan: Http2Plan): Promise<readonly Http2Reading[]> {
  const readings: Http2Reading[] = [];
  for (const tls of [true, false]) {
    const suffix = tls ? "TLS" : "plain";
    {
      await using server = await startNghttpd({ tls, file: TOKEN });
      readings.push(await measureServer(`nghttpd, ${suffix}`, server, tls, plan));
    }
    const lines = ["access_log off;", "keepalive_requests 1000000000;"];
    await using server = await startNginx({ tls, lines });
    readings.push(await measureServer(`nginx, ${suffix}`, server, tls, plan));
  }
  return readings;
}

async function measureServer(
  name: string,
  server: RealServer,
  tls: boolean,
  plan: Http2Plan,
): Promise<Http2Reading> {
  const ours: number[] = [];
  const theirs: number[] = [];
  let answered = 0;
  let cpuMicros = 0;
  for (let round = 0; round < plan.rounds; round++) {
    const own = await runOurs(server, tls, plan.requests);
    const other = await runH2load(server, tls, plan.requests);
    ours.push(own.perSecond);
    theirs.push(other.perSecond);
    cpuMicros += own.cpuMicros / plan.rounds;
    answered += own.answered + other.answered;
  }
  return { server: name, ours: median(ours), h2load: median(theirs), cpuMicros, answered };
}

async function runOurs(
  server: RealServer,
  tls: boolean,
  requests: number,
): Promise<{ perSecond: number; cpuMicros: number; answered: number }> {
  await using connection = await connectHttp2({
    hostname: "localhost",
    addresses: ["127.0.0.1"],
    port: server.port,
    security: tls ? { kind: "tls", caCerts: [server.certificates.caPem] } : { kind: "none" },
    limits: { streamsMax: STREAMS },
  });
  const head = { method: "POST", authority: `localhost:${server.port}`, fields: FIELDS };
  const block = {
    head,
    paths: new Array<string>(Math.min(BLOCK_REQUESTS, requests / BLOCKS_IN_FLIGHT))
      .fill(`/${TOKEN}`),
    fields: [],
    bodies: new Uint8Array(BODY_BYTES).fill(97),
  };
  const cpuBefore = cpuUsage();
  const began = performance.now();
  const lanes = Array.from(
    { length: BLOCKS_IN_FLIGHT },
    () => sendBlocks(connection, block, requests / block.paths.length / BLOCKS_IN_FLIGHT),
  );
  const answered = (await Promise.all(lanes)).reduce((sum, count) => sum + count, 0);
  const seconds = (performance.now() - began) / 1_000;
  const cpu = cpuUsage(cpuBefore);
  return {
    perSecond: answered / seconds,
    cpuMicros: (cpu.user + cpu.system) / answered,
    answered,
  };
}

async function sendBlocks(
  connection: HttpConnection,
  block: RequestBlock,
  count: number,
): Promise<number> {
  let answered = 0;
  for (let sent = 0; sent < count; sent++) {
    const { ends, statuses } = await connection.exchange(block);
    for (let i = 0; i < ends.length; i++) {
      if (ends[i] === ANSWERED && statuses[i] === 200) answered++;
    }
  }
  return answered;
}

async function runH2load(
  server: RealServer,
  tls: boolean,
  requests: number,
): Promise<{ perSecond: number; answered: number }> {
  const body = `${server.folder}/body`;
  await Deno.writeFile(body, new Uint8Array(BODY_BYTES).fill(97));
  const fields = FIELDS.filter(({ name }) => name !== "content-length")
    .flatMap(({ name, value }) => ["-H", `${name}: ${value}`]);
  const load = ["-n", `${requests}`, "-c", "1", "-m", `${STREAMS}`, "-d", body];
  const url = `${tls ? "https" : "http"}://127.0.0.1:${server.port}/${TOKEN}`;
  const { stdout } = await run("h2load", [...load, ...fields, url]);
  const rate = /finished in .*?, ([0-9.]+) req\/s/.exec(stdout)?.[1];
  const good = /status codes: ([0-9]+) 2xx/.exec(stdout)?.[1];
  if (rate === undefined || good === undefined) throw new Error(`h2load said: ${stdout}`);
  return { perSecond: Number(rate), answered: Number(good) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

if (import.meta.main) {
  const value = (name: string, otherwise: number) => {
    const at = Deno.args.indexOf(name);
    return at < 0 ? otherwise : Number(Deno.args[at + 1]);
  };
  const plan = { requests: value("--requests", 500_000), rounds: value("--rounds", 5) };
  for (const { server, ours, h2load, cpuMicros } of await measureHttp2(plan)) {
    const [own, other] = [ours, h2load].map((rate) => `${Math.round(rate)}/s`.padStart(9));
    report(
      `${server.padEnd(15)} ours ${own}  h2load ${other}  ratio ${(ours / h2load).toFixed(2)}` +
        `  CPU ${cpuMicros.toFixed(2)} µs a request`,
    );
  }
}
