"""The router and its inboxes: what is acknowledged, and what a resume brings again."""

from __future__ import annotations

import pytest

from socket_gateway import CloseReason, InstanceChanged, SessionEnded
from socket_gateway._gen.tcpip.v1 import envelope_pb2 as pb
from socket_gateway._inbox import EVENTS_KEPT
from socket_gateway._router import UNADOPTED_ARRIVALS, URGENT_BYTES, Router


class Stream:
    """Makes the envelopes of one subscriber, and takes its acknowledgements."""

    def __init__(self) -> None:
        self.due: list[bool] = []
        self.router = Router(self.due.append)
        self.sequence = 0
        self.sent: list[pb.Envelope] = []

    def envelope(self, event: int, session: str = "s", **fields: object) -> pb.Envelope:
        self.sequence += 1
        envelope = pb.Envelope(event=event, sequence=self.sequence, session_id=session, **fields)  # type: ignore[arg-type]
        self.sent.append(envelope)
        self.router.take(envelope)
        return envelope

    def connected(self, session: str = "s", listener: str = "") -> None:
        self.envelope(pb.EVENT_CONNECTED, session, listener_id=listener)

    def data(self, session: str = "s", text: str = "x", size: int = 1) -> None:
        self.envelope(pb.EVENT_DATA, session, data=pb.Data(text=text, next_offset=size))

    def disconnected(self, session: str = "s", reason: int = pb.CLOSE_REASON_PEER_CLOSED) -> None:
        self.envelope(pb.EVENT_DISCONNECTED, session, disconnected=pb.Disconnected(reason=reason))  # type: ignore[arg-type]

    def acks(self) -> dict[str, int]:
        ack = self.router.acks()
        return {} if ack is None else {one.session_id: one.sequence for one in ack.sessions}


def test_events_are_acknowledged_at_once_and_data_when_they_are_read() -> None:
    stream = Stream()
    stream.connected()
    assert stream.acks() == {"s": 1}
    stream.data(text="a")
    stream.data(text="b")
    stream.envelope(pb.EVENT_HALF_CLOSED)
    assert stream.acks() == {}
    inbox = stream.router.inboxes["s"]
    assert inbox.pop() == "a"
    assert stream.acks() == {"s": 2}
    assert inbox.pop() == "b"
    # And the event behind them.
    assert stream.acks() == {"s": 4}


def test_a_chunk_is_acknowledged_with_its_last_byte() -> None:
    stream = Stream()
    stream.envelope(pb.EVENT_DATA, data=pb.Data(bytes=b"abcdef", next_offset=6))
    inbox = stream.router.inboxes["s"]
    assert (inbox.pop(4), stream.acks()) == (b"abcd", {})
    assert (inbox.pop(4), stream.acks()) == (b"ef", {"s": 1})


