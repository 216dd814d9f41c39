"""What the functions of this folder check of their arguments."""

from __future__ import annotations

import numpy as np

from mlpool.errors import OptionError


def check_tolerance(tolerance: object) -> float:
    """Return a tolerance that is zero or more.

    Raises
    ------
    OptionError
    """
    is_number = isinstance(tolerance, (int, float, np.number)) and not isinstance(tolerance, bool)
    if not is_number or not float(tolerance) >= 0.0:  # type: ignore[arg-type]
        raise OptionError(f"tolerance must be a number, 0 or more; got {tolerance!r}.")
    return float(tolerance)  # type: ignore[arg-type]
