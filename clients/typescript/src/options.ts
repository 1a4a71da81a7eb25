/** What the calls of this client take. All times are milliseconds. */
import type { ConnectionState } from "./link.js";
import type { LineTerminator } from "./payload.js";

/** A token, or what makes one for each call, so that it may expire. */
export type Token = string | (() => string | Promise<string>);

/** How a gateway object behaves. */
export interface GatewayOptions {
  /**
   * The subscriber's name. Default: one of its own, so that nobody else gets what this object gets. Give a name to get what others
   * open for it, such as the sessions of the gateway's configuration file (see `incoming`).
   */
  readonly subscriber?: string;
  /** Sent with every call as `authorization: Bearer …`. */
  readonly token?: Token;
  /** How long opening may take before it fails. Default: 5000. */
  readonly openTimeout?: number;
  /** How long a broken connection to the gateway is tried again before every session is given up. Default: 60000. */
  readonly reconnectTimeout?: number;
  /** A connection to the gateway that is silent for thrice as long is taken for dead and made anew. At least 1000. Default: 15000. */
  readonly heartbeat?: number;
  /** How long a call may take, beside what it says itself. Default: 30000. */
  readonly callTimeout?: number;
  /** Told when the connection to the gateway comes, breaks and is given up. */
  readonly onState?: (state: ConnectionState) => void;
  /** Gives up opening. */
  readonly signal?: AbortSignal | undefined;
}

/** What is common to what a call gives up on. */
export interface Abortable {
  /** Gives the call up; it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How a session of TCP behaves. */
export interface SessionOptions extends Abortable {
  /** How inbound bytes are delivered: as they come, or as lines. Default: `line` where `waitFor` is given, else `binary`. */
  readonly mode?: "binary" | "line";
  /** Line mode: lines are collected until one, or the unfinished rest of one, matches; then `matches()` has them together. */
  readonly waitFor?: string | RegExp;
  /** Appended to text that is sent. Default: `none`. */
  readonly terminator?: LineTerminator;
  /** Inactivity: an event `timeout` after so long without traffic. Default: none. */
  readonly timeout?: number;
  /** What happens then. Default: `keep` for dialled sessions, `close` for accepted ones. */
  readonly onTimeout?: "close" | "keep";
  /** Keep the sending direction open after the peer ended its own. */
  readonly allowHalfOpen?: boolean;
  /** The gateway closes the session when this client is gone for so long. Default: the gateway's, 5 min. 0: never. */
  readonly orphanTimeout?: number;
}

/** How to connect. */
export interface ConnectOptions extends SessionOptions {
  /** Forces the session's id. Default: the gateway makes one. */
  readonly sessionId?: string;
  /** How long connecting may take, names included. Default: the gateway's, 10000. At most 60000. */
  readonly connectTimeout?: number;
  /** Answer before the connection is there: `opened` of the session tells when it is. */
  readonly noWait?: boolean;
}

/** Where and how to listen. */
export interface ListenOptions extends SessionOptions {
  /** The address to bind. Default: 0.0.0.0. */
  readonly host?: string;
}

/** How to send. */
export interface SendOptions extends Abortable {
  /** Appended to text. Default: the session's. */
  readonly terminator?: LineTerminator;
  /** Line mode: the pattern to collect lines for from now on; empty: none. Default: unchanged. */
  readonly waitFor?: string | RegExp;
  /** A new inactivity timeout, which stays; 0: none. Default: unchanged. */
  readonly timeout?: number;
  /** Whether the session's data comes to this object from now on, where another has it. Default: true. */
  readonly claim?: boolean;
  /** Refuses to send where the session's outbound byte count is another: for who keeps it himself, across crashes for example. */
  readonly expectedWriteOffset?: bigint;
}

/** How to ask. */
export interface ExchangeOptions extends Abortable {
  /** Line mode: the answer is complete when this matches a line, or the unfinished rest of one. Default: with the first frame. */
  readonly waitFor?: string | RegExp;
  /** How long the answer may take, waiting for the turn included. Default: the gateway's, 30000. */
  readonly timeout?: number;
  /** Appended to text. Default: the session's. */
  readonly terminator?: LineTerminator;
  /** What becomes of the session when the answer does not come: it waits for the late one, or is aborted. Default: `settle`. */
  readonly onUnanswered?: "settle" | "abort";
  /** How long the turn is kept for a late answer. Default: the gateway's, 10000. */
  readonly settleTimeout?: number;
}

/** A multicast group: its address, or with the interface to join on. */
export type Group = string | { readonly address: string; readonly interface?: string };

/** Which UDP socket to bind. */
export interface UdpInOptions extends Abortable {
  /** The address to bind. Default: 0.0.0.0, or :: where the groups are IPv6. */
  readonly host?: string;
  /** Whether `content` of a datagram is text where it is UTF-8. Default: `binary`. */
  readonly mode?: "binary" | "utf8";
  /** Multicast groups to join. */
  readonly groups?: readonly Group[];
  /** Whether several sockets may share the port. Default: with groups only. */
  readonly reuseAddress?: boolean;
  /** Forces the session's id. */
  readonly sessionId?: string;
  /** Inactivity, as in {@link SessionOptions}. */
  readonly timeout?: number;
  /** What happens then. Default: `keep`. */
  readonly onTimeout?: "close" | "keep";
  /** As in {@link SessionOptions}. */
  readonly orphanTimeout?: number;
}

/** How to send a datagram. */
export interface DatagramOptions extends Abortable {
  /** Allow a broadcast destination. */
  readonly broadcast?: boolean;
  /** Time to live of multicast datagrams, 0 to 255. Default: 1. */
  readonly multicastTtl?: number;
  /** Whether this host gets the multicast datagram too. Default: true. */
  readonly multicastLoopback?: boolean;
  /** The interface multicast goes out on. Default: the system chooses. */
  readonly multicastInterface?: string;
}
