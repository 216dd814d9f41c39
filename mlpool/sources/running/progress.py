"""A line on stderr while an engine takes long: which query runs, and how much of it is done."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

from mlpool.progress import PATIENCE, tqdm_bar
from mlpool.sources.lazy_rows import LazyRows, Native

Share: TypeAlias = Callable[[], float | None]
"""Says how much of the running query is done, from 0 to 1; None where the engine does not tell."""

_INTERVAL = 0.2
"""Seconds between two looks at the engine."""
_WITH_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}"
_WITHOUT = "{desc}, {elapsed}"


@dataclass(slots=True)
class QueryLine:
    """Counts the queries of a fit and shows the one that runs.

    Attributes
    ----------
    show : bool or None
        True: always; False: never; None: on a terminal, once the fit takes longer than 2 seconds.
    share : callable
    """

    show: bool | None = None
    share: Share = lambda: None
    _began: float = field(default_factory=time.monotonic)
    _count: int = 0

    @contextmanager
    def query(self, rows: LazyRows, what: str) -> Iterator[None]:
        """Show one query while it runs inside."""
        self._count += 1
        if not (sys.stderr.isatty() if self.show is None else self.show):
            yield
            return
        over = threading.Event()
        with ExitStack() as stack:
            share = self.share
            if rows.implementation.value == "dask":
                share = stack.enter_context(_share_of_tasks())
            drawing = threading.Thread(
                target=self._draw, args=(over, f"query {self._count} ({what})", share), daemon=True
            )
            drawing.start()
            try:
                yield
            finally:
                over.set()
                drawing.join()

    def _draw(self, over: threading.Event, text: str, share: Share) -> None:
        wait = 0.0 if self.show else max(self._began + PATIENCE - time.monotonic(), 0.0)
        if over.wait(wait):
            return
        bar = tqdm_bar(desc=text, total=1.0, bar_format=_WITHOUT)
        if bar is None:
            return
        while not over.wait(_INTERVAL):
            done = share()
            if done is not None:
                bar.bar_format, bar.n = _WITH_BAR, min(max(done, 0.0), 1.0)
            bar.refresh()
        bar.close()


_LINE: ContextVar[QueryLine | None] = ContextVar("line", default=None)


@contextmanager
def queries_on_a_line(show: bool | None, share: Share | None) -> Iterator[None]:
    """Count the queries inside on one line."""
    before = _LINE.set(QueryLine(show) if share is None else QueryLine(show, share))
    try:
        yield
    finally:
        _LINE.reset(before)


@contextmanager
def shown(rows: LazyRows, what: str) -> Iterator[None]:
    """Show the query inside on the fit's line, or on one of its own."""
    with (_LINE.get() or QueryLine()).query(rows, what):
        yield


@contextmanager
def _share_of_tasks() -> Iterator[Share]:
    """Count the tasks (a partition's reading, sums, ...) that Dask's own schedulers have done."""
    callback: Native = import_module("dask.callbacks").Callback
    done: list[float] = []

    def after_task(
        key: object, result: object, graph: object, state: Mapping[str, Any], worker: object
    ) -> None:
        parts = {name: len(state[name]) for name in ("waiting", "ready", "running", "finished")}
        done.append(parts["finished"] / sum(parts.values()))

    with callback(posttask=after_task):
        yield lambda: done[-1] if done else None
