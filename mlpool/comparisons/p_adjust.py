"""`p_adjust`: p-values adjusted for the number of tests, as R's ``p.adjust``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlpool.argument_values import whole_number
from mlpool.errors import DataError, brief
from mlpool.inference.p_adjust import adjust_p, read_adjustment
from mlpool.typing import FloatArray


def p_adjust(p: object, method: str | None = "holm", n: int | None = None) -> Any:
    """Return p-values adjusted for the number of tests (R's ``p.adjust``).

    Parameters
    ----------
    p : array, list or Series of shape (k,)
        Missing values are kept and not counted.
    method : {"holm", "hochberg", "hommel", "bonferroni", "BH", "fdr", "BY", "none"}
        All but the last three hold the family-wise error rate; BH (fdr) and BY the false discovery
        rate, BY under any dependence.
    n : int, optional
        Number of tests, at least the number of p-values; by default that number.

    Returns
    -------
    ndarray, or a Series with the index of `p`

    Raises
    ------
    OptionError
        For an unknown method, or `n` below the number of p-values.
    DataError
        If `p` are no numbers between 0 and 1.

    References
    ----------
    Wright (1992), Biometrics 48, 1005-1013.

    Examples
    --------
    >>> p_adjust([0.01, 0.02, 0.03], "holm").round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    name = read_adjustment(method, argument="method")
    values = _read(p)
    known = int((~np.isnan(values)).sum())
    if n is not None:
        n = whole_number(n, "n (the number of p-values or more)", least=known)
    adjusted = adjust_p(values, name, n)
    if isinstance(p, pd.Series):
        return pd.Series(adjusted, index=p.index, name=p.name)
    return adjusted


def _read(p: object) -> FloatArray:
    try:
        given = np.asarray(p)
        is_numeric = given.dtype.kind in "iufO"
        values = np.atleast_1d(given.astype(np.float64) if is_numeric else [])
    except (TypeError, ValueError, OverflowError):
        is_numeric = False
    if not is_numeric:
        raise DataError(f"p must be numbers between 0 and 1; got {brief(p)}.")
    if values.ndim != 1:
        raise DataError(f"p must be one list of p-values; got an array of shape {values.shape}.")
    outside = (values < 0) | (values > 1)
    if outside.any():
        raise DataError(f"p-values lie between 0 and 1; got {values[outside][0]:g}.")
    return values
