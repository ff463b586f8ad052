/**
 * HTTP/1.1 connections against a server that answers as it is told.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { ManualClock } from "../../../actors/runtime/clock.ts";
import {
  type AnswerBlock,
  ANSWERED,
  BAD_ANSWER,
  LOST,
  type RequestBlock,
  TIMED_OUT,
  UNSENT,
} from "../../../transports/http2/exchange.ts";
import type { Http2Clock } from "../../../transports/http2/clock.ts";
import { LATENCY_BOUNDS_MS } from "../../../transports/http2/latencies.ts";
import { Http1Connection } from "../../../transports/webpush/http1_connection.ts";
import { BLOCK_DETAIL_BYTES_MAX, HTTP1_REQUESTS_MAX } from "../../../transports/webpush/limits.ts";
import { type RawAnswer, type RawRequest, RawServer } from "./raw_server.ts";

const CREATED = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

function blockOf(paths: readonly string[], body = "body"): RequestBlock {
  return {
    head: {
      method: "POST",
      authority: "push.example",
      fields: [{ name: "ttl", value: "60", indexing: "literal" }],
    },
    paths,
    fields: [],
    bodies: new TextEncoder().encode(body),
  };
}

async function ask(
  answer: (request: RawRequest) => RawAnswer | undefined,
  paths: readonly string[],
): Promise<AnswerBlock> {
  await using server = new RawServer(answer);
  await using connection = await Http1Connection.open({ dial: () => server.dial(), socketsMax: 1 });
  return await connection.exchange(blockOf(paths));
}

function bodyText(block: AnswerBlock, place = 0): string {
  return new TextDecoder().decode(block.details.get(place)?.body);
}

/** A clock whose timers fire when a test says so. */
class HandClock implements Http2Clock {
  readonly #timers = new Map<number, () => void>();
  #next = 0;

  now(): number {
    return 0;
  }

