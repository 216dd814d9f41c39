"""NumPy's own handling of floating-point events, whatever the caller's ``np.errstate`` says.

A probability that underflows to zero is no error; a caller who debugs with
``np.errstate(all="raise")`` shall get the same numbers as everybody else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
T = TypeVar("T")


def usual_floats(verb: Callable[P, T]) -> Callable[P, T]:
    """Return the verb with NumPy's defaults around it."""

    @wraps(verb)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
            return verb(*args, **kwargs)

    return inside
