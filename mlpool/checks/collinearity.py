"""`check_collinearity`: how much predictors inflate each other's standard errors."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import special

from mlpool.argument_values import plain_number
from mlpool.checks.result import check_is_model, draw_panel
from mlpool.errors import MlpoolWarning, NotSupportedError, OptionError, brief, user_level
from mlpool.floating_point import usual_floats
from mlpool.results import ResultFrame
from mlpool.tables import Column, Note, RowGroup, TableOptions, TableSpec, select_columns
from mlpool.tables.cells import format_intervals, format_numbers, interval_header
from mlpool.uncertainty.influence import variance_inflation

if TYPE_CHECKING:
    from mlpool.models import FittedModel

MODERATE, HIGH = 5.0, 10.0
"""Variance inflation factors from which collinearity counts as moderate, and as high."""

_BANDS = (
    ("Low Correlation", 0.0, MODERATE),
    ("Moderate Correlation", MODERATE, HIGH),
    ("High Correlation", HIGH, np.inf),
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CollinearityTable(ResultFrame):
    """Variance inflation factors; ``bool(table)`` tells whether one is 10 or more, or infinite.

    A column that others determine has none and counts as infinite.
    """

    model: FittedModel | None = None

    def __bool__(self) -> bool:
        return bool((self.data["VIF"] >= HIGH).any() or self.metadata.get("aliased"))

    def _ggplot(self, **options: object) -> object:
        return draw_panel(self.model, "collinearity", options)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollinearityLayout:
    """Terms in bands of low, moderate and high collinearity.

    Attributes
    ----------
    level : float or None
        Of the intervals.
    sentence : str
        Printed where there is no table.
    """

    level: float | None
    sentence: str = ""

    def describe(self, data: pd.DataFrame, options: TableOptions) -> TableSpec:
        """Return one group of rows per band."""
        groups = []
        for heading, low, high in _BANDS:
            part = data[(data["VIF"] >= low) & ~(data["VIF"] >= high)]
            if len(part):
                groups.append(RowGroup(columns=self._columns(part, options), heading=heading))
        unknown = data[data["VIF"].isna()]
        if len(unknown):
            columns = self._columns(unknown, options)
            groups.append(RowGroup(columns=columns, heading="Not estimable"))
        notes = (Note(self.sentence),) if self.sentence else ()
        made = tuple(groups) or (RowGroup(columns=self._columns(data, options)),)
        if options.select is not None:
            made = select_columns(made, options.select)
        return TableSpec(groups=made, title="# Check for Multicollinearity", notes=notes)

    def _columns(self, part: pd.DataFrame, options: TableOptions) -> tuple[Column, ...]:
        def plain(name: str, header: str) -> Column:
            return Column(
                name=name, header=header, cells=format_numbers(part[name], options.digits)
            )

        columns = [
            Column(name="Term", header="Term", cells=tuple(part["Term"]), kind="label"),
            plain("VIF", "VIF"),
            self._interval(part, "VIF", options),
            plain("SE_factor", "Increased SE"),
            plain("Tolerance", "Tolerance"),
            self._interval(part, "Tolerance", options),
        ]
        return tuple(c for c in columns if c is not None)

    def _interval(self, part: pd.DataFrame, name: str, options: TableOptions) -> Column | None:
        if self.level is None:
            return None
        cells = format_intervals(
            part[f"{name}_CI_low"].tolist(),
            part[f"{name}_CI_high"].tolist(),
            options.interval_digits,
        )
        header = f"{name} {interval_header(self.level)}"
        return Column(name=f"{name}_CI", header=header, cells=cells, kind="interval")


@usual_floats
def check_collinearity(m: FittedModel, *, ci: float | None = 0.95) -> CollinearityTable:
    """Return the (generalised) variance inflation factor of every term of the fixed effects.

    Parameters
    ----------
    m : FittedModel
    ci : float or None
        Level of the intervals (delta method on the logit of 1 - 1 / VIF).

    Returns
    -------
    CollinearityTable
        Term, VIF, VIF_CI_low, VIF_CI_high, SE_factor (square root of VIF: how many times as large
        the standard error is), Tolerance (1 / VIF) and its interval. True if a VIF is 10 or more,
        or columns were left out of the fit because others determine them: those are named.
        A model of one term gives no rows and says so.

    Raises
    ------
    OptionError
        For something that is no model, or a level that is none.

    References
    ----------
    Fox & Monette (1992), JASA 87, 178-183; Marcoulides & Raykov (2019), Educational and
    Psychological Measurement 79, 874-882 (intervals).

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("math ~ ses + sector", mlpool.load_data("hsb82"))
    >>> print(check_collinearity(m, ci=None))
    # Check for Multicollinearity
    <BLANKLINE>
    # Low Correlation
    <BLANKLINE>
    Term   |  VIF | Increased SE | Tolerance
    ----------------------------------------
    ses    | 1.04 |         1.02 |      0.96
    sector | 1.04 |         1.02 |      0.96
    """
    check_is_model(m, "check_collinearity()")
    level = _level(ci)
    sentence = ""
    try:
        with np.errstate(all="ignore"):
            vif = variance_inflation(m)
    except NotSupportedError as error:
        vif = pd.Series(dtype=float)
        sentence = f"Collinearity cannot be told: {error}"
    if m.aliased:
        sentence = _aliased_sentence(m)
    _warn(m, vif)
    return CollinearityTable(
        data=_frame(vif, m.nobs, len(m.names), level),
        layout=CollinearityLayout(level=level, sentence=sentence),
        metadata={"kind": "check_collinearity", "ci": level, "aliased": tuple(m.aliased)},
        model=m,
        backend=type(m.design.frame.native).__module__.partition(".")[0],
    )


def _frame(vif: pd.Series, n: int, p: int, level: float | None) -> pd.DataFrame:
    values = vif.to_numpy(dtype=np.float64)
    columns: dict[str, object] = {"Term": [str(t) for t in vif.index], "VIF": values}
    low, high = _bounds(values, n, p, level or 0.95)
    with np.errstate(divide="ignore", invalid="ignore"):
        if level is not None:
            columns |= {"VIF_CI_low": 1 / (1 - low), "VIF_CI_high": 1 / (1 - high)}
        columns |= {"SE_factor": np.sqrt(values), "Tolerance": 1 / values}
    if level is not None:
        columns |= {"Tolerance_CI_low": 1 - high, "Tolerance_CI_high": 1 - low}
    return pd.DataFrame(columns)


def _bounds(vif: Any, n: int, p: int, level: float) -> tuple[Any, Any]:
    """Return bounds of r = 1 - 1 / VIF by the delta method on its logit."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        r = 1.0 - 1.0 / vif
        se = np.sqrt((1 - r**2) ** 2 * float(n - p - 1) ** 2 / ((float(n) ** 2 - 1) * (n + 3)))
        half = special.ndtri((1 + level) / 2) * se / (r * (1 - r))
        centre = special.logit(r)
        return special.expit(centre - half), special.expit(centre + half)


def _aliased_sentence(m: FittedModel) -> str:
    shown = ", ".join(m.aliased[:5]) + (", ..." if len(m.aliased) > 5 else "")
    return (
        f"Collinear without rest, and so left out of the fit: {shown}; the factors are of the "
        "other columns and do not show it."
    )


def _warn(m: FittedModel, vif: pd.Series) -> None:
    """Say what makes the factors hard to read, as easystats does."""
    text = ""
    if m.aliased:
        text = _aliased_sentence(m)
    elif len(vif) and not m.formula.fixed.intercept:
        text = "The model has no intercept; variance inflation factors may not make sense."
    elif (vif > HIGH).any() and any(len(c.parts) > 1 for c in m.columns):
        text = (
            "The model has interactions, which inflate the factors of their parts; centre the "
            "predictors, or look at the model without interactions."
        )
    if text:
        warnings.warn(text, MlpoolWarning, stacklevel=user_level())


def _level(ci: object) -> float | None:
    if ci is None:
        return None
    found = plain_number(ci)
    if found is None or not 0.0 < found < 1.0:
        raise OptionError(
            f"ci must be a level between 0 and 1 such as 0.95, or None; got {brief(ci)}."
        )
    return found
