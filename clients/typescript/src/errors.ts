/**
 * The errors of this client. All are {@link GatewayError}; the class tells the kind, `reason` the exact word of the gateway.
 *
 * Which reason means what is told by `proto/tcpip/v1/error_reason.proto`.
 */

/** One bad field of a request. */
export interface Violation {
  /** The field's path, for example `port`. */
  readonly field: string;
  /** What is wrong with it and what would be right. */
  readonly description: string;
}

/** What a {@link GatewayError} is made of. */
export interface GatewayErrorInit {
  /** The gRPC status as a word, for example `failed_precondition`. */
  readonly code: string;
  /** The gateway's word for it, for example `CONNECT_FAILED`; empty where the error did not come from the gateway. */
  readonly reason: string;
  /** A sentence for people. */
  readonly message: string;
  /** Ids, limits and errno names that belong to it. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Every bad field, where fields were bad. */
  readonly violations?: readonly Violation[];
  /** What it came from. */
  readonly cause?: unknown;
}

/** An error of the gateway, or of the way to it. */
export class GatewayError extends Error {
  override readonly name: string;
  /** The gRPC status as a word, for example `failed_precondition`. */
  readonly code: string;
  /** The gateway's word for it, for example `CONNECT_FAILED`; empty where the error did not come from the gateway. */
  readonly reason: string;
  /** Ids, limits and errno names that belong to it. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Every bad field, where fields were bad. */
  readonly violations: readonly Violation[];

  constructor(init: GatewayErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = new.target.name;
    this.code = init.code;
    this.reason = init.reason;
    this.metadata = init.metadata ?? {};
    this.violations = init.violations ?? [];
  }

  /** The operating system's name for it, for example `ECONNREFUSED`, where it was the operating system that refused. */
  get errno(): string | undefined {
    return this.metadata.errno;
  }

  /** The session concerned, where one is. */
  get sessionId(): string | undefined {
    return this.metadata.sessionId;
  }
}

/** A field of the request is missing or out of its bounds; `violations` lists every one. */
export class InvalidRequestError extends GatewayError {}

/** The forced session id is in use. */
export class SessionIdConflictError extends GatewayError {}

/** The peer refused, is unreachable, did not answer in time, or its name was not found; `errno` and `phase` tell more. */
export class ConnectFailedError extends GatewayError {
  /** How far it came: `resolve` or `connect`. */
  get phase(): string | undefined {
    return this.metadata.phase;
  }
}

/** The operating system refused the bind of a listener; `errno` tells why. */
export class ListenFailedError extends GatewayError {}

/** No session has this id: it never existed, or has ended. */
export class SessionNotFoundError extends GatewayError {}

/** No listener has this id. */
export class ListenerNotFoundError extends GatewayError {}

/** The session exists but is connecting or disconnecting, or is a UDP socket. */
export class SessionNotConnectedError extends GatewayError {}

/** The socket died under the write. */
export class SocketNotConnectedError extends GatewayError {
  /** How many items of the failed send went out whole. */
  get itemsWritten(): number {
    return Number(this.metadata.itemsWritten ?? 0);
  }
}

/** A UDP socket could not be bound, or a datagram not be sent; `errno` tells why. */
export class UdpError extends GatewayError {}

/** No answer in time: of an exchange, of the gateway, or a session that was inactive for its timeout. */
export class TimeoutError extends GatewayError {}

/** A socket reported an error. */
export class TransportError extends GatewayError {}

/** A line is longer than the gateway's limit. */
export class FrameTooLongError extends GatewayError {}

/** A configured limit of the gateway was reached. */
export class LimitReachedError extends GatewayError {
  /** The name of the setting. */
  get limit(): string | undefined {
    return this.metadata.limit;
  }
}

/** The gateway's policy forbids it; `rule` names the rule. */
export class PolicyDeniedError extends GatewayError {
  /** The rule that said no. */
  get rule(): string | undefined {
    return this.metadata.rule;
  }
}

/** The call has no credentials that the gateway accepts; it does not say why. */
export class AuthenticationError extends GatewayError {}

