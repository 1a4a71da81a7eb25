/** A connection to a gateway: what everything else is opened by. */
import type { Transport } from "@connectrpc/connect";
import { Calls, type Stubs, withToken } from "./calls.js";
import type { GatewayError } from "./errors.js";
import type { Listening } from "./gen/tcpip/v1/envelope_pb.js";
import { SessionKind, type Session as SessionView } from "./gen/tcpip/v1/session_service_pb.js";
import { TcpMode, TimeoutAction, UdpMode } from "./gen/tcpip/v1/socket_gateway_service_pb.js";
import type { Lane } from "./lane.js";
import { Lanes } from "./lanes.js";
import { type ConnectionState, Link } from "./link.js";
import { Listener } from "./listener.js";
import type {
  Abortable,
  ConnectOptions,
  DatagramOptions,
  GatewayOptions,
  Group,
  ListenOptions,
  SessionOptions,
  UdpInOptions,
} from "./options.js";
import { type Payload, patternOf } from "./payload.js";
import { type Core, type Endpoint, Session, type SessionInit } from "./session.js";
import { delay, duration } from "./timing.js";
import { type DatagramSent, datagramOut, datagramSent, UdpSocket } from "./udp.js";

/** The connection below the stream. */
export interface Wire {
  /** What it is called in errors. */
  readonly target: string;
  /** Drops it; the next call makes it anew. */
  readonly reset: () => void;
  /** Drops it for good. */
  readonly close: () => void;
}

/** Of a transport that somebody else made, and looks after. */
export const FOREIGN_WIRE: Wire = { target: "the gateway", reset: () => undefined, close: () => undefined };

const DEFAULTS = { openTimeout: 5000, reconnectTimeout: 60_000, heartbeat: 15_000, callTimeout: 30_000 };
const LONGEST_CONNECT = 60_000;
/** How long `close` tries to end what is open. */
const CLOSE_PATIENCE = 5000;

/**
 * A connection to a gateway. One stream carries everything of its sessions; a stream that breaks is made anew and resumed, without a
 * gap and without doubles. What it opened is closed with it.
 */
export class Gateway implements AsyncDisposable {
  /** The name under which the gateway keeps what arrives for this object. */
  readonly subscriber: string;
  readonly #core: Core;
  readonly #wire: Wire;
  /** What this object opened and is not closed yet. */
  readonly #opened = new Set<AsyncDisposable>();
  #closing: Promise<void> | undefined;

  /** @internal */
  protected constructor(transport: Transport, options: GatewayOptions, wire: Wire) {
    const settings = { ...DEFAULTS, ...options };
    this.subscriber = options.subscriber ?? `ts-${crypto.randomUUID()}`;
    const calls = new Calls(withToken(transport, options.token), settings.callTimeout, wire.target);
    let link: Link | undefined;
    const lanes = new Lanes((id, sequence, bytes) => link?.ack(id, sequence, bytes));
    const onState = settings.onState ?? (() => undefined);
    link = new Link(calls, { ...settings, subscriber: this.subscriber, onState, onDead: wire.reset }, lanes);
    this.#core = { calls, link, lanes, subscriber: this.subscriber };
    this.#wire = wire;
  }

  /**
   * Opens a gateway over a transport of Connect that can stream both ways.
   *
   * @throws GatewayUnavailableError where no gateway answers in time, AuthenticationError where it does not take the token
   */
  static async over(transport: Transport, options: GatewayOptions = {}): Promise<Gateway> {
    const gateway = new Gateway(transport, options, FOREIGN_WIRE);
    await gateway.start(options);
    return gateway;
  }

  /** @internal */
  protected async start(options: GatewayOptions): Promise<void> {
    try {
      await this.#core.link.start(options.openTimeout ?? DEFAULTS.openTimeout, options.signal);
    } catch (error) {
      this.#wire.close();
      throw error;
    }
  }

  /** Whether the connection to the gateway is there. */
  get state(): ConnectionState {
    return this.#core.link.state;
  }

  /**
   * The generated clients, with this object's token: for what the layer does not cover, such as listing what lives in the gateway:
   * `gateway.stubs.sessions.listSessions({})`.
   */
  get stubs(): Stubs {
    return this.#core.calls;
  }

