/**
 * The one Attach stream of a gateway object: attaches, resumes after a break, carries commands up and answers and envelopes down.
 *
 * The stream is acknowledged: the gateway keeps what is not acked, so a resumed one has no gap, and what comes twice is known by its
 * sequence. What waits in this process is bounded by the gateway's credit: an envelope is acked when the application has consumed it.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Calls } from "./calls.js";
import { ClosedError, type GatewayError, GatewayUnavailableError } from "./errors.js";
import type { Envelope } from "./gen/tcpip/v1/envelope_pb.js";
import {
  type Answer,
  type AttachRequest,
  AttachRequestSchema,
  type AttachResponse,
  DeliveryMode,
  type StreamStart,
} from "./gen/tcpip/v1/socket_gateway_service_pb.js";
import { Backoff, delay, duration, unlessAborted } from "./timing.js";
import { Upstream } from "./upstream.js";
import { isTransient } from "./wire_errors.js";

/** Whether the stream to the gateway is there. */
export type ConnectionState = "connecting" | "open" | "closed";

/** The stream broke before a command was answered. */
export class BrokenLink extends Error {
  /** Whether the command may have reached the gateway. */
  readonly sent: boolean;

  constructor(sent: boolean) {
    super("the stream to the gateway is broken");
    this.sent = sent;
  }
}

/** A command. */
export type Command = NonNullable<MessageInitShape<typeof AttachRequestSchema>["command"]>;

/** Who gets what comes down. */
export interface Inbox {
  /** An envelope, in order, each once. */
  receive(envelope: Envelope): void;
  /** An envelope that came before: its ack was lost. */
  again(envelope: Envelope): void;
  /** Everything opened so far is gone, and why. */
  lost(error: GatewayError): void;
  /** Where a resume starts: everything up to there is consumed. At most `newest`. */
  floor(newest: bigint): bigint;
  /** Everything above the floor that is consumed, by session. */
  consumed(): Iterable<readonly [string, bigint]>;
}

/** How a link behaves. */
export interface LinkOptions {
  readonly subscriber: string;
  /** Asked of the gateway when nothing else is said; a stream that is silent for thrice as long is taken for dead. */
  readonly heartbeat: number;
  /** How long a broken stream is tried again before everything is given up. */
  readonly reconnectTimeout: number;
  readonly onState: (state: ConnectionState) => void;
  /** Drops the connection below the stream, which gives no sign of life. */
  readonly onDead: () => void;
}

/** Acks go out together, after so long or so many bytes. */
const ACK_PAUSE = 3;
const ACK_BYTES = 32 * 1024;
/** How long `close` waits for what is queued. */
const CLOSE_PATIENCE = 2000;

interface Pending {
  readonly resolve: (result: Answer["result"]) => void;
  readonly reject: (error: Error) => void;
}

interface Position {
  readonly instanceId: string;
  readonly epoch: string;
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

function deferred(): Deferred {
  let settle: Omit<Deferred, "promise"> | undefined;
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Nobody may be waiting when it fails.
  promise.catch(() => undefined);
  return { promise, ...(settle as Omit<Deferred, "promise">) };
}

export class Link {
  readonly #calls: Calls;
  readonly #options: LinkOptions;
  readonly #inbox: Inbox;
  readonly #closing = new AbortController();
  #state: ConnectionState = "connecting";
  #ready = deferred();
  #up: Upstream<AttachRequest> | undefined;
  #position: Position | undefined;
  #newest = 0n;
  #credit = 0;
  #nextCorrelation = 1n;
  readonly #pending = new Map<bigint, Pending>();
  readonly #acks = new Map<string, bigint>();
  #ackedBytes = 0;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> | undefined;

  constructor(calls: Calls, options: LinkOptions, inbox: Inbox) {
    this.#calls = calls;
    this.#options = options;
    this.#inbox = inbox;
  }

  /** Whether it is there. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** Bytes that the unanswered sends of one session may have. */
  get credit(): number {
    return this.#credit;
  }

  /**
   * Attaches.
   *
   * @throws GatewayError where that fails for good or does not succeed in time.
   */
  async start(patience: number, signal: AbortSignal | undefined): Promise<void> {
    this.#running = this.#run(patience);
    try {
      await this.ready(signal);
    } catch (error) {
      this.#closing.abort(error);
      throw error;
    }
  }

