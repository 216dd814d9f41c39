"""One line on stderr for fits that take long; silent for short ones and outside terminals."""

from __future__ import annotations

import sys
import time
from typing import Any

PATIENCE = 2.0
"""Seconds before a fit counts as long."""


class ProgressLine:
    """Show the number of evaluations and the criterion while a search runs.

    Parameters
    ----------
    show : bool or None
        True: always; False: never; None: on a terminal, once the fit takes longer than 2 seconds.
    """

    def __init__(self, show: bool | None) -> None:
        self._wanted = sys.stderr.isatty() if show is None else show
        self._after = 0.0 if show else PATIENCE
        self._began = time.monotonic()
        self._bar: Any = None  # tqdm has no type stubs

    def update(self, evaluations: int, value: float) -> None:
        """Redraw after an evaluation."""
        if not self._wanted or time.monotonic() - self._began < self._after:
            return
        if self._bar is None:
            try:
                from tqdm import tqdm
            except ImportError:
                # tqdm is optional; a fit without a progress line is as good.
                self._wanted = False
                return
            self._bar = tqdm(desc="fitting", unit=" evaluations", file=sys.stderr, leave=False)
        self._bar.n = evaluations
        self._bar.set_postfix_str(f"criterion {value:.6f}")

    def close(self) -> None:
        """Remove the line."""
        if self._bar is not None:
            self._bar.close()
