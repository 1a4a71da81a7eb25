"""The examples for grpcurl, which has no tests of its own to be in: run like those in Python."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest
from harness import HOST, PATIENCE, ROOT, GatewayProcess
from test_examples import Server, peers  # noqa: F401 peers is a fixture

FOLDER = ROOT / "examples/grpcurl"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.sh"))


def environment(gateway: GatewayProcess) -> dict[str, str]:
    tools = ROOT / ".tools/bin"
    return {**os.environ, "GATEWAY": gateway.address, "PATH": f"{tools}:{os.environ['PATH']}"}


def run(gateway: GatewayProcess, name: str, *arguments: object, status: int = 0) -> list[str]:
    command = [str(FOLDER / f"{name}.sh"), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False, env=environment(gateway)
    )
    assert done.returncode == status, done.stdout + done.stderr
    return (done.stdout if status == 0 else done.stderr).splitlines()


@contextlib.contextmanager
def serving(gateway: GatewayProcess, name: str, *arguments: object, interrupt: bool = True) -> Iterator[Server]:
    command = [str(FOLDER / f"{name}.sh"), *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment(gateway), start_new_session=True
    ) as process:
        try:
            yield Server(process)
        finally:
            if interrupt:
                # To all of its processes, as a terminal does it.
                os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_helps(name: str) -> None:
    done = subprocess.run([str(FOLDER / f"{name}.sh"), "--help"], capture_output=True, text=True, check=True)
    assert f"{name}.sh" in done.stdout


def test_the_echo_server_serves_its_client(process: GatewayProcess) -> None:
    with serving(process, "echo_server", 0) as server:
        assert run(process, "echo_client", HOST, server.ports[0], "one", "two", "bye") == ["one", "two", "bye"]
        said = sorted(run(process, "request_response", HOST, server.ports[0]))
        assert said == [f"caller {n} got: question {n}" for n in (1, 2, 3)]


def test_the_board_is_talked_with(process: GatewayProcess, peers: dict[str, int]) -> None:  # noqa: F811
    said = run(process, "bbs", HOST, peers["bbs"])
    assert said[0] == "*** THE BOARD ***"
    assert said[said.index("> READ 2") + 1] == "The lighthouse is closed in winter"
    assert said[-2:] == ["> QUIT", "GOOD BYE"]


def test_silence_is_reported(process: GatewayProcess, peers: dict[str, int]) -> None:  # noqa: F811
    said = run(process, "timeout", HOST, peers["silent"], "0.3")
    assert len(said) == 2 and said[1] == 'closed: "CLOSE_REASON_TIMEOUT"'


def test_a_group_is_sent_to_and_received_from(process: GatewayProcess) -> None:
    with serving(process, "multicast", "receive", "239.255.42.98", 0, HOST, interrupt=False) as receiver:
        run(process, "multicast", "send", "239.255.42.98", receiver.ports[0], HOST, "to all")
        assert receiver.line() == "to all"


def test_an_instrument_answers(process: GatewayProcess, peers: dict[str, int]) -> None:  # noqa: F811
    said = run(process, "scpi", HOST, peers["scpi"])
    assert said == ["*IDN? -> ACME,DMM-9000,SN00042,1.7", "MEAS:VOLT:DC? -> +4.99713E+00"]


def test_registers_are_read(process: GatewayProcess, peers: dict[str, int]) -> None:  # noqa: F811
    assert run(process, "modbus", HOST, peers["modbus"], 7, 2) == ["register 7: 1007", "register 8: 1008"]
    assert run(process, "modbus", HOST, peers["modbus"], 99, 2, status=1) == ["the device refused: exception 2"]


def test_trackers_are_followed(process: GatewayProcess) -> None:
    with serving(process, "gps_tracker", 0) as server:
        with socket.create_connection((HOST, server.ports[0]), PATIENCE) as tracker:
            tracker.sendall(b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n$GPGGA,1,2*00\r\n")
            assert server.line() == "123519: 4807.038 N, 01131.000 E"
            assert server.line() == "no sentence: $GPGGA,1,2*00"


def test_syslog_is_collected_over_both(process: GatewayProcess) -> None:
    with serving(process, "syslog", 0) as server:
        udp, tcp = server.ports
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"<34>su: it failed", (HOST, udp))
        assert server.line() == "facility 4 critical: su: it failed"
        with socket.create_connection((HOST, tcp), PATIENCE) as sender:
            sender.sendall(b"<165>one\nthree\n")
            assert [server.line(), server.line()] == ["facility 20 notice: one", "no syslog: three"]


def test_a_mail_is_sent(process: GatewayProcess, peers: dict[str, int]) -> None:  # noqa: F811
    said = run(process, "smtp", HOST, peers["smtp"], "me@example.org", "you@example.org", "How are you?")
    assert said[-2:] == ["250 OK: queued", "221 bye"]
