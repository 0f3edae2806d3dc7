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
        self._stop: weakref.finalize[..., Any] | None = None
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
        if self._stop is not None:
            self._stop()

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T] | None:
        with self._lock:  # so that nothing is submitted behind the loop's end
            if self._closed:
                return None
            return asyncio.run_coroutine_threadsafe(work, self._loop or self._start())

    def _start(self) -> asyncio.AbstractEventLoop:
        started: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        thread = threading.Thread(target=_serve, args=(started,), name="penstock-llm", daemon=True)
        thread.start()
        self._loop = started.result()
        self._stop = weakref.finalize(self, _end, self._loop, thread)
        return self._loop


def _serve(started: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner() as runner:  # its end cancels tasks and closes generators, and so their connections
        loop = runner.get_loop()
        started.set_result(loop)
        loop.run_forever()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():  # where the last reference may have gone
        thread.join(_CLOSE_S)


def _closed() -> Unavailable:
    return Unavailable("This LLM was closed meanwhile: ask it before that, or make another one.")
