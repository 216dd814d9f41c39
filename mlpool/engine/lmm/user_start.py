"""The starting values that ``control={"start": ...}`` gives."""

from __future__ import annotations

import numpy as np

from mlpool.engine.theta import Template
from mlpool.engine.types import Control
from mlpool.errors import OptionError, brief
from mlpool.typing import FloatArray


def user_start(control: Control, template: Template) -> FloatArray:
    """Return the starting theta of ``control.start``.

    Raises
    ------
    OptionError
        If it has the wrong length or holds values that are not finite.
    """
    start = np.asarray(control.start, dtype=np.float64)
    if start.shape != (template.k,) or not np.all(np.isfinite(start)):
        raise OptionError(
            f"start must hold {template.k} finite numbers (theta in lme4's order); "
            f"got {brief(control.start)}."
        )
    return template.canonical(start)
