/**
 * The byte stream under an HTTP/2 connection.
 *
 * @module
 */

/** What a connection needs of a socket. */
export interface Http2Socket {
  /** Reads some bytes; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes some bytes and says how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends the socket, and whatever read or write is under way. */
  close(): void;
}
