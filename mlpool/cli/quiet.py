"""Keep what numerical libraries print from C out of the output: a table is all there is to read.

LAPACK's error handler writes to the process's own file descriptors ("** On entry to DLASCL ...",
when a trial step holds numbers that are none), past Python's streams; mlpool says in a sentence
what came of it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress

_OUT, _ERR = 1, 2


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Send the descriptors 1 and 2 nowhere; Python's own stderr goes on to where it went."""
    try:
        kept = {number: os.dup(number) for number in (_OUT, _ERR)}
    except OSError:  # closed by whoever started the process
        yield
        return
    with ExitStack() as stack:
        for number in kept.values():
            stack.callback(os.close, number)
        if _is_own(sys.stderr, _ERR):
            stream = os.fdopen(
                os.dup(kept[_ERR]),
                "w",
                encoding=sys.stderr.encoding,
                errors="backslashreplace",
                buffering=1,
            )
            stack.enter_context(stream)
            stack.enter_context(redirect_stderr(stream))
        sys.stdout.flush()
        nothing = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nothing)
        for number, before in kept.items():
            os.dup2(nothing, number)
            stack.callback(os.dup2, before, number)
        # what C still has in its buffers goes nowhere, too
        stack.callback(_flush_c)
        yield


def _is_own(stream: object, number: int) -> bool:
    """Return whether a stream of Python writes to a descriptor (tests put others there)."""
    with suppress(OSError, ValueError, AttributeError):
        return bool(stream.fileno() == number)  # type: ignore[attr-defined]
    return False


def _flush_c() -> None:
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).fflush(None)
