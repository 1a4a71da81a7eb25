/** One TCP connection of the gateway. */

import type { Calls } from "./calls.js";
import { SessionNotFoundError } from "./errors.js";
import { UnansweredAction, LineTerminator as WireTerminator } from "./gen/tcpip/v1/socket_gateway_service_pb.js";
import type { Lane } from "./lane.js";
import type { Lanes } from "./lanes.js";
import type { Link } from "./link.js";
import type { Abortable, ExchangeOptions, SendOptions } from "./options.js";
import {
  answerOf,
  type ExchangeAnswer,
  encoded,
  type InvalidText,
  type Line,
  type LineTerminator,
  lineAs,
  type Match,
  type Payload,
  patternOf,
} from "./payload.js";
import { Reader } from "./reader.js";
import { closedError, lostBy, type SessionEnd, type SessionEvent } from "./session_types.js";
import { duration, unlessAborted } from "./timing.js";
import { Writer, type Written } from "./writer.js";

/** One end of a connection. */
export interface Endpoint {
  /** The address. */
  readonly host: string;
  /** The port. */
  readonly port: number;
}

/** What a gateway object's parts share. */
export interface Core {
  readonly calls: Calls;
  readonly link: Link;
  readonly lanes: Lanes;
  readonly subscriber: string;
}

/** What an object of a session knows from the start. */
export interface SessionInit {
  readonly mode: "binary" | "line" | undefined;
  readonly terminator: LineTerminator;
  /** The session's outbound byte count, where it is known. */
  readonly offset: bigint | undefined;
  readonly remote?: Endpoint | undefined;
  readonly local?: Endpoint | undefined;
}

/**
 * One TCP connection of the gateway. Data is read by one reader at a time: `lines`, `matches` and `readLine` in line mode, `chunks`,
 * `readExactly` and `readable` in binary mode. What is not read is kept, here and in the gateway, up to the gateway's bound for one
 * session; then the gateway stops reading the socket, and TCP slows the peer down. Other sessions go on.
 */
export class Session implements AsyncDisposable {
  /** Its id in the gateway. */
  readonly id: string;
  /** The listener that accepted it; empty where it was dialled. */
  readonly listenerId: string;
  /** How its data is delivered; undefined where another opened it. */
  readonly mode: "binary" | "line" | undefined;
  /** Resolves, never rejects, when the session has ended. Data that came before can still be read. */
  readonly closed: Promise<SessionEnd>;
  readonly #core: Core;
  readonly #lane: Lane;
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #terminator: LineTerminator;
  #remote: Endpoint | undefined;
  #local: Endpoint | undefined;
  #aborted = false;

