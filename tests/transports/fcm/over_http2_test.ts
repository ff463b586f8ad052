/**
 * The provider for Google's devices over real HTTP/2 and TLS, against a stand-in for Google that
 * checks assertions, tokens and messages.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { fcmProvider, http2Connector } from "../../../transports/fcm/mod.ts";
import { expectedAnswer, type Fate } from "../../../transports/provider_stand_in/mod.ts";
import { makeCertificates } from "../../support/certificates.ts";
import {
  appOf,
  notificationOf,
  recipientsOf,
  sendAll,
  StandingClock,
} from "../../support/scripted_connection.ts";
import { addresses, MADE, openStandIn } from "../../support/stand_in.ts";

const COUNT = 1_000;
const SHARES = {
  dead: 0.05,
  malformed: 0.03,
  refused: 0.02,
  throttled: 0.03,
  unavailable: 0.02,
  failing: 0.02,
};

/** What Google says to each, and what it comes to. */
const SAID: Readonly<Record<Fate, string>> = {
  healthy: "delivered",
  dead: "token_invalid 404 UNREGISTERED",
  malformed: "token_invalid 400 INVALID_ARGUMENT",
  refused: "rejected 400 INVALID_ARGUMENT: message.data: Invalid value",
  throttled: "retry 429 QUOTA_EXCEEDED",
  unavailable: "retry 503 UNAVAILABLE",
  failing: "retry 500 INTERNAL",
};

Deno.test("fcmProvider() agrees with a stand-in for Google about every recipient", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { caPem, certFile, keyFile } = await makeCertificates(folder);
    const tls = { cert: await Deno.readTextFile(certFile), key: await Deno.readTextFile(keyFile) };
    await using standIn = await openStandIn({ tls, change: { shares: SHARES } });
    const clock = new StandingClock();
    clock.now = Date.now();
    const provider = fcmProvider({
      connect: http2Connector({ caCerts: [caPem] }),
      caCerts: [caPem],
      clock,
    });
    const tokens = addresses("fcm", 0, COUNT, standIn);
    const prepared = await provider.prepare(
      appOf({ fcm: MADE.credentials(standIn.origins).fcm }),
      notificationOf({ topic: "news", content: { title: "Hello", data: { id: 7 } } }),
    );
    if (prepared.kind === "refused") throw new Error(Deno.inspect(prepared.verdict));
    const { legs: [leg] } = prepared.route(recipientsOf("fcm", tokens));
    if (leg === undefined) throw new Error("No leg");
    await using connection = await leg.destination.connect();
    assertEquals(connection.streamsMax, 100);
    const said = (await sendAll(leg, connection)).map((verdict) =>
      verdict.kind === "delivered"
        ? verdict.kind
        : `${verdict.kind} ${"status" in verdict ? verdict.status : 0} ${verdict.reason}`
    );
    assertEquals(said, tokens.map((token) => SAID[expectedAnswer(token, 1, SHARES)]));
    const { fcm } = await standIn.seen();
    assertEquals([fcm.requests, fcm.refused], [COUNT, {}]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
