import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { ManualClock } from "../../../actors/runtime/clock.ts";
import {
  connectHttp2,
  type ConnectHttp2Options,
  Http2ConnectError,
  type Http2ConnectErrorCode,
  writePing,
} from "../../../transports/http2/mod.ts";
import {
  type Certificates,
  makeCertificates,
  makeExpiredCertificate,
} from "../../support/certificates.ts";
import { assertWorks, Peer } from "./scripted_peer.ts";

const PLAIN = { kind: "none" } as const;

/** What a server does with a connection before its first SETTINGS. */
type Behaviour = (conn: Deno.Conn, clock: ManualClock) => Promise<void> | void;

const says = (text: string): Behaviour => async (conn) => {
  await conn.write(new TextEncoder().encode(text));
};
const isSilent: Behaviour = (_, clock) => clock.advance(10_000);
const ends: Behaviour = (conn) => conn.close();

/** Connects to a server that does this, which must fail. */
async function failure(
  behaviour: Behaviour,
  options: Partial<ConnectHttp2Options>,
): Promise<Http2ConnectError> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const clock = new ManualClock();
  const connecting = connectHttp2({
    hostname: "localhost",
    addresses: ["127.0.0.1"],
    port: listener.addr.port,
    clock,
    ...options,
  });
  const failed = assertRejects(() => connecting, Http2ConnectError);
  const conn = await listener.accept();
  await behaviour(conn, clock);
  const error = await failed;
  assertStringIncludes(error.message, `localhost:${listener.addr.port}`);
  assertEquals(clock.armed, 0);
  try {
    conn.close();
  } catch (closed) {
    assert(closed instanceof Deno.errors.BadResource);
  }
  return error;
}

for (
  const [criterion, behaviour, options, code] of [
    ["a server that is silent", isSilent, { security: PLAIN }, "timeout"],
    ["a server that ends TCP", ends, { security: PLAIN }, "closed"],
    [
      "a server of HTTP/1.1",
      says("HTTP/1.1 400 Bad Request\r\n\r\n"),
      { security: PLAIN },
      "closed",
    ],
    [
      "a server that begins with a PING",
      async (conn) => {
        await new Peer(conn).write((out) => writePing(out, new Uint8Array(8), false));
      },
      { security: PLAIN },
      "closed",
    ],
    ["a server that is silent instead of TLS", isSilent, {}, "timeout"],
    ["a server that ends TCP instead of TLS", ends, {}, "tls"],
    ["a server without TLS", says("HTTP/1.1 400 Bad Request\r\n\r\n"), {}, "tls"],
  ] satisfies readonly (readonly [
    string,
    Behaviour,
    Partial<ConnectHttp2Options>,
    Http2ConnectErrorCode,
  ])[]
) {
  Deno.test(`connectHttp2() fails with "${code}" at ${criterion}`, async () => {
    assertEquals((await failure(behaviour, options)).code, code);
  });
}

