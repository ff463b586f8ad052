/**
 * Devices for the connections bench, in a process of their own so that their memory is not the
 * service's: raw TCP, a hello each, then silence.
 *
 * Reads one number per line from standard input, opens devices until there are that many, each
 * identified, and writes the number back. Pings are not answered: the bench ends before the first.
 *
 * @module
 */

/** Devices being opened at a time. */
const WIDTH = 64;
/** The longest answer to upgrade and hello together. */
const ANSWER_BYTES_MAX = 4_096;

const REGISTER = `{"messageType":"register","channelID":"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"}`;
const HELLO = `{"messageType":"hello","use_webpush":true}`;

/** Opens one device and resolves when it is identified, and subscribed when that is wanted. */
async function openDevice(port: number, subscribed: boolean): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await send(
    conn,
    new TextEncoder().encode(
      `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n` +
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ),
  );
  await readUntil(conn, "\r\n\r\n");
  await send(conn, frame(HELLO));
  await readUntil(conn, '"broadcasts":{}}');
  if (subscribed) {
    await send(conn, frame(REGISTER));
    await readUntil(conn, '"status":200');
  }
  return conn;
}

async function send(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

/** A masked text frame of at most 125 bytes; the mask is zero, which leaves the text as it is. */
function frame(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  return new Uint8Array([0x81, 0x80 | payload.length, 0, 0, 0, 0, ...payload]);
}

async function readUntil(conn: Deno.TcpConn, end: string): Promise<void> {
  const buffer = new Uint8Array(ANSWER_BYTES_MAX);
  let length = 0;
  while (!new TextDecoder().decode(buffer.subarray(0, length)).includes(end)) {
    const count = await conn.read(buffer.subarray(length));
    if (count === null) throw new Error(`The service closed before "${end}"`);
    length += count;
  }
}

if (import.meta.main) {
  const [port, mode] = Deno.args;
  const devices: Deno.TcpConn[] = [];
  let wanted = 0;
  const openSome = async () => {
    while (wanted-- > 0) devices.push(await openDevice(Number(port), mode === "subscribed"));
  };
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    wanted = Number(chunk) - devices.length;
    await Promise.all(Array.from({ length: WIDTH }, openSome));
    Deno.stdout.writeSync(new TextEncoder().encode(`${devices.length}\n`));
  }
  for (const device of devices) device.close();
}
