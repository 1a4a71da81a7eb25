"""The blocking API, and what runs over it: smtplib, redis-py, files."""

from __future__ import annotations

import contextlib
import gc
import smtplib
import socket
import subprocess
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any, Optional

import pytest
import redis
from aiosmtpd.controller import Controller
from harness import HOST, PATIENCE, FarEnd, GatewayProcess, pattern

import socket_gateway
from socket_gateway import (
    CloseReason,
    ConnectFailed,
    EventKind,
    Gateway,
    GatewayClosed,
    Listener,
    Session,
    SessionEnded,
    SessionNotFound,
    encode,
)
from socket_gateway.stream import SessionSocket, create_connection, smtp


@pytest.fixture
def blocking(process: GatewayProcess) -> Iterator[Gateway]:
    with Gateway(process.address) as gateway:
        yield gateway


def test_every_public_name_exists() -> None:
    for name in socket_gateway.__all__:
        assert hasattr(socket_gateway, name), name


def test_lines_are_sent_and_read(blocking: Gateway, far: FarEnd) -> None:
    with blocking.connect(HOST, far["answers"], mode="line") as session:
        assert session.peer == (HOST, far["answers"]) and session.mode == "line"
        sent = session.send("one", "two")
        assert (sent.items, sent.write_offset) == (2, 8)
        lines = session.lines(timeout=PATIENCE)
        assert [next(lines), next(lines)] == ["re: one", "re: two"]
        session.send("three")
        # What an iteration left can be read by another call.
        lines.close()  # type: ignore[attr-defined]
        assert session.readline(PATIENCE) == "re: three"
        assert str(session.exchange("four")) == "re: four"
    assert session.closed is not None and session.closed.reason is CloseReason.BY_REQUEST
    with pytest.raises(SessionNotFound):
        session.send("late")


def test_an_iteration_left_in_the_middle_takes_only_what_it_gave(blocking: Gateway, far: FarEnd) -> None:
    with blocking.connect(HOST, far["bbs"], mode="line", wait_for="> $|: $") as session:
        first = next(iter(session.lines(PATIENCE)))
        assert first == "Welcome to the far end"
        assert session.readline(PATIENCE) == "login: "
        session.send("anna")
        found = session.read_match(PATIENCE)
        assert found is not None and found.match == "password: "
        session.send("secret")
        assert next(iter(session.matches(PATIENCE))).lines == ("", "Hello, anna")


def test_a_line_that_is_no_utf8_goes_out_as_it_came(blocking: Gateway, far: FarEnd) -> None:
    with blocking.connect(HOST, far["echo"], mode="line") as session:
        session.send(b"caf\xe9\n")
        line = session.readline(PATIENCE)
        assert line is not None and encode(line) == b"caf\xe9"
        session.send(line)
        assert session.readline(PATIENCE) == line


def test_bytes_are_written_and_read(blocking: Gateway, far: FarEnd) -> None:
    data = pattern(3_000_000)
    with blocking.connect(HOST, far["echo"]) as session:
        writer = threading.Thread(target=session.write, args=(data,))
        writer.start()
        back = bytearray()
        for chunk in session.chunks(PATIENCE):
            back += chunk
            if len(back) >= len(data):
                break
        writer.join()
        assert back == data
        session.write(b"abcdef")
        assert session.read(2, PATIENCE) == b"ab"
        assert session.read_exactly(4, PATIENCE) == b"cdef"
        assert session.read(0) == b""


def test_what_does_not_come_in_time_is_a_timeout(blocking: Gateway, far: FarEnd) -> None:
    with blocking.connect(HOST, far["silent"], mode="line") as session:
        with pytest.raises(TimeoutError, match="nothing came"):
            session.readline(0.05)
        with pytest.raises(TimeoutError):
            next(iter(session.lines(timeout=0.05)))
        with pytest.raises(TimeoutError, match="did not end"):
            session.wait_closed(0.05)
    with blocking.listen(host=HOST) as listener, pytest.raises(TimeoutError, match="nobody came"):
        listener.accept(0.05)
    with blocking.udp_in(host=HOST) as bound, pytest.raises(TimeoutError):
        bound.receive(0.05)


