/**
 * What can go wrong with an HTTP/2 connection, as codes.
 *
 * @module
 */

/** Error codes of RST_STREAM and GOAWAY (RFC 9113 section 7). */
export const ERROR_CODE = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

const NAMES: readonly string[] = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
];

/** The name of an error code as RFC 9113 section 7 has it; a number where it has none. */
export function errorCodeName(code: number): string {
  return NAMES[code] ?? `error ${code}`;
}

/**
 * The peer broke the protocol so that the connection cannot go on (RFC 9113 section 5.4.1).
 *
 * The only error that frame and header parsers throw for what a peer sends.
 */
export class Http2Error extends Error {
  /** Its name. */
  override readonly name = "Http2Error";
  /** The error code for GOAWAY. */
  readonly code: number;

  /**
   * An error of the connection.
   *
   * @param code One of {@linkcode ERROR_CODE}.
   * @param message What the peer did, for people.
   */
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Why no connection came about: the peer was not there (`"refused"`), its name was not found
 * (`"dns"`), TLS failed or its certificate does not hold (`"tls"`), it does not speak HTTP/2
 * (`"no_h2"`: HTTP/1.1 may do), it took too long (`"timeout"`), or it ended the connection before
 * its first SETTINGS (`"closed"`).
 */
export type Http2ConnectErrorCode = "refused" | "dns" | "tls" | "no_h2" | "timeout" | "closed";

/** No connection came about. */
export class Http2ConnectError extends Error {
  /** Its name. */
  override readonly name = "Http2ConnectError";
  /** Why, to be switched on. */
  readonly code: Http2ConnectErrorCode;

  /**
   * A failure to connect.
   *
   * @param code Why.
   * @param message Why, for people.
   * @param options The error behind it.
   */
  constructor(code: Http2ConnectErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
