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

_STATSMODELS = {
    "bonferroni": "bonferroni",
    "holm": "holm",
    "hochberg": "simes-hochberg",
    "hommel": "hommel",
    "fdr": "fdr_bh",
    "by": "fdr_by",
}
"""What statsmodels calls them."""

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

    Parameters
    ----------
    p : ndarray of shape (k,)
    method : str
        A canonical name of :func:`read_adjustment`.
    n : int, optional
        Number of tests m, at least k (the others count with p = 1); None: k.

    Notes
    -----
    The arithmetic is that of ``statsmodels.stats.multitest.multipletests``; names, missing values
    and `n` are those of R's ``p.adjust``.

    References
    ----------
    Wright (1992), Biometrics 48; R's ``p.adjust``.
    """
    adjusted = np.array(p, dtype=np.float64)
    known = ~np.isnan(adjusted)
    k = int(known.sum())
    m = k if n is None else n
    if method == "none" or m <= 1 or k == 0:
        return adjusted
    from statsmodels.stats.multitest import multipletests

    values = np.concatenate([adjusted[known], np.ones(m - k)])
    adjusted[known] = multipletests(values, method=_STATSMODELS[method])[1][:k]
    return adjusted