  /**
   * Opens a TCP connection from the gateway to a host.
   *
   * @throws ConnectFailedError where the peer refuses or cannot be reached; `errno` tells why
   */
  async connect(host: string, port: number, options: ConnectOptions = {}): Promise<Session> {
    const { signal } = options;
    const mode = modeOf(options);
    const request = {
      host,
      port,
      ...this.#sessionFields(options),
      sessionId: options.sessionId ?? "",
      noWait: options.noWait ?? false,
      requestId: crypto.randomUUID(),
      ...(options.connectTimeout === undefined ? {} : { connectTimeout: duration(options.connectTimeout) }),
    };
    const { calls } = this.#core;
    const timeout = options.connectTimeout ?? LONGEST_CONNECT;
    const dial = () => calls.retried((limits) => calls.sockets.tcpConnect(request, limits), { signal, timeout });
    return await this.#open(async () => {
      try {
        const { sessionId, connected } = await dial();
        return this.#session(sessionId, {
          mode,
          terminator: options.terminator ?? "none",
          offset: 0n,
          remote: connected && { host: connected.remoteHost, port: connected.remotePort },
          local: connected && { host: connected.localHost, port: connected.localPort },
        });
      } catch (error) {
        if (signal?.aborted === true) {
          // With a request id the gateway goes on dialling for a caller who may ask again. Nobody will.
          void calls
            .once((limits) => calls.sockets.tcpConnect(request, limits), { timeout })
            .then(({ sessionId }) => calls.once((limits) => calls.sockets.tcpDisconnect({ sessionId, abort: true }, limits)))
            .catch(() => undefined);
        }
        throw error;
      }
    });
  }

  /**
   * Opens a server socket on the gateway. Port 0 picks a free one; `local` of the listener tells which.
   *
   * @throws ListenFailedError where the port is in use or forbidden; `errno` tells why
   */
  async listen(port: number, options: ListenOptions = {}): Promise<Listener> {
    const request = { host: options.host ?? "", port, ...this.#sessionFields(options), requestId: crypto.randomUUID() };
    const init: SessionInit = { mode: modeOf(options), terminator: options.terminator ?? "none", offset: 0n };
    const { calls, lanes } = this.#core;
    const { signal } = options;
    return await this.#open(async () => {
      const { listenerId, listening } = await calls.retried((limits) => calls.sockets.tcpListen(request, limits), { signal });
      const arrivals = lanes.listener(listenerId);
      return this.#kept(new Listener(this.#core, lanes.adopt(listenerId), arrivals, boundTo(listening), init));
    });
  }

  /**
   * Binds a UDP socket on the gateway, and joins multicast groups. Port 0 picks a free one.
   *
   * @throws UdpError where the port is in use, or a group cannot be joined
   */
  async udpIn(port: number, options: UdpInOptions = {}): Promise<UdpSocket> {
    const { signal } = options;
    const request = {
      host: options.host ?? "",
      port,
      multicastGroups: (options.groups ?? []).map(groupOf),
      mode: options.mode === "utf8" ? UdpMode.UTF8 : UdpMode.BINARY,
      subscriber: this.subscriber,
      sessionId: options.sessionId ?? "",
      requestId: crypto.randomUUID(),
      onTimeout: actionOf(options.onTimeout),
      ...(options.reuseAddress === undefined ? {} : { reuseAddress: options.reuseAddress }),
      ...times(options),
    };
    const { calls, lanes } = this.#core;
    return await this.#open(async () => {
      const { sessionId, listening } = await calls.retried((limits) => calls.sockets.udpIn(request, limits), { signal });
      const groups = listening?.multicastGroups ?? [];
      return this.#kept(new UdpSocket(this.#core, lanes.adopt(sessionId), boundTo(listening), groups));
    });
  }

  /** Sends one datagram from a port of the system's choice. An answer to it goes nowhere: for that, send from a `udpIn` socket. */
  async udpOut(host: string, port: number, payload: Payload, options: DatagramOptions = {}): Promise<DatagramSent> {
    const { calls } = this.#core;
    const request = datagramOut(this.#core, "", { host, port }, payload, options);
    const { signal } = options;
    return datagramSent(await calls.once((limits) => calls.sockets.udpOut(request, limits), { signal }));
  }

  /**
   * A session that lives already, by its id. Its data comes here from the first send on, or at once with `claim`.
   *
   * @throws SessionNotFoundError
   */
  async session(
    id: string,
    options: Abortable & Pick<SessionOptions, "terminator"> & { readonly claim?: boolean } = {},
  ): Promise<Session> {
    const { calls, lanes } = this.#core;
    const { signal } = options;
    const { session: view } = await calls.retried((call) => calls.sessions.getSession({ sessionId: id }, call), { signal });
    const session = new Session(this.#core, lanes.adopt(id), { terminator: options.terminator ?? "none", ...seen(view) });
    if (options.claim === true) {
      await session.claim({ signal });
    }
    return session;
  }

  /**
   * Sessions of this object's subscriber that it did not open: those that the listeners and connections of the gateway's configuration
   * bring, and those whose data was claimed for it. Only of use with a `subscriber` name.
   */
  async *incoming(options: Abortable & Pick<SessionOptions, "terminator"> = {}): AsyncGenerator<Session, void, undefined> {
    const { lanes } = this.#core;
    const { strangers } = lanes;
    strangers.readers += 1;
    try {
      const next = () => strangers.next(options.signal);
      for (let lane = await next(); lane !== undefined; lane = await next()) {
        yield await this.#stranger(lane, options);
      }
    } finally {
      strangers.readers -= 1;
    }
  }

  /**
   * Closes everything this object opened, as far as the gateway answers within 5 s, and the connection to the gateway. Sessions end as by `disconnect`; `closed` of a session
   * whose last word did not come any more says `detached`.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close(true);
    return this.#closing;
  }

  /**
   * Closes the connection to the gateway and leaves everything open there, for another object with the same subscriber name. What nobody
   * comes for, the gateway closes after its orphan timeout.
   */
  detach(): Promise<void> {
    this.#closing ??= this.#close(false);
    return this.#closing;
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(everything: boolean): Promise<void> {
    if (everything && this.state === "open") {
      const patience = new AbortController();
      const ends = [...this.#opened].map((opened) => opened[Symbol.asyncDispose]());
      await Promise.race([Promise.allSettled(ends), delay(CLOSE_PATIENCE, patience.signal).catch(() => undefined)]);
      patience.abort();
    }
    await this.#core.link.close();
    this.#wire.close();
  }

  /** Runs a call that opens something, so that what comes of it before the answer is not taken for a stranger's. */
  async #open<T>(call: () => Promise<T>): Promise<T> {
    const over = this.#core.lanes.opening();
    try {
      await this.#core.link.ready();
      return await call();
    } finally {
      over();
    }
  }

  #session(id: string, init: SessionInit): Session {
    return this.#kept(new Session(this.#core, this.#core.lanes.adopt(id), init));
  }

  #kept<T extends AsyncDisposable & { readonly closed: Promise<unknown> }>(opened: T): T {
    this.#opened.add(opened);
    void opened.closed.then(() => this.#opened.delete(opened));
    return opened;
  }

  async #stranger(lane: Lane, options: Pick<SessionOptions, "terminator">): Promise<Session> {
    const { calls, lanes } = this.#core;
    let view: SessionView | undefined;
    try {
      view = (await calls.retried((call) => calls.sessions.getSession({ sessionId: lane.id }, call))).session;
    } catch (error) {
      // It may have ended meanwhile: what it said is still here.
      if ((error as GatewayError).reason !== "SESSION_NOT_FOUND") {
        throw error;
      }
    }
    return new Session(this.#core, lanes.adopt(lane), { terminator: options.terminator ?? "none", ...seen(view) });
  }

  #sessionFields(options: SessionOptions) {
    return {
      subscriber: this.subscriber,
      mode: modeOf(options) === "line" ? TcpMode.LINE : TcpMode.BINARY,
      waitFor: patternOf(options.waitFor) ?? "",
      onTimeout: actionOf(options.onTimeout),
      allowHalfOpen: options.allowHalfOpen ?? false,
      ...times(options),
    };
  }
}

