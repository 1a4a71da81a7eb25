/** A server socket of the gateway. */
import { ListenerNotFoundError } from "./errors.js";
import type { Lane } from "./lane.js";
import type { Arrivals } from "./lanes.js";
import type { Abortable } from "./options.js";
import { type Core, type Endpoint, Session, type SessionInit } from "./session.js";
import type { SessionEvent } from "./session_types.js";

/** How to close a listener. */
export interface UnlistenOptions extends Abortable {
  /** Close the sessions it accepted as well. */
  readonly sessions?: boolean;
}

/**
 * A server socket of the gateway: an async iterable of the sessions it accepts. The iteration ends when the listener is closed; leaving
 * it does not close the listener. What nobody takes is not accepted without bound: the gateway stops accepting.
 */
export class Listener implements AsyncIterable<Session>, AsyncDisposable {
  /** Its id in the gateway. */
  readonly id: string;
  /** The address and port really bound. */
  readonly local: Endpoint;
  /** Resolves when it is closed. */
  readonly closed: Promise<void>;
  readonly #core: Core;
  readonly #lane: Lane;
  readonly #arrivals: Arrivals;
  readonly #init: SessionInit;

  /** @internal */
  constructor(core: Core, lane: Lane, arrivals: Arrivals, local: Endpoint, init: SessionInit) {
    this.id = lane.id;
    this.local = local;
    this.closed = lane.ended.then(() => undefined);
    this.#core = core;
    this.#lane = lane;
    this.#arrivals = arrivals;
    this.#init = init;
  }

  /** The next accepted session; undefined when the listener is closed. */
  async accept(options: Abortable = {}): Promise<Session | undefined> {
    const lane = await this.#arrivals.next(options.signal);
    return lane === undefined ? undefined : new Session(this.#core, this.#core.lanes.adopt(lane), this.#init);
  }

  /** The accepted sessions, until the listener is closed. */
  async *sessions(options: Abortable = {}): AsyncGenerator<Session, void, undefined> {
    for (let session = await this.accept(options); session !== undefined; session = await this.accept(options)) {
      yield session;
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Session, void, undefined> {
    return this.sessions();
  }

  /** What happens to the listener itself. */
  events(options: Abortable = {}): AsyncGenerator<SessionEvent, void, undefined> {
    return this.#lane.events(options.signal);
  }

  /** Closes it. Its sessions go on, unless told otherwise. Answers how many of them are being closed. */
  async close(options: UnlistenOptions = {}): Promise<number> {
    if (this.#lane.end !== undefined) {
      return 0;
    }
    const { calls, subscriber } = this.#core;
    const request = { listenerId: this.id, closeSessions: options.sessions ?? false, subscriber };
    try {
      const { signal } = options;
      const answer = await calls.retried((limits) => calls.sockets.tcpUnlisten(request, limits), { signal });
      return answer.sessionsClosing;
    } catch (error) {
      if (!(error instanceof ListenerNotFoundError)) {
        throw error;
      }
      return 0;
    }
  }

  /** Closes it and its sessions. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close({ sessions: true });
  }
}
