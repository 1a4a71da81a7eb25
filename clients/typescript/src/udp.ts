/** UDP sockets of the gateway. */
import { SessionNotFoundError, UnconfirmedError } from "./errors.js";
import type { Datagram as WireDatagram } from "./gen/tcpip/v1/envelope_pb.js";
import type { UdpOutResponse } from "./gen/tcpip/v1/socket_gateway_service_pb.js";
import type { Arrived, Lane } from "./lane.js";
import { BrokenLink, type Command } from "./link.js";
import type { Abortable, DatagramOptions } from "./options.js";
import { Line, type Payload } from "./payload.js";
import { Reader } from "./reader.js";
import type { Core, Endpoint } from "./session.js";
import type { SessionEnd, SessionEvent } from "./session_types.js";
import { unlessAborted } from "./timing.js";
import { fromCommand } from "./wire_errors.js";

/** What the operating system took. */
export interface DatagramSent {
  /** The address it went to. */
  readonly host: string;
  /** The port it went to. */
  readonly port: number;
  /** Its payload's size. */
  readonly bytes: number;
}

/** The command that sends a datagram. */
export function datagramOut(
  core: Core,
  sessionId: string,
  to: Endpoint,
  payload: Payload,
  options: DatagramOptions,
): Extract<Command, { case?: "udpOut" }>["value"] {
  const item =
    typeof payload === "string" ? ({ case: "text", value: payload } as const) : ({ case: "bytes", value: payload } as const);
  return {
    host: to.host,
    port: to.port,
    payload: { item },
    broadcast: options.broadcast ?? false,
    multicastInterface: options.multicastInterface ?? "",
    sessionId,
    subscriber: core.subscriber,
    ...(options.multicastTtl === undefined ? {} : { multicastTtl: options.multicastTtl }),
    ...(options.multicastLoopback === undefined ? {} : { multicastLoopback: options.multicastLoopback }),
  };
}

/** The answer to it. */
export function datagramSent({ host, port, bytes }: UdpOutResponse): DatagramSent {
  return { host, port, bytes };
}

/** One datagram, and the way back to its sender. */
export class Datagram {
  /** Who sent it. */
  readonly sender: Endpoint;
  /** Datagrams that are missing just before this one: dropped by a full backlog or by the kernel. */
  readonly droppedBefore: number;
  readonly #line: Line;
  readonly #socket: UdpSocket;

  /** @internal */
  constructor(socket: UdpSocket, datagram: WireDatagram, droppedBefore: bigint) {
    const { payload } = datagram;
    this.sender = { host: datagram.remoteHost, port: datagram.remotePort };
    this.droppedBefore = Number(droppedBefore);
    this.#line = new Line(payload.case === undefined ? new Uint8Array() : payload.value);
    this.#socket = socket;
  }

  /** Its payload: in `utf8` mode text where it is UTF-8, else bytes. */
  get content(): string | Uint8Array {
    return this.#line.content;
  }

  /** Its payload, exactly. */
  get bytes(): Uint8Array {
    return this.#line.bytes;
  }

  /** Its payload as text; bytes that are not UTF-8 show as U+FFFD. */
  get text(): string {
    return this.#line.text;
  }

  /** Answers its sender, from the port it came to. */
  reply(payload: Payload, options: DatagramOptions = {}): Promise<DatagramSent> {
    return this.#socket.sendTo(this.sender.host, this.sender.port, payload, options);
  }
}

/**
 * A bound UDP socket of the gateway: an async iterable of datagrams. Where nobody reads, the gateway keeps a bounded number and drops
 * the oldest; `droppedBefore` of the next one says how many.
 */
export class UdpSocket implements AsyncIterable<Datagram>, AsyncDisposable {
  /** Its session's id in the gateway. */
  readonly id: string;
  /** The address and port really bound. */
  readonly local: Endpoint;
  /** The multicast groups joined. */
  readonly groups: readonly string[];
  /** Resolves when it is closed. */
  readonly closed: Promise<SessionEnd>;
  readonly #core: Core;
  readonly #lane: Lane;
  readonly #reader: Reader;
  #aborted = false;

  /** @internal */
  constructor(core: Core, lane: Lane, local: Endpoint, groups: readonly string[]) {
    this.id = lane.id;
    this.local = local;
    this.groups = groups;
    this.closed = lane.ended;
    this.#core = core;
    this.#lane = lane;
    this.#reader = new Reader(lane, () => this.#aborted);
  }

  /** The next datagram; undefined when the socket is closed. */
  async receive(options: Abortable = {}): Promise<Datagram | undefined> {
    const arrived: Arrived | undefined = await this.#reader.arrived(options.signal);
    if (arrived === undefined) {
      return undefined;
    }
    const { payload } = arrived.data;
    if (payload.case !== "datagram") {
      throw new TypeError(`session ${this.id} is no UDP socket`);
    }
    return new Datagram(this, payload.value, arrived.droppedBefore);
  }

  /** The datagrams, until the socket is closed. */
  async *datagrams(options: Abortable = {}): AsyncGenerator<Datagram, void, undefined> {
    for (let next = await this.receive(options); next !== undefined; next = await this.receive(options)) {
      yield next;
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Datagram, void, undefined> {
    return this.datagrams();
  }

  /**
   * Sends a datagram from this socket's port.
   *
   * @throws UnconfirmedError where the connection to the gateway breaks meanwhile: a datagram is not sent twice
   */
  async sendTo(host: string, port: number, payload: Payload, options: DatagramOptions = {}): Promise<DatagramSent> {
    const { link } = this.#core;
    const value = datagramOut(this.#core, this.id, { host, port }, payload, options);
    for (;;) {
      await link.ready(options.signal);
      try {
        const answer = await unlessAborted(link.command({ case: "udpOut", value }), options.signal);
        if (answer.case === "udpOut") {
          return datagramSent(answer.value);
        }
        if (answer.case === "error") {
          throw fromCommand(answer.value);
        }
      } catch (error) {
        if (!(error instanceof BrokenLink)) {
          throw error;
        }
        if (!error.sent) {
          continue;
        }
      }
      throw new UnconfirmedError({
        code: "unknown",
        reason: "",
        message: "the connection to the gateway broke while a datagram was being sent: it may or may not have gone out",
        metadata: { sessionId: this.id },
      });
    }
  }

  /** What happens to the socket. */
  events(options: Abortable = {}): AsyncGenerator<SessionEvent, void, undefined> {
    return this.#lane.events(options.signal);
  }

  /** Closes it. */
  async close(options: Abortable = {}): Promise<void> {
    if (this.#lane.end !== undefined) {
      return;
    }
    this.#aborted = true;
    const { calls, subscriber } = this.#core;
    const request = { sessionId: this.id, subscriber };
    try {
      await calls.retried((limits) => calls.sockets.tcpDisconnect(request, limits), { signal: options.signal });
    } catch (error) {
      if (!(error instanceof SessionNotFoundError)) {
        throw error;
      }
      this.#core.lanes.missing(this.#lane, error);
    }
  }

  /** Closes it, and throws away what comes meanwhile. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#lane.discard();
    await this.close();
  }
}
