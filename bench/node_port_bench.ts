/**
 * How many messages a second does one node hand to another, one at a time and in blocks, and what
 * does a message cost each of them? Two processes on loopback, bodies of 1,000 bytes.
 *
 * `deno run -A bench/node_port_bench.ts` prints a table; results are in `node_port.md`.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { linesOf } from "../tests/transports/sqlite/child_process.ts";
import {
  openPeer,
  type Peer,
  type PushMessage,
  serveNodePort,
} from "../transports/node_port/mod.ts";

/** How much is measured. */
export interface NodePortPlan {
  /** Milliseconds each rate is measured for. */
  readonly forMs: number;
  /** What is measured: messages of a call, and calls at once. */
  readonly shapes: readonly { readonly items: number; readonly callers: number }[];
}

/** One measured rate. */
export interface NodePortRate {
  /** Messages of a call. */
  readonly items: number;
  /** Calls at once. */
  readonly callers: number;
  /** Messages handed over. */
  readonly count: number;
  /** Messages a second. */
  readonly perSecond: number;
  /** Microseconds of a core that a message took the sending process. */
  readonly clientMicros: number;
  /** Microseconds of a core that a message took the receiving process. */
  readonly serverMicros: number;
}

const SECRETS = ["QmVuY2hLZXlCZW5jaEtleUJlbmNoS2V5QmVuY2hLZXk="];
const BODY = crypto.getRandomValues(new Uint8Array(1_000));

/** The other node: takes every message and, for each line of its input, prints the microseconds it has used. */
async function serve(): Promise<void> {
  const peer: Peer = {
    push: (messages) => Promise.resolve(messages.map(() => true)),
    notify: (uaids) => Promise.resolve(uaids.map(() => true)),
    displace: () => Promise.resolve(),
  };
  const options = { hostname: "127.0.0.1", port: 0, secrets: SECRETS, version: "bench", peer };
  await using port = await serveNodePort(options);
  const encoder = new TextEncoder();
  await Deno.stdout.write(encoder.encode(`${port.port}\n`));
  for await (const _line of linesOf(Deno.stdin.readable)) {
    await Deno.stdout.write(encoder.encode(`${usedMicros()}\n`));
  }
}

/** The other node's process. */
class Server implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncGenerator<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  constructor() {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", new URL(import.meta.url).pathname, "serve"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#lines = linesOf(this.#child.stdout);
    this.#input = this.#child.stdin.getWriter();
  }

  /** The next number it prints. */
  async number(): Promise<number> {
    const { value } = await this.#lines.next();
    return Number(value);
  }

  /** Microseconds of a core it has used. */
  async usedMicros(): Promise<number> {
    await this.#input.write(new TextEncoder().encode("\n"));
    return await this.number();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#lines.return(undefined);
    await this.#child.status;
  }
}

/** Measures every rate of the plan. */
export async function measureNodePort(plan: NodePortPlan): Promise<readonly NodePortRate[]> {
  await using server = new Server();
  await using peer = openPeer({
    url: `http://127.0.0.1:${await server.number()}`,
    secrets: SECRETS,
  });
  const rates: NodePortRate[] = [];
  for (const { items, callers } of plan.shapes) {
    const messages = Array.from({ length: items }, (_, place) => messageOf(place + 1));
    let count = 0;
    const [clientBefore, serverBefore] = [usedMicros(), await server.usedMicros()];
    const started = performance.now();
    const call = async () => {
      while (performance.now() - started < plan.forMs) {
        const there = await peer.push(messages);
        count += there.filter((here) => here).length;
      }
    };
    await Promise.all(Array.from({ length: callers }, call));
    const seconds = (performance.now() - started) / 1_000;
    const clientMicros = (usedMicros() - clientBefore) / count;
    const serverMicros = (await server.usedMicros() - serverBefore) / count;
    const perSecond = Math.round(count / seconds);
    rates.push({ items, callers, count, perSecond, clientMicros, serverMicros });
  }
  return rates;
}

function usedMicros(): number {
  const { user, system } = cpuUsage();
  return user + system;
}

function messageOf(place: number): PushMessage {
  return {
    uaid: place.toString(16).padStart(32, "0"),
    channelId: "00000000-0000-4000-8000-000000000001",
    ttlSeconds: 3_600,
    topic: undefined,
    content: { body: BODY, headers: { encoding: "aes128gcm" } },
    sortKey: 1_700_000_000_000_000 + place,
    version: `gAAAAA${place.toString(36).padStart(154, "0")}`,
    expiresAt: 1_700_003_600,
  };
}

if (import.meta.main) {
  if (Deno.args[0] === "serve") await serve();
  else {
    const shapes = [[1, 1], [1, 2], [10, 1], [100, 1], [100, 2], [256, 1]] as const;
    const rates = await measureNodePort({
      forMs: 3_000,
      shapes: shapes.map(([items, callers]) => ({ items, callers })),
    });
    const lines = rates.map((rate) =>
      `| ${rate.items} | ${rate.callers} | ${rate.perSecond.toLocaleString("en")} | ` +
      `${rate.clientMicros.toFixed(1)} | ${rate.serverMicros.toFixed(1)} |`
    );
    const head = [
      "| messages a call | calls at once | messages a second | µs of the sender | µs of the receiver |",
      "| ---: | ---: | ---: | ---: | ---: |",
    ];
    await Deno.stdout.write(new TextEncoder().encode([...head, ...lines, ""].join("\n")));
  }
}