function modeOf(options: SessionOptions): "binary" | "line" {
  return options.mode ?? (options.waitFor === undefined ? "binary" : "line");
}

function actionOf(action: "close" | "keep" | undefined): TimeoutAction {
  return action === undefined ? TimeoutAction.UNSPECIFIED : action === "close" ? TimeoutAction.CLOSE : TimeoutAction.KEEP;
}

function times(options: { readonly timeout?: number; readonly orphanTimeout?: number }) {
  return {
    ...(options.timeout === undefined ? {} : { timeout: duration(options.timeout) }),
    ...(options.orphanTimeout === undefined ? {} : { orphanTimeout: duration(options.orphanTimeout) }),
  };
}

function groupOf(group: Group): { address: string; interface: string } {
  return typeof group === "string" ? { address: group, interface: "" } : { interface: "", ...group };
}

function boundTo(listening: Listening | undefined): Endpoint {
  return { host: listening?.localHost ?? "", port: listening?.localPort ?? 0 };
}

/** What a look at a session tells. */
function seen(view: SessionView | undefined): Omit<SessionInit, "terminator"> {
  if (view === undefined || view.kind === SessionKind.UDP) {
    return { mode: undefined, offset: undefined };
  }
  return {
    mode: view.mode === TcpMode.LINE ? "line" : "binary",
    // Others write to it, or have written what is still queued: only the next send tells.
    offset: undefined,
    remote: { host: view.remoteHost, port: view.remotePort },
    local: { host: view.localHost, port: view.localPort },
  };
}
