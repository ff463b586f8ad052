/**
 * A process that opens every public door, plain and with TLS, for ports that processes share.
 *
 * `shared_ports_child.ts CERT KEY [PORT…]` prints the ports as a JSON array, in the order of the
 * doors, and serves until its standard input ends. Every door answers with the process's id.
 *
 * @module
 */

import { Metrics } from "../../../transports/api/metrics.ts";
import { serveApi } from "../../../transports/api/serve_api.ts";
import { listenDevices } from "../../../transports/device_socket/listener.ts";
import { servePushEndpoint } from "../../../transports/push_endpoint/serve_push_endpoint.ts";
import { TokenBox } from "../../../transports/push_endpoint/token_box.ts";

const [certFile = "", keyFile = "", ...ports] = Deno.args;
const tls = { cert: await Deno.readTextFile(certFile), key: await Deno.readTextFile(keyFile) };
const me = `process ${Deno.pid}.`;

/** Where each door listens; the first process picks the ports. */
function address(place: number): {
  readonly hostname: string;
  readonly port: number;
  readonly reusePort: boolean;
} {
  return { hostname: "127.0.0.1", port: Number(ports[place] ?? 0), reusePort: true };
}

function endpoint(place: number, secure: { readonly tls?: typeof tls }) {
  return servePushEndpoint({
    ...address(place),
    ...secure,
    identifiers: new TokenBox({ keys: [TokenBox.generateKey()] }),
    service: {
      subscription: () => Promise.resolve("no_user"),
      accept: () => Promise.resolve({ kind: "no_subscription" }),
      withdraw: () => Promise.resolve(),
    },
    status: () => ({ status: "OK", version: me }),
  });
}

function api(place: number, secure: { readonly tls?: typeof tls }) {
  return serveApi({
    ...address(place),
    ...secure,
    verifyToken: () => ({ kind: "unknown" }),
    ready: () => Promise.resolve([]),
    tree: () => ({ path: "root" }),
    metrics: new Metrics(),
    version: "1.0.0",
    page: {
      files: [{ path: "/status", contentType: "text/plain", body: me }],
      endpointOrigin: "http://127.0.0.1",
      deviceUrl: "ws://127.0.0.1/",
    },
  });
}

function devices(place: number, secure: { readonly tls?: typeof tls }) {
  return listenDevices({
    ...address(place),
    ...secure,
    open: () => ({ status: 503, reason: "" }),
    status: () => ({ status: "OK", version: me }),
  });
}

await using first = await endpoint(0, {});
await using second = await endpoint(1, { tls });
await using third = await api(2, {});
await using fourth = await api(3, { tls });
await using fifth = devices(4, {});
await using sixth = devices(5, { tls });
const opened = [first, second, third, fourth, fifth, sixth].map(({ port }) => port);
await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(opened)}\n`));
for await (const _ of Deno.stdin.readable);
