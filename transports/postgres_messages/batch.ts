/**
 * A group of writes as one transaction of few statements.
 *
 * The rows of all user agents in it are locked first, in one order everywhere: so two nodes that write to
 * the same one come after each other, and neither waits for the other in a circle. Then the writes go
 * in rounds, in each of which a user agent has one write; all writes of a kind in a round are one
 * statement over lists. So what is written to one user agent happens in the order of the calls, and a
 * group of writes to many costs a few statements. All of them are on their way at once.
 *
 * @module
 */

import {
  type Answer,
  Columns,
  invariant,
  type Row,
  sql,
  type Statement,
  type Transaction,
} from "../postgres/mod.ts";
import type { ChannelOutcome, SaveOutcome, Whereabouts } from "../message_store/records.ts";
import { type Kind, type Operation, type OperationOf, type Outcome, uaidOf } from "./operations.ts";
import {
  addChannels,
  arrivals,
  departures,
  refreshUsers,
  removeChannels,
  removeLapsedUsers,
  removeMessages,
  removeUsers,
  saveMessages,
  saveUsers,
  touch,
} from "./statements.ts";

/** A write with its place in the group. */
interface Placed<K extends Kind> {
  readonly place: number;
  readonly operation: OperationOf<K>;
}

/** The writes of one round, by kind. */
type Round = { readonly [K in Kind]: Placed<K>[] };

function emptyRound(): Round {
  return {
    save_user: [],
    refresh_user: [],
    remove_user: [],
    add_channel: [],
    remove_channel: [],
    save_message: [],
    remove_messages: [],
    arrive: [],
    depart: [],
    touch: [],
  };
}

function put(round: Round, place: number, operation: Operation): void {
  switch (operation.kind) {
    case "save_user":
      return void round.save_user.push({ place, operation });
    case "refresh_user":
      return void round.refresh_user.push({ place, operation });
    case "remove_user":
      return void round.remove_user.push({ place, operation });
    case "add_channel":
      return void round.add_channel.push({ place, operation });
    case "remove_channel":
      return void round.remove_channel.push({ place, operation });
    case "save_message":
      return void round.save_message.push({ place, operation });
    case "remove_messages":
      return void round.remove_messages.push({ place, operation });
    case "arrive":
      return void round.arrive.push({ place, operation });
    case "depart":
      return void round.depart.push({ place, operation });
    case "touch":
      return void round.touch.push({ place, operation });
  }
}

/** The writes in rounds: each user agent's first ones, then its second ones, and so on. */
function roundsOf(operations: readonly Operation[]): readonly Round[] {
  const rounds: Round[] = [];
  const next = new Map<string, number>();
  for (const [place, operation] of operations.entries()) {
    const uaid = uaidOf(operation) ?? "";
    const number = next.get(uaid) ?? 0;
    next.set(uaid, number + 1);
    put(rounds[number] ??= emptyRound(), place, operation);
  }
  return rounds;
}

/** The operations of placed writes. */
function operationsOf<K extends Kind>(placed: readonly Placed<K>[]): readonly OperationOf<K>[] {
  return placed.map(({ operation }) => operation);
}

const ANSWERS = new Columns("message");

/** The statement of each kind in a round, and what its answer means to each write. */
class Sender {
  readonly #transaction: Transaction;
  readonly #slot: number;
  readonly #outcomes: Outcome[];
  readonly #sent: Promise<void>[] = [];

  constructor(transaction: Transaction, slot: number, outcomes: Outcome[]) {
    this.#transaction = transaction;
    this.#slot = slot;
    this.#outcomes = outcomes;
  }