def test_much_that_was_read_is_acknowledged_urgently() -> None:
    stream = Stream()
    for _ in range(3):
        stream.data(size=URGENT_BYTES // 2)
    inbox = stream.router.inboxes["s"]
    stream.due.clear()
    for _ in range(3):
        inbox.pop()
    assert stream.due == [False, True, True]


def test_an_unread_session_holds_up_no_other_acknowledgement() -> None:
    stream = Stream()
    stream.data("slow")
    stream.data("quick")
    stream.router.inboxes["quick"].pop()
    assert stream.acks() == {"quick": 2}
    assert stream.router.resume_after() == 0


def test_what_a_resume_brings_again_is_passed_over() -> None:
    stream = Stream()
    stream.connected()
    stream.data(text="unread")
    stream.data(text="read", session="t")
    stream.router.inboxes["t"].pop()
    stream.acks()
    assert stream.router.resume_after() == 1
    for envelope in stream.sent[1:]:
        stream.router.take(envelope)
    inbox = stream.router.inboxes["s"]
    assert [delivery.data for delivery in inbox.data] == ["unread"]
    # The acknowledgement of what was read may have been lost; that of what was not must wait.
    assert stream.acks() == {"t": 3}


def test_after_a_resume_everything_read_is_acknowledged_again() -> None:
    stream = Stream()
    stream.connected()
    stream.data()
    stream.router.inboxes["s"].pop()
    stream.acks()
    stream.router.ack_again()
    assert stream.acks() == {"s": 2}


def test_the_data_of_an_ended_session_can_be_read_and_hold_the_resume_point() -> None:
    stream = Stream()
    stream.connected()
    inbox = stream.router.inboxes["s"]
    inbox.hold()
    stream.data(text="last words")
    stream.disconnected()
    assert "s" not in stream.router.inboxes
    assert stream.router.resume_after() == 1
    assert inbox.pop() == "last words"
    stream.acks()
    assert stream.router.resume_after() == 3
    assert inbox.closed is not None and inbox.closed.reason is CloseReason.PEER_CLOSED
    inbox.end_of_data()


def test_an_id_can_be_used_again_while_the_old_sessions_data_are_unread() -> None:
    stream = Stream()
    stream.connected()
    old = stream.router.inboxes["s"]
    old.hold()
    stream.data(text="old")
    stream.disconnected()
    stream.connected()
    stream.data(text="new")
    assert stream.router.inboxes["s"] is not old
    assert (old.pop(), stream.router.inboxes["s"].pop()) == ("old", "new")


def test_what_nobody_can_read_any_more_is_thrown_away_with_its_session() -> None:
    stream = Stream()
    stream.connected()
    inbox = stream.router.inboxes["s"]
    inbox.hold()
    stream.data()
    inbox.let_go()
    # It lives, and may find another reader.
    assert inbox.data
    stream.disconnected()
    assert not inbox.data and stream.acks() == {"s": 3}


def test_what_is_closed_is_read_on_into_nothing() -> None:
    stream = Stream()
    stream.connected()
    inbox = stream.router.inboxes["s"]
    stream.data()
    inbox.release()
    stream.data()
    assert not inbox.data and stream.acks() == {"s": 3}


def test_errors_about_sessions_that_are_not_there_leave_nothing_behind() -> None:
    stream = Stream()
    stream.envelope(pb.EVENT_ERROR, "nobody", status=pb.STATUS_ERROR, error_code="SESSION_NOT_FOUND")
    assert not stream.router.inboxes and stream.acks() == {"nobody": 1}
    stream.envelope(pb.EVENT_ERROR, "", status=pb.STATUS_ERROR, error_code="REQUEST_INVALID")
    assert stream.acks() == {"": 2}


def test_accepted_sessions_wait_for_their_listener_to_be_known() -> None:
    stream = Stream()
    for number in range(UNADOPTED_ARRIVALS + 1):
        stream.connected(f"s{number}", "l")
    arrivals = stream.router.arrivals_at("l")
    assert len(arrivals.waiting) == UNADOPTED_ARRIVALS and arrivals.waiting[0].session_id == "s1"
    stream.envelope(pb.EVENT_CLOSED, "", listener_id="l")
    assert arrivals.closed and arrivals.failure is None
    # The one too many is read into nothing.
    assert stream.acks()["s0"] == 1


def test_a_session_is_acknowledged_when_it_is_accepted_and_not_before() -> None:
    stream = Stream()
    stream.connected("taken", "l")
    stream.connected("waits", "l")
    stream.data("waits", text="x")
    stream.disconnected("waits")
    stream.connected("other")
    assert stream.acks() == {"other": 5}
    assert stream.router.resume_after() == 0
    arrivals = stream.router.arrivals_at("l")
    arrivals.waiting.popleft().accept()
    assert stream.acks() == {"taken": 1}
    assert stream.router.resume_after() == 1
    for envelope in stream.sent[1:]:
        stream.router.take(envelope)
    assert stream.acks() == {"other": 5}
    inbox = arrivals.waiting.popleft()
    inbox.accept()
    assert stream.acks() == {"waits": 2}
    assert (inbox.pop(), stream.acks()) == ("x", {"waits": 4})
    assert stream.router.resume_after() == 5


def test_events_that_nobody_reads_are_bounded() -> None:
    stream = Stream()
    stream.connected()
    for _ in range(2 * EVENTS_KEPT):
        stream.envelope(pb.EVENT_TIMEOUT)
    assert len(stream.router.inboxes["s"].events) == EVENTS_KEPT


def test_a_restart_ends_everything_with_its_error() -> None:
    stream = Stream()
    stream.connected()
    stream.data(text="before")
    inbox, arrivals = stream.router.inboxes["s"], stream.router.arrivals_at("l")
    error = InstanceChanged("restarted")
    stream.router.fail(error)
    assert arrivals.failure is error and stream.router.last_sequence == 0
    # What came before can be read; it is acknowledged to nobody.
    assert inbox.pop() == "before" and stream.acks() == {}
    with pytest.raises(InstanceChanged):
        inbox.end_of_data()
    assert inbox.closed is not None and inbox.closed.reason is CloseReason.LOST


@pytest.mark.parametrize(
    ("reason", "whole"),
    [
        (pb.CLOSE_REASON_PEER_CLOSED, True),
        (pb.CLOSE_REASON_BY_REQUEST, True),
        (pb.CLOSE_REASON_ABORT, True),
        (pb.CLOSE_REASON_PEER_RESET, False),
        (pb.CLOSE_REASON_TIMEOUT, False),
        (pb.CLOSE_REASON_SHUTDOWN, False),
        (pb.CLOSE_REASON_ERROR, False),
        (99, False),
    ],
)
def test_half_of_the_data_is_never_taken_for_the_whole(reason: int, whole: bool) -> None:
    stream = Stream()
    stream.connected()
    inbox = stream.router.inboxes["s"]
    inbox.hold()
    stream.disconnected(reason=reason)
    if whole:
        inbox.end_of_data()
    else:
        with pytest.raises(SessionEnded):
            inbox.end_of_data()
