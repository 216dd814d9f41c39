"""Shares of variance of an analysis of variance: eta, omega and epsilon squared.

With F tests of df1 and df2 (sums of squares SS, residual mean square s2, n = all df + 1):

    eta2      SS / SS_total                     partial: SS / (SS + SS_residual)
    omega2    (SS - df1 s2) / (SS_total + s2)   partial: (SS - df1 s2) / (SS + (n - df1) s2)
    epsilon2  (SS - df1 s2) / SS_total          partial: (SS - df1 s2) / (SS + SS_residual)

Tables without a residual row (mixed models) have the partial ones from F alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import optimize, stats

from mlpool.argument_values import flag, level
from mlpool.comparisons.anova import anova
from mlpool.errors import OptionError, check_option
from mlpool.models.argument_checks import check_model
from mlpool.performance.performance_table import DIGITS, Grid, GridColumn
from mlpool.results import ResultFrame
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_SIDES = ("greater", "two.sided", "less")
_NAMES = {"eta": "Eta2", "omega": "Omega2", "epsilon": "Epsilon2"}


def eta_squared(
    m: FittedModel | ResultFrame, *, partial: bool = True, ci: float | None = 0.95,
    alternative: str = "greater",
) -> ResultFrame:  # fmt: skip
    """Return the share of the variance that each term explains (effectsize's ``eta_squared``).

    Parameters
    ----------
    m : FittedModel or ResultFrame
        A model, or the table of :func:`anova` of one, with its type of tests.
    partial : bool
        The share of what other terms leave; False: of all, for which there must be a residual row.
    ci : float or None
        Level of the interval, from the noncentral F distribution.
    alternative : {"greater", "two.sided", "less"}
        One-sided intervals reach up to 1, as effectsize's.

    Returns
    -------
    ResultFrame
        Parameter, Eta2_partial (or Eta2), CI_low, CI_high.

    Raises
    ------
    OptionError
        For something that has no F tests, and shares of all variance without a residual row.

    See Also
    --------
    omega_squared, epsilon_squared : less biased ones.

    References
    ----------
    Olejnik & Algina (2003), Psychological Methods 8, 434-447; Steiger (2004), Psychological
    Methods 9, 164-182.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("angle ~ recipe * temp", mlpool.load_data("cake"))
    >>> print(mlpool.eta_squared(m))
    # Effect Size for ANOVA (Type I)
    <BLANKLINE>
    Parameter   | Eta2 (partial) | CI_low | CI_high
    -----------------------------------------------
    recipe      |          0.008 |  0.000 |   1.000
    temp        |          0.109 |  0.057 |   1.000
    recipe:temp |          0.000 |  0.000 |   1.000
    """
    return _one_kind("eta", m, partial, ci, alternative)


def omega_squared(
    m: FittedModel | ResultFrame, *, partial: bool = True, ci: float | None = 0.95,
    alternative: str = "greater",
) -> ResultFrame:  # fmt: skip
    """Return omega squared of each term (effectsize's ``omega_squared``).

    Parameters
    ----------
    m, partial, ci, alternative
        As in :func:`eta_squared`.

    See Also
    --------
    eta_squared : what the arguments mean.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("angle ~ recipe * temp", mlpool.load_data("cake"))
    >>> mlpool.omega_squared(m)["Omega2_partial"].round(4).to_list()
    [0.0008, 0.1041, 0.0]
    """
    return _one_kind("omega", m, partial, ci, alternative)


def epsilon_squared(
    m: FittedModel | ResultFrame, *, partial: bool = True, ci: float | None = 0.95,
    alternative: str = "greater",
) -> ResultFrame:  # fmt: skip
    """Return epsilon squared of each term (effectsize's ``epsilon_squared``).

    Parameters
    ----------
    m, partial, ci, alternative
        As in :func:`eta_squared`.

    See Also
    --------
    eta_squared : what the arguments mean.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("angle ~ recipe * temp", mlpool.load_data("cake"))
    >>> mlpool.epsilon_squared(m)["Epsilon2_partial"].round(4).to_list()
    [0.0008, 0.1059, 0.0]
    """
    return _one_kind("epsilon", m, partial, ci, alternative)


def anova_parameters(table: ResultFrame, ci: float | None) -> ResultFrame:
    """Return a table of tests with all partial shares and their intervals (`model_parameters`)."""
    tests = _tests_of(table, "model_parameters()")
    data = table.to_pandas()
    places = data.index[data["Parameter"].isin(tests.labels)]
    for kind, name in _NAMES.items():
        share = tests.share(kind, partial=True)
        data.loc[places, f"{name}_partial"] = share
        if ci is not None:
            low, high = tests.interval(share, level(ci, "ci"), "greater")
            data.loc[places, f"{name}_CI_low"], data.loc[places, f"{name}_CI_high"] = low, high
    styles = dict.fromkeys((c for c in data.columns if "2_" in c), "plain")
    styles |= {"df": "count", "df_error": "count", "p": "p", "Parameter": "label"}
    columns = tuple(
        GridColumn(name=c, header=_header(c), style=styles.get(c, "number")) for c in data.columns
    )
    kind = table.metadata["type"]
    layout = Grid(columns=columns, footers=(f"Anova Table (Type {kind} tests)",))
    return ResultFrame(data=data, layout=layout, metadata={**table.metadata, "ci": ci})


def _header(column: str) -> str:
    return column.removesuffix("_partial") + " (partial)" if "_partial" in column else column


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tests:
    """F tests of terms.

    Attributes
    ----------
    labels : list of str
    f, df, df_error : ndarray of shape (t,)
    has_residual : bool
        Whether the tests divide one total sum of squares, the residual's with it.
    """

    labels: list[str]
    f: FloatArray
    df: FloatArray
    df_error: FloatArray
    has_residual: bool = False

    def share(self, kind: str, *, partial: bool) -> FloatArray:
        """Return the shares (t,); those that are not of eta are at least 0."""
        f, df, rest = self.f, self.df, self.df_error
        excess = (f if kind == "eta" else np.maximum(f - 1.0, 0.0)) * df
        if not self.has_residual:
            return np.asarray(excess / (f * df + rest + (1.0 if kind == "omega" else 0.0)))
        # in units of the residual mean square
        ss = f * df
        if partial:
            n = df.sum() + rest + 1.0
            return np.asarray(excess / (ss + (n - df if kind == "omega" else rest)))
        total = ss.sum() + rest + (1.0 if kind == "omega" else 0.0)
        return np.asarray(excess / total)

    def interval(
        self, share: FloatArray, ci: float, alternative: str
    ) -> tuple[FloatArray, FloatArray]:
        """Return the bounds of shares (t,): those of the noncentral F that a share stands for."""
        inside = ci if alternative == "two.sided" else 2.0 * ci - 1.0
        f = (share / self.df) / ((1.0 - share) / self.df_error)
        bounds = np.array([
            [_noncentrality(*one, tail) for tail in (0.5 + 0.5 * inside, 0.5 - 0.5 * inside)]
            for one in zip(f, self.df, self.df_error, strict=True)
        ])  # fmt: skip
        low, high = (bounds / (bounds + self.df_error[:, None])).T
        low = np.zeros_like(low) if alternative == "less" else low
        return low, np.ones_like(high) if alternative == "greater" else high


def _noncentrality(f: float, df: float, df_error: float, probability: float) -> float:
    """Return the noncentrality at which F is below f with a probability; 0 if there is none."""
    if not np.isfinite([f, df_error]).all():
        return float("nan")
    if stats.f.cdf(f, df, df_error) <= probability:
        return 0.0

    def missed(ncp: float) -> float:
        return float(stats.ncf.cdf(f, df, df_error, ncp)) - probability

    # the distribution moves by about ncp / df: 20 of its spreads beyond f are enough
    top = 2.0 * f * df + 100.0
    while missed(top) > 0.0:
        top *= 2.0
    # a share of the noncentrality, which has no unit
    return float(optimize.brentq(missed, 0.0, top, rtol=1e-10))


def _table_of(m: FittedModel | ResultFrame, verb: str) -> ResultFrame:
    return m if isinstance(m, ResultFrame) else anova(check_model(m, verb))


def _tests_of(table: ResultFrame, verb: str) -> _Tests:
    data = table.data
    if "type" not in table.metadata or not {"Parameter", "F", "df"} <= set(data.columns):
        raise OptionError(
            f"{verb} needs F tests of the terms of one model, as anova(m) has them for lm and lmer."
        )
    is_term = ~data["Parameter"].isin(["(Intercept)", "Residuals", "NULL"]) & data["F"].notna()
    terms = data[is_term]
    f, df = terms["F"].to_numpy(float), terms["df"].to_numpy(float)
    labels = [str(v) for v in terms["Parameter"]]
    if "df_error" in data:
        return _Tests(labels=labels, f=f, df=df, df_error=terms["df_error"].to_numpy(float))
    rest = data[data["Parameter"] == "Residuals"]
    if rest.empty or "Sum_Squares" not in data:
        raise OptionError(f"{verb} needs F tests with residual degrees of freedom.")
    return _Tests(
        labels=labels, f=f, df=df, df_error=np.full(len(f), float(rest["df"].iloc[0])),
        has_residual=True,
    )  # fmt: skip


def _one_kind(
    kind: str, m: FittedModel | ResultFrame, partial: bool, ci: float | None, alternative: str
) -> ResultFrame:
    table = _table_of(m, f"{kind}_squared()")
    tests = _tests_of(table, f"{kind}_squared()")
    check_option(alternative, _SIDES, argument="alternative")
    is_partial = flag(partial, "partial")
    if not is_partial and not tests.has_residual:
        raise OptionError(
            f"{kind}_squared(partial=False) needs the residual sum of squares, which tests of "
            "mixed models do not have; leave out partial=."
        )
    name = _NAMES[kind] + ("_partial" if is_partial else "")
    share = tests.share(kind, partial=is_partial)
    data = pd.DataFrame({"Parameter": tests.labels, name: share})
    if ci is not None:
        data["CI_low"], data["CI_high"] = tests.interval(share, level(ci, "ci"), alternative)
    styles = {"Parameter": "label"}
    layout = Grid(
        columns=tuple(
            GridColumn(name=c, header=_header(c), style=styles.get(c, "plain"))
            for c in data.columns
        ),
        heading=f"Effect Size for ANOVA (Type {table.metadata['type']})",
    )
    return ResultFrame(
        data=data, layout=layout, options=DIGITS,
        metadata={"kind": f"{kind}_squared", "ci": ci, "alternative": alternative},
    )  # fmt: skip
