/**
 * Peers that stop half-way: in an answer, or in all of them while they still answer PINGs.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { ManualClock } from "../../../actors/runtime/clock.ts";
import {
  type End,
  ERROR_CODE,
  FRAME,
  LOST,
  SETTING,
  TIMED_OUT,
  writeRstStream,
} from "../../../transports/http2/mod.ts";
import { blockOf, counts, openPair, type Peer, settle } from "./scripted_peer.ts";

for (
  const [criterion, settings, ends, act] of [
    ["answers no request", [], { timedOut: 1 }, async (peer) => {
      await peer.request();
    }],
    [
      "never opens its window",
      [[SETTING.initialWindowSize, 100_000]],
      { answered: 1, unsent: 3 },
      async (peer) => {
        // The first body fills the window of the connection, and its answer comes before its end.
        await peer.next(FRAME.headers);
        for (let left = 65_535; left > 0;) left -= (await peer.next(FRAME.data)).payload.length;
        await peer.answer(1, 200);
        await peer.reset();
      },
    ],
    ["takes no stream", [[SETTING.maxConcurrentStreams, 0]], { unsent: 4 }, settle],
  ] satisfies readonly (readonly [
    string,
    readonly (readonly [number, number])[],
    Record<string, number>,
    (peer: Peer) => Promise<void>,
  ])[]
) {
  Deno.test(`a connection whose peer ${criterion} takes no more, though PINGs are answered`, async () => {
    const clock = new ManualClock();
    await using pair = await openPair({ clock, settings, limits: { pongTimeoutMs: 60_000 } });
    const { client, peer } = pair;
    const count = Object.values(ends).reduce((a, b) => a + b, 0);
    const exchange = client.exchange(blockOf(count, "x".repeat(count === 1 ? 0 : 70_000)));
    await act(peer);
    clock.advance(15_000);
    clock.advance(5_000);
    assertEquals(counts((await exchange).ends), ends);
    assertEquals(await client.ended, "requests are not answered");
    assertEquals((await peer.goaway()).code, ERROR_CODE.noError);
  });
}

for (
  const [criterion, act, end] of [
    ["TCP", (peer) => peer[Symbol.dispose](), LOST],
    ["its stream", (peer) => peer.write((out) => writeRstStream(out, 1, 2)), LOST],
    ["its time", (_, clock) => clock.advance(20_000), TIMED_OUT],
  ] satisfies readonly (readonly [
    string,
    (peer: Peer, clock: ManualClock) => void | Promise<void>,
    End,
  ])[]
) {
  Deno.test(`exchange() takes no failure for an answer that ends with ${criterion} before its body`, async () => {
    const clock = new ManualClock();
    await using pair = await openPair({ clock, limits: { pongTimeoutMs: 60_000 } });
    const { client, peer } = pair;
    const exchange = client.exchange(blockOf(1));
    await peer.request();
    await peer.write((out) => peer.writeHeaders(out, 1, [[":status", "404"]], false));
    await settle(peer);
    await act(peer, clock);
    const { ends, statuses, details } = await exchange;
    assertEquals([[...ends], [...statuses], details.size], [[end], [0], 0]);
  });
}
