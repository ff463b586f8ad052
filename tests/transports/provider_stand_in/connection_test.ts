import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { type AnswerBlock, ANSWERED, LOST, UNSENT } from "../../../transports/http2/mod.ts";
import type { Change } from "../../../transports/provider_stand_in/mod.ts";
import {
  addresses,
  alerts,
  apnsAuthorization,
  connectPlain,
  openStandIn,
} from "../../support/stand_in.ts";
import { run } from "../../support/programs.ts";

const TOKEN = await apnsAuthorization();

/** Sends so many alerts over one connection; the answers and what was seen. */
async function send(count: number, change: Change, authorization = TOKEN) {
  await using standIn = await openStandIn({ change });
  await using connection = await connectPlain(standIn.origins.apns);
  const tokens = addresses("apns", 0, count, standIn);
  const answers = await connection.exchange(alerts(tokens, authorization));
  const looks = await Promise.all(tokens.map((token) => standIn.look("apns", token)));
  const { apns } = await standIn.seen();
  return { answers, apns, looks, streamsMax: connection.streamsMax };
}

/** How many requests ended in each way. */
function ends(answers: AnswerBlock, end: number): number {
  return answers.ends.reduce((count, one) => one === end ? count + 1 : count, 0);
}

Deno.test("Connection answers every request of a block", async () => {
  const { answers, apns, looks } = await send(2_000, {});
  assertEquals(ends(answers, ANSWERED), 2_000);
  assert(answers.statuses.every((status) => status === 200));
  assertEquals([apns.requests, apns.accepted, apns.recipients], [2_000, 2_000, 2_000]);
  assert(looks.every(({ requests, accepted }) => requests === 1 && accepted === 1));
});

Deno.test("Connection allows one stream until a token was accepted, then as many as it likes", async () => {
  assertEquals((await send(3, { streamsMax: 700 })).streamsMax, 700);
  const refused = await send(3, { streamsMax: 700 }, "bearer x");
  assertEquals(refused.streamsMax, 1);
  assertEquals(refused.apns.refused, { InvalidProviderToken: 3 });
});

Deno.test("Connection narrows to one stream with a rejection, and widens with the next success", async () => {
  await using standIn = await openStandIn({ change: { narrowed: true, shares: { refused: 1 } } });
  await using connection = await connectPlain(standIn.origins.apns);
  const [first = "", second = ""] = addresses("apns", 0, 2, standIn);
  await connection.exchange(alerts([first], TOKEN));
  assertEquals(connection.streamsMax, 1);
  await standIn.behave({ shares: {} });
  await connection.exchange(alerts([second], TOKEN));
  assertGreater(connection.streamsMax, 1);
});

Deno.test("Connection going away processes what lies up to the last stream and nothing above (RFC 9113 6.8)", async () => {
  const { answers, apns, looks } = await send(1_000, { goawayEveryRequests: 300 });
  assertEquals([ends(answers, ANSWERED), ends(answers, UNSENT)], [300, 700]);
  assertEquals([apns.requests, apns.goaways], [300, 1]);
  // What a sender may repeat elsewhere has reached nobody.
  assert(looks.every(({ requests }, i) => requests === (answers.ends[i] === ANSWERED ? 1 : 0)));
});

Deno.test("Connection cut leaves requests lost, of which some were processed", async () => {
  const { answers, apns } = await send(1_000, { cutEveryRequests: 300 });
  assertEquals([apns.requests, apns.cuts], [300, 1]);
  assertEquals(ends(answers, ANSWERED) + ends(answers, LOST) + ends(answers, UNSENT), 1_000);
  assertGreater(ends(answers, LOST), 0);
});

const RESETS = [
  ["REFUSED_STREAM was not processed", 7, UNSENT, 0],
  ["INTERNAL_ERROR was", 2, LOST, 10],
  ["CANCEL was", 8, LOST, 10],
  ["ENHANCE_YOUR_CALM was", 11, LOST, 10],
] as const;

for (const [title, code, end, processed] of RESETS) {
  Deno.test(`Connection resets streams: one reset with ${title} (RFC 9113 8.7)`, async () => {
    const change = { resetEveryRequests: 10, resetCodes: [code] };
    const { answers, apns, looks } = await send(100, change);
    assertEquals([ends(answers, ANSWERED), ends(answers, end)], [90, 10]);
    assertEquals([apns.requests, apns.resets], [90 + processed, 10]);
    assertEquals(looks.filter(({ requests }) => requests === 1).length, 90 + processed);
  });
}

Deno.test("Connection answers after its latency, in order", async () => {
  const { answers, apns } = await send(500, { latencyMs: 5, streamsMax: 50 });
  assertEquals(ends(answers, ANSWERED), 500);
  assertEquals(apns.accepted, 500);
});

Deno.test("Connection answers a body that is too large before it has ended (RFC 9113 8.1)", async () => {
  await using standIn = await openStandIn();
  await using connection = await connectPlain(standIn.origins.apns);
  const block = alerts(addresses("apns", 0, 3, standIn), TOKEN);
  const answers = await connection.exchange({ ...block, bodies: new Uint8Array(30_000) });
  assertEquals([...answers.statuses], [413, 413, 413]);
  const after = await connection.exchange(block);
  assertEquals([...after.statuses], [200, 200, 200]);
});

Deno.test("Connection waits for the client's window (RFC 9113 6.9)", async () => {
  // Each answer has some 60 bytes of body; the window of the whole connection holds 1,092 of them.
  await using standIn = await openStandIn();
  const { code, stdout } = await run("h2load", [
    "--requests=5000",
    "--clients=1",
    "--max-concurrent-streams=100",
    "--connection-window-bits=16",
    "--window-bits=11",
    `${standIn.origins.fcm}/v1/projects/none/messages:send`,
  ]);
  assertEquals(code, 0);
  assertStringIncludes(stdout, "status codes: 0 2xx, 0 3xx, 5000 4xx, 0 5xx");
});
