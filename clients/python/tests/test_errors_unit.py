"""Errors: every reason of the API has its class, and classes say what they are."""

from __future__ import annotations

from typing import Any, Optional

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from socket_gateway import (
    ConnectFailed,
    ConnectInvalid,
    GatewayError,
    GatewayTimeout,
    PolicyDenied,
    SessionEnded,
    SocketNotConnected,
    Unauthenticated,
    Unavailable,
    errors,
)
from socket_gateway._gen.tcpip.v1 import envelope_pb2, error_reason_pb2
from socket_gateway.types import CloseReason

REASONS = [
    name.removeprefix("ERROR_REASON_")
    for name in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118 an enum of protobuf is no dict
    if name != "ERROR_REASON_UNSPECIFIED"
]


class Failed(grpc.RpcError):
    """A call that failed, as both of grpc's APIs tell it."""

    def __init__(self, code: grpc.StatusCode, text: str, status: Optional[status_pb2.Status] = None) -> None:
        self._code, self._text, self._status = code, text, status

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._text

    def trailing_metadata(self) -> Any:
        return () if self._status is None else (("grpc-status-details-bin", self._status.SerializeToString()),)


def failed(code: grpc.StatusCode, reason: str, domain: str = "socket-gateway", **metadata: str) -> Failed:
    status = status_pb2.Status()
    info = AnyMessage()
    info.Pack(error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata))
    bad = AnyMessage()
    violation = error_details_pb2.BadRequest.FieldViolation(field="port", description="is 70000")
    bad.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    status.details.extend([info, bad])
    return Failed(code, "it says so", status)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_its_class(reason: str) -> None:
    error = errors.from_call(failed(grpc.StatusCode.INTERNAL, reason))
    assert type(error) is not GatewayError and error._reason == error.reason == reason
    envelope = envelope_pb2.Envelope(error_code=reason, error_text="it says so", error_metadata={"sessionId": "s"})
    told = errors.from_envelope(envelope)
    assert type(told) is type(error) and told.session_id == "s" and told.code is error._code


def test_an_error_carries_code_metadata_and_violations() -> None:
    error = errors.from_call(failed(grpc.StatusCode.INVALID_ARGUMENT, "CONNECT_INVALID", host="x"))
    assert isinstance(error, ConnectInvalid)
    assert (error.code, error.metadata["host"]) == (grpc.StatusCode.INVALID_ARGUMENT, "x")
    assert [(bad.field, bad.description) for bad in error.violations] == [("port", "is 70000")]
    assert str(error) == "it says so (port: is 70000)"


def test_a_reason_of_a_newer_gateway_is_a_plain_error() -> None:
    error = errors.from_call(failed(grpc.StatusCode.ABORTED, "SOMETHING_NEW"))
    assert type(error) is GatewayError and error.reason == "SOMETHING_NEW"


def test_a_reason_of_another_domain_is_not_taken_for_one_of_the_gateway() -> None:
    error = errors.from_call(failed(grpc.StatusCode.PERMISSION_DENIED, "POLICY_DENIED", domain="a proxy"))
    assert type(error) is GatewayError and error.reason == ""


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.UNAUTHENTICATED, Unauthenticated),
        (grpc.StatusCode.DEADLINE_EXCEEDED, GatewayTimeout),
        (grpc.StatusCode.UNKNOWN, GatewayError),
    ],
)
def test_an_error_from_before_the_gateway_goes_by_its_code(code: grpc.StatusCode, kind: type[GatewayError]) -> None:
    error = errors.from_call(Failed(code, "no route"))
    assert type(error) is kind and (error.code, str(error)) == (code, "no route")


def test_errors_can_be_made_by_callers_own_tests() -> None:
    error = ConnectFailed("refused", errno="ECONNREFUSED")
    assert error.errno == "ECONNREFUSED" and error.code is grpc.StatusCode.FAILED_PRECONDITION
    assert SocketNotConnected("died", itemsWritten="3").items_written == 3
    assert PolicyDenied("no", rule="metadata").rule == "metadata"
    assert SessionEnded("over", closeReason="peer_reset").close_reason is CloseReason.PEER_RESET
    assert "ConnectFailed('refused'" in repr(error)
