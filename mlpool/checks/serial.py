"""`ACF` and `Variogram`: how residuals of one group depend on their distance in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack, cast

import numpy as np
import pandas as pd

from mlpool.argument_values import whole_number
from mlpool.checks.result import check_is_linear
from mlpool.designs.residual_facts import residual_design_of
from mlpool.errors import DataError, NotSupportedError, check_option
from mlpool.models import ResidualModel
from mlpool.registry import verb
from mlpool.sources.absent_rows import SCANNED, refuse_rows
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from plotnine import ggplot

    from mlpool.keywords import PlotOptions
    from mlpool.models import FittedModel

TYPES = ("pearson", "response", "normalized")
_CLASSES = 20
"""Classes of distance of a variogram (nlme's ``nint``)."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Serial:
    """Correlations by lag, or a variogram; printing it gives the numbers.

    Attributes
    ----------
    table : DataFrame
        ``lag``, ``ACF`` and ``n_used``; or ``variog``, ``dist`` and ``n_pairs``.
    type : {"pearson", "response", "normalized"}
    """

    table: pd.DataFrame
    type: str

    def to_pandas(self) -> pd.DataFrame:
        """Return `table`."""
        return self.table.copy()

    def plot(self, **options: Unpack[PlotOptions]) -> ggplot:
        """Return the picture: correlations with their 95 % band, or the variogram's points."""
        return cast("ggplot", verb("plot")(self, **options))

    def __repr__(self) -> str:
        return self.table.to_string(index=False)

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False))


