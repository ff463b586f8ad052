/**
 * Every request ends once and as it must, whatever the peer does to it, to its neighbours and to
 * the connection; each seed is another peer.
 */

import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../../../actors/runtime/clock.ts";
import {
  type AnswerBlock,
  ANSWERED,
  BAD_ANSWER,
  type End,
  ERROR_CODE,
  FLAG,
  FRAME,
  HpackDecoder,
  LOST,
  SETTING,
  TIMED_OUT,
  UNSENT,
  writeData,
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettings,
} from "../../../transports/http2/mod.ts";
import { Seeded } from "../../support/seeded.ts";
import { blockOf, type Frame, openPair, type Pair, type Peer } from "./scripted_peer.ts";

const SEEDS = 60;
const BLOCKS = 6;
const REQUESTS = 40;

/** What the peer did to the requests it saw, by stream. */
class Mischief {
  /** How each request it saw must end. */
  readonly expected = new Map<number, End>();
  /** The last stream of its GOAWAY. */
  lastId = Infinity;
  /** It ended TCP: what it did before may not have arrived. */
  cut = false;
  readonly #random: Seeded;
  readonly #pair: Pair;
  readonly #decoder = new HpackDecoder({ listBytesMax: 10_000 });

  constructor(random: Seeded, pair: Pair) {
    this.#random = random;
    this.#pair = pair;
  }

  /** The place of the request in all that were sent, from its path. */
  placeOf({ payload }: Frame): number {
    const fields = this.#decoder.decode(payload, 0, payload.length);
    assert(fields !== "too_large");
    return Number(fields.find(({ name }) => name === ":path")?.value.slice(1));
  }

  /** Does something to a request, and says how it must end. */
  async act(streamId: number): Promise<End> {
    const { peer } = this.#pair;
    const dice = this.#random.between(1, 100);
    if (dice === 1) return await this.#goaway(streamId);
    if (dice === 2 && this.#random.chance(0.3)) return this.#cut();
    if (dice <= 8) return await this.#reset(peer, streamId, ERROR_CODE.refusedStream, UNSENT);
    if (dice <= 12) return await this.#reset(peer, streamId, ERROR_CODE.internalError, LOST);
    if (dice <= 15) return TIMED_OUT;
    if (dice <= 18) {
      await peer.write((out) => peer.writeHeaders(out, streamId, [["x", "y"]], true));
      return BAD_ANSWER;
    }
    if (dice <= 25) {
      const settings = [[SETTING.maxConcurrentStreams, this.#random.between(1, 60)]] as const;
      await peer.write((out) => writeSettings(out, settings));
    }
    const status = 200 + streamId % 300;
    await peer.write((out) => {
      const fields = [[":status", `${status}`], ["x-id", `${streamId}`]] as const;
      peer.writeHeaders(out, streamId, fields, dice <= 60);
      if (dice > 65) writeData(out, streamId, new Uint8Array(dice), true);
      if (dice > 90) writeRstStream(out, streamId, ERROR_CODE.noError);
    });
    // From 61 to 65 the body never comes: a success is answered, a failure is not.
    return dice > 60 && dice <= 65 && status >= 300 ? TIMED_OUT : ANSWERED;
  }

  async #reset(peer: Peer, streamId: number, code: number, end: End): Promise<End> {
    await peer.write((out) => writeRstStream(out, streamId, code));
    return end;
  }

  async #goaway(streamId: number): Promise<End> {
    this.lastId = Math.min(this.lastId, streamId - 2 * this.#random.between(0, 3));
    await this.#pair.peer.write((out) => writeGoaway(out, Math.max(this.lastId, 0), 0));
    return streamId > this.lastId ? UNSENT : TIMED_OUT;
  }

  #cut(): End {
    this.cut = true;
    this.#pair.peer[Symbol.dispose]();
    return LOST;
  }
}

/** Plays the peer until every request has ended; time moves when nothing else does. */
async function play(
  pair: Pair,
  mischief: Mischief,
  clock: ManualClock,
): Promise<Map<number, [number, End]>> {
  const seen = new Map<number, [streamId: number, end: End]>();
  const ping = () => pair.peer.write((out) => writePing(out, new Uint8Array(8), false));
  let quiet = true;
  await ping();
  while (pair.client.inFlight > 0 && !mischief.cut) {
    const frame = await pair.peer.frame();
    if (frame === undefined) break;
    if (frame.type === FRAME.headers) {
      quiet = false;
      const place = mischief.placeOf(frame);
      if (frame.streamId > mischief.lastId) continue;
      seen.set(place, [frame.streamId, await mischief.act(frame.streamId)]);
    } else if (frame.type === FRAME.ping && (frame.flags & FLAG.ack) !== 0) {
      if (quiet) clock.advance(1_000);
      quiet = true;
      await ping();
    }
  }
  return seen;
}

function allowed(
  seen: readonly [number, End] | undefined,
  { cut, lastId }: Mischief,
): readonly End[] {
  if (seen === undefined) return cut ? [UNSENT, LOST] : [UNSENT];
  const [streamId, end] = seen;
  if (streamId <= lastId) return cut ? [end, LOST] : [end];
  // Answered before GOAWAY said that it would not be: whichever arrived first.
  return [end, UNSENT];
}

async function run(seed: number): Promise<Record<number, number>> {
  const random = new Seeded(seed);
  const clock = new ManualClock();
  await using pair = await openPair({
    clock,
    limits: { pongTimeoutMs: 600_000, pingIntervalMs: 600_000, streamsMax: 50 },
  });
  const exchanges: Promise<AnswerBlock>[] = [];
  for (let block = 0; block < BLOCKS; block++) {
    const paths = Array.from({ length: REQUESTS }, (_, i) => `/${block * REQUESTS + i}`);
    exchanges.push(pair.client.exchange({ ...blockOf(REQUESTS), paths }));
  }
  const mischief = new Mischief(random, pair);
  const seen = await play(pair, mischief, clock);
  const found: Record<number, number> = {};
  for (const [block, { ends, statuses }] of (await Promise.all(exchanges)).entries()) {
    assertEquals(ends.length, REQUESTS);
    for (const [i, end] of ends.entries()) {
      const known = seen.get(block * REQUESTS + i);
      const may = allowed(known, mischief);
      assert(may.some((one) => one === end), `${block}/${i}: ${end}, expected ${may}`);
      assertEquals(statuses[i], end === ANSWERED ? 200 + (known?.[0] ?? 0) % 300 : 0);
      found[end] = (found[end] ?? 0) + 1;
    }
  }
  assertEquals(pair.client.inFlight, 0);
  return found;
}

Deno.test("exchange() ends every request once and as the peer had it, over many peers", async () => {
  const total: Record<number, number> = {};
  for (let seed = 1; seed <= SEEDS; seed++) {
    const found = await run(seed).catch((error) => {
      throw new Error(`Seed ${seed}`, { cause: error });
    });
    for (const [end, count] of Object.entries(found)) {
      total[Number(end)] = (total[Number(end)] ?? 0) + count;
    }
  }
  // All five ends came up, and nothing else.
  assertEquals(Object.keys(total), ["0", "1", "2", "3", "4"]);
  const sum = Object.values(total).reduce((a, b) => a + b, 0);
  assertEquals(sum, SEEDS * BLOCKS * REQUESTS);
});
