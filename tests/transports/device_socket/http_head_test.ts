import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { HeadScanner, parseHead } from "../../../transports/device_socket/http_head.ts";

const LIMITS = { headBytesMax: 16_384, headerFieldsMax: 100 };
const HOST = "Host: push.example\r\n";

/** Reads a head that arrives in portions: `"incomplete"`, the refusal, or what it is. */
function read(text: string, portion = text.length): string {
  const bytes = new TextEncoder().encode(text);
  const scanner = new HeadScanner(LIMITS);
  for (let end = 0; end < bytes.length;) {
    end = Math.min(bytes.length, end + portion);
    const scan = scanner.scan(bytes, end);
    if (scan.kind === "refused") return `${scan.problem.status} ${scan.problem.message}`;
    if (scan.kind === "complete") {
      const head = parseHead(bytes.subarray(0, scan.headBytes));
      if ("status" in head) return `${head.status} ${head.message}`;
      return `${head.method} ${head.path} ${head.version} ${head.fields.size}`;
    }
  }
  return "incomplete";
}

const HEADS: readonly (readonly [name: string, text: string, expected: string])[] = [
  ["a usual one", `GET / HTTP/1.1\r\n${HOST}A: b\r\n\r\n`, "GET / 1.1 2"],
  ["one with a query", `GET /status?x=/y HTTP/1.1\r\n${HOST}\r\n`, "GET /status 1.1 1"],
  ["HTTP/1.0 without Host", "GET /status HTTP/1.0\r\n\r\n", "GET /status 1.0 0"],
  ["an empty value", `GET / HTTP/1.1\r\n${HOST}A:\r\n\r\n`, "GET / 1.1 2"],
  ["Content-Length 0", `GET / HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`, "GET / 1.1 2"],
  ["a cut one", `GET / HTTP/1.1\r\n${HOST}\r`, "incomplete"],
  ["an empty first line", `\r\nGET / HTTP/1.1\r\n${HOST}\r\n`, "400 empty request line"],
  ["bare LF", `GET / HTTP/1.1\n${HOST}\r\n`, "400 lines must end with CR LF"],
  [
    "bare CR",
    `GET / HTTP/1.1\r\n${HOST}A: b\rC: d\r\n\r\n`,
    "400 lines must end with CR LF",
  ],
  ["NUL", `GET / HTTP/1.1\r\n${HOST}A: \0\r\n\r\n`, "400 control character 0 in the head"],
  ["DEL", `GET / HTTP/1.1\r\n${HOST}A: \x7f\r\n\r\n`, "400 control character 127 in the head"],
  ["TLS", "\x16\x03\x01\x02\x00", "400 control character 22 in the head"],
  [
    "a lower-case method",
    `get / HTTP/1.1\r\n${HOST}\r\n`,
    "400 method must be upper case",
  ],
  [
    "an absolute target",
    `GET http://push.example/ HTTP/1.1\r\n${HOST}\r\n`,
    "400 request target must begin with /",
  ],
  ["two spaces", `GET  / HTTP/1.1\r\n${HOST}\r\n`, "400 request line is not METHOD PATH HTTP/1.1"],
  ["HTTP/0.9", "GET /\r\n\r\n", "400 request line is not METHOD PATH HTTP/1.1"],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\n", "400 request line is not METHOD PATH HTTP/1.1"],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", "400 Host is missing"],
  ["two Hosts", `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, "400 Host given twice"],
  ["an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400 Host is not a host name"],
  ["a path as Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 Host is not a host name"],
  [
    "a space before the colon",
    `GET / HTTP/1.1\r\n${HOST}A : b\r\n\r\n`,
    "400 header field 2 is not NAME: VALUE",
  ],
  [
    "a folded line",
    `GET / HTTP/1.1\r\n${HOST}A: b\r\n c\r\n\r\n`,
    "400 header field 3 is not NAME: VALUE",
  ],
  [
    "a body",
    `GET / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`,
    "400 Content-Length: a body is not accepted",
  ],
  [
    "two lengths",
    `GET / HTTP/1.1\r\n${HOST}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`,
    "400 Content-Length: a body is not accepted",
  ],
  [
    "chunks",
    `GET / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`,
    "400 Transfer-Encoding: a body is not accepted",
  ],
  [
    "100 fields",
    `GET / HTTP/1.1\r\n${HOST}${"A: b\r\n".repeat(99)}\r\n`,
    "GET / 1.1 2",
  ],
  [
    "101 fields",
    `GET / HTTP/1.1\r\n${HOST}${"A: b\r\n".repeat(100)}\r\n`,
    "431 over 100 header fields",
  ],
  [
    "16,384 bytes",
    `GET / HTTP/1.1\r\n${HOST}A: ${"b".repeat(16_384 - 16 - HOST.length - 7)}\r\n\r\n`,
    "GET / 1.1 2",
  ],
  [
    "16,385 bytes",
    `GET / HTTP/1.1\r\n${HOST}A: ${"b".repeat(16_385 - 16 - HOST.length - 7)}\r\n\r\n`,
    "431 head over 16384 bytes",
  ],
];

for (const [name, text, expected] of HEADS) {
  Deno.test(`a request head: ${name} => ${expected}`, () => {
    assertEquals(read(text), expected);
    assertEquals(read(text, 1), expected);
  });
}

Deno.test("a request head of any bytes is read or refused, the same in any portions", () => {
  const line = fc.oneof(
    fc.constantFrom("Host: a", "A: b", "", " ", ":", "Host", "Content-Length: 0", "Ä: ö"),
    fc.string({ maxLength: 20 }),
  );
  fc.assert(fc.property(fc.array(line, { maxLength: 6 }), fc.nat(8), (lines, portion) => {
    const text = ["GET / HTTP/1.1", ...lines, "", ""].join("\r\n");
    assertEquals(read(text), read(text, portion + 1));
  }));
});
