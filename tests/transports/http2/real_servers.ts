/**
 * HTTP/2 servers of others, as child processes on free ports with folders of their own.
 *
 * @module
 */

import { dirname } from "node:path";
import { programPath } from "../../support/programs.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";

/** Between two tries to reach a server that starts, in milliseconds. */
const POLL_MS = 10;
/** Tries before a server is said not to start. */
const POLLS_MAX = 1_000;

/** A running server. */
export interface RealServer extends AsyncDisposable {
  /** Its port on 127.0.0.1. */
  readonly port: number;
  /** Its folder, gone with it. */
  readonly folder: string;
  /** For TLS. */
  readonly certificates: Certificates;
}

/** How a program is started in its folder. */
type Command = (
  server: { readonly port: number; readonly folder: string; readonly certificates: Certificates },
) => Promise<readonly [program: "nghttpd" | "nginx" | "node", ...args: string[]]>;

async function start(command: Command): Promise<RealServer> {
  const folder = await Deno.makeTempDir({ prefix: "heliograph-http2-" });
  const certificates = await makeCertificates(folder);
  const port = freePort();
  const [program, ...args] = await command({ port, folder, certificates });
  const child = new Deno.Command(programPath(program), { args, stdout: "null", stderr: "null" })
    .spawn();
  let exited = false;
  const exit = child.status.then(() => exited = true);
  const dispose = async () => {
    if (!exited) child.kill("SIGKILL");
    await exit;
    await Deno.remove(folder, { recursive: true });
  };
  for (let poll = 0; !await accepts(port); poll++) {
    if (exited || poll > POLLS_MAX) {
      await dispose();
      throw new Error(`${program} does not accept on port ${port}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return { port, folder, certificates, [Symbol.asyncDispose]: dispose };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function accepts(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

/**
 * Starts nghttpd; it serves an empty file of this name and 404 for anything else, or answers every
 * POST with 200 and its own body.
 */
export async function startNghttpd(
  { tls, file = "there", echo = false }: {
    readonly tls: boolean;
    readonly file?: string;
    readonly echo?: boolean;
  },
): Promise<RealServer> {
  return await start(async ({ port, folder, certificates: { keyFile, certFile } }) => {
    const path = `${folder}/root/${file}`;
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, "");
    const where = tls ? [`${port}`, keyFile, certFile] : ["--no-tls", `${port}`];
    const how = echo ? ["--echo-upload"] : [];
    return ["nghttpd", "-a", "127.0.0.1", "-d", `${folder}/root`, ...how, ...where];
  });
}

/** Starts nginx with these lines in its server block; it logs the path of each request to `paths.log`. */
export async function startNginx(
  { tls, lines = [] }: { readonly tls: boolean; readonly lines?: readonly string[] },
): Promise<RealServer> {
  return await start(async ({ port, folder, certificates: { keyFile, certFile } }) => {
    const file = `${folder}/nginx.conf`;
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    await Deno.writeTextFile(
      file,
      `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
      events { worker_connections 256; }
      http {
        ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n")}
        log_format path $uri;
        access_log ${folder}/paths.log path;
        server {
          listen 127.0.0.1:${port} ${tls ? "ssl" : ""} http2;
          ${tls ? `ssl_certificate ${certFile}; ssl_certificate_key ${keyFile};` : ""}
          ${lines.join("\n")}
          location / { return 200; }
        }
      }`,
    );
    return ["nginx", "-p", folder, "-e", `${folder}/error.log`, "-c", file];
  });
}

/**
 * Starts Node's server: it answers with the status in the path and the length of the body, and
 * says GOAWAY after so many requests of a session.
 */
export async function startNode(
  { requestsPerSession }: { readonly requestsPerSession: number },
): Promise<RealServer> {
  return await start(({ port, certificates: { keyFile, certFile } }) => {
    const script = `
      const { readFileSync } = require("node:fs");
      const server = require("node:http2").createSecureServer({
        key: readFileSync(${JSON.stringify(keyFile)}),
        cert: readFileSync(${JSON.stringify(certFile)}),
        settings: { maxConcurrentStreams: 50 },
      });
      server.on("session", (session) => {
        let count = 0;
        session.on("error", () => {});
        session.on("stream", (stream, headers) => {
          let bytes = 0;
          stream.on("error", () => {});
          stream.on("data", (part) => bytes += part.length);
          stream.on("end", () => {
            stream.respond({ ":status": Number(headers[":path"].split("/")[1]), "x-bytes": bytes });
            stream.end("body of " + headers[":path"]);
          });
          if (++count === ${requestsPerSession}) session.close();
        });
      });
      server.listen(${port}, "127.0.0.1");`;
    return Promise.resolve(["node", "-e", script]);
  });
}
