/**
 * What is to be written to one session: in order, each byte once, also across a broken stream.
 *
 * One command is under way at a time; what is sent meanwhile goes together in the next. Where the session's write offset is known, a
 * command carries it: so one whose answer was lost can be tried again, and the gateway tells whether it had been written.
 */
import { type GatewayError, InvalidRequestError, UnconfirmedError, WriteOffsetMismatchError } from "./errors.js";
import { BrokenLink, type Command, type Link } from "./link.js";
import { duration } from "./timing.js";
import { fromCommand } from "./wire_errors.js";

/** What a send does beside sending. Sends that differ in it are not joined. */
export interface SendEffect {
  /** Who gets the answer; empty: the data claim stays where it is. */
  readonly subscriber: string;
  readonly waitFor: string | undefined;
  readonly timeout: number | undefined;
  /** The write offset its caller insists on. */
  readonly expected: bigint | undefined;
}

/** What the operating system took. */
export interface Written {
  /** The session's outbound byte count after the send. */
  readonly writeOffset: bigint;
  /** How many payload items were given. */
  readonly chunkCount: number;
  /** The gateway's id for the command that took the last byte; empty where its answer was lost and found out otherwise. */
  readonly messageId: string;
}

interface Send {
  readonly effect: SendEffect;
  /** What is not under way yet; the first may be the rest of an item. */
  readonly items: Uint8Array[];
  readonly count: number;
  /** Bytes in earlier commands. */
  taken: number;
  begun: boolean;
  settle: (outcome: Written | Error) => void;
}

type Answered = Pick<Written, "writeOffset" | "messageId">;

interface Batch {
  readonly effect: SendEffect;
  /** The write offset its caller insists on. */
  readonly insisted: bigint | undefined;
  readonly items: Uint8Array[];
  bytes: number;
  /** Those of which something is in it, and where in it that ends. */
  readonly sends: Map<Send, number>;
}

/** Bytes and items of one command. The gateway takes 1 MiB and 1024 items; less keeps sessions from holding each other up. */
const COMMAND_BYTES = 128 * 1024;
const COMMAND_ITEMS = 512;
/** Others may write in between so often before a command goes without an expected offset. */
const MISMATCHES = 3;

export class Writer {
  readonly #sessionId: string;
  readonly #link: Link;
  #offset: bigint | undefined;
  #queue: Send[] = [];
  #running = false;
  #failure: GatewayError | undefined;
  #idle: (() => void)[] = [];

