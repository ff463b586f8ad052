/**
 * A command against a door that answers as the API does, with a terminal that is looked at and time that
 * is moved.
 *
 * @module
 */

import { assert } from "@std/assert";
import { runClient } from "../../program/commands/run_client.ts";
import type { Screen, World } from "../../program/commands/world.ts";
import { isClientCommand } from "../../transports/command_line/client_command.ts";
import { parseCommandLine } from "../../transports/command_line/parse_command_line.ts";
import { readTextFile } from "../../transports/command_line/read_file.ts";

/** The token of its commands. */
export const TOKEN = "canary-0123456789";

/** An answer as the API refuses. */
export function problem(status: number, detail: string): Response {
  const headers = { "content-type": "application/problem+json" };
  return new Response(JSON.stringify({ status, detail }), { status, headers });
}

/** Makes answers of a value. */
export function json(value: unknown): () => Response {
  return () => Response.json(value);
}

/** What the terminal is. */
export interface StageOptions {
  /** Whether standard error is a terminal of 80 columns. */
  readonly live?: boolean;
  /** Standard output as a terminal, as it is now; it is none when absent. */
  readonly screen?: () => Screen;
  /** What stands in standard input. */
  readonly stdin?: string;
}

/** A door, a terminal and a clock. */
export class Stage implements AsyncDisposable {
  /** What was asked of the door: method, path and body. */
  readonly asked: string[] = [];
  readonly world: World;
  out = "";
  err = "";
  /** How long the command slept, in milliseconds. */
  sleptMs = 0;
  /** Called at each sleep, with how often there was one. */
  onSleep: (times: number) => void = () => {};
  interrupt: () => void = () => {};
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #sleeps = 0;

  /** A door that gives these answers by method and path, several of one path one after the other. */
  constructor(
    answers: Readonly<Record<string, readonly ((request: Request) => Response)[]>>,
    { live, screen, stdin = "" }: StageOptions = {},
  ) {
    const times = new Map<string, number>();
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        const key = `${request.method} ${new URL(request.url).pathname}`;
        this.asked.push(`${key} ${await request.text()}`.trim());
        const at = times.get(key) ?? 0;
        times.set(key, at + 1);
        const list = answers[key] ?? [];
        return (list[at] ?? list.at(-1))?.(request) ?? problem(404, "nothing here");
      },
    );
    this.world = {
      terminal: {
        print: (text) => void (this.out += text),
        report: (text) => void (this.err += text),
        stdout: new WritableStream(),
        stdin: ReadableStream.from(stdin === "" ? [] : [new TextEncoder().encode(stdin)]),
        live: live === true ? { columns: 80, colour: false } : undefined,
        get screen() {
          return screen?.();
        },
      },
      now: () => this.sleptMs,
      wallNow: () => Date.UTC(2030, 0, 1),
      sleep: (ms) => {
        this.sleptMs += ms;
        this.onSleep(++this.#sleeps);
        return Promise.resolve();
      },
      onInterrupt: (callback) => {
        this.interrupt = callback;
        return { [Symbol.dispose]: () => void (this.interrupt = () => {}) };
      },
    };
  }

  /** Runs a command; answers with its exit status. */
  async run(...args: readonly string[]): Promise<number> {
    const env = new Map([
      ["HELIOGRAPH_API_TOKEN", TOKEN],
      ["HELIOGRAPH_API_URL", `http://127.0.0.1:${this.#server.addr.port}`],
    ]);
    const line = parseCommandLine(args, env, readTextFile);
    assert(line.kind === "run", JSON.stringify(line));
    const { command } = line;
    assert(isClientCommand(command.name) && "client" in command);
    return await runClient(command, line.json, this.world);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