def test_reading_in_the_wrong_mode_says_so(blocking: Gateway, far: FarEnd) -> None:
    with blocking.connect(HOST, far["silent"]) as session:
        with pytest.raises(ValueError, match='needs a session with mode="line"'):
            next(iter(session.lines()))
        with pytest.raises(ValueError, match='needs a session with mode="line"'):
            session.read_match()
    with blocking.connect(HOST, far["silent"], mode="line") as session:
        with pytest.raises(ValueError, match='mode="binary"'):
            session.read()
        with pytest.raises(ValueError, match="lines have lost their ends"):
            session.socket()


def test_wrong_arguments_say_what_would_be_right(blocking: Gateway, far: FarEnd) -> None:
    with pytest.raises(ValueError, match="it must be one of 'binary', 'line'"):
        blocking.connect(HOST, far["silent"], mode="lines")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="port is -1"):
        blocking.connect(HOST, -1)
    with pytest.raises(TypeError, match="port must be an int, not str"):
        blocking.connect(HOST, "80")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a number of seconds, not str"):
        blocking.connect(HOST, far["silent"], timeout="5")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be HOST:PORT"):
        Gateway("http://127.0.0.1:50051")
    with blocking.connect(HOST, far["silent"]) as session:
        with pytest.raises(ValueError, match="end is"):
            session.send("x", end=";")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="not int"):
            session.send(7)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="keep_sessions needs a subscriber"):
        Gateway(keep_sessions=True)
    with pytest.raises(RuntimeError, match="is not open"):
        Gateway("127.0.0.1:1").list_sessions()


def test_two_readers_of_one_session_are_told(blocking: Gateway, far: FarEnd) -> None:
    with blocking.connect(HOST, far["answers"], mode="line") as session:
        session.send("one")
        reading = session.lines(PATIENCE)
        assert next(reading) == "re: one"
        with pytest.raises(RuntimeError, match="another iteration"):
            next(iter(session.lines()))


def test_visitors_are_accepted(blocking: Gateway) -> None:
    with blocking.listen(host=HOST, mode="line") as listener:
        assert isinstance(listener, Listener) and listener.host == HOST
        visitor = socket.create_connection((HOST, listener.port))
        visitor.sendall(b"hello\n")
        for session in listener:
            assert session.peer == visitor.getsockname()
            assert session.readline(PATIENCE) == "hello"
            assert listener.close(close_sessions=True) == 1
            visitor.close()
            assert session.wait_closed(PATIENCE).reason is CloseReason.BY_REQUEST
        assert listener.closed
        with pytest.raises(EOFError):
            listener.accept()


def test_a_visitor_who_went_before_being_accepted_is_still_heard(blocking: Gateway) -> None:
    with blocking.listen(host=HOST, mode="line") as listener:
        with socket.create_connection((HOST, listener.port)) as visitor:
            visitor.sendall(b"in a hurry\n")
        session = listener.accept(PATIENCE)
        assert list(session.lines(PATIENCE)) == ["in a hurry"]


def test_datagrams_come_and_go(blocking: Gateway, far: FarEnd) -> None:
    with blocking.udp_in(host=HOST) as bound:
        blocking.udp_out(HOST, bound.port, "ping")
        for datagram in bound:
            assert datagram.text == "ping"
            break
        sent = bound.send_to(HOST, far["udp_echo"], b"x")
        assert (sent.host, sent.port, sent.size) == (HOST, far["udp_echo"], 1)
        assert bound.receive(PATIENCE).address == (HOST, far["udp_echo"])
        assert bound.close().reason is CloseReason.BY_REQUEST
        assert list(bound) == []
        with pytest.raises(EOFError):
            bound.receive()


