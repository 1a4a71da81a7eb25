"""The one Attach stream of a gateway object: kept up, resumed after a break, and acknowledged as its readers read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Callable, Optional

import grpc
import grpc.aio

from . import errors
from ._gen.tcpip.v1 import socket_gateway_service_pb2 as _gateway
from ._router import Router

_log = logging.getLogger("socket_gateway")

#: How long acknowledgements wait for others to go with.
ACK_DELAY = 0.005
#: Keeps load balancers from cutting an idle stream.
HEARTBEAT_SECONDS = 20
#: How long closing waits for the gateway to take the last acknowledgements.
CLOSE_PATIENCE = 1.0
#: The correlation id of the message behind them.
LAST_WORD = 1
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0

# With these the next attempt would fail as well.
_FINAL = frozenset(
    (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    )
)


class Attachment:
    """Keeps a subscriber's acknowledged stream attached, and hands what comes to the router."""

    def __init__(
        self,
        attach: Any,
        subscriber: str,
        metadata: Callable[[], tuple[tuple[str, str], ...]],
        patience: Optional[float],
        target: str,
    ) -> None:
        self.router = Router(self._acks_due)
        self._attach = attach
        self._subscriber = subscriber
        self._metadata = metadata
        self._patience = patience
        self._target = target
        self._start: Optional[_gateway.StreamStart] = None
        self._up = asyncio.Event()
        self._ack_now = asyncio.Event()
        self._closing = False
        self._all_acknowledged = asyncio.Event()
        self._ack_timer: Optional[asyncio.TimerHandle] = None
        self._dead: Optional[errors.GatewayError] = None
        self._task: Optional[asyncio.Task[None]] = None

    def start(self) -> None:
        """Begins to attach."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def ready(self) -> None:
        """Waits until the stream is attached.

        Raises:
            GatewayError: it could not be within the patience, or never will be.
        """
        await self._up.wait()
        if self._dead is not None:
            raise self._dead.with_traceback(None)

    async def close(self) -> None:
        """Detaches, once the gateway has the last acknowledgements; whoever still reads is told."""
        if self._task is not None:
            if self._up.is_set() and self._dead is None:
                self._closing = True
                self._ack_now.set()
                # What it does not get is delivered once more to the next stream of this subscriber.
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._all_acknowledged.wait(), CLOSE_PATIENCE)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._ack_timer is not None:
            self._ack_timer.cancel()
        self._die(errors.GatewayClosed("this gateway object was closed"))

    def _die(self, error: errors.GatewayError) -> None:
        if self._dead is None:
            self._dead = error
            self.router.fail(error)
        self._up.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        pause, lost_at = FIRST_PAUSE, loop.time()
        while True:
            try:
                await self._one_stream()
                error: errors.GatewayError = errors.Unavailable("the gateway ended the stream")
            except grpc.RpcError as failed:
                error = errors.from_call(failed)
            except Exception as failed:
                _log.exception("a defect of this client ended its stream")
                self._die(errors.InternalError(f"this client failed: {failed!r}"))
                return
            if self._up.is_set():
                self._up.clear()
                pause, lost_at = FIRST_PAUSE, loop.time()
                _log.info("the stream from %s broke: %s", self._target, error)
            if isinstance(error, (errors.InstanceChanged, errors.EpochChanged)):
                _log.warning("%s", error)
                self._start = None
                self.router.fail(error)
                continue
            if error.code in _FINAL:
                self._die(error)
                return
            if self._patience is not None and loop.time() - lost_at >= self._patience:
                self._die(
                    errors.Unavailable(
                        f"no gateway could be reached at {self._target} for {self._patience:g} s: {error}"
                    )
                )
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _one_stream(self) -> None:
        call = self._attach(metadata=self._metadata())
        acking: Optional[asyncio.Task[None]] = None
        try:
            await call.write(_gateway.AttachRequest(subscribe=self._subscription()))
            while True:
                response = await call.read()
                if response is grpc.aio.EOF:
                    return
                if response.HasField("start"):
                    self._attached(response.start)
                    acking = asyncio.get_running_loop().create_task(self._acknowledge(call))
                if response.HasField("gap"):
                    self._tell_gap(response.gap)
                if any(answer.correlation_id == LAST_WORD for answer in response.answers):
                    self._all_acknowledged.set()
                for envelope in response.envelopes:
                    self.router.take(envelope)
        except asyncio.InvalidStateError:
            # The stream ended under the write; its status says why.
            await self._raise_status(call)
        finally:
            if acking is not None:
                acking.cancel()
            call.cancel()

    @staticmethod
    async def _raise_status(call: Any) -> None:
        while await call.read() is not grpc.aio.EOF:
            pass

    def _subscription(self) -> _gateway.AttachSubscribe:
        request = _gateway.SubscribeRequest(subscriber=self._subscriber)
        request.heartbeat_interval.seconds = HEARTBEAT_SECONDS
        if self._start is not None:
            request.resume.instance_id = self._start.instance_id
            request.resume.epoch = self._start.epoch
            request.resume.after_sequence = self.router.resume_after()
        return _gateway.AttachSubscribe(subscription=request, delivery_mode=_gateway.DELIVERY_MODE_ACKNOWLEDGED)

    def _attached(self, start: _gateway.StreamStart) -> None:
        if self._start is not None:
            _log.info("resumed the stream from %s", self._target)
            self.router.ack_again()
        self._start = start
        self._up.set()

    def _tell_gap(self, gap: _gateway.Gap) -> None:
        error = errors.StreamGap(
            f"envelopes {gap.first_sequence} to {gap.last_sequence} of subscriber {self._subscriber!r} are missing: "
            "another client acknowledged them under the same name"
        )
        _log.error("%s", error)
        # Whose they were nobody knows, so nobody's stream is known to be whole.
        sequence = self.router.last_sequence
        self.router.fail(error)
        self.router.last_sequence = sequence

    def _acks_due(self, urgent: bool) -> None:
        if urgent:
            self._ack_now.set()
        elif self._ack_timer is None:
            self._ack_timer = asyncio.get_running_loop().call_later(ACK_DELAY, self._ack_now.set)

    async def _acknowledge(self, call: Any) -> None:
        while True:
            await self._ack_now.wait()
            self._ack_now.clear()
            if self._ack_timer is not None:
                self._ack_timer.cancel()
                self._ack_timer = None
            acks = self.router.acks()
            try:
                if acks is not None:
                    await call.write(_gateway.AttachRequest(ack=acks))
                if self._closing:
                    # It asks for nothing, and is answered when everything before it was taken.
                    await call.write(_gateway.AttachRequest(correlation_id=LAST_WORD))
                    return
            except (grpc.RpcError, asyncio.InvalidStateError):
                # What was lost is acknowledged again after the resume. The reading side finds out why.
                return
