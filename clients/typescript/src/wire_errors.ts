/** From the errors of calls and of commands on a stream to {@link GatewayError}. */
import { Code, ConnectError } from "@connectrpc/connect";
import { badRequestOf, errorInfoOf } from "./error_details.js";
import { GatewayError, gatewayError } from "./errors.js";
import type { Envelope } from "./gen/tcpip/v1/envelope_pb.js";
import type { CommandError } from "./gen/tcpip/v1/socket_gateway_service_pb.js";

/** A gRPC status as a word in snake case. */
export function codeName(code: number): string {
  const name = Code[code];
  return name === undefined ? `code ${code}` : name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase();
}

/** The error of a call that failed; `target` names the gateway to people. */
export function fromCall(cause: unknown, target = "the gateway"): GatewayError {
  if (cause instanceof GatewayError) {
    return cause;
  }
  const error = ConnectError.from(cause);
  const info = detail(error, "google.rpc.ErrorInfo", errorInfoOf);
  const violations = detail(error, "google.rpc.BadRequest", badRequestOf) ?? [];
  const broken = info === undefined && isBroken(error);
  return gatewayError({
    code: broken ? "unavailable" : codeName(error.code),
    reason: info?.reason ?? "",
    message: broken ? `${target} cannot be reached, or the connection to it broke: ${error.rawMessage}` : error.rawMessage,
    metadata: info?.metadata ?? {},
    violations,
    cause,
  });
}

function detail<T>(error: ConnectError, type: string, decoded: (bytes: Uint8Array) => T): T | undefined {
  const found = error.details.find((one) => "type" in one && one.type === type);
  return found !== undefined && "value" in found && found.value instanceof Uint8Array ? decoded(found.value) : undefined;
}

/** The error of a command on the stream. */
export function fromCommand(error: CommandError): GatewayError {
  return gatewayError({
    code: codeName(error.grpcCode),
    reason: error.errorCode,
    message: error.errorText,
    metadata: error.metadata,
    violations: error.fieldViolations.map(({ field, description }) => ({ field, description })),
  });
}

/** The error an envelope reports. */
export function fromEnvelope(envelope: Envelope): GatewayError {
  return gatewayError({
    code: envelope.errorCode === "TIMEOUT" ? "deadline_exceeded" : "failed_precondition",
    reason: envelope.errorCode,
    message: envelope.errorText,
    metadata: envelope.errorMetadata,
  });
}

/**
 * Whether a call failed on the way to the gateway rather than in it. A gateway's own errors carry an ErrorInfo; what has none and one
 * of these codes is what Node's HTTP/2 and connect-node make of refused, reset and timed out connections.
 */
function isBroken(error: ConnectError): boolean {
  return [Code.Unavailable, Code.Aborted, Code.Internal, Code.Unknown, Code.Canceled].includes(error.code);
}

/** Whether trying again may help. */
export function isTransient(error: GatewayError): boolean {
  return error.code === "unavailable" || error.reason === "STREAM_STALLED";
}
