/**
 * What arrived for one session and was not consumed yet, in order.
 *
 * Bounded by the gateway: it stops reading the socket when a session's share of the backlog is not acked, and an envelope is acked when
 * it is taken from here. Events are acked at once; the newest are kept for whoever looks at them later.
 */
import type { GatewayError } from "./errors.js";
import { type Data, type Envelope, Event } from "./gen/tcpip/v1/envelope_pb.js";
import { endOf, eventOf, type SessionEnd, type SessionEvent } from "./session_types.js";

/** Inbound data with what the envelope says of it. */
export interface Arrived {
  readonly sequence: bigint;
  readonly data: Data;
  /** Datagrams missing before this one. */
  readonly droppedBefore: bigint;
}

/** Events a session keeps for those who look later. */
const KEPT_EVENTS = 256;

/** What an envelope counts beside its payload. */
const OVERHEAD = 64;

export class Lane {
  /** The session's or listener's id. */
  readonly id: string;
  /** Called when more of this lane is consumed. */
  readonly #ack: (id: string, sequence: bigint, bytes: number) => void;
  #queue: Arrived[] = [];
  #oldest: bigint | undefined;
  #newest = 0n;
  #taken = false;
  #discarding = false;
  #halfClosed = false;
  #end: SessionEnd | undefined;
  #tellEnd: (end: SessionEnd) => void = () => undefined;
  /** Resolves when it has ended. */
  readonly ended = new Promise<SessionEnd>((resolve) => {
    this.#tellEnd = resolve;
  });
  #error: GatewayError | undefined;
  #events: SessionEvent[] = [];
  #forgotten = 0;
  #waiting: (() => void)[] = [];
  /** The listener that accepted it. */
  listenerId = "";

  constructor(id: string, ack: (id: string, sequence: bigint, bytes: number) => void) {
    this.id = id;
    this.#ack = ack;
  }

  /** Whether an object of the application reads it. Before, nothing of it is acked. */
  get taken(): boolean {
    return this.#taken;
  }

  /** How it ended; undefined while it lives. */
  get end(): SessionEnd | undefined {
    return this.#end;
  }

  /** Whether no more data will come. */
  get over(): boolean {
    return this.#halfClosed || this.#end !== undefined;
  }

  /** Somebody reads it now. */
  take(): void {
    this.#taken = true;
    this.#acknowledge(0);
  }

  /** Everything up to this sequence is consumed. */
  get consumed(): bigint {
    if (!this.#taken) {
      return 0n;
    }
    const first = this.#end === undefined ? this.#queue[0] : undefined;
    return first === undefined ? this.#newest : first.sequence - 1n;
  }

  /** The sequence of the first envelope that is not consumed; undefined where all are. */
  get firstHeld(): bigint | undefined {
    if (!this.#taken) {
      return this.#oldest;
    }
    return this.#end === undefined ? this.#queue[0]?.sequence : undefined;
  }

  /** Takes an envelope of this session. */
  receive(envelope: Envelope): void {
    this.#oldest ??= envelope.sequence;
    this.#newest = envelope.sequence;
    if (envelope.detail.case === "data") {
      if (this.#discarding) {
        this.#acknowledge(sizeOf(envelope.detail.value));
        return;
      }
      const { sequence, droppedBefore, detail } = envelope;
      this.#queue.push({ sequence, droppedBefore, data: detail.value });
    } else {
      this.#note(eventOf(envelope));
    }
    this.#halfClosed ||= envelope.event === Event.HALF_CLOSED;
    if (envelope.event === Event.DISCONNECTED || envelope.event === Event.CLOSED) {
      this.finish(endOf(envelope, this.#error));
    } else {
      this.#acknowledge(0);
    }
    this.#wake();
  }

  /** It has ended. What is held can still be read here; of a lane that somebody reads the gateway need not keep it any longer. */
  finish(end: SessionEnd): void {
    if (this.#end !== undefined) {
      return;
    }
    this.#end = end;
    this.#acknowledge(0);
    this.#tellEnd(end);
    this.#wake();
  }

  /** The next data, if some is here. */
  shift(): Arrived | undefined {
    const arrived = this.#queue.shift();
    if (arrived !== undefined && this.#end === undefined) {
      this.#acknowledge(sizeOf(arrived.data));
    }
    return arrived;
  }

  /** Throws away what is held and what comes. */
  discard(): void {
    this.#discarding = true;
    this.#queue = [];
    this.take();
  }

  /** Resolves when something may have changed. */
  changed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const aborted = () => {
        this.#waiting = this.#waiting.filter((waiting) => waiting !== woken);
        reject(signal?.reason);
      };
      const woken = () => {
        signal?.removeEventListener("abort", aborted);
        resolve();
      };
      signal?.addEventListener("abort", aborted, { once: true });
      this.#waiting.push(woken);
    });
  }

  /** The session's events from its first (or the oldest kept) to its last. */
  async *events(signal?: AbortSignal): AsyncGenerator<SessionEvent, void, undefined> {
    for (let at = 0; ; ) {
      at = Math.max(at, this.#forgotten);
      const event = this.#events[at - this.#forgotten];
      if (event !== undefined) {
        at += 1;
        yield event;
      } else if (this.#end !== undefined) {
        return;
      } else {
        await this.changed(signal);
      }
    }
  }

  /** The first event of this kind that is kept. */
  event(kind: SessionEvent["kind"]): SessionEvent | undefined {
    return this.#events.find((event) => event.kind === kind);
  }

  #note(event: SessionEvent): void {
    this.#error = event.error ?? this.#error;
    this.#events.push(event);
    if (this.#events.length > KEPT_EVENTS) {
      this.#events.shift();
      this.#forgotten += 1;
    }
  }

  #acknowledge(bytes: number): void {
    const { consumed } = this;
    if (consumed > 0n) {
      this.#ack(this.id, consumed, bytes);
    }
  }

  #wake(): void {
    for (const woken of this.#waiting.splice(0)) {
      woken();
    }
  }
}

function sizeOf(data: Data): number {
  const { payload } = data;
  switch (payload.case) {
    case "bytes":
    case "text":
      return payload.value.length + OVERHEAD;
    case "datagram":
      return payload.value.size + OVERHEAD;
    default:
      return Number(data.nextOffset - data.offset) + OVERHEAD;
  }
}
