/**
 * Viewers of the stream of events for the monitor's bench, in a process of their own: each asks on a socket of its
 * own, begins with the bars of the last ten minutes as the page does, and reads as fast as it can, or never.
 *
 * Reads one number per line from standard input, opens or closes viewers until there are that many, each with
 * the beginning of its answer, and writes the bytes that all have read so far. The token of the API is in the
 * environment.
 *
 * ```sh
 * TOKEN=… deno run -A bench/monitor_viewers.ts API_PORT SHOW reading|deaf
 * ```
 *
 * @module
 */

const BUFFER_BYTES = 65_536;

let bytesRead = 0;

/** Opens a viewer and resolves when its answer has begun. */
async function open(port: number, show: string, reads: boolean): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const request = `GET /v1/events?show=${show}&since=0 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
    `Authorization: Bearer ${Deno.env.get("TOKEN")}\r\n\r\n`;
  const bytes = new TextEncoder().encode(request);
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
  const start = new Uint8Array(12);
  await conn.read(start);
  const status = new TextDecoder().decode(start);
  if (status !== "HTTP/1.1 200") throw new Error(`The node answered ${status}`);
  if (reads) void read(conn);
  return conn;
}

/** Reads until the end, which comes when the viewer is closed. */
async function read(conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  try {
    for (let count; (count = await conn.read(buffer)) !== null;) bytesRead += count;
  } catch (error) {
    if (!(error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BadResource)) {
      throw error;
    }
  }
}

if (import.meta.main) {
  const [port, show = "", mode] = Deno.args;
  const viewers: Deno.TcpConn[] = [];
  let rest = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      for (const viewer of viewers.splice(Number(line))) viewer.close();
      while (viewers.length < Number(line)) {
        viewers.push(await open(Number(port), show, mode !== "deaf"));
      }
      Deno.stdout.writeSync(new TextEncoder().encode(`${bytesRead}\n`));
    }
  }
  for (const viewer of viewers) viewer.close();
}
