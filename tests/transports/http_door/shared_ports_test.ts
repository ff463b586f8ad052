/** Public ports that several processes share: the kernel deals connections out among them. */

import { assertEquals } from "@std/assert";
import { makeCertificates } from "../../support/certificates.ts";
import { openDoor } from "./echo_door.ts";

const CHILD = new URL("./shared_ports_child.ts", import.meta.url).pathname;
const DOORS = [
  { name: "servePushEndpoint()", tls: false },
  { name: "servePushEndpoint()", tls: true },
  { name: "serveApi()", tls: false },
  { name: "serveApi()", tls: true },
  { name: "listenDevices()", tls: false },
  { name: "listenDevices()", tls: true },
] as const;

/** Connections to each door: that all of them go to one of two processes is less likely than 1 in 10^18. */
const CONNECTS = 64;

/** A process with all doors open. */
class Sharer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #ports: readonly number[];

  private constructor(child: Deno.ChildProcess, ports: readonly number[]) {
    this.#child = child;
    this.#ports = ports;
  }

  static async start(files: readonly string[], ports: readonly number[] = []): Promise<Sharer> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", CHILD, ...files, ...ports.map(String)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value = "[]" } = await reader.read();
    await reader.cancel();
    return new Sharer(child, JSON.parse(value));
  }

  get ports(): readonly number[] {
    return this.#ports;
  }

  /** What its doors answer with. */
  get name(): string {
    return `process ${this.#child.pid}.`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.status;
  }
}

/** Which process answers on a connection of its own. */
async function answering(port: number, caCerts: string[] | undefined): Promise<string> {
  using connection = caCerts === undefined
    ? await Deno.connect({ hostname: "127.0.0.1", port })
    : await Deno.connectTls({ hostname: "localhost", port, caCerts });
  const head = "GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  await connection.write(new TextEncoder().encode(head));
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4_096);
  for (let text = "";;) {
    const count = await connection.read(buffer);
    text += decoder.decode(buffer.subarray(0, count ?? 0), { stream: true });
    const name = /process [0-9]+\./.exec(text)?.[0];
    if (name !== undefined || count === null) return name ?? text;
  }
}

Deno.test("public doors share their ports between processes with reusePort, TLS or not", async (t) => {
  const folder = await Deno.makeTempDir();
  try {
    const { certFile, keyFile, caPem } = await makeCertificates(folder);
    await using one = await Sharer.start([certFile, keyFile]);
    await using other = await Sharer.start([certFile, keyFile], one.ports);
    assertEquals(other.ports, one.ports);
    for (const [place, { name, tls }] of DOORS.entries()) {
      await t.step(`${name}${tls ? " with TLS" : ""}`, async () => {
        const names = new Set<string>();
        for (let connect = 0; connect < CONNECTS && names.size < 2; connect++) {
          names.add(await answering(one.ports[place] ?? 0, tls ? [caPem] : undefined));
        }
        assertEquals([...names].sort(), [one.name, other.name].sort());
        const alone = await openDoor({ port: one.ports[place] ?? 0 }).catch((error) => error);
        assertEquals(alone.code, "EADDRINUSE");
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