  /** `offset`: the session's outbound byte count, where it is known. */
  constructor(sessionId: string, link: Link, offset: bigint | undefined) {
    this.#sessionId = sessionId;
    this.#link = link;
    this.#offset = offset;
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#running ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  /** Another call wrote: the session's outbound byte count as it told it; undefined: it is not known any more. */
  wrote(offset: bigint | undefined): void {
    this.#offset = offset;
  }

  /** Fails everything that waits and whatever comes. What is under way gets its answer, or breaks with the stream. */
  fail(error: GatewayError): void {
    this.#failure ??= error;
    const waiting = this.#queue.filter((send) => !send.begun);
    this.#queue = this.#queue.filter((send) => send.begun);
    for (const send of waiting) {
      send.settle(error);
    }
  }

  /** Writes items, each whole where it is not longer than a command may be. Given up by the signal only before it is begun. */
  async send(items: readonly Uint8Array[], effect: SendEffect, signal: AbortSignal | undefined): Promise<Written> {
    signal?.throwIfAborted();
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
    if (items.length === 0 || items.some((item) => item.length === 0)) {
      const message = "there is nothing to send: give at least one item, and no empty one without a line terminator";
      const violations = [{ field: "payload", description: message }];
      throw new InvalidRequestError({ code: "invalid_argument", reason: "PAYLOAD_INVALID", message, violations });
    }
    return await new Promise<Written>((resolve, reject) => {
      const send: Send = { effect, items: [...items], count: items.length, taken: 0, begun: false, settle: () => undefined };
      const aborted = () => {
        if (!send.begun) {
          this.#queue = this.#queue.filter((waiting) => waiting !== send);
        }
        reject(signal?.reason);
      };
      send.settle = (outcome) => {
        signal?.removeEventListener("abort", aborted);
        if (outcome instanceof Error) {
          reject(outcome);
        } else {
          resolve(outcome);
        }
      };
      signal?.addEventListener("abort", aborted, { once: true });
      this.#queue.push(send);
      if (!this.#running) {
        void this.#run();
      }
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Sends of the same turn of the event loop go together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#next();
      let outcome: Answered | Error;
      try {
        outcome = await this.#write(batch);
      } catch (error) {
        outcome = error as Error;
      }
      for (const [send, end] of batch.sends) {
        if (outcome instanceof Error) {
          this.#queue = this.#queue.filter((waiting) => waiting !== send);
          send.settle(outcome);
        } else if (send.items.length === 0) {
          const writeOffset = outcome.writeOffset - BigInt(batch.bytes - end);
          send.settle({ writeOffset, chunkCount: send.count, messageId: outcome.messageId });
        }
      }
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) {
      resolve();
    }
  }

  /** Takes from the queue what one command may hold. An item is cut only where it is longer than any command may be. */
  #next(): Batch {
    const most = Math.min(COMMAND_BYTES, this.#link.credit || COMMAND_BYTES);
    const { effect, taken } = this.#queue[0] as Send;
    const insisted = effect.expected === undefined ? undefined : effect.expected + BigInt(taken);
    const batch: Batch = { effect, insisted, items: [], bytes: 0, sends: new Map() };
    for (let send = this.#queue[0]; send !== undefined && sameEffect(send.effect, effect); send = this.#queue[0]) {
      for (let item = send.items[0]; item !== undefined; item = send.items[0]) {
        const cut = item.length > most;
        const full = batch.items.length > 0 && (cut || batch.bytes + item.length > most);
        if (full || batch.items.length >= COMMAND_ITEMS) {
          return batch;
        }
        send.begun = true;
        batch.items.push(cut ? item.subarray(0, most) : item);
        batch.bytes += cut ? most : item.length;
        batch.sends.set(send, batch.bytes);
        if (cut) {
          send.items[0] = item.subarray(most);
          send.taken += most;
          return batch;
        }
        send.taken += item.length;
        send.items.shift();
      }
      this.#queue.shift();
    }
    return batch;
  }

  /** Writes a batch once, whatever happens to the stream. */
  async #write(batch: Batch): Promise<Answered> {
    let inDoubt = false;
    const { insisted } = batch;
    if (insisted !== undefined) {
      this.#offset = insisted;
    }
    for (let mismatches = 0; ; ) {
      await this.#link.ready();
      if (this.#failure !== undefined) {
        throw this.#failure;
      }
      const expected = inDoubt || mismatches < MISMATCHES ? this.#offset : undefined;
      const answer = await this.#command(batch, expected);
      if (answer instanceof BrokenLink) {
        if (answer.sent && expected === undefined) {
          throw unconfirmed(this.#sessionId);
        }
        inDoubt ||= answer.sent;
        continue;
      }
      if (!(answer instanceof Error)) {
        this.#offset = answer.writeOffset;
        return answer;
      }
      if (!(answer instanceof WriteOffsetMismatchError)) {
        this.#offset = undefined;
        throw answer;
      }
      const actual = BigInt(answer.metadata.writeOffset ?? 0);
      const before = this.#offset;
      this.#offset = actual;
      if (inDoubt) {
        if (before !== undefined && actual === before + BigInt(batch.bytes)) {
          return { writeOffset: actual, messageId: "" };
        }
        throw unconfirmed(this.#sessionId);
      }
      if (insisted !== undefined) {
        throw answer;
      }
      // Somebody else writes to this session as well; nothing of ours was written.
      mismatches += 1;
    }
  }

  async #command({ items, effect }: Batch, expected: bigint | undefined): Promise<Answered | Error> {
    const command: Command = {
      case: "tcpSend",
      value: {
        sessionId: this.#sessionId,
        payload: items.map((value) => ({ item: { case: "bytes", value } })),
        subscriber: effect.subscriber,
        ...(effect.waitFor === undefined ? {} : { waitFor: effect.waitFor }),
        ...(effect.timeout === undefined ? {} : { timeout: duration(effect.timeout) }),
        ...(expected === undefined ? {} : { expectedWriteOffset: expected }),
      },
    };
    try {
      const answer = await this.#link.command(command);
      switch (answer.case) {
        case "tcpSend":
          return { writeOffset: answer.value.writeOffset, messageId: answer.value.messageId };
        case "error":
          return fromCommand(answer.value);
        default:
          return unconfirmed(this.#sessionId);
      }
    } catch (error) {
      return error as Error;
    }
  }
}

function sameEffect(one: SendEffect, other: SendEffect): boolean {
  if (one.expected !== undefined || other.expected !== undefined) {
    return one === other;
  }
  return one.subscriber === other.subscriber && one.waitFor === other.waitFor && one.timeout === other.timeout;
}

function unconfirmed(sessionId: string): UnconfirmedError {
  return new UnconfirmedError({
    code: "unknown",
    reason: "",
    message: "the connection to the gateway broke while this was being sent, and it cannot be told whether it was written",
    metadata: { sessionId },
  });
}
