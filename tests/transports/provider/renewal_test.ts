/**
 * Sending with a credential that is renewed on the way.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Folded } from "../../../transports/provider/fold.ts";
import type { Verdict } from "../../../transports/provider/provider.ts";
import { type Renew, type Renewed, sendRenewing } from "../../../transports/provider/renewal.ts";
import { verdictsOf } from "../../support/scripted_connection.ts";

const DELIVERED: Verdict = { kind: "delivered" };
const GONE: Verdict = { kind: "token_invalid", status: 410, reason: "gone", doubtful: false };
const RENEW: Renew = { kind: "renew", status: 401, reason: "old", serverTime: undefined };
const PAUSE: Verdict = { kind: "pause", status: 401, reason: "old" };

/** Sends to these, the first time and the second; answers with what was sent and the verdicts. */
async function send(
  first: readonly (Verdict | Renew)[],
  second: readonly (Verdict | Renew)[],
  renewed: Renewed<string> = { kind: "renewed", credential: "new" },
) {
  const sent: (readonly [string, readonly number[]])[] = [];
  const refused: string[] = [];
  const answers = await sendRenewing([10, 11, 12, 13].slice(0, first.length), {
    credential: "old",
    send(credential, indexes): Promise<Folded<Verdict | Renew>> {
      const verdicts = sent.length === 0 ? first : second;
      sent.push([credential, indexes]);
      return Promise.resolve({ verdicts, of: Uint16Array.from(verdicts.keys()) });
    },
    renew: () => Promise.resolve(renewed),
    refused: ({ reason }) => refused.push(reason),
  });
  return { sent, refused, verdicts: verdictsOf(answers) };
}

Deno.test("sendRenewing() sends once when no answer asks for a new credential", async () => {
  const { sent, verdicts } = await send([DELIVERED, GONE], []);
  assertEquals(sent, [["old", [10, 11]]]);
  assertEquals(verdicts, [DELIVERED, GONE]);
});

Deno.test("sendRenewing() sends again to those who were refused, with the new credential", async () => {
  const { sent, refused, verdicts } = await send([RENEW, DELIVERED, RENEW, GONE], [
    ...[GONE, DELIVERED],
  ]);
  assertEquals(refused, []);
  assertEquals(sent, [["old", [10, 11, 12, 13]], ["new", [10, 12]]]);
  assertEquals(verdicts, [GONE, DELIVERED, DELIVERED, GONE]);
});

Deno.test("sendRenewing() pauses when the new credential is refused, too", async () => {
  const { sent, refused, verdicts } = await send([DELIVERED, RENEW], [RENEW]);
  assertEquals(sent.length, 2);
  assertEquals(refused, ["old"]);
  assertEquals(verdicts, [DELIVERED, PAUSE]);
});

Deno.test("sendRenewing() gives those who were refused the reason there is no new credential", async () => {
  const verdict: Verdict = { kind: "unsent", reason: "no token", afterMs: 1 };
  const { sent, verdicts } = await send([RENEW, DELIVERED], [], { kind: "refused", verdict });
  assertEquals(sent.length, 1);
  assertEquals(verdicts, [verdict, DELIVERED]);
});
