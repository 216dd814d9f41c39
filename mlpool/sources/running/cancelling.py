"""Ctrl-C ends the engine's query, and the program is told as of any other: KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from mlpool.sources.lazy_rows import LazyRows, Native


@contextmanager
def ctrl_c_cancels(rows: LazyRows) -> Iterator[None]:
    """End the query inside when the user presses Ctrl-C.

    DuckDB, Polars and Dask drop a query whose wait is interrupted, and Spark cancels the jobs of a
    tag. What an engine then raises (DuckDB: a RuntimeError, Spark: an error of Java) is turned into
    what Python's users expect. A handler of the user's that lets the program go on is left to it.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C was pressed.
    """
    with _tagged(rows) as stop:
        previous = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(previous):
            yield  # only the main thread is told of signals
            return
        pressed: list[BaseException] = []

        def handle(number: int, frame: FrameType | None) -> None:
            try:
                previous(number, frame)
            except BaseException as raised:
                if not pressed:  # again and again while the engine takes its time: once is enough
                    pressed.append(raised)
                    stop()
                raise

        signal.signal(signal.SIGINT, handle)
        try:
            yield
        except Exception:
            if not pressed:
                raise
        finally:
            signal.signal(signal.SIGINT, previous)
        if pressed:
            _raise_again(pressed[0])


def _raise_again(raised: BaseException) -> NoReturn:
    raise raised.with_traceback(None) from None


@contextmanager
def _tagged(rows: LazyRows) -> Iterator[Callable[[], object]]:
    """Give Spark's jobs of the query inside a name, and the function that cancels them by it."""
    tag, engine = f"mlpool-{uuid.uuid4()}", rows.implementation.value
    session: Native = rows.to_native().sparkSession if engine.startswith("pyspark") else None
    if session is not None and hasattr(session, "addTag") and engine != "pyspark":
        add, remove, cancel = session.addTag, session.removeTag, session.interruptTag
    elif session is not None and hasattr(session.sparkContext, "addJobTag"):
        context = session.sparkContext
        add, remove, cancel = context.addJobTag, context.removeJobTag, context.cancelJobsWithTag
    else:
        yield lambda: None
        return
    add(tag)
    try:
        yield lambda: cancel(tag)
    finally:
        remove(tag)