def test_events_tell_the_life_of_a_session(blocking: Gateway, far: FarEnd) -> None:
    session = blocking.connect(HOST, far["silent"])
    session.abort()
    events = list(session.events())
    assert [event.kind for event in events][:2] == [EventKind.CONNECTING, EventKind.CONNECTED]
    assert events[-1].kind is EventKind.DISCONNECTED and events[-1].closed == session.closed
    assert events[0].time.tzinfo is not None


def test_lists_and_lookups(blocking: Gateway, far: FarEnd) -> None:
    with blocking.connect(HOST, far["answers"], mode="line") as session, blocking.listen(host=HOST) as listener:
        assert [shown.session_id for shown in blocking.list_sessions(subscriber=blocking.subscriber)] == [session.id]
        assert listener.id in [shown.listener_id for shown in blocking.list_listeners()]
        assert blocking.subscriber in [shown.name for shown in blocking.list_subscribers()]
        assert blocking.get_session(session.id).remote_port == far["answers"]
        same = blocking.session(session.id)
        assert same.mode == "line" and same.peer == session.peer
        assert str(same.exchange("x")) == "re: x"
        assert same.claim() == blocking.subscriber
        assert blocking.listener(listener.id).port == listener.port
        watch = blocking.watch()
        assert next(watch).kind == 1
        watch.close()  # type: ignore[attr-defined]


def test_a_closed_gateway_object_says_so(process: GatewayProcess, far: FarEnd) -> None:
    gateway = Gateway(process.address).open()
    session = gateway.connect(HOST, far["silent"])
    gateway.close()
    with pytest.raises(GatewayClosed):
        gateway.connect(HOST, far["silent"])
    # Its session was disconnected with it.
    with pytest.raises((GatewayClosed, SessionEnded)):
        for _ in session.chunks(PATIENCE):
            pass
        raise GatewayClosed("the end came in order")


def test_sessions_of_a_closed_object_are_closed_unless_they_are_to_be_kept(
    process: GatewayProcess, blocking: Gateway, far: FarEnd
) -> None:
    with Gateway(process.address, subscriber="kept-test", keep_sessions=True) as gateway:
        kept = gateway.connect(HOST, far["silent"])
    with Gateway(process.address) as gateway:
        closed = gateway.connect(HOST, far["silent"])
    assert blocking.get_session(kept.id).session_id == kept.id
    deadline = threading.Event()
    for _ in range(1500):
        try:
            blocking.get_session(closed.id)
        except SessionNotFound:
            break
        deadline.wait(0.02)
    else:
        raise AssertionError("it is still open")
    with Gateway(process.address, subscriber="kept-test") as gateway:
        gateway.session(kept.id).close()


# Over a session.


def test_a_file_reads_and_writes(blocking: Gateway, far: FarEnd) -> None:
    with blocking.connect(HOST, far["bbs"]).socket() as sock, sock.makefile("rwb") as file:
        assert file.readline() == b"Welcome to the far end\r\n"
        assert file.read(7) == b"login: "
        file.write(b"anna\nsecret\nquit\n")
        file.flush()
        assert file.readlines()[-1] == b"menu> Goodbye\r\n"
        assert file.read() == b""
    with create_connection(blocking, (HOST, far["answers"])) as sock, sock.makefile("rw", newline="\n") as text:
        text.write("grüß\n")
        text.flush()
        assert text.readline() == "re: grüß\r\n"


def test_a_socket_is_one_in_the_ways_that_matter(blocking: Gateway, far: FarEnd) -> None:
    sock = create_connection(blocking, (HOST, far["echo"]), timeout=PATIENCE)
    assert sock.getpeername() == (HOST, far["echo"]) and sock.getsockname()[0] == HOST
    assert (sock.send(b"abc"), sock.gettimeout()) == (3, PATIENCE)
    buffer = bytearray(10)
    assert sock.recv_into(buffer) == 3 and buffer[:3] == b"abc"
    sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        sock.recv(1)
    with pytest.raises(OSError, match="no file descriptor"):
        sock.fileno()
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    sock.setblocking(True)
    assert sock.gettimeout() is None
    sock.close()
    assert sock.session.wait_closed(PATIENCE).reason is CloseReason.BY_REQUEST
    with pytest.raises(OSError, match="closed"):
        sock.recv(1)


