/**
 * The actor most tests of the runtime are about: it does what it is told, and keeps a journal.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import {
  type Actor,
  AskError,
  type AskErrorCode,
  type Context,
  type Exit,
  type MailboxOptions,
  type Ref,
  type Supervisor,
  worker,
  type WorkerOptions,
} from "../../../actors/mod.ts";

/** Its state: a fresh one for each incarnation. */
export interface SubjectState {
  readonly notes: string[];
}

type Action = (ctx: Context<SubjectProtocol>, state: SubjectState) => unknown;

/** What it understands. */
export interface SubjectProtocol {
  /** Does this; the promise it returns, if any, is awaited. */
  act(action: Action): void;
  /** Does this and replies with what it returns. */
  answer(action: Action): unknown;
  /** Writes this into the journal. */
  note(text: string): void;
  /** Writes the exit of a watched actor into the journal. */
  ended(exit: Exit): void;
  /** The notes of this incarnation. */
  notes(): readonly string[];
}

/** How a subject differs from a plain one. */
export interface SubjectOptions {
  /** Where it writes what happens to it. */
  readonly journal?: string[];
  /** Written before each entry, to tell subjects apart. */
  readonly label?: string;
  /** Its mailbox; default 100 messages, refused when full. */
  readonly mailbox?: MailboxOptions;
  /** Called in `init`. */
  readonly init?: (ctx: Context<SubjectProtocol>) => unknown;
  /** Called in `terminate`. */
  readonly terminate?: (state: SubjectState) => unknown;
}

/** A subject. */
export function subject(
  options: SubjectOptions = {},
): Actor<SubjectProtocol, SubjectState> {
  const { label } = options;
  const write = (entry: string): void => {
    options.journal?.push(label === undefined ? entry : `${label} ${entry}`);
  };
  return {
    name: "subject",
    mailbox: options.mailbox ?? { capacity: 100, overflow: "refuse" },
    async init(_args, ctx) {
      write(`init ${ctx.incarnation}`);
      await options.init?.(ctx);
      return { notes: [] };
    },
    on: {
      act: (state, action, ctx) => {
        const result = action(ctx, state);
        return result instanceof Promise ? result.then(() => {}) : undefined;
      },
      answer: (state, action, ctx) => action(ctx, state),
      note(state, text) {
        state.notes.push(text);
        write(`note ${text}`);
      },
      ended: (_state, exit) => write(`ended ${exit.kind}`),
      notes: (state) => state.notes,
    },
    async terminate(state, exit, undelivered) {
      write(`terminate ${exit.kind} ${undelivered}`);
      await options.terminate?.(state);
    },
  };
}

/** A tree of one worker. */
export function solo<P, S>(
  actor: Actor<P, S>,
  options: Partial<WorkerOptions<void, { subject: Ref<P> }>> & {
    readonly restarts?: number;
    readonly withinMs?: number;
  } = {},
): Supervisor<{ subject: Ref<P> }> {
  const { restarts = 3, withinMs = 5_000, ...rest } = options;
  return {
    strategy: "one_for_one",
    intensity: { restarts, withinMs },
    children: { subject: worker(actor, { args: () => {}, restart: "permanent", ...rest }) },
  };
}

/** A resource that writes its release into a journal. */
export function resource(journal: string[], name: string): Disposable {
  return { [Symbol.dispose]: () => void journal.push(`released ${name}`) };
}

/** Throws. */
export function boom(): never {
  throw new Error("boom");
}

/** The ref of a subject. */
export type SubjectRef = Ref<SubjectProtocol>;

/** A promise to settle by hand. */
export function gate(): PromiseWithResolvers<void> {
  return Promise.withResolvers<void>();
}

/** Waits for a call to fail with this code. */
export async function assertAskError(
  promise: Promise<unknown>,
  code: AskErrorCode,
): Promise<AskError> {
  const error = await assertRejects(() => promise, AskError);
  assertEquals(error.code, code);
  return error;
}