def ACF(m: FittedModel, max_lag: int | None = None, *, type: str = "pearson") -> Serial:
    """Return the autocorrelations of a model's residuals within its groups (nlme's ``ACF``).

    Parameters
    ----------
    m : FittedModel
        A linear model with a residual correlation or random effects: residuals are followed within
        the groups of the former, else within the innermost ones; in the order of the correlation's
        time, else of the data.
    max_lag : int, optional
        By default 10 log10 of the longest group's rows, as R's ``acf``.
    type : {"pearson", "response", "normalized"}
        ``"normalized"`` residuals are freed of their correlation: they should have none left.

    Returns
    -------
    Serial
        ``lag``, ``ACF`` and the number of pairs; ``plot(ACF(m))`` draws it. Lags count rows of a
        group, gaps in time do not count (nlme's definition).

    Raises
    ------
    NotSupportedError
        For generalised models, models without groups, and models of scanned rows.

    References
    ----------
    Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, section 5.3.3; Box, Jenkins &
    Reinsel (1994), Time Series Analysis, section 2.1.

    Examples
    --------
    >>> import mlpool
    >>> d = mlpool.load_data("sleepstudy")
    >>> m = mlpool.gls("Reaction ~ Days", d, correlation="ar1(Days | Subject)")
    >>> mlpool.ACF(m, 2).table["ACF"].round(3).tolist()
    [1.0, 0.767, 0.656]
    """
    residuals, groups, _ = _in_groups(m, type, None, "ACF()")
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    longest = int(np.diff(np.append(starts, len(groups))).max())
    usual = min(longest - 1, int(10.0 * np.log10(longest)))
    most = usual if max_lag is None else whole_number(max_lag, "max_lag", least=0)
    sums, counts = np.zeros(most + 1), np.zeros(most + 1, dtype=np.int64)
    for lag in range(min(most, len(groups) - 1) + 1):
        same = groups[lag:] == groups[: len(groups) - lag]
        sums[lag] = float((residuals[lag:] * residuals[: len(residuals) - lag])[same].sum())
        counts[lag] = int(same.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        means = sums / counts
        table = {"lag": np.arange(most + 1), "ACF": means / means[0], "n_used": counts}
    return Serial(table=pd.DataFrame(table), type=type)


def Variogram(m: FittedModel, time: str | None = None, *, type: str = "pearson") -> Serial:
    """Return the semivariogram of a model's residuals within its groups (nlme's ``Variogram``).

    Half the squared differences of two residuals of a group, averaged by their distance in time;
    more than 20 distances are gathered in 20 classes of about as many pairs.

    Parameters
    ----------
    m : FittedModel
        As for :func:`ACF`.
    time : str, optional
        Column of numbers; by default the correlation's time, else the row's place in its group.
    type : {"pearson", "response", "normalized"}

    Returns
    -------
    Serial
        ``variog``, ``dist`` (median of the class) and ``n_pairs``; ``plot(Variogram(m))`` draws it.

    Raises
    ------
    NotSupportedError
        As :func:`ACF`.
    DataError
        If a column of times is no number.

    References
    ----------
    Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, section 5.3.2.

    Examples
    --------
    >>> import mlpool
    >>> d = mlpool.load_data("sleepstudy")
    >>> m = mlpool.gls("Reaction ~ Days", d, correlation="ar1(Days | Subject)")
    >>> mlpool.Variogram(m).table.head(2).round(3).to_dict("list")
    {'variog': [0.198, 0.299], 'dist': [1.0, 2.0], 'n_pairs': [162, 144]}
    """
    residuals, groups, times = _in_groups(m, type, time, "Variogram()")
    ends: list[int] = (np.flatnonzero(np.diff(np.append(groups, -1))) + 1).tolist()
    start, halves, distances = 0, [], []
    for stop in ends:
        first, second = np.triu_indices(stop - start, 1)
        e, t = residuals[start:stop], times[start:stop]
        halves.append(0.5 * (e[first] - e[second]) ** 2)
        distances.append(np.abs(t[first] - t[second]))
        start = stop
    frame = pd.DataFrame({"variog": np.concatenate(halves), "dist": np.concatenate(distances)})
    kept = _classes(frame["dist"].to_numpy())
    found = frame[kept >= 0].groupby(kept[kept >= 0])
    table = found.agg(variog=("variog", "mean"), dist=("dist", "median"), n_pairs=("dist", "size"))
    return Serial(table=table.reset_index(drop=True), type=type)


def _classes(distances: FloatArray) -> IntArray:
    """Return the class of every distance; as in R the smallest is in none where they are cut."""
    known, codes = np.unique(distances, return_inverse=True)
    if len(known) <= _CLASSES:
        return np.asarray(codes.reshape(-1))
    breaks = np.unique(np.quantile(distances, np.linspace(0.0, 1.0, _CLASSES + 1)))
    return np.asarray(np.searchsorted(breaks, distances, side="left") - 1)


def _in_groups(
    m: FittedModel, type_: str, time: str | None, what: str
) -> tuple[FloatArray, IntArray, FloatArray]:
    """Return residuals, groups and times (n,), rows sorted by both.

    Raises
    ------
    NotSupportedError, DataError
    """
    check_is_linear(m, what)
    kind = check_option(type_, TYPES, argument="type")
    correlated = residual_design_of(m).data.correlated if isinstance(m, ResidualModel) else None
    if correlated is None and not m.is_mixed:
        raise NotSupportedError(
            f"{what} follows residuals within groups, which this model has none of; fit "
            "lmer(... + (1 | id)), or gls() with a correlation."
        )
    if isinstance(m.design, PushedDesign):
        refuse_rows(SCANNED)
    groups = m.design.random[0].codes if correlated is None else correlated.codes
    residuals = _residuals(m, kind)
    place = np.arange(len(groups), dtype=np.float64)
    times = place if correlated is None else correlated.points
    if time is not None:
        column = m.design.frame.column(time)
        if column.is_text or column.is_factor or column.unit:
            raise DataError(f"time={time!r} of {what} must be a column of numbers.")
        times = np.asarray(m.design.column_values(time)[0], dtype=np.float64)
    order = np.lexsort((place, times, groups))
    return residuals[order], np.asarray(groups)[order].astype(np.int64), times[order]


def _residuals(m: FittedModel, kind: str) -> FloatArray:
    if isinstance(m, ResidualModel) or kind == "response":
        return np.asarray(m.residuals(kind), dtype=np.float64)
    return np.asarray(m.residuals("pearson"), dtype=np.float64) / float(m.sigma)
