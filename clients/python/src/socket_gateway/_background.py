"""The event loop, in a thread of its own, that the calls of the blocking API run in."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, Optional, TypeVar

T = TypeVar("T")
#: How many seconds the end of the process waits for what still runs.
STOP_PATIENCE = 2.0


class Loop:
    """One event loop for all blocking gateway objects of the process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="socket-gateway", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Does something there and waits for it here. An interrupt (Ctrl-C) here cancels it there."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("the blocking API was called in its own event loop; there, use socket_gateway.aio")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise RuntimeError("the call was cancelled") from None
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """At the end of the process: lets what still runs there end in order."""

        async def cancel_all() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(cancel_all(), self._loop).result(STOP_PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_PATIENCE)
        if not self._thread.is_alive():
            self._loop.close()

    def soon(self, work: Any, *arguments: Any) -> None:
        """Calls something there, after what was asked for before, and does not wait."""
        self._loop.call_soon_threadsafe(work, *arguments)


_lock = threading.Lock()
_loop: Optional[Loop] = None


def loop() -> Loop:
    """The process's loop; made where there is none."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = Loop()
            atexit.register(_loop.stop)
        return _loop


def _forget() -> None:
    # A child process has the loop's memory but not its thread.
    global _loop, _lock
    _lock = threading.Lock()
    if _loop is not None:
        atexit.unregister(_loop.stop)
    _loop = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