  /** Resolves while the stream is there; rejects once it is given up. */
  ready(signal?: AbortSignal): Promise<void> {
    return unlessAborted(this.#ready.promise, signal);
  }

  /** Sends a command and waits for its answer. @throws BrokenLink where the stream breaks before, or is not there. */
  command(command: Command): Promise<Answer["result"]> {
    const up = this.#up;
    if (up === undefined || this.#state !== "open") {
      return Promise.reject(new BrokenLink(false));
    }
    const correlationId = this.#nextCorrelation++;
    return new Promise((resolve, reject) => {
      this.#pending.set(correlationId, { resolve, reject });
      up.push(create(AttachRequestSchema, { correlationId, command }));
    });
  }

  /** Everything of this session (or listener) up to this sequence is consumed, so many bytes more than before. */
  ack(id: string, sequence: bigint, bytes: number): void {
    if (sequence <= (this.#acks.get(id) ?? 0n)) {
      return;
    }
    this.#acks.set(id, sequence);
    this.#ackedBytes += bytes;
    if (this.#ackedBytes >= ACK_BYTES) {
      this.#flushAcks();
    } else {
      this.#ackTimer ??= setTimeout(() => this.#flushAcks(), ACK_PAUSE);
    }
  }

  /** Ends the stream, after what is queued. */
  async close(): Promise<void> {
    this.#flushAcks();
    const up = this.#up;
    if (this.#state === "open" && up !== undefined) {
      const patience = new AbortController();
      await Promise.race([up.drained(), delay(CLOSE_PATIENCE, patience.signal).catch(() => undefined)]);
      patience.abort();
    }
    this.#closing.abort(new ClosedError({ code: "canceled", reason: "", message: "this gateway object was closed" }));
    await this.#running;
  }

  async #run(patience: number): Promise<void> {
    const backoff = new Backoff();
    let until = Date.now() + patience;
    while (!this.#closing.signal.aborted) {
      let cause: unknown;
      try {
        await this.#attached();
        cause = new GatewayUnavailableError({ code: "unavailable", reason: "", message: "the gateway ended the stream" });
      } catch (caught) {
        cause = caught;
      }
      const wasOpen = this.#state === "open";
      if (wasOpen) {
        until = Date.now() + this.#options.reconnectTimeout;
        backoff.reset();
        this.#become("connecting");
      }
      this.#up = undefined;
      this.#breakPending();
      if (this.#closing.signal.aborted) {
        break;
      }
      const error = this.#calls.error(cause);
      if (this.#position !== undefined && isGone(error)) {
        this.#position = undefined;
        this.#newest = 0n;
        this.#inbox.lost(error);
        continue;
      }
      const pause = backoff.next();
      // A stream ends when its token expires: the next may have a fresh one.
      const expired = wasOpen && error.code === "unauthenticated";
      const full = this.#position !== undefined && error.code === "resource_exhausted";
      const again = isTransient(error) || expired || full;
      if (!again || Date.now() + pause > until) {
        this.#giveUp(error);
        return;
      }
      await delay(pause, this.#closing.signal).catch(() => undefined);
    }
    this.#giveUp(this.#calls.error(this.#closing.signal.reason));
  }

  #giveUp(error: GatewayError): void {
    this.#become("closed");
    this.#ready.reject(error);
    clearTimeout(this.#ackTimer);
    this.#inbox.lost(error);
  }

  async #attached(): Promise<void> {
    const up = new Upstream<AttachRequest>();
    const abort = new AbortController();
    const onClosing = () => abort.abort();
    this.#closing.signal.addEventListener("abort", onClosing, { once: true });
    const watch = new Watchdog(this.#options.heartbeat * 3, () => {
      this.#options.onDead();
      abort.abort();
    });
    this.#acks.clear();
    this.#ackedBytes = 0;
    up.push(this.#subscription());
    try {
      for await (const message of this.#calls.sockets.attach(up, { signal: abort.signal })) {
        watch.alive();
        if (message.start !== undefined) {
          this.#open(message.start, up);
        }
        this.#take(message);
      }
    } finally {
      watch.stop();
      this.#closing.signal.removeEventListener("abort", onClosing);
      abort.abort();
      up.end();
    }
  }

  #subscription(): AttachRequest {
    const resume =
      this.#position === undefined ? {} : { resume: { ...this.#position, afterSequence: this.#inbox.floor(this.#newest) } };
    return create(AttachRequestSchema, {
      command: {
        case: "subscribe",
        value: {
          deliveryMode: DeliveryMode.ACKNOWLEDGED,
          subscription: {
            subscriber: this.#options.subscriber,
            heartbeatInterval: duration(this.#options.heartbeat),
            ...resume,
          },
        },
      },
    });
  }

  #open(start: StreamStart, up: Upstream<AttachRequest>): void {
    this.#position = { instanceId: start.instanceId, epoch: start.epoch };
    this.#credit = Number(start.sendCredit);
    this.#up = up;
    for (const [id, sequence] of this.#inbox.consumed()) {
      this.ack(id, sequence, 0);
    }
    this.#become("open");
  }

  #take(message: AttachResponse): void {
    for (const answer of message.answers) {
      const pending = this.#pending.get(answer.correlationId);
      this.#pending.delete(answer.correlationId);
      pending?.resolve(answer.result);
    }
    for (const envelope of message.envelopes) {
      if (envelope.sequence <= this.#newest) {
        this.#inbox.again(envelope);
      } else {
        this.#newest = envelope.sequence;
        this.#inbox.receive(envelope);
      }
    }
  }

  #become(state: ConnectionState): void {
    if (state === this.#state) {
      return;
    }
    this.#state = state;
    if (state === "open") {
      this.#ready.resolve();
    } else if (state === "connecting") {
      this.#ready = deferred();
    }
    this.#options.onState(state);
  }

  #breakPending(): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) {
      reject(new BrokenLink(true));
    }
  }

  #flushAcks(): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    this.#ackedBytes = 0;
    if (this.#acks.size === 0 || this.#up === undefined) {
      return;
    }
    const sessions = [...this.#acks].map(([sessionId, sequence]) => ({ sessionId, sequence }));
    this.#acks.clear();
    this.#up.push(create(AttachRequestSchema, { command: { case: "ack", value: { sessions } } }));
  }
}

/** Whether what the subscriber had is gone: another process, or the subscriber made anew. */
function isGone(error: GatewayError): boolean {
  return ["INSTANCE_CHANGED", "EPOCH_CHANGED", "REQUEST_INVALID"].includes(error.reason);
}

/** Calls back when nothing was alive for too long. A busy event loop gets a second look, for what came may just not be read yet. */
class Watchdog {
  #last = Date.now();
  #suspicious = false;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(patience: number, onDead: () => void) {
    this.#timer = setInterval(() => {
      const dead = Date.now() - this.#last > patience;
      if (dead && this.#suspicious) {
        onDead();
      }
      this.#suspicious = dead;
    }, patience / 6);
  }

  alive(): void {
    this.#last = Date.now();
    this.#suspicious = false;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
