/**
 * The door against hostile, slow and broken clients: the exact verdict for each, and a good client
 * served after every one of them.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ServerResponse } from "node:http";
import { answer, type DoorEvent } from "../../../transports/http_door/http_door.ts";
import { assertServes, echo, GOOD, H, openDoor } from "./echo_door.ts";
import { exchange, RawClient } from "./raw_client.ts";

const POST = `POST /a HTTP/1.1\r\n${H}`;
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;

interface Row {
  readonly name: string;
  readonly sent: string;
  readonly status: number;
  readonly words: string;
}

function row(name: string, sent: string, status: number, words: string): Row {
  return { name, sent, status, words };
}

/** What is refused: the connection ends after the answer. */
const REFUSED: readonly Row[] = [
  row(
    "lower-case method",
    `post /a HTTP/1.1\r\n${H}\r\n`,
    400,
    'method must be upper case, found "post"',
  ),
  row("mixed-case method", `Post /a HTTP/1.1\r\n${H}\r\n`, 400, "method must be upper case"),
  row("unknown method", `BREW /a HTTP/1.1\r\n${H}\r\n`, 400, "not a well-formed"),
  row("no Host", "POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400, "missing Host header"),
  row(
    "no Host in HTTP/1.0",
    "POST /a HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
    400,
    "missing Host header",
  ),
  row("two Hosts", `${POST}Host: localhost\r\n\r\n`, 400, "Host given twice"),
  row("two Hosts, two cases", `${POST}hOST: other\r\n\r\n`, 400, "Host given twice"),
  row("empty Host", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", 400, "unknown host"),
  row("Host with a path", "GET /a HTTP/1.1\r\nHost: localhost/a\r\n\r\n", 400, "unknown host"),
  row("Host with a user", "GET /a HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 400, "unknown host"),
  row("Host list", "GET /a HTTP/1.1\r\nHost: localhost, other\r\n\r\n", 400, "unknown host"),
  row(
    "foreign Host",
    "GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    421,
    'unknown host "evil.example"',
  ),
  row(
    "foreign Host that begins well",
    "GET /a HTTP/1.1\r\nHost: localhost.evil\r\n\r\n",
    421,
    "unknown host",
  ),
  row("foreign address", "GET /a HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n", 421, "unknown host"),
  row(
    "Content-Length and chunked",
    `${POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    "exclude each other",
  ),
  row(
    "chunked and Content-Length",
    `${POST}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
    400,
    "exclude each other",
  ),
  row(
    "two equal Content-Lengths",
    `${POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
    400,
    "Content-Length given twice",
  ),
  row(
    "two Content-Lengths",
    `${POST}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
    400,
    "Content-Length given twice",
  ),
  row("Content-Length list", `${POST}Content-Length: 3, 3\r\n\r\nabc`, 400, 'found "3, 3"'),
  row("Content-Length -1", `${POST}Content-Length: -1\r\n\r\n`, 400, 'found "-1"'),
  row("Content-Length +3", `${POST}Content-Length: +3\r\n\r\nabc`, 400, 'found "+3"'),
  row("Content-Length 0x3", `${POST}Content-Length: 0x3\r\n\r\nabc`, 400, 'found "0x3"'),
  row(
    "Content-Length 10^25",
    `${POST}Content-Length: 1${"0".repeat(25)}\r\n\r\nabc`,
    400,
    "Content-Length must be",
  ),
  row("empty Content-Length", `${POST}Content-Length:\r\n\r\nabc`, 400, 'found ""'),
  row(
    "gzip, chunked",
    `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    400,
    'must be chunked, found "gzip, chunked"',
  ),
  row(
    "chunked, identity",
    `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    400,
    "Transfer-Encoding",
  ),
  row(
    "chunked twice",
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    "Transfer-Encoding",
  ),
  row("xchunked", `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400, "Transfer-Encoding"),
  row(
    "chunked in HTTP/1.0",
    `POST /a HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    "needs HTTP/1.1",
  ),
  row("chunk size in letters", `${CHUNKED}zz\r\nabc\r\n0\r\n\r\n`, 400, "chunk"),
  row("chunk size of 17 digits", `${CHUNKED}ffffffffffffffff0\r\nabc\r\n0\r\n\r\n`, 400, "chunk"),
  row("negative chunk size", `${CHUNKED}-3\r\nabc\r\n0\r\n\r\n`, 400, "chunk"),
  row(
    "bare line feeds",
    "POST /a HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n",
    400,
    "not a well-formed",
  ),
  row(
    "one bare line feed",
    "POST /a HTTP/1.1\r\nHost: localhost\nContent-Length: 0\r\n\r\n",
    400,
    "not a well-formed",
  ),
  row("bare carriage return in a value", `${POST}X: a\rb\r\n\r\n`, 400, "not a well-formed"),
  row("NUL in a value", `${POST}X: a\0b\r\n\r\n`, 400, "not a well-formed"),
  row("folded header", `${POST}X: a\r\n b\r\n\r\n`, 400, "not a well-formed"),
  row("space before the colon", `${POST}X : a\r\n\r\n`, 400, "not a well-formed"),
  row("no header name", `${POST}: a\r\n\r\n`, 400, "not a well-formed"),
  row(
    "absolute target",
    `POST http://localhost/a HTTP/1.1\r\n${H}\r\n`,
    400,
    "request target must be a path",
  ),
  row("target without slash", `POST abc HTTP/1.1\r\n${H}\r\n`, 400, "not a well-formed"),
  row(
    "target with fragment",
    `POST /a#b HTTP/1.1\r\n${H}\r\n`,
    400,
    "request target must be a path",
  ),
  row("NUL in the target", `POST /a\0b HTTP/1.1\r\n${H}\r\n`, 400, "not a well-formed"),
  row("UTF-8 in the target", `POST /\xc3\xa9 HTTP/1.1\r\n${H}\r\n`, 400, "not a well-formed"),
  row("HTTP/0.9", "GET /a\r\n\r\n", 505, "HTTP version must be 1.1"),
  row("HTTP/1.9", `POST /a HTTP/1.9\r\n${H}\r\n`, 505, "HTTP version must be 1.1"),
  row("HTTP/2.0", `POST /a HTTP/2.0\r\n${H}\r\n`, 505, "HTTP version must be 1.1"),
  row("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/2 preface"),
  row("CONNECT", `CONNECT localhost:1 HTTP/1.1\r\n${H}\r\n`, 405, "CONNECT is not served here"),
  row(
    "unknown expectation",
    `${POST}Expect: pony\r\nContent-Length: 0\r\n\r\n`,
    417,
    "only 100-continue",
  ),
  row("header of 64 KiB", `${POST}X: ${"a".repeat(65_536)}\r\n\r\n`, 431, "larger than 16384"),
  row("200 headers", `${POST}${"X: y\r\n".repeat(199)}\r\n`, 431, "more than 100 headers"),
  row("101 headers", `${POST}${"X: y\r\n".repeat(100)}\r\n`, 431, "more than 100 headers"),
  row("URL of 70 KiB", `POST /${"a".repeat(71_679)} HTTP/1.1\r\n${H}\r\n`, 414, "at most 8192"),
  row("URL of 8193", `POST /${"a".repeat(8_192)} HTTP/1.1\r\n${H}\r\n`, 414, "found 8193"),
  row("TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "not a well-formed"),
  row(
    "escape characters in the Host",
    "GET /a HTTP/1.1\r\nHost: \xe2\x80\xae\r\n\r\n",
    400,
    "unknown host",
  ),
];

Deno.test("HttpDoor refuses hostile requests, each with its verdict, and goes on serving", async (t) => {
  await using door = await openDoor();
  for (const { name, sent, status, words } of REFUSED) {
    await t.step(`${name} => ${status} ${words}`, async () => {
      const found = await exchange(door.port, sent);
      assertEquals(found.status, status, found.body);
      assertStringIncludes(found.body, words);
      assertMatch(found.body, /^[\x20-\x7e…]+\n$/);
      assert(found.ended);
      await assertServes(door);
    });
  }
});

/** What is unusual and fine. */
const SERVED: readonly Row[] = [
  row("chunked body", `${CHUNKED}3\r\nabc\r\n0\r\n\r\n`, 200, "POST /a 3"),
  row(
    "Chunked in capitals",
    `${POST}Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    200,
    "POST /a 3",
  ),
  row(
    "chunk extension and trailer",
    `${CHUNKED}3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n`,
    200,
    "POST /a 3",
  ),
  row(
    "empty lines before the request",
    `\r\n\r\n${POST}Content-Length: 0\r\n\r\n`,
    200,
    "POST /a 0",
  ),
  row(
    "body at the limit",
    `${POST}Content-Length: 100\r\n\r\n${"a".repeat(100)}`,
    200,
    "POST /a 100",
  ),
  row(
    "declared above the limit",
    `${POST}Content-Length: 101\r\n\r\n${"a".repeat(101)}`,
    413,
    "too large: 101",
  ),
  row(
    "chunked above the limit",
    `${CHUNKED}65\r\n${"a".repeat(101)}\r\n0\r\n\r\n`,
    413,
    "too large: undefined",
  ),
  row(
    "upgrade offer",
    `${POST}Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc`,
    200,
    "POST /a 3",
  ),
  row("OPTIONS *", `OPTIONS * HTTP/1.1\r\n${H}\r\n`, 200, "OPTIONS * 0"),
  row("100 headers", `${POST}${"X: y\r\n".repeat(99)}\r\n`, 200, "POST /a 0"),
  row("URL of 8192", `POST /${"a".repeat(8_191)} HTTP/1.1\r\n${H}\r\n`, 200, "aaa 0"),
  row("Host in capitals", "GET /a HTTP/1.1\r\nHost: LOCALHOST:1\r\n\r\n", 200, "GET /a 0"),
  row("Host with a final dot", "GET /a HTTP/1.1\r\nHost: localhost.\r\n\r\n", 200, "GET /a 0"),
  row(
    "Host is another loopback address",
    "GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    200,
    "GET /a 0",
  ),
  row("Host is configured", "GET /a HTTP/1.1\r\nHost: Push.Example\r\n\r\n", 200, "GET /a 0"),
];

Deno.test("HttpDoor serves what is unusual and allowed", async (t) => {
  await using door = await openDoor({ allowedHosts: ["push.example:8443"] });
  for (const { name, sent, status, words } of SERVED) {
    await t.step(`${name} => ${status} ${words}`, async () => {
      const found = await exchange(door.port, sent);
      assertEquals(found.status, status, found.body);
      assertStringIncludes(found.body, words);
      await assertServes(door);
    });
  }
});

Deno.test("HttpDoor serves HTTP/1.0 and ends the connection", async () => {
  await using door = await openDoor();
  const found = await exchange(door.port, `GET /a HTTP/1.0\r\n${H}\r\n`);
  assertEquals([found.status, found.body, found.ended], [200, "GET /a 0", true]);
});

Deno.test("HttpDoor keeps a connection and answers pipelined requests in order", async () => {
  await using door = await openDoor();
  using client = await RawClient.open(door.port);
  await client.write(
    Array.from({ length: 5 }, (_, i) => `GET /${i} HTTP/1.1\r\n${H}\r\n`).join(""),
  );
  for (let i = 0; i < 5; i++) assertEquals((await client.read()).body, `GET /${i} 0`);
  await client.write(GOOD);
  assertEquals((await client.read()).body, "POST /good 3");
});

Deno.test("HttpDoor refuses more than 64 requests at the same time on one connection", async () => {
  const waiting: ServerResponse[] = [];
  await using door = await openDoor({
    handle: (_request, response) => {
      waiting.push(response);
      if (waiting.length === 64) {
        queueMicrotask(() => waiting.forEach((each) => answer(each, 200, {}, "late")));
      }
    },
  });
  using client = await RawClient.open(door.port);
  await client.write(`GET /a HTTP/1.1\r\n${H}\r\n`.repeat(65));
  for (let i = 0; i < 64; i++) assertEquals((await client.read()).status, 200);
  const last = await client.read();
  assertEquals([last.status, last.ended], [429, true]);
  assertEquals(waiting.length, 64);
});

Deno.test("HttpDoor answers what it accepted before it refuses garbage behind it", async () => {
  const released = Promise.withResolvers<void>();
  await using door = await openDoor({
    handle: async (_request, response) => {
      await released.promise;
      answer(response, 201, {}, "");
    },
    onEvent: () => released.resolve(),
  });
  using client = await RawClient.open(door.port);
  await client.write(`GET /a HTTP/1.1\r\n${H}\r\ngarbage\r\n\r\n`);
  assertEquals((await client.read()).status, 201);
  const refused = await client.read();
  assertEquals([refused.status, refused.ended], [400, true]);
});

const SHORT = { headersMs: 60, requestMs: 120, keepAliveMs: 60 };

const SLOW: readonly Row[] = [
  row("nothing", "", 408, "in time"),
  row("half a header", `POST /a HTTP/1.1\r\nHo`, 408, "in time"),
  row("half a body", `${POST}Content-Length: 100\r\n\r\n0123456789`, 408, "in time"),
  row("half a chunk", `${CHUNKED}64\r\n0123456789`, 408, "in time"),
];

Deno.test("HttpDoor cuts slow and silent clients with 408", async (t) => {
  const events: DoorEvent[] = [];
  await using door = await openDoor({ timeouts: SHORT, onEvent: (event) => events.push(event) });
  for (const { name, sent, status, words } of SLOW) {
    await t.step(name, async () => {
      const found = await exchange(door.port, sent);
      assertEquals([found.status, found.ended], [status, true]);
      assertStringIncludes(found.body, words);
      await assertServes(door);
    });
  }
  assertEquals(events.map((event) => event.kind), SLOW.map(() => "refused"));
});

Deno.test("HttpDoor cuts a connection that idles, and one that stops within its second request", async () => {
  await using door = await openDoor({ timeouts: { ...SHORT, keepAliveMs: 1 } });
  using idle = await RawClient.open(door.port);
  await idle.write(GOOD);
  assertEquals((await idle.read()).status, 200);
  assertEquals((await idle.read()).ended, true);
  using half = await RawClient.open(door.port);
  await half.write(GOOD);
  assertEquals((await half.read()).status, 200);
  await half.write("POST /a HT");
  const found = await half.read();
  assertEquals([found.status, found.ended], [408, true]);
});

Deno.test("HttpDoor answers 500 for a handler that throws or rejects, and tells", async () => {
  const events: DoorEvent[] = [];
  await using door = await openDoor({
    handle: (request, response) => {
      if (request.url === "/throws") throw new Error("secret");
      if (request.url === "/rejects") return Promise.reject(new Error("secret"));
      return echo(request, response);
    },
    onEvent: (event) => events.push(event),
  });
  for (const path of ["/throws", "/rejects"]) {
    const found = await exchange(door.port, `GET ${path} HTTP/1.1\r\n${H}\r\n`);
    assertEquals([found.status, found.body], [500, "internal error\n"]);
    await assertServes(door);
  }
  assertEquals(events.filter((event) => event.kind === "handler_failed").length, 2);
});

Deno.test("HttpDoor sends 100 Continue only when the body is wanted", async () => {
  await using door = await openDoor();
  const expecting = (bytes: number) =>
    `${POST}Expect: 100-continue\r\nContent-Length: ${bytes}\r\n\r\n`;
  using wanted = await RawClient.open(door.port);
  await wanted.write(expecting(3));
  assertEquals((await wanted.read()).status, 100);
  await wanted.write("abc");
  assertEquals((await wanted.read()).body, "POST /a 3");
  await wanted.write(GOOD);
  assertEquals((await wanted.read()).body, "POST /good 3");
  const unwanted = await exchange(door.port, expecting(101));
  assertEquals([unwanted.status, unwanted.ended], [413, true]);
});

Deno.test("HttpDoor lets a sender of a body far too large read its answer", async () => {
  await using door = await openDoor();
  const bytes = 900_000;
  const found = await exchange(
    door.port,
    `${POST}Content-Length: ${bytes}\r\n\r\n${"a".repeat(bytes)}`,
  );
  assertEquals([found.status, found.body], [413, `too large: ${bytes}`]);
});

Deno.test("HttpDoor cuts a body without end", async () => {
  await using door = await openDoor();
  using client = await RawClient.open(door.port);
  await client.write(`${POST}Content-Length: 999999999\r\n\r\n${"a".repeat(3_000_000)}`);
  await client.read();
  assertEquals((await client.read()).ended, true);
  await assertServes(door);
});
