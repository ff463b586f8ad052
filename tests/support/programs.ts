/**
 * The programs that tests drive as real processes: where they are, and a clear sentence when one
 * is missing.
 *
 * @module
 */

/** Bytes of a program's output kept for a failure's text. */
const OUTPUT_MAX = 200_000;

/** A program that tests may run. */
export type Program =
  | "certutil"
  | "chromium"
  | "curl"
  | "firefox-esr"
  | "h2load"
  | "influxd"
  | "nghttpd"
  | "nginx"
  | "node"
  | "openssl"
  | "redis-cli"
  | "redis-server"
  | "strace";

/** The Debian package that has each program. */
const PACKAGES: Readonly<Record<Program, string>> = {
  "certutil": "libnss3-tools",
  "chromium": "chromium",
  "curl": "curl",
  "firefox-esr": "firefox-esr",
  "h2load": "nghttp2-client",
  "influxd": "influxdb",
  "nghttpd": "nghttp2-server",
  "nginx": "nginx-light",
  "node": "nodejs",
  "openssl": "openssl",
  "redis-cli": "redis-tools",
  "redis-server": "redis-server",
  "strace": "strace",
};

/** How a program ended. */
export interface ProgramResult {
  /** Exit code. */
  readonly code: number;
  /** Standard output as text. */
  readonly stdout: string;
  /** Standard error as text. */
  readonly stderr: string;
}

/**
 * Finds a program on the `PATH`.
 *
 * @throws {Error} When it is missing; the text names the package that has it.
 */
export function programPath(program: Program): string {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder === "" ? "." : folder}/${program}`;
    try {
      if (Deno.statSync(path).isFile) return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) {
        throw error;
      }
    }
  }
  throw new Error(
    `This test needs "${program}", which is not installed: run "apt-get install ${
      PACKAGES[program]
    }"`,
  );
}

/** Runs a program to its end; `stdin` is given to it when present. */
export async function run(
  program: Program,
  args: readonly string[],
  stdin?: Uint8Array<ArrayBuffer>,
): Promise<ProgramResult> {
  const child = new Deno.Command(programPath(program), {
    args: [...args],
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (stdin !== undefined) await new Blob([stdin]).stream().pipeTo(child.stdin);
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/**
 * Runs a program that must succeed and returns its standard output.
 *
 * @throws {Error} When it exits with another code than 0.
 */
export async function runWell(program: Program, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args);
  if (code !== 0) {
    throw new Error(`Cannot run "${program} ${args.join(" ")}": exit ${code}\n${stderr}`);
  }
  return stdout;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, OUTPUT_MAX));
}
