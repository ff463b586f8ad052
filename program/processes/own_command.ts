/**
 * How this process was started, so that it can start others like it: the same program with the same
 * permissions, flags of V8 and arguments.
 *
 * The runtime tells a program its arguments, not its flags, and the kernel's record of them
 * (`/proc/<pid>/cmdline`, proc(5)) is only for programs with all permissions. One that may run the
 * runtime can have it read: so `--allow-run=deno` is all this takes.
 *
 * Permissions are the ones an operator wrote down, denials included, because they are copied and not
 * guessed; only the permission to run programs is left out, since a child runs none.
 *
 * @module
 */

import { messageOf, StartError } from "../start_error.ts";
import type { ChildCommand } from "./child_handle.ts";

/** What the flags that allow to run programs look like; `--allow-all` stays what it is. */
const RUN_FLAG = /^--allow-run(=|$)/;

/**
 * The command that starts another process like this one.
 *
 * @throws {StartError} When the permission to run the runtime is missing, or the system keeps no
 *   record of command lines.
 */
export async function ownCommand(): Promise<ChildCommand> {
  const program = await ownProgram();
  if (Deno.build.standalone) return { program, args: [...Deno.args] };
  const words = await recordedWords(program);
  return { program, args: childArgs(words, Deno.args) };
}

/**
 * The arguments of a child.
 *
 * @param words The command line of this process, its program first.
 * @param own The arguments of the program in it, which come last.
 * @throws {StartError} When the one does not end with the other.
 */
export function childArgs(words: readonly string[], own: readonly string[]): readonly string[] {
  const flags = words.slice(1, words.length - own.length);
  const rest = words.slice(words.length - own.length);
  if (flags.length === 0 || rest.some((word, index) => word !== own[index])) {
    throw unknownCommand("it does not end with the arguments the program was given");
  }
  return [...flags.filter((flag) => !RUN_FLAG.test(flag)), ...own];
}

/** The runtime, by its path where that is allowed, by its name where that is. */
async function ownProgram(): Promise<string> {
  for (const command of [Deno.execPath(), "deno"]) {
    const { state } = await Deno.permissions.query({ name: "run", command });
    if (state === "granted") return command;
  }
  throw new StartError(
    "processes: more than one need the permission to start others. Add --allow-run=deno",
    2,
  );
}

/** The command line of this process as the kernel recorded it. */
async function recordedWords(program: string): Promise<readonly string[]> {
  const script = `const { body } = await fetch("file:///proc/${Deno.pid}/cmdline");` +
    `await body.pipeTo(Deno.stdout.writable)`;
  const command = new Deno.Command(program, {
    args: ["eval", "--no-config", "--no-lock", "--quiet", script],
    stdin: "null",
    stderr: "null",
  });
  const { success, stdout } = await outputOf(command);
  if (!success || stdout.length === 0) throw unknownCommand("the system has no record of it");
  // Each word ends with a NUL.
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1);
}

async function outputOf(command: Deno.Command): Promise<Deno.CommandOutput> {
  try {
    return await command.output();
  } catch (error) {
    // What the environment tells the dynamic linker takes a permission of its own.
    throw new StartError(`processes: cannot start others: ${messageOf(error)}`, 1, {
      cause: error,
    });
  }
}

function unknownCommand(why: string): StartError {
  return new StartError(
    `processes: cannot find out how this process was started: ${why}. ` +
      `Start several nodes instead`,
    1,
  );
}
