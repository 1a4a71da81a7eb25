"""What all tests share: one far end and one gateway, and the results of the conformance suite."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from harness import ROOT, FarEnd, GatewayProcess, Raw, raw_stubs

import socket_gateway
from socket_gateway import aio

# What a script starts in the background ignores SIGINT, and so would every program that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

RESULTS = ROOT / "target/conformance/python.json"
SCENARIOS = ROOT / "tests/conformance/scenarios.md"


@pytest.fixture(scope="session")
def far() -> Iterator[FarEnd]:
    far_end = FarEnd()
    yield far_end
    far_end.close()


@pytest.fixture(scope="session")
def process() -> Iterator[GatewayProcess]:
    gateway = GatewayProcess()
    yield gateway
    gateway.close()


@pytest_asyncio.fixture
async def gateway(process: GatewayProcess) -> AsyncIterator[aio.Gateway]:
    async with aio.Gateway(process.address) as opened:
        yield opened


@pytest_asyncio.fixture
async def raw(process: GatewayProcess) -> AsyncIterator[Raw]:
    async with raw_stubs(process.address) as stubs:
        yield stubs


# The conformance suite's results.

_results: dict[str, dict[str, Any]] = {}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "scenario(id): runs a scenario of the conformance suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = set(re.findall(r"^### ([CES]\d+[a-z0-9-]*): ", SCENARIOS.read_text(encoding="utf-8"), re.MULTILINE))
    for item in items:
        marker = item.get_closest_marker("scenario")
        if marker is not None and marker.args[0] not in known:
            raise pytest.UsageError(f"{item.nodeid}: {SCENARIOS.name} has no scenario {marker.args[0]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    report = yield
    marker = item.get_closest_marker("scenario")
    if marker is None:
        return report
    entry = _results.setdefault(marker.args[0], {"result": "passed", "seconds": 0.0})
    entry["seconds"] = round(entry["seconds"] + report.duration, 3)
    if report.outcome != "passed" and entry["result"] == "passed":
        entry["result"] = report.outcome
        entry["reason"] = (
            str(call.excinfo.value).strip().splitlines()[0] if call.excinfo and str(call.excinfo.value) else ""
        )
    return report


def pytest_sessionfinish() -> None:
    if not _results:
        return
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    written = {"language": "python", "client": socket_gateway.__version__, "scenarios": _results}
    RESULTS.write_text(json.dumps(written, indent=2, sort_keys=True) + "\n", encoding="utf-8")
