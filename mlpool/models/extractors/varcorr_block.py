"""The covariance of one random-effects term, as a user reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.errors import DataError, brief
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.formula.types import BarStructure
    from mlpool.typing import ValueArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class VarCorrBlock:
    """The covariance of one random-effects term.

    ``block[0, 1]`` and ``block["(Intercept)", "Days"]`` read its covariance matrix, which is also
    what NumPy makes of it.

    Attributes
    ----------
    group : str
        Grouping factor (``school``, ``b:a``).
    names : tuple of str
        Column names of the term.
    sd : ndarray of shape (k,)
        Standard deviations, in the response's unit per unit of the column.
    cor : ndarray of shape (k, k)
        Correlations; NaN beside a standard deviation of zero.
    vcov : ndarray of shape (k, k)
        Covariance matrix.
    structure : BarStructure or None
        Of ``cs()``, ``ar1()``, ``diag()``.
    """

    group: str
    names: tuple[str, ...]
    sd: FloatArray
    cor: FloatArray
    vcov: FloatArray
    structure: BarStructure | None = None

    @property
    def rho(self) -> float:
        """The one correlation of ``cs()`` and ``ar1()``; NaN beside SDs of zero."""
        return common_correlation(self.cor)

    @property
    def stddev(self) -> pd.Series:
        """R's ``attr(VarCorr(m)$g, "stddev")``: standard deviations by name."""
        return pd.Series(self.sd.copy(), index=list(self.names))

    @property
    def correlation(self) -> pd.DataFrame:
        """R's ``attr(VarCorr(m)$g, "correlation")``: correlations by name."""
        return self._labelled(self.cor)

    def to_frame(self) -> pd.DataFrame:
        """Return the covariance matrix by name, R's ``VarCorr(m)$g``."""
        return self._labelled(self.vcov)

    def _labelled(self, matrix: FloatArray) -> pd.DataFrame:
        return pd.DataFrame(matrix.copy(), index=list(self.names), columns=list(self.names))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ValueArray:
        """Return the covariance matrix."""
        return np.array(self.vcov, dtype=dtype)

    def __getitem__(self, key: object) -> Any:
        """Return a part of the covariance matrix, by places or by names.

        Raises
        ------
        DataError
            If there is no such column or place.
        """
        keys = tuple(self._place(k) for k in (key if isinstance(key, tuple) else (key,)))
        try:
            return np.array(self.vcov)[keys]
        except IndexError:
            raise DataError(f"{self.group} has the columns {', '.join(self.names)}.") from None

    def _place(self, key: object) -> Any:
        if not isinstance(key, str):
            return key
        if key not in self.names:
            raise DataError(
                f"{self.group} has no random effect {brief(key)}; it has {', '.join(self.names)}."
            )
        return self.names.index(key)

    def __str__(self) -> str:
        """Return the covariance matrix, standard deviations and correlations, as R prints them."""
        parts = [self.to_frame().to_string(), "", "Std.Dev.:", self.stddev.to_string()]
        if len(self.names) > 1:
            parts += ["", "Corr:", self.correlation.to_string()]
        return "\n".join(parts)

    __repr__ = __str__


def common_correlation(cor: FloatArray) -> float:
    """Return the correlation of the first neighbours that have one; NaN where none have."""
    beside = np.diag(cor, -1)
    known = beside[np.isfinite(beside)]
    return float(known[0]) if len(known) else float("nan")
