"""`check_heterogeneity_bias`: predictors that mix differences within and between groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.checks.result import KINDS, Check
from mlpool.errors import NotSupportedError, OptionError
from mlpool.floating_point import usual_floats
from mlpool.frames import Frame, read_frame
from mlpool.transform.columns import Groups, as_names, label_codes, numbers, read_groups
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import ByLike, NamesLike

TOLERANCE = 1e-5
"""Share of a predictor's deviation, within and between groups, that counts as none."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class HeterogeneityBias(Check):
    """Predictors that vary within groups and between them.

    Attributes
    ----------
    names : tuple of str
    table : DataFrame
        Parameter, Group, SD_within, SD_between, Flagged: every pair that was looked at.
    """

    names: tuple[str, ...]
    table: pd.DataFrame

    def to_pandas(self) -> pd.DataFrame:
        """Return `table`."""
        return self.table.copy()


@usual_floats
def check_heterogeneity_bias(
    x: Any, select: NamesLike | None = None, by: ByLike | None = None
) -> HeterogeneityBias:
    """Name predictors whose coefficient mixes an effect within groups with one between them.

    Such a predictor varies within the groups, and its group means vary, too: unless both effects
    are the same its coefficient is neither. :func:`mlpool.demean` splits it. easystats names every
    predictor that varies within groups, also one with equal group means, where nothing is mixed.

    Parameters
    ----------
    x : FittedModel or data frame
        A mixed model knows its predictors and groups.
    select, by : str or list of str
        Of a data frame: predictors, and grouping variables.

    Returns
    -------
    HeterogeneityBias
        True if there are any; `names`.

    Raises
    ------
    OptionError
        For a data frame without `select` and `by`, or a model with them.
    NotSupportedError
        For models without random effects.
    ColumnNotFoundError
        For unknown columns.

    References
    ----------
    Bell, Fairbrother & Jones (2019), Quality & Quantity 53, 1051-1074.

    Examples
    --------
    >>> import mlpool
    >>> d = mlpool.load_data("hsb82")
    >>> check_heterogeneity_bias(d, ["ses", "sector"], by="school")
    Possible heterogeneity bias due to following predictors: ses
    """
    pairs = _of_model(x, select, by) if getattr(x, "kind", None) in KINDS else None
    if pairs is None:
        pairs = _of_data(x, select, by)
    rows = []
    for name, group, columns, groups in pairs:
        within, between = _spreads(columns, groups)
        smallest = TOLERANCE * float(np.hypot(within, between))
        flagged = within > smallest and between > smallest
        rows.append((name, group, within, between, flagged))
    names = ["Parameter", "Group", "SD_within", "SD_between", "Flagged"]
    table = pd.DataFrame(rows, columns=names)
    found = tuple(dict.fromkeys(row[0] for row in rows if row[4]))
    text = "No predictor found that could cause heterogeneity bias."
    if found:
        text = f"Possible heterogeneity bias due to following predictors: {', '.join(found)}"
    return HeterogeneityBias(sentence=text, holds=bool(found), names=found, table=table)


_Pair = tuple[str, str, list[FloatArray], Groups]


def _of_data(data: object, select: NamesLike | None, by: ByLike | None) -> list[_Pair]:
    if select is None or by is None:
        raise OptionError(
            "check_heterogeneity_bias() of a data frame needs select= (predictors) and by= "
            "(grouping variables)."
        )
    frame = read_frame(data)
    groupings = [(name, read_groups(frame, name)) for name in as_names(by, "by")]
    return [
        (name, group, _columns(frame, name, slice(None)), groups)
        for group, groups in groupings
        for name in as_names(select, "select")
    ]


def _of_model(m: FittedModel, select: NamesLike | None, by: ByLike | None) -> list[_Pair]:
    if not m.is_mixed:
        raise NotSupportedError(
            "check_heterogeneity_bias() needs a mixed model, or data with select= and by=."
        )
    if select is not None or by is not None:
        raise OptionError("select= and by= go with a data frame; a model knows both.")
    frame, kept = m.design.frame, m.design.kept
    rows = slice(None) if kept is None else kept
    groups = {
        r.group: Groups(codes=np.asarray(r.codes), labels=tuple((v,) for v in r.levels), names=())
        for r in m.design.random
    }
    used = [c for term in m.formula.fixed.terms for e in term for c in e.columns]
    names = [c for c in dict.fromkeys(used) if c in frame and c not in groups]
    return [
        (name, group, _columns(frame, name, rows), codes)
        for group, codes in groups.items()
        for name in names
    ]


def _columns(frame: Frame, name: str, rows: Any) -> list[FloatArray]:
    """Return a predictor as numbers; a factor as one dummy per level."""
    column = frame.column(name, used_as="select")
    if not column.is_factor:
        return [numbers(frame, name)[rows]]
    codes, levels = label_codes(column)
    codes = codes[rows]
    missing = codes < 0
    return [np.where(missing, np.nan, (codes == i) * 1.0) for i in range(len(levels))]


def _spreads(columns: list[FloatArray], groups: Groups) -> tuple[float, float]:
    """Return the largest SD within groups, and of group means, over a predictor's columns."""
    within = between = 0.0
    for values in columns:
        means = groups.means(values)
        used = ~np.isnan(means) & ~np.isnan(values)
        if used.any():
            within = max(within, float(np.sqrt(np.mean((values - means)[used] ** 2))))
            between = max(between, float(np.std(means[used])))
    return within, between
