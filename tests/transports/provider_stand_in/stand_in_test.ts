import { assertEquals, assertRejects } from "@std/assert";
import {
  expectedAnswer,
  makeCertificate,
  OUTCOME_OF,
  startStandIn,
} from "../../../transports/provider_stand_in/mod.ts";
import { connectHttp2, Http2ConnectError } from "../../../transports/http2/mod.ts";
import { makeCertificates } from "../../support/certificates.ts";
import {
  addresses,
  alerts,
  apnsAuthorization,
  connectPlain,
  MADE,
  openStandIn,
} from "../../support/stand_in.ts";

const TOKEN = await apnsAuthorization();

Deno.test("StandIn.seen() is what expectedAnswer() says beforehand", async () => {
  const shares = { dead: 0.2, throttled: 0.1, refused: 0.05 };
  await using standIn = await openStandIn({ change: { shares }, seed: 42 });
  await using connection = await connectPlain(standIn.origins.apns);
  const tokens = addresses("apns", 0, 1_000, standIn);
  const outcomes = tokens.map((token) => OUTCOME_OF[expectedAnswer(token, 42, shares)]);
  const count = (outcome: string) => outcomes.filter((one) => one === outcome).length;
  const first = await connection.exchange(alerts(tokens, TOKEN));
  const later = tokens.filter((_, i) => first.statuses[i] === 429);
  await connection.exchange(alerts(later, TOKEN));
  const { apns } = await standIn.seen();
  assertEquals(
    [apns.accepted, apns.fates.dead, apns.fates.refused, apns.fates.throttled],
    [count("delivered"), count("token_invalid"), count("rejected"), later.length],
  );
  assertEquals(apns.requests, 1_000 + apns.deferred);
  assertEquals(apns.acceptedAgain, 0);
});

Deno.test("StandIn.forget() begins anew", async () => {
  await using standIn = await openStandIn();
  await using connection = await connectPlain(standIn.origins.apns);
  const tokens = addresses("apns", 0, 3, standIn);
  await connection.exchange(alerts(tokens, TOKEN));
  await standIn.forget();
  assertEquals((await standIn.seen()).apns.requests, 0);
  await connection.exchange(alerts(tokens, TOKEN));
  const { apns } = await standIn.seen();
  assertEquals([apns.requests, apns.accepted, apns.acceptedAgain], [3, 3, 0]);
});

Deno.test("StandIn.behave() changes the platforms it is told", async () => {
  await using standIn = await openStandIn();
  await using connection = await connectPlain(standIn.origins.apns);
  const block = alerts(addresses("apns", 0, 1, standIn), TOKEN);
  await standIn.behave({ shares: { dead: 1 } }, ["fcm", "webpush"]);
  assertEquals([...(await connection.exchange(block)).statuses], [200]);
  await standIn.behave({ shares: { dead: 1 } }, ["apns"]);
  assertEquals([...(await connection.exchange(block)).statuses], [410]);
});

Deno.test("StandIn.behave() sends a connection away after a while", async () => {
  await using standIn = await openStandIn();
  await using connection = await connectPlain(standIn.origins.apns);
  await standIn.behave({ goawayEveryMs: 1 });
  await connection.ended;
  assertEquals((await standIn.seen()).apns.goaways, 1);
});

Deno.test("StandIn speaks HTTP/2 over TLS, and on one port HTTP/1.1 only", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { caPem, certFile, keyFile } = await makeCertificates(folder);
    const cert = await Deno.readTextFile(certFile);
    const key = await Deno.readTextFile(keyFile);
    await using standIn = await openStandIn({ tls: { cert, key } });
    const connect = (origin: string) => {
      const { hostname, port } = new URL(origin);
      const security = { kind: "tls", caCerts: [caPem] } as const;
      return connectHttp2({ hostname, port: Number(port), security });
    };
    await using connection = await connect(standIn.origins.apns);
    const answers = await connection.exchange(alerts(addresses("apns", 0, 50, standIn), TOKEN));
    assertEquals(answers.statuses.every((status) => status === 200), true);
    const error = await assertRejects(
      () => connect(standIn.origins.webpushHttp1),
      Http2ConnectError,
    );
    assertEquals(error.code, "no_h2");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("StandIn outlives clients that do not trust it, say nothing or talk nonsense", async () => {
  const { tls } = makeCertificate();
  await using standIn = await openStandIn({ tls });
  const { hostname, port } = new URL(standIn.origins.apns);
  const address = { hostname, port: Number(port) };
  {
    using distrusting = await Deno.connectTls(address);
    await assertRejects(() => distrusting.handshake());
  }
  for (const bytes of [new Uint8Array(0), new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")]) {
    using socket = await Deno.connect(address);
    await socket.write(bytes);
    await socket.closeWrite();
    while (await socket.read(new Uint8Array(1_024)) !== null);
  }
  assertEquals((await standIn.seen()).apns.connections, 3);
});

Deno.test("StandIn has the push service on HTTP/1.1, too", async () => {
  await using standIn = await openStandIn();
  const [endpoint = ""] = addresses("webpush", 0, 1, standIn);
  const url = new URL(new URL(endpoint).pathname, standIn.origins.webpushHttp1);
  const ask = async (body: string) => {
    const response = await fetch(url, { method: "POST", headers: { TTL: "60" }, body });
    return [response.status, (await response.json()).errno];
  };
  assertEquals(await ask(""), [401, 109]);
  assertEquals(await ask("x".repeat(10_000)), [413, 104]);
});

Deno.test("startStandIn() rejects for a key that is none", async () => {
  const accounts = { ...MADE.accounts, apns: { ...MADE.accounts.apns, publicKey: "none" } };
  await assertRejects(
    () => startStandIn({ seed: 1, accounts, tls: undefined }),
    Error,
    "Cannot start the stand-in: ",
  );
});

Deno.test("StandIn rejects what is asked of it after its end", async () => {
  const standIn = await openStandIn();
  await standIn[Symbol.asyncDispose]();
  await assertRejects(() => standIn.seen(), Error, "it was closed");
});
