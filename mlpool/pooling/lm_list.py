"""`lm_list`: every group's own regression (lme4's ``lmList``), as one table.

Least squares come from each group's sums at once; generalised linear models are fitted group by
group. Where a family has a residual SD it is pooled over the groups, as ``summary`` of R does:

    sigma^2 = sum_j rss_j / sum_j df_j        SE_j = sigma sqrt(diag (X_j'W X_j)^-1)
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.argument_values import level as read_level
from mlpool.engine.glm.fit import fit_glm
from mlpool.engine.pooling.cluster_regressions import OwnRegressions, fit_each
from mlpool.engine.sums.columns import Rows
from mlpool.errors import (
    ConvergenceWarning,
    FitError,
    FormulaError,
    NotSupportedError,
    OptionError,
    RankDeficiencyWarning,
    brief,
    user_level,
)
from mlpool.estimates.estimates_table import EstimatesLayout
from mlpool.families import Family, get_family
from mlpool.formula import parse_formula
from mlpool.formula.design import Design, build_design
from mlpool.formula.language.lexer import quote_name
from mlpool.formula.language.structures import BARS
from mlpool.formula.language.tokens import read_tokens
from mlpool.models.fit_messages import is_separated, say_what_was_left_out
from mlpool.pooling.lm_list_table import LmList, read_pool, with_table
from mlpool.refits.row_resampling import take_rows
from mlpool.sources import Scan, read_rows
from mlpool.typing import BoolArray

if TYPE_CHECKING:
    from mlpool.typing import ColumnLike, ContrastsLike, DataLike, FamilyLike, NaAction

_SHOWN = 5
"""Groups that a sentence names."""


def lm_list(  # noqa: PLR0913 - R's arguments
    formula: str,
    data: DataLike,
    family: FamilyLike | None = None,
    *,
    group: str | None = None,
    pool: bool | None = None,
    ci: float = 0.95,
    weights: ColumnLike | None = None,
    offset: ColumnLike | None = None,
    contrasts: ContrastsLike | None = None,
    subset: ColumnLike | None = None,
    na_action: NaAction = "omit",
    context: Mapping[str, object] | None = None,
) -> LmList:
    """Fit the same regression to every group by itself (lme4's ``lmList``).

    Parameters
    ----------
    formula : str
        ``"math ~ ses | school"``: a model of the rows of each school. Levels of factors, contrasts
        and bases such as ``poly(x, 2)`` are those of all rows.
    data : data frame, dict of arrays or path
    family : str, optional
        ``"binomial"`` ...: a generalised linear model per group.
    group : str, optional
        The grouping column, where the formula has no bar.
    pool : bool, optional
        Standard errors with the residual SD of all groups (the default where a family has one), or
        with each group's own.
    ci : float
        Level of the intervals.
    weights, offset, contrasts, subset, na_action, context
        As :func:`mlpool.fit` takes them.

    Returns
    -------
    LmList
        A table: Group, Level, n, Parameter, Coefficient, SE, CI_low, CI_high, t or z, df, p, with
        ``.coef()``, ``.se``, ``.confint()``, ``.sigma`` and ``.plot()``.

    Raises
    ------
    FormulaError
        Without a bar, or with one in parentheses.
    FitError
        If no group leaves residual degrees of freedom for the SD.
    NotSupportedError
        For data that are scanned.

    Warns
    -----
    RankDeficiencyWarning
        Naming groups whose rows do not identify every coefficient: those are missing.
    ConvergenceWarning
        Naming groups whose outcomes are separated: their coefficients run to infinity.

    See Also
    --------
    compare_pooling : no pooling beside complete and partial pooling.

    References
    ----------
    Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, section 4.1; lme4's ``lmList``.

    Examples
    --------
    >>> import mlpool
    >>> own = mlpool.lm_list("Reaction ~ Days | Subject", mlpool.load_data("sleepstudy"))
    >>> print(own.coef().head(2).round(2))
             (Intercept)   Days
    Subject
    308           244.19  21.76
    309           205.05   2.26
    >>> round(own.sigma, 3), own.df_residual
    (25.592, 144)
    """
    frame = read_rows(data)
    if isinstance(frame, Scan):
        raise NotSupportedError(
            "lm_list() fits every group by itself, which needs the rows in memory; lm() and lmer() "
            "fit rows that are scanned."
        )
    known = get_family(family)
    wanted = read_pool(pool, known)
    found = read_level(ci, "ci")
    parsed = parse_formula(_mixed_text(formula, group), columns=frame.columns, context=context)
    if len(parsed.bars) != 1:
        raise FormulaError("lm_list() takes one grouping factor; write a:b for combinations.")
    design = build_design(
        parsed, frame, binomial=known is not None and known.kin == "binomial", weights=weights,
        offset=offset, contrasts=contrasts, subset=subset, na_action=na_action, context=context,
    )  # fmt: skip
    say_what_was_left_out(design, is_mixed=False, is_linear=known is None)
    random = design.random[0]
    fits = _least_squares(design) if known is None else _generalized(design, known)
    if wanted and fits.pooled_df < 1:
        raise FitError(
            f"No group of {brief(random.group)} has more rows than coefficients, so there is no "
            "residual SD to pool; pool=False gives the coefficients."
        )
    lost = _say_lost(fits, random.levels)
    made = LmList(
        data=pd.DataFrame(), layout=EstimatesLayout(title="", labels=(), value="Coefficient"),
        group=random.group, family=known, fits=fits, names=tuple(design.X.names),
        levels=tuple(random.levels), pool=wanted,
    )  # fmt: skip
    return with_table(made, ci=found, response=design.response_name, lost=lost)


# --- what is asked for --------------------------------------------------------------------------


def _mixed_text(formula: str, group: object) -> str:
    """Return ``y ~ x + (1 | g)`` for ``y ~ x | g``, whose design has the groups."""
    tokens = read_tokens(formula)
    depth, bars = 0, []
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if token.text in BARS and token.kind == "operator":
            bars.append((token, depth))
    if len(bars) > 1 or any(at or bar.text != "|" for bar, at in bars):
        raise FormulaError(
            "lm_list() fits each group by itself and takes one bar without parentheses: "
            "y ~ x | school.",
            formula=formula, start=bars[0][0].start, end=bars[-1][0].end,
        )  # fmt: skip
    if bars and group is not None:
        raise OptionError("the formula names the groups after its bar; drop group=.")
    if bars:
        at = bars[0][0].start
        return f"{formula[:at]} + (1 | {formula[at + 1 :].strip()})"
    if not isinstance(group, str):
        raise FormulaError(
            'lm_list() needs a bar and the grouping column: "y ~ x | school".', formula=formula
        )
    return f"{formula} + (1 | {group if group.startswith('`') else quote_name(group)})"


# --- the fits -----------------------------------------------------------------------------------


def _least_squares(design: Design) -> OwnRegressions:
    random = design.random[0]
    rows = Rows(
        y=design.y, X=design.X, Z=(), codes=random.codes, n_levels=len(random.levels),
        weights=design.weights, offset=design.offset,
    )  # fmt: skip
    return fit_each(rows)


def _generalized(design: Design, family: Family) -> OwnRegressions:
    """Return every group's generalised linear model; its rss is Pearson's sum of squares."""
    random, p = design.random[0], len(design.X.names)
    J = len(random.levels)
    coef, vcov = np.full((J, p), np.nan), np.full((J, p, p), np.nan)
    rss, df = np.zeros(J), np.zeros(J, dtype=np.int64)
    separated = np.zeros(J, dtype=bool)
    order = np.argsort(random.codes, kind="stable")
    counts = np.bincount(random.codes, minlength=J)
    plain = replace(design, random=())
    for j, own in enumerate(np.split(order, np.cumsum(counts)[:-1])):
        part = take_rows(plain, own, np.zeros_like(own), random.codes)
        record = fit_glm(
            part.y, part.X.dense(), family, trials=part.trials, weights=part.weights,
            offset=part.offset,
        )  # fmt: skip
        coef[j, record.kept] = record.beta
        vcov[j][np.ix_(record.kept, record.kept)] = record.vcov_unscaled
        df[j] = record.df_residual
        rss[j] = record.dispersion * record.df_residual if df[j] > 0 else 0.0
        separated[j] = not record.converged or is_separated(part, record, family)
    _say_separated(separated, random.levels)
    return OwnRegressions(coef=coef, vcov_unscaled=vcov, rss=rss, n=counts, df_residual=df)


# --- what is said -------------------------------------------------------------------------------


def _say_separated(separated: BoolArray, levels: Sequence[str]) -> None:
    if separated.any():
        warnings.warn(
            f"The outcomes of {_named(separated, levels)} are told apart by the predictors without "
            "error: coefficients run to infinity there; numbers shown are where the search "
            "stopped.",
            ConvergenceWarning,
            stacklevel=user_level(),
        )


def _say_lost(fits: OwnRegressions, levels: Sequence[str]) -> str:
    """Warn of coefficients that groups have no rows for, and return the sentence."""
    lost = np.asarray(np.isnan(fits.coef).any(axis=1))
    if not lost.any():
        return ""
    text = (
        f"The rows of {_named(lost, levels)} do not identify every coefficient; those are missing "
        "(NaN)."
    )
    warnings.warn(text, RankDeficiencyWarning, stacklevel=user_level())
    return text


def _named(marked: BoolArray, levels: Sequence[str]) -> str:
    names = [levels[j] for j in np.flatnonzero(marked).tolist()]
    more = ", ..." if len(names) > _SHOWN else ""
    noun = "group" if len(names) == 1 else "groups"
    return f"{len(names)} {noun} ({', '.join(names[:_SHOWN])}{more})"
