/**
 * Two thousand devices that never read, while messages for now or never come for all of them: a
 * program of its own, because it runs where TCP's buffers are small. On plain loopback the kernel
 * alone takes three megabytes for each socket before the service has to keep anything.
 *
 * It ends with 0 when the service stayed small, lost nothing and served a good device meanwhile.
 *
 * @module
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { run } from "../support/programs.ts";
import { PushClient } from "../support/push_client.ts";
import { opaqueBody, post } from "../support/sender.ts";
import { Service } from "../support/service.ts";
import { WebSocketClient } from "../support/websocket_client.ts";

/** Devices that never read, and how many connect at a time. */
const DEAF = 2_000;
const PARALLEL = 64;
/** Messages for each: without a common bound 350 MiB would wait for them. */
const MESSAGES = 24;
const BODY_BYTES = 5_600;
/** What the service may take at its peak, V8's heap of at most 300 MiB included. */
const PEAK_BYTES_MAX = 300 * 1_024 * 1_024;

/** Connects devices that say hello, subscribe, and read nothing after that. */
async function connectDeaf(devicePort: number): Promise<{
  readonly sockets: readonly WebSocketClient[];
  readonly endpoints: readonly string[];
}> {
  const sockets: WebSocketClient[] = [];
  const endpoints: string[] = [];
  let left = DEAF;
  await Promise.all(Array.from({ length: PARALLEL }, async () => {
    while (left-- > 0) {
      const socket = await WebSocketClient.open({ port: devicePort });
      sockets.push(socket);
      await socket.raw(
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
      );
      assertEquals((await socket.httpHead()).status, 101);
      await socket.sendJson({ messageType: "hello", use_webpush: true });
      await socket.text();
      await socket.sendJson({ messageType: "register", channelID: crypto.randomUUID() });
      const endpoint = /"pushEndpoint":"([^"]+)"/.exec(await socket.text())?.[1];
      assert(endpoint !== undefined);
      endpoints.push(endpoint);
    }
  }));
  return { sockets, endpoints };
}

/** Posts to all endpoints in turn; says how many were answered 2xx. */
async function flood(endpoints: readonly string[], folder: string): Promise<number> {
  await Deno.writeTextFile(`${folder}/uris`, `${endpoints.join("\n")}\n`);
  await Deno.writeFile(`${folder}/body`, opaqueBody(BODY_BYTES));
  const size = ["-n", `${endpoints.length * MESSAGES}`, "-c", "16", "-t", "1"];
  const headers = ["-H", "TTL: 0", "-H", "Content-Encoding: aes128gcm"];
  const what = ["-d", `${folder}/body`, "-i", `${folder}/uris`];
  const { stdout } = await run("h2load", ["--h1", ...size, ...headers, ...what]);
  return Number(/status codes: (\d+) 2xx/.exec(stdout)?.[1]);
}

await using service = await Service.start({
  v8Flags: "--max-semi-space-size=4,--max-old-space-size=300",
});
await using good = await PushClient.connect(service.deviceUrl);
const { endpoint } = await good.register();
const away = await PushClient.connect(service.deviceUrl);
const { uaid } = away;
const kept = await away.register();
await away.close();

const { sockets, endpoints } = await connectDeaf(service.devicePort);
const flooded = flood(endpoints, service.dataDir);
let posted = 0;
for (let over = false; !over;) {
  assertEquals((await post(endpoint, opaqueBody(100), { ttlSeconds: 60 })).status, 201);
  assertEquals((await post(kept.endpoint, opaqueBody(100), { ttlSeconds: 60 })).status, 201);
  posted++;
  over = await Promise.race([
    flooded.then(() => true),
    new Promise<false>((resolve) => setTimeout(() => resolve(false), 100)),
  ]);
}
assertEquals(await flooded, DEAF * MESSAGES);
await good.notifications.until(() => true, { what: "the good device's messages", count: posted });
await using back = await PushClient.connect(service.deviceUrl, { uaid });
await back.notifications.until(() => true, { what: "the stored messages", count: posted });
assertLess(service.peakBytes(), PEAK_BYTES_MAX);
for (const socket of sockets) socket.abort();
