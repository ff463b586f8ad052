/**
 * `devices`: streams in and out, lists and removals.
 *
 * @module
 */

import type { ImportProgress, ImportResult } from "../../transports/api_client/answers.ts";
import type { Bytes } from "../../transports/api_client/api_client.ts";
import type { CommandOf } from "../../transports/command_line/client_command.ts";
import { LINE_PROBLEMS_MAX, PAGE_DEVICES } from "../../transports/command_line/limits.ts";
import { LiveLines } from "../../transports/command_line/live_lines.ts";
import { RateMeter } from "../../transports/command_line/progress.ts";
import { fileCause } from "../../transports/command_line/read_file.ts";
import { grouped, percent, showSpan } from "../../transports/command_line/shown_number.ts";
import { cell, table } from "../../transports/command_line/table.ts";
import { escapeInvisible, quote } from "../../transports/command_line/visible_text.ts";
import { StartError } from "../start_error.ts";
import { apiError, openClient } from "./api_access.ts";
import type { World } from "./world.ts";

const LINE_FEED = 10;

/** Milliseconds between two lines of progress without a terminal. */
const LINE_MS = 1_000;

/** A file of rows on its way to the node. */
export interface RowsFile {
  /** Its bytes. */
  readonly bytes: Bytes;
  /** Its size; `undefined` when it has no end that is known. */
  readonly size: number | undefined;
  /** Bytes that were taken from it. */
  read(): number;
  /** Line feeds among them, where rows are lines: what was taken may still be on its way. */
  readonly lines?: () => number;
}

/**
 * Opens a file of rows, or standard input for `-`.
 *
 * @throws {StartError} when it cannot be opened.
 */
export async function openRows(path: string, option: string, world: World): Promise<RowsFile> {
  const { stream, size } = path === "-"
    ? { stream: world.terminal.stdin, size: undefined }
    : await openFile(path, option);
  let read = 0;
  let lines = 0;
  const counted = stream.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(part, controller) {
        read += part.length;
        for (let at = part.indexOf(LINE_FEED); at >= 0; at = part.indexOf(LINE_FEED, at + 1)) {
          lines++;
        }
        controller.enqueue(part);
      },
    }),
  );
  return { bytes: counted, size, read: () => read, lines: () => lines };
}

async function openFile(path: string, option: string) {
  try {
    const file = await Deno.open(path);
    const { isFile, isDirectory, size } = await file.stat();
    if (isDirectory) {
      file.close();
      throw new Deno.errors.IsADirectory(path);
    }
    return { stream: file.readable, size: isFile ? size : undefined };
  } catch (error) {
    const shown = quote(path, 60);
    throw new StartError(`${option}: ${shown} ${fileCause(error)}. Give the name of a file`, 2);
  }
}

/** Shows how far a stream of rows is, drawn in place on a terminal, else a line a second. */
export class RowsProgress {
  readonly #world: World;
  readonly #rows: RowsFile;
  readonly #live: LiveLines;
  readonly #meter = new RateMeter();
  #shownAt = -Infinity;

  /** Progress of these rows; nothing is shown before the first answer. */
  constructor(rows: RowsFile, world: World) {
    this.#rows = rows;
    this.#world = world;
    this.#live = new LiveLines((text) => world.terminal.report(text));
    this.#meter.add(world.now(), 0);
  }

