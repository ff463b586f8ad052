/**
 * The way to the server: TCP, and TLS on it when the address asks for it.
 *
 * Why not by the client library: it goes on in the clear with whoever does not answer its request for
 * TLS as it should, keeps no limit on how long that takes, and holds sockets where nobody can end them.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Address } from "./address.ts";
import { ConnectionLost, quoted, TlsRefused } from "./errors.ts";

/** Asks the server for TLS: length 8 and the code 80877103 (PostgreSQL's protocol, section "SSLRequest"). */
const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** The server's answer for "go on with TLS". */
const TLS_WILLING = 83;

/** Resolves on the first of these events, rejects when the socket fails or closes before. */
function first(
  socket: Socket,
  event: "connect" | "secureConnect" | "data",
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const done = () => {
      socket.off(event, happened);
      socket.off("error", failed);
      socket.off("close", closed);
    };
    const happened = (data?: Buffer) => (done(), resolve(data));
    const failed = (error: Error) => (done(), reject(error));
    const closed = () => (done(), reject(new ConnectionLost("it closed the connection")));
    socket.on(event, happened);
    socket.on("error", failed);
    socket.on("close", closed);
  });
}

/** What a socket's failure says in words; some have a code and no message. */
function words(error: unknown): string {
  if (error instanceof Error && error.message !== "") return quoted(error);
  return error instanceof Error && "code" in error ? String(error.code) : "no reason given";
}

async function open(socket: Socket): Promise<void> {
  try {
    await first(socket, "connect");
  } catch (error) {
    throw new ConnectionLost(`nobody answers (${words(error)})`);
  }
}

async function secure(plain: Socket, host: string, caCert: string | undefined): Promise<Socket> {
  plain.write(TLS_REQUEST);
  const answer = await first(plain, "data");
  // More than one byte would be what somebody in between put there before the encryption.
  if (answer?.length !== 1 || answer[0] !== TLS_WILLING) {
    throw new TlsRefused('it does not offer TLS, and the address says "sslmode=verify-full"');
  }
  const socket = connectTls({
    socket: plain,
    host,
    ...(isIP(host) === 0 && { servername: host }),
    ...(caCert !== undefined && { ca: caCert }),
  });
  try {
    await first(socket, "secureConnect");
    return socket;
  } catch (error) {
    socket.destroy();
    throw new TlsRefused(`its certificate is not accepted (${words(error)})`);
  }
}

/**
 * Connects to the server, verified when the address says so.
 *
 * @throws {ConnectionLost} When nobody answers within `timeoutMs`.
 * @throws {TlsRefused} When the server has no TLS or a certificate that is not trusted.
 */
export async function connectSocket(
  address: Address,
  caCert: string | undefined,
  timeoutMs: number,
): Promise<Socket> {
  const plain = connectTcp({ host: address.host, port: address.port, noDelay: true });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    plain.destroy();
  }, timeoutMs);
  try {
    await open(plain);
    return address.tls ? await secure(plain, address.host, caCert) : plain;
  } catch (error) {
    plain.destroy();
    throw late ? new ConnectionLost(`no answer for ${timeoutMs} ms`) : error;
  } finally {
    clearTimeout(timer);
  }
}