def test_errors_over_a_socket_are_those_of_sockets(blocking: Gateway, far: FarEnd) -> None:
    with pytest.raises(ConnectionRefusedError) as refused:
        create_connection(blocking, (HOST, far["refused"]))
    assert isinstance(refused.value.__cause__, ConnectFailed)
    sock = create_connection(blocking, (HOST, far["resetter"]), timeout=PATIENCE)
    sock.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        sock.recv(1)
    with pytest.raises(BrokenPipeError):
        sock.sendall(b"x")
    sock = create_connection(blocking, (HOST, far["closer"]), timeout=PATIENCE)
    assert (sock.recv(100), sock.recv(100)) == (b"bye\r\n", b"")


class Mailbox:
    """What aiosmtpd hands its mail to."""

    def __init__(self) -> None:
        self.mail: list[Any] = []

    async def handle_RCPT(  # noqa: N802 aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 aiosmtpd's name
        self.mail.append(envelope)
        return "250 taken"


@contextlib.contextmanager
def mail_server() -> Iterator[tuple[Mailbox, int]]:
    mailbox = Mailbox()
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname=HOST, port=port)
    controller.start()
    try:
        yield mailbox, port
    finally:
        controller.stop()


def test_smtplib_sends_a_mail_through_the_gateway(blocking: Gateway) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "me@example.org", "you@example.org", "Grüße"
    mail.set_content("line\n" * 20_000)
    with mail_server() as (mailbox, port):
        with smtp(blocking, HOST, port, timeout=PATIENCE) as client:
            assert client.send_message(mail) == {}
            code, _ = client.noop()
            assert code == 250
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("me@example.org", ["nobody@example.org"], "x")
        assert len(mailbox.mail) == 1
        assert mailbox.mail[0].rcpt_tos == ["you@example.org"]
        assert mailbox.mail[0].content.count(b"line\r\n") == 20_000


def test_redis_py_runs_through_the_gateway(blocking: Gateway) -> None:
    class ThroughGateway(redis.Connection):
        def _connect(self) -> SessionSocket:
            return create_connection(blocking, (self.host, self.port), PATIENCE)

    with redis_server() as port:
        pool = redis.ConnectionPool(connection_class=ThroughGateway, host=HOST, port=port, protocol=2)
        client = redis.Redis(connection_pool=pool)
        assert client.set("fruit", "apple" * 10_000)
        assert client.get("fruit") == b"apple" * 10_000
        with client.pipeline() as pipeline:
            for number in range(100):
                pipeline.incrby("count", number)
            assert pipeline.execute()[-1] == 4950
        pool.disconnect()


@contextlib.contextmanager
def redis_server() -> Iterator[int]:
    """A real server, as scripts/install-test-tools installs it."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", HOST, "--save", "", "--daemonize", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            pause = threading.Event()
            for _ in range(1500):
                with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
                    break
                pause.wait(0.02)
            yield port
        finally:
            server.terminate()


def test_a_call_in_the_loops_own_thread_is_refused(blocking: Gateway) -> None:
    failed: list[Optional[str]] = []

    async def wrong() -> None:
        try:
            blocking.connect(HOST, 1)
        except RuntimeError as error:
            failed.append(str(error))

    blocking._loop.run(wrong())
    assert failed and "socket_gateway.aio" in str(failed[0])


def test_sessions_that_nobody_holds_leave_nothing_unread(blocking: Gateway, far: FarEnd) -> None:
    session: Optional[Session] = blocking.connect(HOST, far["closer"])
    assert session is not None
    session.wait_closed(PATIENCE)
    session = None
    gc.collect()
    pause = threading.Event()
    for _ in range(1500):
        shown = next(one for one in blocking.list_subscribers() if one.name == blocking.subscriber)
        if shown.backlog_bytes == 0:
            return
        pause.wait(0.02)
    raise AssertionError("what nobody can read is still kept")
