"""Cap the BLAS threads while the engine works, and give them back afterwards.

Many products of small blocks are slower with several BLAS threads than with one (a 1156 x 1156
Cholesky factor on a busy 2-core machine: 2200 ms against 41 ms).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


class _Cap:
    """Fits that run at the same moment share one limit; the last to finish lifts it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limiter: Any = None  # threadpoolctl has no type stubs

    def enter(self, threads: int) -> None:
        with self._lock:
            if self._users == 0:
                self._limiter = _controller().limit(limits=threads, user_api="blas")
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limiter.restore_original_limits()
                self._limiter = None


_CAP = _Cap()


@cache
def _controller() -> Any:
    """Find the BLAS libraries once: the search reads the process's memory map (milliseconds)."""
    return ThreadpoolController()


@contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Run the block with at most `threads` BLAS threads.

    The first fit of several that overlap (in Python threads) sets the cap, the last gives the
    threads back, also after an exception.

    Examples
    --------
    >>> with blas_threads(1):
    ...     pass
    """
    _CAP.enter(threads)
    try:
        yield
    finally:
        _CAP.leave()
