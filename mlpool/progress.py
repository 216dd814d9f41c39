"""One progress line on stderr for all that takes long: tqdm's, where it is installed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 2.0
"""Seconds before a fit counts as long."""


def tqdm_bar(**options: object) -> Any:
    """Return a bar of tqdm on stderr, which has no type stubs of its own; None without tqdm.

    Work without a progress line is as good: tqdm is optional.
    """
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(**options, file=sys.stderr, leave=False)  # type: ignore[call-overload] # any of its


class Progress:
    """Show how far work has come; silent outside terminals and without tqdm.

    Parameters
    ----------
    what : str
        What is done: ``"fitting"``.
    unit : str
        Of the steps, with a blank before: ``" evaluations"``.
    total : int, optional
        Steps in all, where they are known.
    show : bool or None
        True: always; False: never; None: on a terminal.
    patience : float
        Seconds that work takes before it is shown unasked.

    Notes
    -----
    Entering gives the function that counts steps: ``with Progress(...) as advance: advance(1)``.
    """

    def __init__(
        self,
        what: str,
        unit: str,
        *,
        total: int | None = None,
        show: bool | None = None,
        patience: float = 0.0,
    ) -> None:
        self._wanted = sys.stderr.isatty() if show is None else show
        self._after = 0.0 if show else patience
        self._began = time.monotonic()
        self._made: dict[str, object] = {"desc": what, "unit": unit, "total": total}
        self._bar: Any = None
        self._done = 0

    def move(self, done: int, criterion: float | None = None) -> None:
        """Say how many steps are done, and where a search stands."""
        self._done = done
        if not self._wanted or time.monotonic() - self._began < self._after:
            return
        if self._bar is None:
            self._bar = tqdm_bar(**self._made)
            if self._bar is None:
                self._wanted = False
                return
        self._bar.update(done - self._bar.n)
        if criterion is not None:
            self._bar.set_postfix_str(f"criterion {criterion:.6f}")

    def advance(self, steps: int = 1) -> None:
        """Count steps."""
        self.move(self._done + steps)

    def close(self) -> None:
        """Remove the line."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Callable[[int], object]:
        """Return :meth:`advance`."""
        return self.advance

    def __exit__(self, *_: object) -> None:
        """Remove the line."""
        self.close()
