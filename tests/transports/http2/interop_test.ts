import { assertEquals, assertGreater } from "@std/assert";
import {
  type AnswerBlock,
  ANSWERED,
  connectHttp2,
  type HttpConnection,
  type RequestBlock,
  UNSENT,
} from "../../../transports/http2/mod.ts";
import { runWell } from "../../support/programs.ts";
import { type RealServer, startNghttpd, startNginx, startNode } from "./real_servers.ts";
import { HEAD } from "./scripted_peer.ts";

async function connect(server: RealServer, tls: boolean): Promise<HttpConnection> {
  return await connectHttp2({
    hostname: "localhost",
    addresses: ["127.0.0.1"],
    port: server.port,
    security: tls ? { kind: "tls", caCerts: [server.certificates.caPem] } : { kind: "none" },
  });
}

function blockTo(paths: readonly string[], bodyBytes = 150): RequestBlock {
  return { head: HEAD, paths, fields: [], bodies: new Uint8Array(bodyBytes).fill(97) };
}

/** Sends all paths, again where they were not processed, over as many connections as it takes. */
async function sendAll(
  server: RealServer,
  paths: readonly string[],
): Promise<{ readonly answers: ReadonlyMap<string, number>; readonly connections: number }> {
  const answers = new Map<string, number>();
  let left = paths;
  let connections = 0;
  while (left.length > 0) {
    await using connection = await connect(server, true);
    connections++;
    const again: string[] = [];
    for (let from = 0; from < left.length; from += 500) {
      const part = left.slice(from, from + 500);
      const { ends, statuses }: AnswerBlock = await connection.exchange(blockTo(part));
      for (const [i, path] of part.entries()) {
        if (ends[i] === UNSENT) {
          again.push(path);
        } else {
          assertEquals([ends[i], answers.has(path)], [ANSWERED, false]);
          answers.set(path, statuses[i] ?? 0);
        }
      }
    }
    left = again;
  }
  return { answers, connections };
}

for (const tls of [true, false]) {
  Deno.test(`connectHttp2() agrees with nghttpd ${tls ? "over TLS" : "without TLS"}`, async () => {
    await using server = await startNghttpd({ tls });
    await using connection = await connect(server, tls);
    const paths = Array.from({ length: 2_000 }, (_, i) => i % 10 === 0 ? `/absent/${i}` : "/there");
    const { statuses, details } = await connection.exchange(blockTo(paths));
    assertEquals([...statuses], paths.map((path) => path === "/there" ? 200 : 404));
    assertEquals(details.size, 200);
    assertEquals(details.get(0)?.headers.get("content-type"), "text/html; charset=UTF-8");
  });
}

Deno.test("connectHttp2() sends nghttpd a body many windows long", async () => {
  await using server = await startNghttpd({ tls: true });
  await using connection = await connect(server, true);
  const { statuses } = await connection.exchange(blockTo(["/there", "/there"], 3_000_000));
  assertEquals([...statuses], [200, 200]);
});

Deno.test("connectHttp2() has each of 5,000 requests answered once by nginx, which says GOAWAY every 300", async () => {
  await using server = await startNginx({ tls: true, lines: ["keepalive_requests 300;"] });
  const paths = Array.from({ length: 5_000 }, (_, i) => `/request/${i}`);
  const { answers, connections } = await sendAll(server, paths);
  assertEquals(answers.size, 5_000);
  assertEquals(new Set(answers.values()), new Set([200]));
  assertGreater(connections, 16);
  const logged = (await Deno.readTextFile(`${server.folder}/paths.log`)).trim().split("\n");
  assertEquals(logged.toSorted(), paths.toSorted());
});

Deno.test("connectHttp2() agrees with nginx about an answer before the end of the body", async () => {
  await using server = await startNginx({ tls: true });
  await using connection = await connect(server, true);
  const { ends, statuses } = await connection.exchange(blockTo(["/a", "/b", "/c"], 2_000_000));
  assertEquals([[...ends], [...statuses]], [[0, 0, 0], [200, 200, 200]]);
});

Deno.test("connectHttp2() shows nginx a client certificate", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [key, cert] = [`${folder}/key.pem`, `${folder}/cert.pem`];
    const fresh = [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
    ];
    const name = ["-subj", "/CN=sender", "-days", "2"];
    await runWell("openssl", [...fresh, ...name, "-keyout", key, "-out", cert]);
    const lines = [`ssl_client_certificate ${cert};`, "ssl_verify_client on;"];
    await using server = await startNginx({ tls: true, lines });
    const caCerts = [server.certificates.caPem];
    await using connection = await connectHttp2({
      hostname: "localhost",
      port: server.port,
      security: {
        kind: "client_certificate",
        cert: await Deno.readTextFile(cert),
        key: await Deno.readTextFile(key),
        caCerts,
      },
    });
    assertEquals([...(await connection.exchange(blockTo(["/"]))).statuses], [200]);
    await using stranger = await connect(server, true);
    assertEquals([...(await stranger.exchange(blockTo(["/"]))).statuses], [400]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("connectHttp2() has each of 2,000 requests answered once by Node, which says GOAWAY every 300", async () => {
  await using server = await startNode({ requestsPerSession: 300 });
  const paths = Array.from({ length: 2_000 }, (_, i) => `/${i % 2 === 0 ? 200 : 410}/${i}`);
  const { answers, connections } = await sendAll(server, paths);
  assertEquals(answers, new Map(paths.map((path) => [path, Number(path.slice(1, 4))])));
  assertGreater(connections, 2);
  await using connection = await connect(server, true);
  const { details } = await connection.exchange(blockTo(["/410/x"]));
  assertEquals(details.get(0)?.headers.get("x-bytes"), "150");
  assertEquals(new TextDecoder().decode(details.get(0)?.body), "body of /410/x");
});
