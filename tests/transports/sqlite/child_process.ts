/**
 * Starts `child.ts` with the least permissions the store needs, inside whatever wraps it.
 *
 * @module
 */

const ROOT = new URL("../../../", import.meta.url).pathname;

/** How a child is started. */
export interface ChildOptions {
  /** Scenario, directory and further arguments of `child.ts`. */
  readonly args: readonly string[];
  /** Folders the child may read and write. */
  readonly folders: readonly string[];
  /** A command that runs the child, such as a tracer, with its arguments. */
  readonly wrapper?: readonly string[];
  /** The child's module; `child.ts` when absent. */
  readonly child?: string;
}

/** The whole command line of a child. */
export function childCommand(
  { args, folders, wrapper = [], child = "./child.ts" }: ChildOptions,
): readonly string[] {
  return [
    ...wrapper,
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    // The module of the writer's thread is read again when the thread starts.
    `--allow-read=${[...folders, `${ROOT}transports`].join()}`,
    `--allow-write=${folders.join()}`,
    new URL(child, import.meta.url).pathname,
    ...args,
  ];
}

/** Starts a child whose standard output is read line by line. */
export function startChild(options: ChildOptions): Deno.ChildProcess {
  const [program = "", ...args] = childCommand(options);
  return new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "inherit" })
    .spawn();
}

/** Runs a child to its end and gives back the lines it printed. */
export async function runChild(options: ChildOptions): Promise<readonly string[]> {
  const [program = "", ...args] = childCommand(options);
  const command = new Deno.Command(program, { args, stdin: "null", stderr: "inherit" });
  const { stdout } = await command.output();
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

/** The complete lines of a stream, also of one that ends in the middle of a line. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** Runs a command as root of a user and mount name space of its own. */
export const NAME_SPACE: readonly string[] = ["unshare", "--user", "--map-root-user", "--mount"];

/**
 * Whether the system lets a process have name spaces; some containers do not. What is tested inside
 * them is then skipped, as the report of the tests says.
 */
export const hasNameSpaces: boolean = runs([...NAME_SPACE, "true"]);

function runs([program = "", ...args]: readonly string[]): boolean {
  return new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;
}

/** A folder that is removed in the end. */
export class TemporaryFolder implements AsyncDisposable {
  /** Its absolute path. */
  readonly path: string = Deno.makeTempDirSync({ prefix: "heliograph_store_" });

  /** Removes the folder. */
  [Symbol.asyncDispose](): Promise<void> {
    return Deno.remove(this.path, { recursive: true });
  }
}
