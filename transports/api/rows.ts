/**
 * The rows of a streamed body: one JSON value on each line (NDJSON), or CSV with a header (RFC 4180).
 *
 * Invariants: no more than one chunk and one row are held; each row carries its line, from 1; what is
 * wrong with one row concerns that row alone, unless nothing after it can be told apart.
 *
 * @module
 */

import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CsvError, parse } from "csv-parse";
import { quoted } from "../http_door/refusal.ts";
import { parseJson } from "./json_text.ts";
import { LINE_CHARS_MAX } from "./limits.ts";
import { BodyError } from "./request_body.ts";

/** A row, or what is wrong with it. */
export type Row =
  | {
    readonly kind: "row";
    /** The line it begins at. */
    readonly line: number;
    /** What stands there. */
    readonly value: unknown;
    /** Characters it has, about. */
    readonly chars: number;
  }
  | { readonly kind: "wrong"; readonly line: number; readonly message: string };

/** Bytes of a body as they come. */
export type Chunks = AsyncIterable<Uint8Array>;

/** What stands where bytes were no UTF-8. */
const REPLACEMENT = "\ufffd";
const NOT_UTF8 = "not UTF-8, or has the replacement character U+FFFD";

/**
 * Rows of an NDJSON body; empty lines are none.
 *
 * @throws {BodyError} when the body does not come to its end.
 */
export async function* ndjsonRows(chunks: Chunks): AsyncGenerator<readonly Row[], void, void> {
  const decoder = new TextDecoder();
  let rest = "";
  let line = 1;
  let skipping = false;
  const take = (text: string): Row[] => {
    const parts = text.split("\n");
    const rows: Row[] = [];
    const last = parts.length - 1;
    for (const [index, part] of parts.entries()) {
      if (index < last) {
        if (!skipping) rows.push(...ndjsonRow(part, line));
        skipping = false;
        line++;
      } else if (part.length > LINE_CHARS_MAX) {
        if (!skipping) rows.push(tooLong(line));
        skipping = true;
        rest = "";
      } else rest = skipping ? "" : part;
    }
    return rows;
  };
  for await (const chunk of chunks) {
    yield take(rest + decoder.decode(chunk, { stream: true }));
  }
  const end = rest + decoder.decode();
  if (!skipping) yield ndjsonRow(end, line);
}

function ndjsonRow(text: string, line: number): readonly Row[] {
  if (text.length > LINE_CHARS_MAX) return [tooLong(line)];
  if (text.trim() === "") return [];
  if (text.includes(REPLACEMENT)) return [{ kind: "wrong", line, message: NOT_UTF8 }];
  const parsed = parseJson(text);
  return parsed.kind === "value"
    ? [{ kind: "row", line, value: parsed.value, chars: text.length }]
    : [{ kind: "wrong", line, message: `not JSON at column ${parsed.column}` }];
}

function tooLong(line: number): Row {
  return { kind: "wrong", line, message: `longer than ${LINE_CHARS_MAX} characters` };
}

/** Columns of a device in CSV. */
const COLUMNS: readonly string[] = [
  ...["id", "app", "platform", "token", "endpoint", "p256dh", "auth", "user", "tags"],
];

/**
 * Devices of a CSV body: the first line names columns among `id`, `app`, `platform`, `token`, `endpoint`,
 * `p256dh`, `auth`, `user` and `tags`, the tags separated by `;`. An empty cell is an absent field.
 *
 * @throws {BodyError} when the header or the quoting is wrong, or the body does not come to its end.
 */
export async function* csvDevices(chunks: Chunks): AsyncGenerator<readonly Row[], void, void> {
  const parser = parse({
    bom: true,
    columns: header,
    info: true,
    max_record_size: LINE_CHARS_MAX,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  });
  const feeding = pipeline(Readable.from(chunks), parser);
  // A failure comes out of the parser too, where it is read.
  feeding.catch(() => {});
  let line = 2;
  try {
    for await (const parsed of parser) {
      const { record, info } = csvRecord(parsed);
      yield [
        info.columnsFit ? deviceOf(record, line) : {
          kind: "wrong",
          line,
          message: "has another number of cells than the header",
        },
      ];
      line = info.lines + 1;
    }
  } catch (error) {
    if (error instanceof BodyError) throw error;
    if (error instanceof CsvError) throw new BodyError(`CSV at line ${line}: ${csvFault(error)}`);
    throw error;
  }
}

function header(names: readonly string[]): string[] {
  const unknown = names.find((name) => !COLUMNS.includes(name));
  const known = `known are ${COLUMNS.join(", ")}`;
  if (unknown !== undefined) throw new BodyError(`unknown column ${quoted(unknown)}; ${known}`);
  return [...names];
}

/** What the parser said, without the text it quotes. */
function csvFault(error: CsvError): string {
  switch (error.code) {
    case "CSV_MAX_RECORD_SIZE":
      return `longer than ${LINE_CHARS_MAX} characters`;
    case "CSV_QUOTE_NOT_CLOSED":
      return "a quote is not closed";
    default:
      return "a quote stands where none may";
  }
}

/** A record as the library hands it out, checked: its types do not say it. */
function csvRecord(parsed: unknown): {
  readonly record: Readonly<Record<string, string>>;
  readonly info: { readonly lines: number; readonly columnsFit: boolean };
} {
  if (!isRecord(parsed) || !isRecord(parsed["record"]) || !isRecord(parsed["info"])) {
    throw new TypeError("Cannot read a CSV record: not what the parser promises");
  }
  const record: Record<string, string> = {};
  for (const [name, cell] of Object.entries(parsed["record"])) record[name] = String(cell);
  const { lines, error } = parsed["info"];
  return { record, info: { lines: Number(lines), columnsFit: error === undefined } };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function deviceOf(record: Readonly<Record<string, string>>, line: number): Row {
  if (Object.values(record).some((cell) => cell.includes(REPLACEMENT))) {
    return { kind: "wrong", line, message: NOT_UTF8 };
  }
  const { endpoint = "", p256dh = "", auth = "", tags = "", ...rest } = record;
  const plain = Object.fromEntries(Object.entries(rest).filter(([, cell]) => cell !== ""));
  const value = {
    ...plain,
    ...endpoint + p256dh + auth === ""
      ? {}
      : { subscription: { endpoint, keys: { p256dh, auth } } },
    ...tags === ""
      ? {}
      : { tags: tags.split(";").map((tag) => tag.trim()).filter((tag) => tag !== "") },
  };
  const chars = Object.values(record).reduce((sum, cell) => sum + cell.length, 0);
  return { kind: "row", line, value, chars };
}
