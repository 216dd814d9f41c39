"""p-values adjusted for the number of tests."""

from __future__ import annotations

import numpy as np

from mlpool.errors import OptionError, brief, nearest_names
from mlpool.typing import FloatArray

_LABELS = {
    "none": "",
    "bonferroni": "Bonferroni",
    "holm": "Holm (1979)",
    "hochberg": "Hochberg (1988)",
    "hommel": "Hommel (1988)",
    "fdr": "Benjamini & Hochberg (1995)",
    "by": "Benjamini & Yekutieli (2001)",
}
"""Methods and how a footer names them."""

_SYNONYMS = {"bh": "fdr"}


def read_adjustment(method: object, argument: str = "p_adjust") -> str:
    """Return the method's canonical name; ``"none"`` for None.

    Raises
    ------
    OptionError
        For an unknown method.
    """
    if method is None:
        return "none"
    name = method.lower() if isinstance(method, str) else ""
    name = _SYNONYMS.get(name, name)
    if name not in _LABELS:
        known = (*_LABELS, *_SYNONYMS)
        hint = nearest_names(method, known) if isinstance(method, str) else ""
        raise OptionError(f"{argument} must be one of {known}; got {brief(method)}.{hint}")
    return name


def adjustment_note(method: str) -> str:
    """Return the footer: ``p-value adjustment method: Holm (1979)``."""
    return f"p-value adjustment method: {_LABELS[method]}" if _LABELS[method] else ""


def adjust_p(p: FloatArray, method: str, n: int | None = None) -> FloatArray:
    """Return adjusted p-values; missing ones are not counted.

    With p sorted upwards, p_(1) <= ... <= p_(k), m tests and c the harmonic number of m:

        holm        max_{j <= i} (m - j + 1) p_(j)
        hochberg    min_{j >= i} (m - j + 1) p_(j)
        fdr         min_{j >= i} m / j p_(j)
        by          c times fdr
        bonferroni  m p
        hommel      closed testing with Simes' test, see :func:`_hommel`

    Parameters
    ----------
    p : ndarray of shape (k,)
    method : str
        A canonical name of :func:`read_adjustment`.
    n : int, optional
        Number of tests m, at least k (the others count with p = 1); None: k.

    References
    ----------
    Wright (1992), Biometrics 48; R's ``p.adjust``.
    """
    adjusted = np.array(p, dtype=np.float64)
    known = ~np.isnan(adjusted)
    values = adjusted[known]
    k = len(values)
    m = k if n is None else n
    if method == "none" or m <= 1 or k == 0:
        return adjusted
    order = np.argsort(values, kind="stable")
    rank = np.arange(1, k + 1)
    ordered = values[order]
    if method == "bonferroni":
        result = m * ordered
    elif method == "holm":
        result = np.maximum.accumulate((m - rank + 1) * ordered)
    elif method == "hommel":
        result = _hommel(np.concatenate([ordered, np.ones(m - k)]))[:k]
    else:
        scale = float(np.sum(1.0 / np.arange(1, m + 1))) if method == "by" else 1.0
        factor = m - rank + 1 if method == "hochberg" else scale * m / rank
        result = np.minimum.accumulate((factor * ordered)[::-1])[::-1]
    values[order] = np.minimum(result, 1.0)
    adjusted[known] = values
    return adjusted


def _hommel(p: FloatArray) -> FloatArray:
    """Return Hommel's adjustment of p-values sorted upwards.

    Closed testing: each p is adjusted to the largest Simes p-value ``min_k s q_(k) / k`` among the
    subsets q of any size s that contain it. For each s the worst subset is the p itself and the
    s - 1 largest others.
    """
    m = len(p)
    result = np.zeros(m)
    for s in range(1, m + 1):
        largest = s * p[m - s :] / np.arange(1, s + 1)
        others = float(largest[1:].min(initial=np.inf))
        simes = np.minimum(s * p, others)
        simes[m - s :] = largest.min()
        result = np.maximum(result, simes)
    return result
