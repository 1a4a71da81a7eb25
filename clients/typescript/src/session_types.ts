/** What a session reports: its events, its end. */
import { type GatewayError, SessionClosedError } from "./errors.js";
import { CloseReason, type Envelope, Event, Status } from "./gen/tcpip/v1/envelope_pb.js";
import { fromEnvelope } from "./wire_errors.js";

/** Why a session ended. The last four are this client's: it cannot know any more what became of the socket. */
export type EndReason =
  | "peer_closed"
  | "peer_reset"
  | "by_request"
  | "timeout"
  | "abort"
  | "orphaned"
  | "shutdown"
  | "replaced"
  | "error"
  | "instance_changed"
  | "gateway_lost"
  | "not_found"
  | "detached";

/** How a session ended. */
export interface SessionEnd {
  /** Why. */
  readonly reason: EndReason;
  /** Bytes read from the peer. */
  readonly bytesReceived: bigint;
  /** Bytes taken by the operating system. */
  readonly bytesSent: bigint;
  /** What went wrong, where something did. */
  readonly error: GatewayError | undefined;
}

/** What happened. */
export type EventKind =
  | "connecting"
  | "connected"
  | "listening"
  | "sent"
  | "disconnecting"
  | "disconnected"
  | "closed"
  | "timeout"
  | "error"
  | "half_closed";

/** Something happened to a session or a listener. */
export interface SessionEvent {
  /** What. */
  readonly kind: EventKind;
  /** When the gateway emitted it. */
  readonly time: Date;
  /** What went wrong: of `error` and `timeout`. */
  readonly error: GatewayError | undefined;
  /** Everything the gateway said. */
  readonly envelope: Envelope;
}

/** Names of enum values in this client: the part after the prefix, in lower case. */
function word(name: string | undefined): string {
  return (name ?? "unspecified").toLowerCase();
}

/** An event of the wire. */
export function eventOf(envelope: Envelope): SessionEvent {
  const { seconds, nanos } = envelope.timestamp ?? { seconds: 0n, nanos: 0 };
  return {
    kind: word(Event[envelope.event]) as EventKind,
    time: new Date(Number(seconds) * 1000 + Math.floor(nanos / 1e6)),
    error: envelope.status === Status.ERROR ? fromEnvelope(envelope) : undefined,
    envelope,
  };
}

/** A session's end of the wire. */
export function endOf(envelope: Envelope, error: GatewayError | undefined): SessionEnd {
  const detail = envelope.detail.case === "disconnected" ? envelope.detail.value : undefined;
  return {
    reason: word(CloseReason[detail?.reason ?? CloseReason.UNSPECIFIED]) as EndReason,
    bytesReceived: detail?.bytesReceived ?? 0n,
    bytesSent: detail?.bytesSent ?? 0n,
    error,
  };
}

/** An end this client concludes by itself. */
export function lostBy(reason: EndReason, error: GatewayError | undefined): SessionEnd {
  return { reason, bytesReceived: 0n, bytesSent: 0n, error };
}

/** What a call on a session that has ended throws. */
export function closedError(id: string, end: SessionEnd): SessionClosedError {
  return new SessionClosedError({
    code: end.error?.code ?? "failed_precondition",
    reason: end.error?.reason ?? "",
    message: `session ${id} has ended: ${end.reason}${end.error === undefined ? "" : `: ${end.error.message}`}`,
    metadata: { ...end.error?.metadata, sessionId: id, closeReason: end.reason },
    cause: end.error,
  });
}
