"""``LoopThread``: an event loop for callers that have none, or that are inside one and do not want to wait there."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

from penstock.core.errors import Unavailable

T = TypeVar("T")

# Tasks that are cancelled and connections that are dropped take a few turns of the loop.
_CLOSE_S = 5.0


class LoopThread:
    """One daemon thread with one loop, from the first ``run`` on until ``close``, or until nobody knows it any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._end: weakref.finalize[..., Any] | None = None
        self._closed = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns or raises; it bounds its own time. Raises ``Unavailable`` once this is closed."""
        running = self._submit(work)
        if running is None:
            work.close()
            raise _closed()
        try:
            return running.result()
        except concurrent.futures.CancelledError:
            raise _closed() from None
        except BaseException:
            running.cancel()
            raise

    def leave(self, work: Coroutine[Any, Any, object]) -> None:
        """Have ``work`` done, and do not wait for it; what is closed has nothing left to do."""
        if self._submit(work) is None:
            work.close()

    def close(self) -> None:
        """End what runs, and the thread."""
        with self._lock:
            self._closed = True
        if self._end is not None:
            self._end()

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T] | None:
        with self._lock:  # so that nothing is submitted behind the loop's end
            if self._closed:
                return None
            if self._loop is None or self._thread is None or not self._thread.is_alive():  # a fork leaves it behind
                self._loop = self._start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_serve, args=(loop,), name="penstock-llm", daemon=True)
        self._end = weakref.finalize(self, _end, loop, self._thread)
        self._thread.start()
        return loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:  # its end cancels tasks and closes generators
        runner.get_loop().run_forever()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():  # where the last reference may have gone
        thread.join(_CLOSE_S)


def _closed() -> Unavailable:
    return Unavailable("The LLM was closed before this was done: ask again.")
