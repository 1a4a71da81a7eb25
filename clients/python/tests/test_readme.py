"""Every program of the README runs, as it stands but for its ports."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from harness import HOST, PATIENCE, FarEnd, GatewayProcess
from test_examples import peers, serving  # noqa: F401 peers is a fixture

README = Path(__file__).resolve().parents[1] / "README.md"
PROGRAMS = dict(re.findall(r"<!-- run: (\w+) -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL))


def program(name: str, gateway: GatewayProcess, **ports: int) -> list[str]:
    """The command that runs it, against the test's own gateway and ports."""
    code = PROGRAMS[name]
    code = code.replace('Gateway("127.0.0.1:50051")', "Gateway()").replace("Gateway()", f'Gateway("{gateway.address}")')
    for old, new in ports.items():
        number = old.removeprefix("port_")
        assert re.search(rf"\b{number}\b", code), f"port {number} is not in the program {name}"
        code = re.sub(rf"\b{number}\b", str(new), code)
    return [sys.executable, "-W", "error::ResourceWarning", "-c", code]


def run(name: str, gateway: GatewayProcess, **ports: int) -> list[str]:
    command = program(name, gateway, **ports)
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_every_program_of_the_page_is_run() -> None:
    marked = README.read_text(encoding="utf-8").count("```python")
    # The one without a mark names a gateway of example.
    assert set(PROGRAMS) == {"echo", "bbs", "server", "udp", "errors", "smtp"} and marked == len(PROGRAMS) + 1


def test_first_steps(process: GatewayProcess) -> None:
    with serving(process, "echo_server", "--port", 0) as server:
        assert run("echo", process, port_2323=server.ports[0]) == [
            "Hello. I repeat what you say, until bye.",
            "What time is it?",
            "one",
            "two",
            "Good bye.",
            "CloseReason.PEER_CLOSED",
        ]


def test_prompts(process: GatewayProcess, peers: dict[str, int]) -> None:  # noqa: F811
    said = run("bbs", process, port_23=peers["bbs"])
    assert said[0] == "('*** THE BOARD ***',) ENTER COMMAND> "
    assert said[2] == "2 The lighthouse is closed in winter"


def test_a_server(process: GatewayProcess) -> None:
    command = program("server", process, port_4000=0)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().rpartition(" ")[2])
        with socket.create_connection((HOST, port), PATIENCE) as visitor, visitor.makefile("rw") as lines:
            lines.write("hello\n")
            lines.flush()
            assert lines.readline() == "you said hello\n"
        server.terminate()


def test_datagrams(process: GatewayProcess) -> None:
    said = run("udp", process, port_5140=0)
    assert said[0].startswith("127.0.0.1 ") and said[0].endswith(" b'hello'")


def test_errors(process: GatewayProcess, far: FarEnd) -> None:
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection((HOST, 9), 1).close()
        pytest.fail("this machine has a discard service on port 9")
    said = run("errors", process)
    assert said[0].startswith("ECONNREFUSED 127.0.0.1 cannot connect to 127.0.0.1 port 9")
    assert said[1] == "CONNECT_INVALID INVALID_ARGUMENT ['port']"


def test_smtp(process: GatewayProcess, peers: dict[str, int]) -> None:  # noqa: F811
    assert run("smtp", process, port_25=peers["smtp"]) == []