  /** Shows what the node said. */
  show({ imported, failed }: ImportProgress): void {
    const now = this.#world.now();
    this.#meter.add(now, imported + failed);
    const { live } = this.#world.terminal;
    if (now - this.#shownAt < (live === undefined ? LINE_MS : LINE_MS / 4)) return;
    this.#shownAt = now;
    const text = this.#text(imported, failed);
    if (live === undefined) this.#world.terminal.report(`${text}\n`);
    else this.#live.draw([text.slice(0, live.columns)]);
  }

  /** Removes what was drawn in place. */
  end(): void {
    if (this.#world.terminal.live !== undefined) this.#live.draw([]);
  }

  #text(imported: number, failed: number): string {
    const { size, lines } = this.#rows;
    const sent = lines?.() ?? 0;
    const arrived = sent === 0 ? 1 : Math.min(1, (imported + failed) / sent);
    const done = arrived * this.#rows.read();
    const bar = size === undefined ? "" : `${barText(percent(done, size))}  `;
    return `${bar}${grouped(imported)} rows taken, ${grouped(failed)} wrong, ` +
      `${grouped(this.#meter.perSecond())}/s`;
  }
}

function barText(done: number): string {
  const filled = Math.floor(done / 5);
  return `${`${done}`.padStart(3)}%  ${"█".repeat(filled)}${"░".repeat(20 - filled)}`;
}

/** The first problems of a file, a line each, and what ended it early. */
export function rowProblems({ failed, problems, broken }: ImportResult): string {
  const told = problems.toSorted((a, b) => a.line - b.line).slice(0, LINE_PROBLEMS_MAX);
  const lines = told.map(({ line, path, message }) =>
    `line ${line}: ${path === "" ? message : `${path}: ${message}`}`
  );
  const more = failed - new Set(told.map(({ line }) => line)).size;
  if (more > 0) lines.push(`and ${grouped(more)} more wrong lines`);
  if (broken !== undefined) lines.push(`not read to its end: ${broken}`);
  return lines.map((line) => `heliograph: ${escapeInvisible(line)}.\n`).join("");
}

/** `devices import`: registers the devices of a file; exit 1 when a line was wrong. */
export async function importDevices(
  { client, file, app, platform, format }: CommandOf<"devices_import">,
  json: boolean,
  world: World,
): Promise<number> {
  const { terminal } = world;
  const api = openClient(client);
  const rows = await openRows(file, "FILE", world);
  const progress = new RowsProgress(rows, world);
  const startedAt = world.now();
  const result = await api.importDevices(rows.bytes, { app, platform, format }, (answer) => {
    if (!json) progress.show(answer);
  });
  if (!json) progress.end();
  if (result.kind === "failed") {
    throw apiError(result.failure, client, (path) => path === "app" ? "--app" : undefined);
  }
  const { imported, failed, broken } = result.value;
  if (json) terminal.print(`${JSON.stringify({ ...result.value, done: broken === undefined })}\n`);
  else {
    terminal.report(rowProblems(result.value));
    terminal.print(
      `Imported ${grouped(imported)} device${imported === 1 ? "" : "s"}, ` +
        `${grouped(failed)} wrong, in ${showSpan(world.now() - startedAt)}.\n`,
    );
  }
  return failed === 0 && broken === undefined ? 0 : 1;
}

/** `devices export`: an app's devices as NDJSON. A reader that has enough ends it. */
export async function exportDevices(
  { client, app }: CommandOf<"devices_export">,
  { terminal }: World,
): Promise<number> {
  const result = await openClient(client).exportDevices(app);
  if (result.kind === "failed") throw apiError(result.failure, client);
  try {
    await result.value.pipeTo(terminal.stdout, { preventClose: true });
    return 0;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    const reason = error instanceof Error ? error.message : "";
    throw new StartError(`devices export: broke off before its end: ${reason}`, 1);
  }
}

/** `devices list`: a table of the first devices that fit. */
export async function listDevices(
  { client, app, user, tag, state, limit }: CommandOf<"devices_list">,
  json: boolean,
  { terminal }: World,
): Promise<number> {
  const api = openClient(client);
  const rows: (readonly string[])[] = [];
  let after: string | undefined;
  let left = limit;
  do {
    const query = { app, user, tag, state, after, limit: Math.min(left, PAGE_DEVICES) };
    const result = await api.devices(query);
    if (result.kind === "failed") throw apiError(result.failure, client);
    const { devices, next } = result.value;
    for (const device of devices) {
      if (json) terminal.print(`${JSON.stringify(device)}\n`);
      else {
        const { id, platform, state, user, tags, registeredAt, address } = device;
        const cells = [id, platform, state, user ?? "", tags.join(" "), registeredAt, address];
        rows.push(cells.map((text) => cell(text, CELL_CHARS_MAX)));
      }
    }
    left -= devices.length;
    after = next ?? undefined;
  } while (after !== undefined && left > 0);
  if (json) return 0;
  const header = ["id", "platform", "state", "user", "tags", "registered", "token or endpoint"];
  const more = after === undefined ? "" : "\nThere are more: --limit N, or devices export.\n";
  terminal.print(rows.length === 0 ? "No devices.\n" : `${table([header, ...rows])}\n${more}`);
  return 0;
}

/** Characters of one cell of the list: a UUID fits. */
const CELL_CHARS_MAX = 36;

/** `devices remove`. */
export async function removeDevice(
  { client, device }: CommandOf<"devices_remove">,
  json: boolean,
  { terminal }: World,
): Promise<number> {
  const result = await openClient(client).removeDevice(device);
  if (result.kind === "failed") throw apiError(result.failure, client);
  terminal.print(json ? `${JSON.stringify({ removed: device })}\n` : `Removed ${device}.\n`);
  return 0;
}