  /** @internal */
  constructor(core: Core, lane: Lane, init: SessionInit) {
    this.id = lane.id;
    this.listenerId = lane.listenerId;
    this.mode = init.mode;
    this.closed = lane.ended;
    this.#core = core;
    this.#lane = lane;
    this.#reader = new Reader(lane, () => this.#aborted);
    this.#writer = new Writer(lane.id, core.link, init.offset);
    this.#terminator = init.terminator;
    this.#remote = init.remote;
    this.#local = init.local;
    void lane.ended.then((end) => this.#writer.fail(closedError(this.id, end)));
  }

  /** The peer's end; undefined while connecting. */
  get remote(): Endpoint | undefined {
    this.#learnEnds();
    return this.#remote;
  }

  /** The gateway's end; undefined while connecting. */
  get local(): Endpoint | undefined {
    this.#learnEnds();
    return this.#local;
  }

  /** How it ended; undefined while it lives. */
  get end(): SessionEnd | undefined {
    return this.#lane.end;
  }

  /**
   * Resolves when the connection is there: of interest after `noWait`.
   *
   * @throws ConnectFailedError
   */
  async opened(options: Abortable = {}): Promise<this> {
    for await (const event of this.#lane.events(options.signal)) {
      if (event.kind === "connected") {
        return this;
      }
      if (event.kind === "error" && event.error !== undefined) {
        throw event.error;
      }
    }
    throw closedError(this.id, this.#lane.end ?? lostBy("error", undefined));
  }

  /**
   * Sends, and resolves when the gateway's operating system has taken everything. Several payloads are written one after the other;
   * each is written whole, as long as it is not longer than 128 KiB. A peer that does not read makes this wait.
   *
   * A connection to the gateway that breaks meanwhile is made anew, and what was sent is written once. Where others write to the
   * session as well and it cannot be told whether this was written, it throws an UnconfirmedError.
   */
  async send(payload: Payload | readonly Payload[], options: SendOptions = {}): Promise<Written> {
    const items = encoded(payload, options.terminator ?? this.#terminator);
    const effect = {
      subscriber: options.claim === false ? "" : this.#core.subscriber,
      waitFor: patternOf(options.waitFor),
      timeout: options.timeout,
      expected: options.expectedWriteOffset,
    };
    return await this.#noticing(this.#writer.send(items, effect, options.signal));
  }

  /** Sends text with a line end: the session's terminator, or a line feed where that is `none`. */
  sendLine(text: string, options: SendOptions = {}): Promise<Written> {
    const terminator = options.terminator ?? (this.#terminator === "none" ? "lf" : this.#terminator);
    return this.send(text, { ...options, terminator });
  }

  /**
   * Makes the session's data come to this object from now on, without a send. What was collected for the holder before goes to it.
   * Answers that holder's name.
   */
  async claim(options: Pick<SendOptions, "signal" | "waitFor"> = {}): Promise<string> {
    const { calls, subscriber } = this.#core;
    const waitFor = patternOf(options.waitFor);
    const request = { sessionId: this.id, subscriber, ...(waitFor === undefined ? {} : { waitFor }) };
    const { signal } = options;
    const call = calls.retried((limits) => calls.sessions.claimData(request, limits), { signal });
    return (await this.#noticing(call)).previousSubscriber;
  }

  /**
   * Sends and waits for the answer, in one turn: two callers of one session never get each other's answers. Without a payload it waits
   * for what the peer says by itself, a greeting for example.
   *
   * @throws TimeoutError where the answer does not come in time, SessionEndedError where the session ends before
   */
  async exchange(payload: Payload | readonly Payload[], options: ExchangeOptions = {}): Promise<ExchangeAnswer> {
    const items = encoded(payload, options.terminator ?? this.#terminator).filter((item) => item.length > 0);
    const { signal, timeout, settleTimeout } = options;
    await unlessAborted(this.#writer.idle(), signal);
    const request = {
      sessionId: this.id,
      payload: items.map((value) => ({ item: { case: "bytes" as const, value } })),
      lineTerminator: WireTerminator.NONE,
      waitFor: patternOf(options.waitFor) ?? "",
      onUnanswered: options.onUnanswered === "abort" ? UnansweredAction.ABORT : UnansweredAction.SETTLE,
      subscriber: this.#core.subscriber,
      ...(timeout === undefined ? {} : { timeout: duration(timeout) }),
      ...(settleTimeout === undefined ? {} : { settleTimeout: duration(settleTimeout) }),
    };
    const call = this.#core.calls.once((limits) => this.#core.calls.sockets.tcpExchange(request, limits), {
      signal,
      timeout: timeout ?? DEFAULT_EXCHANGE,
    });
    try {
      const response = await this.#noticing(call);
      this.#writer.wrote(response.writeOffset);
      return answerOf(response, this.mode === "binary");
    } catch (error) {
      this.#writer.wrote(undefined);
      throw error;
    }
  }

  /** The bytes as they come, in binary mode. Ends when the peer or this side closes; throws SessionClosedError otherwise. */
  async *chunks(options: Abortable = {}): AsyncGenerator<Uint8Array, void, undefined> {
    this.#mustBe("binary", "chunks()");
    for (let chunk = await this.read(options); chunk !== undefined; chunk = await this.read(options)) {
      yield chunk;
    }
  }

  /**
   * The lines without their line ends, in line mode, also those that came with a match. A line that is not UTF-8 is thrown as a
   * LineEncodingError (and reading can go on after it), or comes as bytes or with U+FFFD as `invalid` says.
   */
  lines(options?: Abortable & { readonly invalid?: "throw" | "replace" }): AsyncGenerator<string, void, undefined>;
  lines(options: Abortable & { readonly invalid: InvalidText }): AsyncGenerator<string | Uint8Array, void, undefined>;
  async *lines(
    options: Abortable & { readonly invalid?: InvalidText } = {},
  ): AsyncGenerator<string | Uint8Array, void, undefined> {
    this.#mustBe("line", "lines()");
    for (let line = await this.#line(options); line !== undefined; line = await this.#line(options)) {
      yield lineAs(line, options.invalid ?? "throw");
    }
  }

  /** What `waitFor` collected: the lines before the match, the match, its capture groups. */
  async *matches(options: Abortable = {}): AsyncGenerator<Match, void, undefined> {
    this.#mustBe("line", "matches()");
    const { signal } = options;
    for (let match = await this.#reader.match(signal); match !== undefined; match = await this.#reader.match(signal)) {
      yield match;
    }
  }

  /** The next bytes, in binary mode; undefined at the end. */
  read(options: Abortable = {}): Promise<Uint8Array | undefined> {
    return this.#reader.chunk(options.signal);
  }

  /** The next line, in line mode; undefined at the end. */
  async readLine(options: Abortable = {}): Promise<string | undefined> {
    const line = await this.#line(options);
    return line === undefined ? undefined : (lineAs(line, "throw") as string);
  }

  /** The next match, in line mode with `waitFor`; undefined at the end. */
  readMatch(options: Abortable = {}): Promise<Match | undefined> {
    return this.#reader.match(options.signal);
  }

  /**
   * Exactly so many bytes, in binary mode: for protocols that say how long what follows is. Given up or failed, nothing is lost.
   *
   * @throws SessionClosedError where the peer ends the connection before
   */
  readExactly(count: number, options: Abortable = {}): Promise<Uint8Array> {
    return this.#reader.exactly(count, options.signal);
  }

  /** What happens to the session, from its first event (the oldest of the 256 that are kept) to its last. */
  events(options: Abortable = {}): AsyncGenerator<SessionEvent, void, undefined> {
    return this.#lane.events(options.signal);
  }

  /** The data as a web stream, in binary mode. Cancelling it aborts the session. */
  get readable(): ReadableStream<Uint8Array> {
    this.#mustBe("binary", "readable");
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = await this.read();
          if (chunk === undefined) {
            controller.close();
          } else {
            controller.enqueue(chunk);
          }
        },
        cancel: () => this.abort(),
      },
      { highWaterMark: 0 },
    );
  }

  /** Sending as a web stream. Closing it disconnects the session, aborting it aborts it. */
  get writable(): WritableStream<Payload> {
    return new WritableStream<Payload>({
      write: async (payload) => {
        await this.send(payload);
      },
      close: () => this.disconnect(),
      abort: () => this.abort(),
    });
  }

  /** Closes: what was sent is still written, then FIN. Resolves when that is under way; `closed` tells when it is done. */
  async disconnect(options: Abortable = {}): Promise<void> {
    await unlessAborted(this.#writer.idle(), options.signal);
    await this.#close(false, options.signal);
  }

  /** Closes at once by RST; what is queued is thrown away. */
  async abort(options: Abortable = {}): Promise<void> {
    this.#aborted = true;
    await this.#close(true, options.signal);
  }

  /** Disconnects, and throws away what comes meanwhile. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#lane.discard();
    await this.disconnect();
  }

  async #close(abort: boolean, signal: AbortSignal | undefined): Promise<void> {
    if (this.end !== undefined) {
      return;
    }
    const { calls, subscriber } = this.#core;
    const request = { sessionId: this.id, abort, subscriber };
    try {
      await this.#noticing(calls.retried((options) => calls.sockets.tcpDisconnect(request, options), { signal }));
    } catch (error) {
      // It has ended by itself, or the answer to an earlier attempt was lost.
      if (!(error instanceof SessionNotFoundError) && this.end === undefined) {
        throw error;
      }
    }
  }

  /** Passes the result on, and notices where the gateway does not know the session any more. */
  async #noticing<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      if (error instanceof SessionNotFoundError) {
        this.#core.lanes.missing(this.#lane, error);
      }
      throw error;
    }
  }

  async #line(options: Abortable): Promise<Line | undefined> {
    this.#mustBe("line", "lines");
    return await this.#reader.line(options.signal);
  }

  #mustBe(mode: "binary" | "line", what: string): void {
    if (this.mode !== undefined && this.mode !== mode) {
      throw new TypeError(
        `${what} needs a session in ${mode} mode, and this one is in ${this.mode} mode: say { mode: "${mode}" }`,
      );
    }
  }

  #learnEnds(): void {
    const detail = this.#remote === undefined ? this.#lane.event("connected")?.envelope.detail : undefined;
    if (detail?.case === "connected") {
      const { remoteHost, remotePort, localHost, localPort } = detail.value;
      this.#remote = { host: remoteHost, port: remotePort };
      this.#local = { host: localHost, port: localPort };
    }
  }
}

/** The gateway's own default, for the time limit of the call. */
const DEFAULT_EXCHANGE = 30_000;
