import { assertEquals, assertRejects } from "@std/assert";
import { measuredConnect } from "../../program/measured_connect.ts";
import {
  type AnswerBlock,
  ANSWERED,
  type HttpConnection,
  LOST,
  type RequestBlock,
} from "../../transports/http2/exchange.ts";
import { type Latencies, LatencyCounter } from "../../transports/http2/latencies.ts";

const BLOCK: RequestBlock = {
  head: { method: "POST", authority: "push.example", fields: [] },
  paths: ["/"],
  fields: [],
  bodies: new Uint8Array(0),
};

/** A connection whose answers took this long; one without a time was lost. */
function connectionOf(timesMs: readonly (number | undefined)[], calls: string[]): HttpConnection {
  const times = timesMs.values();
  return {
    streamsMax: 7,
    inFlight: 3,
    ended: Promise.resolve("GOAWAY"),
    exchange(): Promise<AnswerBlock> {
      const { value: ms } = times.next();
      const latencies = new LatencyCounter();
      if (ms !== undefined) latencies.add(ms);
      return Promise.resolve({
        ends: Uint8Array.of(ms === undefined ? LOST : ANSWERED),
        statuses: Uint16Array.of(ms === undefined ? 0 : 200),
        details: new Map(),
        reason: "",
        latencies,
      });
    },
    close(): Promise<void> {
      calls.push("close");
      return Promise.resolve();
    },
    [Symbol.asyncDispose](): Promise<void> {
      calls.push("dispose");
      return Promise.resolve();
    },
  };
}

Deno.test("measuredConnect() tells of each block that was answered, and of none that was not", async () => {
  const told: Latencies[] = [];
  const connect = measuredConnect(
    () => Promise.resolve(connectionOf([5, undefined, 70], [])),
    (latencies) => told.push(latencies),
  );
  const connection = await connect({ origin: "https://push.example" });
  const ends: number[] = [];
  for (let block = 0; block < 3; block++) ends.push(...(await connection.exchange(BLOCK)).ends);
  assertEquals(ends, [ANSWERED, LOST, ANSWERED]);
  assertEquals(told.map(({ sumMs }) => sumMs), [5, 70]);
});

Deno.test("measuredConnect() is the same connection otherwise", async () => {
  const calls: string[] = [];
  const connect = measuredConnect(
    () => Promise.resolve(connectionOf([], calls)),
    () => {},
  );
  const connection = await connect({ origin: "https://push.example" });
  assertEquals([connection.streamsMax, connection.inFlight], [7, 3]);
  assertEquals(await connection.ended, "GOAWAY");
  await connection.close();
  await connection[Symbol.asyncDispose]();
  assertEquals(calls, ["close", "dispose"]);
});

Deno.test("measuredConnect() rejects as the connection does that cannot be opened", async () => {
  const connect = measuredConnect(() => Promise.reject(new Error("refused")), () => {});
  await assertRejects(() => connect({ origin: "https://push.example" }), Error, "refused");
});
