"""Ctrl-C while processes work: noted at once, answered where nothing is half done.

A terminal sends the signal to every process of the command. Raised wherever it arrives, a
KeyboardInterrupt can end a worker that holds a queue's lock, or this process between two steps of
starting the others; both leave processes that wait for ever. So this process only notes it and
asks from time to time, and workers are born deaf to it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class NotedInterrupt:
    """A context in which Ctrl-C is noted, and answered as the caller wishes on the way out.

    Outside the main thread, which alone is told of signals, and where the signal is ignored or
    answered outside Python, nothing is changed.
    """

    def __init__(self) -> None:
        self.is_noted = False
        self._answer: Any = None

    def __enter__(self) -> NotedInterrupt:
        if threading.current_thread() is threading.main_thread():
            answer = signal.getsignal(signal.SIGINT)
            if answer is not None and answer is not signal.SIG_IGN:
                self._answer = answer
                signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.is_noted = True

    def __exit__(self, *_: object) -> None:
        if self._answer is None:
            return
        signal.signal(signal.SIGINT, self._answer)
        if self.is_noted:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def deaf_children() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: they inherit that it is blocked."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