/** The caller's role does not allow this. */
export class RoleDeniedError extends GatewayError {
  /** The role that the caller has. */
  get role(): string | undefined {
    return this.metadata.role;
  }
}

/** Nothing was written, because somebody else has written in between. */
export class WriteOffsetMismatchError extends GatewayError {}

/** The gateway is another process than before: every session and listener of the old one is gone. */
export class InstanceChangedError extends GatewayError {}

/** The subscriber was removed after being idle and made anew: what was not delivered is gone. */
export class EpochChangedError extends GatewayError {}

/** The gateway is shutting down. */
export class ShuttingDownError extends GatewayError {}

/** The session ended before the answer was complete. */
export class SessionEndedError extends GatewayError {}

/** The gateway cannot be reached, or the connection to it broke and did not come back in time. */
export class GatewayUnavailableError extends GatewayError {}

/** The connection to the gateway broke while this was under way: it may or may not have been done. */
export class UnconfirmedError extends GatewayError {}

/** This object was closed. */
export class ClosedError extends GatewayError {}

/** The session is closed; `closeReason` says why, and `reason`, where an error closed it, which. */
export class SessionClosedError extends GatewayError {
  /** Why it ended, for example `peer_reset`. */
  get closeReason(): string {
    return this.metadata.closeReason ?? "";
  }
}

/** A line is not UTF-8. The bytes are here, and reading goes on after it. */
export class LineEncodingError extends GatewayError {
  /** The line without its line end. */
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super({
      code: "data_loss",
      reason: "",
      message:
        'a line is not valid UTF-8: its bytes are in this error; read with { invalid: "bytes" } to get such lines as bytes',
    });
    this.bytes = bytes;
  }
}

type Class = new (init: GatewayErrorInit) => GatewayError;

const BY_REASON: Readonly<Record<string, Class>> = {
  CONNECT_INVALID: InvalidRequestError,
  LISTEN_INVALID: InvalidRequestError,
  PAYLOAD_INVALID: InvalidRequestError,
  WAIT_FOR_INVALID: InvalidRequestError,
  SEND_INVALID: InvalidRequestError,
  REQUEST_INVALID: InvalidRequestError,
  SESSION_ID_CONFLICT: SessionIdConflictError,
  CONNECT_FAILED: ConnectFailedError,
  SERVER_ERROR: ListenFailedError,
  SESSION_NOT_FOUND: SessionNotFoundError,
  LISTENER_NOT_FOUND: ListenerNotFoundError,
  SESSION_NOT_CONNECTED: SessionNotConnectedError,
  SOCKET_NOT_CONNECTED: SocketNotConnectedError,
  UDP_SEND_FAILED: UdpError,
  UDP_ERROR: UdpError,
  TIMEOUT: TimeoutError,
  TRANSPORT_ERROR: TransportError,
  FRAME_TOO_LONG: FrameTooLongError,
  LIMIT_REACHED: LimitReachedError,
  POLICY_DENIED: PolicyDeniedError,
  WRITE_OFFSET_MISMATCH: WriteOffsetMismatchError,
  INSTANCE_CHANGED: InstanceChangedError,
  EPOCH_CHANGED: EpochChangedError,
  STREAM_STALLED: GatewayUnavailableError,
  SHUTTING_DOWN: ShuttingDownError,
  SESSION_ENDED: SessionEndedError,
  UNAUTHENTICATED: AuthenticationError,
  ROLE_DENIED: RoleDeniedError,
};

const BY_CODE: Readonly<Record<string, Class>> = {
  unavailable: GatewayUnavailableError,
  deadline_exceeded: TimeoutError,
  unauthenticated: AuthenticationError,
  permission_denied: RoleDeniedError,
  invalid_argument: InvalidRequestError,
};

/** The error of the class that goes with its reason, or with its code where the reason is none this client knows. */
export function gatewayError(init: GatewayErrorInit): GatewayError {
  const Kind = BY_REASON[init.reason] ?? BY_CODE[init.code] ?? GatewayError;
  return new Kind(init);
}
