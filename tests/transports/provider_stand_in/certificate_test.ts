import { X509Certificate } from "node:crypto";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { makeCertificate } from "../../../transports/provider_stand_in/certificate.ts";
import { run } from "../../support/programs.ts";

Deno.test("makeCertificate() makes a chain that openssl finds right (RFC 5280 6.1)", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { tls, caPem } = makeCertificate();
    await Deno.writeTextFile(`${folder}/ca.pem`, caPem);
    await Deno.writeTextFile(`${folder}/cert.pem`, tls.cert);
    const { code, stdout, stderr } = await run("openssl", [
      "verify",
      "-x509_strict",
      "-purpose",
      "sslserver",
      "-verify_hostname",
      "localhost",
      "-CAfile",
      `${folder}/ca.pem`,
      `${folder}/cert.pem`,
    ]);
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, "OK");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("makeCertificate() makes one that a client of this runtime trusts, by name and address", async () => {
  const { tls, caPem } = makeCertificate();
  using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...tls });
  for (const hostname of ["localhost", "127.0.0.1"]) {
    const accepted = listener.accept().then(async (socket) => {
      using _ = socket;
      await socket.handshake();
      // The client closes when it has seen the certificate.
      await socket.read(new Uint8Array(1));
    });
    const port = listener.addr.transport === "tcp" ? listener.addr.port : 0;
    using client = await Deno.connectTls({ hostname, port, caCerts: [caPem] });
    await client.handshake();
    client.close();
    await accepted;
  }
});

Deno.test("makeCertificate() is good from an hour ago for a week", () => {
  const now = Date.UTC(2026, 4, 6, 7, 8, 9);
  const { tls } = makeCertificate(now);
  const { validFrom, validTo } = new X509Certificate(tls.cert);
  assertEquals(Date.parse(validFrom), now - 3_600_000);
  assertEquals(Date.parse(validTo), now + 7 * 86_400_000);
});

Deno.test("makeCertificate() makes another key each time", () => {
  assert(makeCertificate().tls.key !== makeCertificate().tls.key);
});
