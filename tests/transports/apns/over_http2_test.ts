/**
 * The provider for Apple's devices over real HTTP/2 and TLS: against a stand-in for Apple, which
 * checks every header and token, and against nginx, which asks for a client certificate.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { apnsProvider, http2Connector } from "../../../transports/apns/mod.ts";
import type { ApnsCredentials, Leg } from "../../../transports/provider/provider.ts";
import { expectedAnswer, type Fate } from "../../../transports/provider_stand_in/mod.ts";
import { makeCertificates } from "../../support/certificates.ts";
import {
  appOf,
  notificationOf,
  recipientsOf,
  sendAll,
  verdictsOf,
} from "../../support/scripted_connection.ts";
import { addresses, MADE, openStandIn } from "../../support/stand_in.ts";
import { startNginx } from "../http2/real_servers.ts";
import { makeClientCertificate } from "./client_certificate.ts";

const COUNT = 1_000;
const SHARES = {
  dead: 0.05,
  malformed: 0.03,
  refused: 0.02,
  throttled: 0.03,
  unavailable: 0.02,
  failing: 0.02,
};

/** What Apple says to each, and what it comes to. */
const SAID: Readonly<Record<Fate, string>> = {
  healthy: "delivered",
  dead: "token_invalid 410 Unregistered",
  malformed: "token_invalid 400 BadDeviceToken",
  refused: "rejected 400 BadCollapseId",
  throttled: "retry 429 TooManyRequests",
  unavailable: "retry 503 ServiceUnavailable",
  failing: "retry 500 InternalServerError",
};

async function legsTo(
  credentials: ApnsCredentials,
  tokens: readonly string[],
  caPem: string,
  suspects: readonly number[] = [],
): Promise<readonly Leg[]> {
  const provider = apnsProvider({ connect: http2Connector({ caCerts: [caPem] }) });
  const now = Date.now();
  const prepared = await provider.prepare(
    appOf({ apns: credentials }),
    notificationOf({ topic: "news", createdAt: now, sendAt: now, expiresAt: now + 3_600_000 }),
  );
  if (prepared.kind === "refused") throw new Error(Deno.inspect(prepared.verdict));
  return prepared.route(recipientsOf("apns", tokens, suspects)).legs;
}

Deno.test("apnsProvider() agrees with a stand-in for Apple about every recipient", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { caPem, certFile, keyFile } = await makeCertificates(folder);
    const tls = { cert: await Deno.readTextFile(certFile), key: await Deno.readTextFile(keyFile) };
    await using standIn = await openStandIn({ tls, change: { shares: SHARES } });
    const tokens = addresses("apns", 0, COUNT, standIn);
    const credentials = MADE.credentials(standIn.origins).apns;
    const legs = await legsTo(credentials, tokens, caPem, [1, 2, 3]);
    assertEquals(legs.map(({ places }) => places.length), [COUNT - 3, 3]);
    const said: string[] = [];
    for (const leg of legs) {
      await using connection = await leg.destination.connect();
      const answers = await leg.send(connection, leg.places.map((_, index) => index));
      for (const [index, verdict] of verdictsOf(answers).entries()) {
        said[leg.places[index] ?? 0] = verdict.kind === "delivered"
          ? verdict.kind
          : `${verdict.kind} ${"status" in verdict ? verdict.status : 0} ${verdict.reason}`;
      }
    }
    assertEquals(said, tokens.map((token) => SAID[expectedAnswer(token, 1, SHARES)]));
    const { apns } = await standIn.seen();
    assertEquals([apns.requests, apns.connections, apns.refused], [COUNT, 2, {}]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("apnsProvider() sends again what Apple has not processed, and a stand-in counts each once", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { caPem, certFile, keyFile } = await makeCertificates(folder);
    const tls = { cert: await Deno.readTextFile(certFile), key: await Deno.readTextFile(keyFile) };
    await using standIn = await openStandIn({ tls, change: { goawayEveryRequests: 150 } });
    const tokens = addresses("apns", 0, COUNT, standIn);
    const credentials = MADE.credentials(standIn.origins).apns;
    const [leg] = await legsTo(credentials, tokens, caPem);
    if (leg === undefined) throw new Error("No leg");
    let left: readonly number[] = leg.places.map((_, index) => index);
    let connections = 0;
    while (left.length > 0) {
      await using connection = await leg.destination.connect();
      connections++;
      const verdicts = verdictsOf(await leg.send(connection, left));
      const kinds = new Set(verdicts.map(({ kind }) => kind));
      kinds.delete("delivered");
      kinds.delete("unsent");
      assertEquals([...kinds], []);
      left = left.filter((_, place) => verdicts[place]?.kind === "unsent");
    }
    const { apns } = await standIn.seen();
    assertEquals([apns.requests, apns.accepted, apns.acceptedAgain], [COUNT, COUNT, 0]);
    assertEquals(connections > 2, true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("apnsProvider() proves itself with a certificate to a server that asks for one", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { certificate, key } = await makeClientCertificate(folder);
    const lines = [`ssl_client_certificate ${folder}/client.pem;`, "ssl_verify_client on;"];
    await using server = await startNginx({ tls: true, lines });
    const origin = `https://localhost:${server.port}`;
    const stranger = await makeStranger();
    const rows = [[{ certificate, key }, "delivered"], [stranger, "retry"]] as const;
    for (const [own, kind] of rows) {
      const credentials = {
        certificate: own.certificate,
        certificateKey: own.key,
        topic: "com.example.app",
        origin,
      };
      const [leg] = await legsTo(credentials, ["ab"], server.certificates.caPem);
      if (leg === undefined) throw new Error("No leg");
      await using connection = await leg.destination.connect();
      const [verdict] = await sendAll(leg, connection);
      assertEquals(verdict?.kind, kind);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A certificate that nobody has asked for. */
async function makeStranger(): Promise<{ readonly certificate: string; readonly key: string }> {
  const folder = await Deno.makeTempDir();
  try {
    return await makeClientCertificate(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
