/**
 * Connections to providers that tell how long the answers to each block took.
 *
 * Why around the connection: it is what every provider sends through, so no provider has to carry the
 * numbers on, and what else a provider asks for, such as a token, is not among them.
 *
 * @module
 */

import type { AnswerBlock, HttpConnection, RequestBlock } from "../transports/http2/exchange.ts";
import type { Latencies } from "../transports/http2/latencies.ts";
import type { Connect } from "../transports/provider/connect.ts";

/**
 * The same connections, telling the latencies of each block that has ended and was answered in part at least.
 *
 * @param connect Opens them.
 * @param tell Must return at once and never throw.
 */
export function measuredConnect(
  connect: Connect,
  tell: (latencies: Latencies) => void,
): Connect {
  return async (target) => new MeasuredConnection(await connect(target), tell);
}

class MeasuredConnection implements HttpConnection {
  readonly #connection: HttpConnection;
  readonly #tell: (latencies: Latencies) => void;

  constructor(connection: HttpConnection, tell: (latencies: Latencies) => void) {
    this.#connection = connection;
    this.#tell = tell;
  }

  get streamsMax(): number {
    return this.#connection.streamsMax;
  }

  get inFlight(): number {
    return this.#connection.inFlight;
  }

  get ended(): Promise<string> {
    return this.#connection.ended;
  }

  async exchange(block: RequestBlock): Promise<AnswerBlock> {
    const answers = await this.#connection.exchange(block);
    if (answers.latencies.counts.some((count) => count > 0)) this.#tell(answers.latencies);
    return answers;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }
}