async function withCertificates(run: (certificates: Certificates) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(await makeCertificates(folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A listener with TLS that offers these protocols. */
function listenTls(
  { certFile, keyFile }: Pick<Certificates, "certFile" | "keyFile">,
  alpnProtocols: readonly string[] | undefined,
): Deno.TlsListener {
  return Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: Deno.readTextFileSync(certFile),
    key: Deno.readTextFileSync(keyFile),
    ...alpnProtocols === undefined ? {} : { alpnProtocols: [...alpnProtocols] },
  });
}

Deno.test('connectHttp2() fails with "tls" at a certificate that has ended, and at one that vouches for itself', async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { caPem, caFile } = await makeCertificates(folder);
    const expired = await makeExpiredCertificate(folder);
    const own = { certFile: caFile, keyFile: `${folder}/ca.key` };
    for (
      const [files, caCerts, words] of [
        [expired, [caPem], /expired/i],
        [own, [], /UnknownIssuer|CaUsedAsEndEntity/],
      ] as const
    ) {
      using listener = listenTls(files, ["h2"]);
      const accepting = listener.accept().then(async (conn) => {
        await conn.handshake().catch(() => {});
        conn.close();
      });
      const { port } = listener.addr;
      const security = { kind: "tls", caCerts } as const;
      const { code, message } = await assertRejects(
        () => connectHttp2({ hostname: "localhost", addresses: ["127.0.0.1"], port, security }),
        Http2ConnectError,
      );
      assertEquals(code, "tls");
      assertMatch(message, words);
      await accepting;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

for (
  const [criterion, alpnProtocols, options, code] of [
    ["a server that speaks HTTP/1.1 only", ["http/1.1"], {}, "no_h2"],
    ["a server that knows no ALPN", undefined, {}, "no_h2"],
    ["a certificate of an unknown authority", ["h2"], { security: { kind: "tls" } }, "tls"],
    ["a certificate for another name", ["h2"], { hostname: "push.example.net" }, "tls"],
  ] satisfies readonly (readonly [
    string,
    readonly string[] | undefined,
    Partial<ConnectHttp2Options>,
    Http2ConnectErrorCode,
  ])[]
) {
  Deno.test(`connectHttp2() fails with "${code}" at ${criterion}`, async () => {
    await withCertificates(async (certificates) => {
      using listener = listenTls(certificates, alpnProtocols);
      const accepting = listener.accept().then(async (conn) => {
        await conn.handshake().catch(() => {});
        conn.close();
      });
      const connecting = connectHttp2({
        hostname: "localhost",
        addresses: ["127.0.0.1"],
        port: listener.addr.port,
        security: { kind: "tls", caCerts: [certificates.caPem] },
        ...options,
      });
      assertEquals((await assertRejects(() => connecting, Http2ConnectError)).code, code);
      await accepting;
    });
  });
}

Deno.test("connectHttp2() speaks TLS with a checked name at an address of the caller's", async () => {
  await withCertificates(async (certificates) => {
    using listener = listenTls(certificates, ["h2"]);
    const connecting = connectHttp2({
      hostname: "localhost",
      // Nobody listens at the first.
      addresses: ["127.0.0.2", "127.0.0.1"],
      port: listener.addr.port,
      security: { kind: "tls", caCerts: [certificates.caPem] },
    });
    using peer = new Peer(await listener.accept());
    await peer.greet();
    await using client = await connecting;
    await assertWorks({ client, peer });
    const closing = client.close();
    assertEquals((await peer.goaway()).code, 0);
    await closing;
  });
});

Deno.test(`connectHttp2() fails with "refused" where nobody listens, at any address`, async () => {
  const { port } = (() => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return listener.addr;
  })();
  const addresses = ["127.0.0.1", "127.0.0.2"];
  const error = await assertRejects(
    () => connectHttp2({ hostname: "localhost", addresses, port, security: PLAIN }),
    Http2ConnectError,
  );
  assertEquals(error.code, "refused");
  const { cert, key } = await selfSigned();
  const withKey = await assertRejects(
    () =>
      connectHttp2({
        hostname: "localhost",
        port,
        security: { kind: "client_certificate", cert, key },
      }),
    Http2ConnectError,
  );
  assertEquals(withKey.code, "refused");
});

async function selfSigned(): Promise<{ readonly cert: string; readonly key: string }> {
  let pair = { cert: "", key: "" };
  await withCertificates(async ({ certFile, keyFile }) => {
    pair = { cert: await Deno.readTextFile(certFile), key: await Deno.readTextFile(keyFile) };
  });
  return pair;
}

Deno.test("connectHttp2() gives up a server that is silent to a client certificate", async () => {
  const { cert, key } = await selfSigned();
  const security = { kind: "client_certificate", cert, key } as const;
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const clock = new ManualClock();
  const connecting = connectHttp2({
    hostname: "127.0.0.1",
    port: listener.addr.port,
    security,
    clock,
  });
  const failed = assertRejects(() => connecting, Http2ConnectError);
  using conn = await listener.accept();
  // The first flight of TLS: the connection is made, the handshake is not.
  await conn.read(new Uint8Array(1));
  clock.advance(10_000);
  assertEquals((await failed).code, "timeout");
});

Deno.test("connectHttp2() refuses a client certificate together with addresses, and a wrong one", async () => {
  const { cert, key } = await selfSigned();
  const where = { hostname: "localhost", port: 1 };
  const security = { kind: "client_certificate", cert, key } as const;
  await assertRejects(
    () => connectHttp2({ ...where, addresses: ["127.0.0.1"], security }),
    TypeError,
    "addresses",
  );
  const wrong = await assertRejects(
    () => connectHttp2({ ...where, security: { ...security, key: "no key" } }),
    Http2ConnectError,
  );
  assertEquals(wrong.code, "tls");
});

Deno.test("connectHttp2() refuses roots that are none", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const security = {
    kind: "tls",
    caCerts: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
  } as const;
  const accepting = listener.accept();
  const error = await assertRejects(
    () => connectHttp2({ hostname: "127.0.0.1", port: listener.addr.port, security }),
    Http2ConnectError,
  );
  assertEquals(error.code, "tls");
  (await accepting).close();
});