  /** Resolves when all that was sent has been answered. */
  async answered(): Promise<void> {
    await Promise.all(this.#sent);
  }

  lock(uaids: readonly string[]): void {
    this.#send(sql`SELECT 1 FROM user_agent WHERE uaid = ANY(${uaids}::uuid[])
      ORDER BY uaid FOR UPDATE`);
  }

  round(round: Round): void {
    if (round.save_user.length > 0) {
      // Who has lapsed starts anew, whether or not the sweep has been there.
      this.#send(removeLapsedUsers(operationsOf(round.save_user)));
      this.#send(saveUsers(operationsOf(round.save_user)));
    }
    if (round.remove_user.length > 0) this.#send(removeUsers(operationsOf(round.remove_user)));
    if (round.remove_messages.length > 0) {
      this.#send(removeMessages(operationsOf(round.remove_messages)));
    }
    if (round.depart.length > 0) this.#send(departures(operationsOf(round.depart)));
    if (round.touch.length > 0) this.#send(touch(this.#slot));
    this.#ask(round.refresh_user, refreshUsers, foundOf);
    this.#ask(round.remove_channel, removeChannels, foundOf);
    this.#ask(round.add_channel, addChannels, channelOutcomeOf);
    this.#ask(round.arrive, arrivals, whereaboutsOf);
    const save = (saves: readonly OperationOf<"save_message">[]) => saveMessages(saves, this.#slot);
    this.#ask(round.save_message, save, saveOutcomeOf);
  }

  #send(statement: Statement): void {
    this.#sent.push(this.#transaction.query(statement).then(() => {}));
  }

  /** Sends the statement of a kind; its rows have the number of the write that they answer. */
  #ask<K extends Kind>(
    placed: readonly Placed<K>[],
    statementFor: (operations: readonly OperationOf<K>[]) => Statement,
    outcomeOf: (row: Row) => Outcome,
  ): void {
    if (placed.length === 0) return;
    const asked = this.#transaction.query(statementFor(operationsOf(placed)));
    this.#sent.push(asked.then(({ rows }: Answer) => {
      for (const row of rows) {
        const place = placed[ANSWERS.integer(row, "place") - 1]?.place;
        invariant(place !== undefined, "an answer is of no write");
        this.#outcomes[place] = outcomeOf(row);
      }
    }));
  }
}

/** The outcome of a write of which there is a row only when it found something. */
function foundOf(): true {
  return true;
}

function channelOutcomeOf(row: Row): ChannelOutcome {
  return ANSWERS.oneOf(row, "outcome", ["added", "over_limit", "no_user"]);
}

function saveOutcomeOf(row: Row): SaveOutcome {
  const allowed = ["stored", "over_limit", "no_channel", "no_user", "behind"] as const;
  const outcome = ANSWERS.oneOf(row, "outcome", allowed);
  return outcome === "behind" ? { behind: ANSWERS.integer(row, "largest") } : outcome;
}

/** Where a row says that a user agent is, or was. */
export function whereaboutsOf(row: Row): Whereabouts | undefined {
  const columns = new Columns("presence");
  const node = columns.optionalText(row, "node");
  return node === undefined ? undefined : { node, session: columns.text(row, "session") };
}

/** What a write answers that found nothing; all others are answered by a row. */
function unanswered(operation: Operation): Outcome {
  switch (operation.kind) {
    case "refresh_user":
    case "remove_channel":
      return false;
    case "save_user":
    case "remove_user":
    case "add_channel":
    case "save_message":
    case "remove_messages":
    case "arrive":
    case "depart":
    case "touch":
      return undefined;
  }
}

/** Applies a group of writes inside a transaction; `slot` is the store's row for the largest sort key. */
export async function applyAll(
  transaction: Transaction,
  operations: readonly Operation[],
  slot: number,
): Promise<readonly Outcome[]> {
  const outcomes = operations.map(unanswered);
  const sender = new Sender(transaction, slot, outcomes);
  const uaids = new Set(operations.map(uaidOf).filter((uaid) => uaid !== undefined));
  if (uaids.size > 0) sender.lock([...uaids]);
  for (const round of roundsOf(operations)) sender.round(round);
  await sender.answered();
  return outcomes;
}
