import { assertEquals, assertRejects } from "@std/assert";
import { serverSentEvents } from "../../../transports/api_client/event_stream.ts";
import { LineTooLongError } from "../../../transports/api_client/lines.ts";

/** The events of a text that comes in parts of so many bytes, as `type id data`. */
async function events(text: string, partBytes: number, charsMax = 1_000): Promise<string[]> {
  const bytes = new TextEncoder().encode(text);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length; at += partBytes) parts.push(bytes.slice(at, at + partBytes));
  const seen: string[] = [];
  for await (const event of serverSentEvents(ReadableStream.from(parts), charsMax)) {
    seen.push(`${event.type} ${event.lastEventId} ${event.data}`);
  }
  return seen;
}

for (
  const [title, text, expected] of [
    ["data of several lines", "data: YHOO\ndata: +2\ndata: 10\n\n", ["message  YHOO\n+2\n10"]],
    [
      "comments, ids, and an id that is taken back",
      ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
      ["message 1 first event", "message  second event", "message   third event"],
    ],
    [
      "an event without data, one with empty data, and one that is cut off",
      "data\n\ndata\ndata\n\ndata:",
      ["message  ", "message  \n"],
    ],
    ["one space after the colon, and no more", "data:test\n\ndata: test\n\n", [
      "message  test",
      "message  test",
    ]],
    ["names, which are of one event only", "event: bar\ndata: 1\n\ndata: 2\n\n", [
      "bar  1",
      "message  2",
    ]],
    ["an event of which only the name came", "event: bar\n\ndata: 2\n\n", ["message  2"]],
    ["an id that stays", "id: 7\ndata: 1\n\ndata: 2\n\n", ["message 7 1", "message 7 2"]],
    ["no id with a NUL", "id: 7\nid: 8\u0000\ndata: 1\n\n", ["message 7 1"]],
    ["lines ended by CR", "event: bar\rdata: 1\r\rdata: 2\r\r", ["bar  1", "message  2"]],
    ["lines ended by both", "event: bar\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", [
      "bar  1",
      "message  2",
    ]],
    ["a byte order mark", "\ufeffdata: 1\n\n", ["message  1"]],
    ["fields it does not know", "retry: 2000\nfoo: 1\nfoo\ndata: a:b\n\n", ["message  a:b"]],
    ["characters of several bytes", "data: é…😀\n\n", ["message  é…😀"]],
    ["nothing", "", []],
    ["an event that the end cuts off", "data: 1\n", []],
  ] as const
) {
  Deno.test(`serverSentEvents() reads ${title}, wherever the reads break`, async () => {
    for (const partBytes of [1, 2, 3, 1_000]) {
      assertEquals(await events(text, partBytes), [...expected], `parts of ${partBytes}`);
    }
  });
}

for (
  const [title, text] of [
    ["a line", "data: 12345\n\n"],
    ["a line without end", ":".repeat(11)],
    ["data of many lines", "data: 1\n".repeat(6)],
  ] as const
) {
  Deno.test(`serverSentEvents() gives up on ${title} that is too long`, async () => {
    for (const partBytes of [1, 1_000]) {
      await assertRejects(() => events(text, partBytes, 10), LineTooLongError, "more than 10");
    }
  });
}
