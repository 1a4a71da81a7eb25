"""The examples, each as its users run it, against simulated peers or the test's own sockets."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from harness import HOST, PATIENCE, ROOT, GatewayProcess

FOLDER = ROOT / "examples/python"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.fixture(scope="module")
def peers() -> Iterator[dict[str, int]]:
    command = [sys.executable, str(ROOT / "examples/peers.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None and process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()
        process.wait(PATIENCE)


def run(gateway: GatewayProcess, name: str, *arguments: object, status: int = 0) -> str:
    """Runs an example to its end; gives what it printed."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--gateway", gateway.address, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


class Server:
    """An example that runs until it is interrupted."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.out = process.stdout
        self.ports = [int(port) for port in re.findall(r"\b(\d{4,5})\b", self.out.readline())]

    def line(self) -> str:
        """What it prints next."""
        return self.out.readline().rstrip("\n")


@contextlib.contextmanager
def serving(gateway: GatewayProcess, name: str, *arguments: object, interrupt: bool = True) -> Iterator[Server]:
    """Runs an example beside the test, and ends it like somebody at a terminal, unless it ends by itself."""
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--gateway", gateway.address, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Server(process)
        finally:
            if interrupt:
                process.send_signal(signal.SIGINT)
            try:
                _, said = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert process.returncode == 0 and not said, said


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_helps(name: str) -> None:
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert "--gateway" in done.stdout


def test_the_echo_server_serves_its_client(process: GatewayProcess) -> None:
    with serving(process, "echo_server", "--port", 0) as server:
        said = run(process, "echo_client", "--port", server.ports[0], "one", "two", "bye")
        assert said.splitlines() == ["Hello. I repeat what you say, until bye.", "one", "two", "Good bye."]
        with socket.create_connection((HOST, server.ports[0]), PATIENCE) as visitor:
            lines = visitor.makefile("rw", newline="\r\n")
            lines.readline()
            lines.write("plain\r\n")
            lines.flush()
            assert lines.readline() == "plain\r\n"


def test_callers_share_a_connection(process: GatewayProcess) -> None:
    with serving(process, "echo_server", "--port", 0) as server:
        said = run(process, "request_response", "--port", server.ports[0], "--callers", 4)
    assert said.splitlines() == [f"'question {n}' was answered by 'question {n}'" for n in range(1, 5)]


def test_the_board_is_talked_with(process: GatewayProcess, peers: dict[str, int]) -> None:
    said = run(process, "bbs", "--port", peers["bbs"]).splitlines()
    assert said[0] == "*** THE BOARD ***"
    assert said[said.index("> READ 2") + 1] == "The lighthouse is closed in winter"
    assert said[-2:] == ["> QUIT", "GOOD BYE"]


def test_silence_is_reported(process: GatewayProcess, peers: dict[str, int]) -> None:
    said = run(process, "timeout", "--port", peers["silent"], "--after", 0.3).splitlines()
    assert said[0].startswith("kept: ") and said[0].endswith("the session is open")
    assert said[1] == "closed: TIMEOUT"


def test_a_group_is_sent_to_and_received_from(process: GatewayProcess) -> None:
    with serving(process, "multicast", "--port", 0, "--interface", HOST, "receive", interrupt=False) as receiver:
        group = ("--port", receiver.ports[0], "--interface", HOST)
        assert (
            run(process, "multicast", *group, "send", "to all")
            == f"sent 6 bytes to 239.255.42.99:{receiver.ports[0]}\n"
        )
        assert receiver.line().endswith(": to all")


def test_an_instrument_answers(process: GatewayProcess, peers: dict[str, int]) -> None:
    said = run(process, "scpi", HOST, "--port", peers["scpi"]).splitlines()
    assert said == ["*IDN? -> ACME,DMM-9000,SN00042,1.7", "MEAS:VOLT:DC? -> +4.99713E+00", 'errors: 0,"No error"']
    said = run(process, "scpi", HOST, "--port", peers["scpi"], "--ask", "NONSENSE").splitlines()
    assert said == ['errors: -113,"Undefined header"']


def test_registers_are_read(process: GatewayProcess, peers: dict[str, int]) -> None:
    said = run(process, "modbus", HOST, "--port", peers["modbus"], "--first", 7, "--count", 2)
    assert said.splitlines() == ["register 7: 1007", "register 8: 1008"]
    refused = run(process, "modbus", HOST, "--port", peers["modbus"], "--first", 99, "--count", 2, status=1)
    assert "illegal data address" in refused


def test_trackers_are_followed(process: GatewayProcess) -> None:
    with serving(process, "gps_tracker", "--port", 0) as server:
        with socket.create_connection((HOST, server.ports[0]), PATIENCE) as tracker:
            # Cut in the middle, as it comes over the air.
            tracker.sendall(b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,")
            tracker.sendall(b"0.9,545.4,M,46.9,M,,*47\r\n$GPGGA,1,2*00\r\n")
            assert server.line().endswith("at 48.11730 11.51667, 08 satellites")
            assert server.line().endswith("wrong checksum")


def test_syslog_is_collected_over_both(process: GatewayProcess) -> None:
    with serving(process, "syslog", "--port", 0) as server:
        udp, tcp = server.ports
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"<34>Oct 11 22:14:15 mymachine su: it failed", (HOST, udp))
        assert server.line() == f"udp {HOST} facility 4 critical: Oct 11 22:14:15 mymachine su: it failed"
        with socket.create_connection((HOST, tcp), PATIENCE) as sender:
            sender.sendall(b"<165>one\n<13>two\nthree\n")
            assert [server.line() for _ in range(3)] == [
                f"tcp {HOST} facility 20 notice: one",
                f"tcp {HOST} facility 1 notice: two",
                f"tcp {HOST} no syslog: 'three'",
            ]


def test_a_mail_is_sent(process: GatewayProcess, peers: dict[str, int]) -> None:
    said = run(process, "smtp", "--port", peers["smtp"], "--to", "you@example.org", "--subject", "Hi", "How are you?")
    assert said == f"{HOST} took the mail\n"