  set(_ms: number, callback: () => void): { readonly id: number } {
    this.#timers.set(++this.#next, callback);
    return { id: this.#next };
  }

  clear({ id }: { readonly id: number | ReturnType<typeof setTimeout> }): void {
    this.#timers.delete(Number(id));
  }

  fire(): void {
    for (const callback of this.#timers.values()) callback();
    this.#timers.clear();
  }
}

Deno.test("Http1Connection.exchange() writes requests with their fields and bodies", async () => {
  await using server = new RawServer(() => ({ parts: [CREATED] }));
  await using connection = await Http1Connection.open({ dial: () => server.dial() });
  const bodies = ["one", "two"].map((text) => new TextEncoder().encode(text));
  const block = { ...blockOf(["/a?x=%2b", "/b"]), bodies };
  const topic = { name: "topic", values: ["t1", undefined] };
  const { ends, statuses, details } = await connection.exchange({ ...block, fields: [topic] });
  assertEquals([...ends], [ANSWERED, ANSWERED]);
  assertEquals([...statuses], [201, 201]);
  assertEquals(details.size, 0);
  const seen = new Map(
    server.requests.map(({ head, body }) => [head, new TextDecoder().decode(body)]),
  );
  const head = "host: push.example\r\nttl: 60\r\n";
  assertEquals(
    seen.get(`POST /a?x=%2b HTTP/1.1\r\n${head}topic: t1\r\ncontent-length: 3\r\n\r\n`),
    "one",
  );
  assertEquals(seen.get(`POST /b HTTP/1.1\r\n${head}content-length: 3\r\n\r\n`), "two");
});

Deno.test("Http1Connection.exchange() writes a content-length of the block's once", async () => {
  await using server = new RawServer(() => ({ parts: [CREATED] }));
  await using connection = await Http1Connection.open({ dial: () => server.dial() });
  const length = { name: "content-length", value: "4", indexing: "literal" } as const;
  await connection.exchange({
    ...blockOf(["/"]),
    head: { method: "POST", authority: "push.example", fields: [length] },
  });
  assertEquals(server.requests[0]?.head.match(/content-length/g)?.length, 1);
});

Deno.test("Http1Connection.exchange() counts each answer's time from the writing of its request", async () => {
  const clock = new ManualClock();
  await using server = new RawServer(() => {
    clock.advance(40);
    return { parts: [CREATED] };
  });
  const dial = () => server.dial();
  await using connection = await Http1Connection.open({ dial, socketsMax: 1, clock });
  const { latencies } = await connection.exchange(blockOf(["/1", "/2", "/3"]));
  const bucket = LATENCY_BOUNDS_MS.indexOf(50);
  assertEquals([latencies.counts[bucket], latencies.sumMs], [3, 120]);
});

Deno.test("Http1Connection.exchange() keeps a socket for the next request", async () => {
  await using server = new RawServer(() => ({ parts: [CREATED] }));
  await using connection = await Http1Connection.open({ dial: () => server.dial(), socketsMax: 1 });
  await connection.exchange(blockOf(["/1", "/2", "/3"]));
  await connection.exchange(blockOf(["/4"]));
  assertEquals(server.connections, 1);
  assertEquals(server.requests.length, 4);
});

Deno.test("Http1Connection.exchange() uses as many sockets as it may, and no more", async () => {
  await using server = new RawServer(() => ({ parts: [CREATED] }));
  await using connection = await Http1Connection.open({ dial: () => server.dial(), socketsMax: 3 });
  const paths = Array.from({ length: 30 }, (_, index) => `/${index}`);
  const [first, second] = await Promise.all([
    connection.exchange(blockOf(paths)),
    connection.exchange(blockOf(paths)),
  ]);
  assertEquals([...first.statuses, ...second.statuses], new Array(60).fill(201));
  assertEquals(server.connections, 3);
  assertEquals(connection.inFlight, 0);
});

const NO_BODY = "Content-Length: 0\r\n\r\n";

/** An answer that ends well. */
interface GoodAnswer {
  readonly name: string;
  readonly parts: readonly string[];
  readonly status: number;
  readonly body: string;
  /** Whether it ends with its connection. */
  readonly end?: true;
}

const GOOD: readonly GoodAnswer[] = [
  {
    name: "a length",
    parts: ["HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nabc"],
    status: 400,
    body: "abc",
  },
  {
    name: "a length, byte for byte",
    parts: [..."HTTP/1.1 400 Bad\r\ncontent-length:3\r\n\r\nabc"],
    status: 400,
    body: "abc",
  },
  {
    name: "chunks",
    parts: [
      "HTTP/1.1 429 Slow\r\nTransfer-Encoding: chunked\r\n\r\n",
      "2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: 1\r\n\r\n",
    ],
    status: 429,
    body: "abc",
  },
  {
    name: "chunks, byte for byte",
    parts: [
      ..."HTTP/1.1 429 Slow\r\ntransfer-encoding: CHUNKED\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
    ],
    status: 429,
    body: "0123456789",
  },
  {
    name: "the end of the connection",
    parts: ["HTTP/1.1 500 \r\n\r\nabc", "def"],
    status: 500,
    body: "abcdef",
    end: true,
  },
  {
    name: "HTTP/1.0",
    parts: ["HTTP/1.0 404 Not Found\r\n\r\nabc"],
    status: 404,
    body: "abc",
    end: true,
  },
  { name: "no reason phrase", parts: [`HTTP/1.1 410\r\n${NO_BODY}`], status: 410, body: "" },
  {
    name: "bare line feeds",
    parts: ["HTTP/1.1 410 Gone\nContent-Length: 1\n\nx"],
    status: 410,
    body: "x",
  },
  {
    name: "informational answers before",
    parts: [
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
      `HTTP/1.1 410 Gone\r\n${NO_BODY}`,
    ],
    status: 410,
    body: "",
  },
  {
    name: "no content",
    parts: ["HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"],
    status: 304,
    body: "",
  },
  {
    name: "a long body",
    parts: [`HTTP/1.1 400 Bad\r\nContent-Length: 60000\r\n\r\n${"x".repeat(60_000)}`],
    status: 400,
    body: "x".repeat(4_096),
  },
];

for (const { name, parts, status, body, end = false } of GOOD) {
  Deno.test(`Http1Connection.exchange() reads an answer with ${name}`, async () => {
    let connections = 0;
    const answers = await ask(({ connection, head }) => {
      connections = connection + 1;
      return head.startsWith("POST /1") ? { parts, end } : { parts: [CREATED] };
    }, ["/1", "/2"]);
    assertEquals([...answers.ends], [ANSWERED, ANSWERED]);
    assertEquals([...answers.statuses], [status, 201]);
    assertEquals(bodyText(answers), body);
    assertEquals(connections, end ? 2 : 1);
  });
}

/** Answers that are none. */
const BAD:
  readonly (readonly [name: string, parts: readonly (string | Uint8Array<ArrayBuffer>)[]])[] = [
    ["garbage", ["hello\n"]],
    ["a frame of HTTP/2", [new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0])]],
    ["HTTP/2 in the status line", ["HTTP/2 201 Created\r\n\r\n"]],
    ["HTTP/1.2", [`HTTP/1.2 201 Created\r\n${NO_BODY}`]],
    ["no status", [`HTTP/1.1 \r\n${NO_BODY}`]],
    ["a status below 100", [`HTTP/1.1 099 X\r\n${NO_BODY}`]],
    ["a status of four digits", [`HTTP/1.1 2010 X\r\n${NO_BODY}`]],
    ["another protocol", ["HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"]],
    ["informational answers without end", ["HTTP/1.1 100 Continue\r\n\r\n".repeat(20)]],
    ["a field without a name", ["HTTP/1.1 201 Created\r\n: x\r\n\r\n"]],
    ["a folded field", ["HTTP/1.1 201 Created\r\nA: b\r\n c\r\n\r\n"]],
    ["two lengths", ["HTTP/1.1 201 Created\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"]],
    ["a length and chunks", [
      "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ]],
    ["a coding that is not chunked", ["HTTP/1.1 201 Created\r\nTransfer-Encoding: gzip\r\n\r\n"]],
    ["a negative length", ["HTTP/1.1 201 Created\r\nContent-Length: -1\r\n\r\n"]],
    ["a chunk without a size", ["HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"]],
    ["a chunk longer than its size", [
      "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    ]],
    ["a head of 17 KB", [`HTTP/1.1 201 Created\r\nX: ${"x".repeat(17_000)}\r\n\r\n`]],
    ["a head of 17 KB in lines", [
      `HTTP/1.1 201 Created\r\n${"X: yyyyyyyy\r\n".repeat(1_400)}\r\n`,
    ]],
    ["a head of 17 KB before its first line ends", [`HTTP/1.1 201 ${"x".repeat(17_000)}`]],
    ["a line of a chunk without end", [
      `HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1;${"x".repeat(300)}`,
    ]],
    ["a body of 70 KB", [
      `HTTP/1.1 201 Created\r\nContent-Length: 70000\r\n\r\n${"x".repeat(70_000)}`,
    ]],
    ["a body without end", [`HTTP/1.1 201 Created\r\n\r\n${"x".repeat(70_000)}`]],
    ["chunks of 70 KB", [
      `HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n${
        `1000\r\n${"x".repeat(4_096)}\r\n`.repeat(18)
      }`,
    ]],
  ];

for (const [name, parts] of BAD) {
  Deno.test(`Http1Connection.exchange() ends with a bad answer for ${name}`, async () => {
    const answers = await ask(
      ({ connection }) => connection === 0 ? { parts } : { parts: [CREATED] },
      ["/1", "/2"],
    );
    assertEquals([...answers.ends], [BAD_ANSWER, ANSWERED]);
    assertEquals([...answers.statuses], [0, 201]);
  });
}

/** Connections that end before the answer does. */
const CUT: readonly (readonly [name: string, parts: readonly string[]])[] = [
  ["nothing", []],
  ["half a head", ["HTTP/1.1 201 Cre"]],
  ["half a body", ["HTTP/1.1 400 Bad\r\nContent-Length: 5\r\n\r\nab"]],
  ["half a chunk", ["HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"]],
];

for (const [name, parts] of CUT) {
  Deno.test(`Http1Connection.exchange() loses a request whose connection ends after ${name}`, async () => {
    const answers = await ask(
      ({ connection }) => connection === 0 ? { parts, end: true } : { parts: [CREATED] },
      ["/1", "/2"],
    );
    assertEquals([...answers.ends], [LOST, ANSWERED]);
  });
}

Deno.test("Http1Connection.exchange() opens a new socket after one that must close", async () => {
  for (const answer of ["HTTP/1.1 201 X\r\nConnection: close\r\n", "HTTP/1.0 201 X\r\n"]) {
    await using server = new RawServer(() => ({ parts: [`${answer}${NO_BODY}`] }));
    await using connection = await Http1Connection.open({
      dial: () => server.dial(),
      socketsMax: 1,
    });
    const { statuses } = await connection.exchange(blockOf(["/1", "/2"]));
    assertEquals([...statuses], [201, 201]);
    assertEquals(server.connections, 2);
  }
});

Deno.test("Http1Connection.exchange() times out what has no answer and leaves unsent what waits", async () => {
  const clock = new HandClock();
  const asked = Promise.withResolvers<void>();
  await using server = new RawServer(() => {
    asked.resolve();
    return undefined;
  });
  const dial = () => server.dial();
  await using connection = await Http1Connection.open({ dial, socketsMax: 1, clock });
  const answers = connection.exchange(blockOf(["/1", "/2"]));
  await asked.promise;
  clock.fire();
  assertEquals([...(await answers).ends], [TIMED_OUT, UNSENT]);
  assertEquals(connection.inFlight, 0);
});

Deno.test("Http1Connection ends when its idle sockets are closed by the server", async () => {
  await using server = new RawServer(() => ({ parts: [CREATED] }));
  await using connection = await Http1Connection.open({ dial: () => server.dial() });
  await connection.exchange(blockOf(["/1"]));
  server.cut();
  assertEquals(await connection.ended, "closed by the server");
  const { ends } = await connection.exchange(blockOf(["/2"]));
  assertEquals([...ends], [UNSENT]);
  assertEquals(server.requests.length, 1);
});

Deno.test("Http1Connection ends, and leaves requests unsent, when no socket can be opened", async () => {
  const parts = [`HTTP/1.1 201 Created\r\nConnection: close\r\n${NO_BODY}`];
  await using server = new RawServer(() => ({ parts, end: true }));
  let dials = 0;
  const dial = () => ++dials === 1 ? server.dial() : Promise.reject(new Error("no way there"));
  await using connection = await Http1Connection.open({ dial, socketsMax: 1 });
  const { ends, reason } = await connection.exchange(blockOf(["/1", "/2", "/3"]));
  assertEquals([...ends], [ANSWERED, UNSENT, UNSENT]);
  assertEquals(reason, "no way there");
  assertEquals(await connection.ended, "no way there");
});

Deno.test("Http1Connection.open() rejects when no socket can be opened", async () => {
  await using server = new RawServer(() => undefined);
  server.stopListening();
  const port = server.port;
  await assertRejects(
    () => Http1Connection.open({ dial: () => Deno.connect({ hostname: "127.0.0.1", port }) }),
    Error,
  );
});

Deno.test("Http1Connection.close() waits for what has begun, gives back the rest and takes nothing more", async () => {
  await using server = new RawServer(() => ({ parts: [CREATED] }));
  await using connection = await Http1Connection.open({ dial: () => server.dial(), socketsMax: 2 });
  const answers = connection.exchange(blockOf(["/1", "/2", "/3", "/4"]));
  const closed = connection.close();
  assertEquals([...(await connection.exchange(blockOf(["/5"]))).ends], [UNSENT]);
  await closed;
  const { statuses, ends } = await answers;
  assertEquals([...statuses], [201, 201, 0, 0]);
  assertEquals([...ends], [ANSWERED, ANSWERED, UNSENT, UNSENT]);
  assertEquals(await connection.ended, "closed");
});

Deno.test("Http1Connection ends every request at its disposal", async () => {
  const asked = Promise.withResolvers<void>();
  await using server = new RawServer(() => {
    asked.resolve();
    return undefined;
  });
  const connection = await Http1Connection.open({ dial: () => server.dial(), socketsMax: 1 });
  const answers = connection.exchange(blockOf(["/1", "/2"]));
  await asked.promise;
  await connection[Symbol.asyncDispose]();
  assertEquals([...(await answers).ends], [LOST, UNSENT]);
});

Deno.test("Http1Connection.exchange() leaves a block unsent that is too large for it", async () => {
  await using server = new RawServer(() => ({ parts: [CREATED] }));
  await using connection = await Http1Connection.open({ dial: () => server.dial() });
  const { ends } = await connection.exchange(blockOf(new Array(HTTP1_REQUESTS_MAX + 1).fill("/")));
  assertEquals(ends.every((end) => end === UNSENT), true);
  assertEquals([...(await connection.exchange(blockOf(["/"]))).statuses], [201]);
});

Deno.test("Http1Connection.exchange() keeps no more of the answers to a block than it may", async () => {
  const field = `X: ${"x".repeat(15_000)}\r\n`;
  const parts = [`HTTP/1.1 400 Bad\r\n${field}Content-Length: 4096\r\n\r\n${"y".repeat(4_096)}`];
  await using server = new RawServer(() => ({ parts }));
  await using connection = await Http1Connection.open({ dial: () => server.dial() });
  const { ends, details, reason } = await connection.exchange(blockOf(new Array(500).fill("/")));
  const kept = ends.filter((end) => end === ANSWERED).length;
  assertEquals(kept, details.size);
  assertEquals(kept, Math.floor(BLOCK_DETAIL_BYTES_MAX / (1 + 15_000 + 18 + 4_096)));
  assertEquals(ends.filter((end) => end === BAD_ANSWER).length, 500 - kept);
  assertEquals(reason, "answers to one block too long");
});

Deno.test("Http1Connection.exchange() refuses requests that would be two", async () => {
  await using server = new RawServer(() => ({ parts: [CREATED] }));
  await using connection = await Http1Connection.open({ dial: () => server.dial() });
  for (const path of ["/ HTTP/1.1\r\nx: y", "/a b", "x", "/é"]) {
    await assertRejects(() => connection.exchange(blockOf([path])), TypeError);
  }
  const topic = { name: "topic", values: ["a\r\nb: c"] };
  await assertRejects(() => connection.exchange({ ...blockOf(["/"]), fields: [topic] }), TypeError);
  assertEquals(server.requests, []);
});
