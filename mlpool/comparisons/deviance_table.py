"""Analysis of deviance of a glm: terms in sequence (base R), or each beyond others (car).

Every row compares two fits of the same rows with other columns, so nothing rests on the curvature
at one estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.comparisons.terms_table import DF, F_VALUE, P_CHISQ, P_F, ROMAN, Table, _coding_note
from mlpool.comparisons.tests_table import AnovaLayout, TestColumn
from mlpool.designs.row_summaries import of_combinations
from mlpool.engine.glm.fit import fit_glm
from mlpool.engine.rank import independent_columns
from mlpool.errors import OptionError
from mlpool.hypotheses.term_tests import terms_of
from mlpool.inference.wald import chi2_upper_p, f_upper_p
from mlpool.typing import FloatArray, IntArray
from mlpool.uncertainty.fit_records import ols_fit

if TYPE_CHECKING:
    from mlpool.models import FittedModel, GeneralizedLinearModel


class ColumnFits:
    """Deviances of one glm with some of its columns, each fitted once."""

    def __init__(self, model: GeneralizedLinearModel) -> None:
        model = of_combinations(model)
        self.model = model
        self._all = model.design.X.dense()
        self._terms = np.array([c.term for c in model.design.X.columns])
        self._kept = np.asarray(model.fit.kept)
        self.X = self._all[:, self._kept]
        self._known: dict[tuple[int, ...], float] = {
            tuple(range(self.X.shape[1])): float(model.deviance)
        }

    def deviance(self, columns: Sequence[int] | IntArray) -> float:
        """Return the deviance of the model with these columns."""
        key = tuple(sorted(int(c) for c in columns))
        if key not in self._known:
            self._known[key] = self._fitted(key)
        return self._known[key]

    def without(self, numbers: Sequence[int]) -> tuple[float, int]:
        """Return deviance and rank of the model without all columns of these terms.

        Columns that were aliased with theirs stand in for them.
        """
        rest = np.flatnonzero(~np.isin(self._terms, list(numbers)))
        if len(self._kept) == len(self._terms):
            return self.deviance(rest), len(rest)
        chosen = rest[independent_columns(self._all[:, rest])] if len(rest) else rest
        if np.isin(chosen, self._kept).all():
            return self.deviance(np.searchsorted(self._kept, chosen)), len(chosen)
        if len(chosen) == len(self._kept):
            return float(self.model.deviance), len(chosen)
        return self._of_columns(self._all[:, chosen]), len(chosen)

    def _fitted(self, columns: tuple[int, ...]) -> float:
        m, design = self.model, self.model.design
        if not columns:
            eta = np.zeros(design.n) if design.offset is None else np.asarray(design.offset)
            unit = m.family.unit_deviance(design.y, m.family.inverse(eta))
            return float(np.sum(unit * m.prior_weights))
        return self._of_columns(self.X[:, columns])

    def _of_columns(self, X: FloatArray) -> float:
        m, design = self.model, self.model.design
        fit = fit_glm(
            design.y, X, m.family,
            trials=design.trials, weights=design.weights, offset=design.offset,
        )  # fmt: skip
        return float(fit.rss)


def deviance_table(model: GeneralizedLinearModel, type_: int, test: str) -> Table:
    """Return the analysis of deviance of a glm.

    Parameters
    ----------
    model : GeneralizedLinearModel
    type_ : {1, 2, 3}
    test : {"Chisq", "F"}
    """
    fits = ColumnFits(model)
    if type_ == 1:
        return _sequential(model, fits, test)
    terms = terms_of(model, aliased=True)
    labels, dfs, drops = [t.label for t in terms], [], []
    for term in terms:
        out = [t.number for t in terms if type_ == 2 and term.is_within(t)]
        larger, rank = fits.without(out)
        smaller, rank_without = fits.without([term.number, *out])
        dfs.append(float(rank - rank_without))
        drops.append(smaller - larger)
    statistic, p = deviance_tests(model, drops, dfs, test)
    name = "F" if test == "F" else "Chi2"
    data = pd.DataFrame({"Parameter": labels, name: statistic, "df": dfs, "p": p})
    columns = (
        (F_VALUE, DF, P_F)
        if test == "F"
        else (TestColumn(name="Chi2", header="LR Chisq"), DF, P_CHISQ)
    )
    layout = AnovaLayout(
        title=f"Analysis of Deviance Table (Type {ROMAN[type_]} tests)\n\n{_response(model)}",
        labels="Parameter",
        columns=columns,
        footers=_coding_note(model, type_, terms),
    )
    return Table(data=data, layout=layout, method=f"LR {test}")


def _sequential(model: GeneralizedLinearModel, fits: ColumnFits, test: str) -> Table:
    terms = terms_of(model)
    used = [i for i, c in enumerate(model.columns) if c.term < 0]
    rest = [fits.deviance(used)]
    df_rest = [float(model.df_residual + fits.X.shape[1] - len(used))]
    for term in terms:
        used = [*used, *term.columns]
        rest.append(fits.deviance(used))
        df_rest.append(df_rest[-1] - len(term.columns))
    drops = -np.diff(rest)
    dfs = [float(len(t.columns)) for t in terms]
    statistic, p = deviance_tests(model, drops, dfs, test)
    data = pd.DataFrame(
        {
            "Parameter": ["NULL", *(t.label for t in terms)],
            "df": [np.nan, *dfs],
            "Deviance": [np.nan, *drops],
            "df_residual": df_rest,
            "Deviance_residual": rest,
        }
    )
    columns: tuple[TestColumn, ...] = (
        DF,
        TestColumn(name="Deviance", header="Deviance"),
        TestColumn(name="df_residual", header="Resid. Df", role="df"),
        TestColumn(name="Deviance_residual", header="Resid. Dev"),
    )
    if test == "F":
        data["F"] = [np.nan, *statistic]
        columns = (*columns, TestColumn(name="F", header="F", role="test"))
    data["p"] = [np.nan, *p]
    header = "Pr(>F)" if test == "F" else "Pr(>Chi)"
    columns = (*columns, TestColumn(name="p", header=header, role="p"))
    family = f"Model: {model.family.name}, link: {model.family.link}"
    title = (
        f"Analysis of Deviance Table\n\n{family}\n\n{_response(model)}\n\n"
        "Terms added sequentially (first to last)\n\n"
    )
    layout = AnovaLayout(title=title, labels="Parameter", columns=columns)
    return Table(data=data, layout=layout, method=f"LR {test}")


def deviance_tests(
    model: FittedModel, drops: Sequence[float] | FloatArray, dfs: Sequence[float], test: str
) -> tuple[FloatArray, FloatArray]:
    """Return statistics and p-values of drops in deviance, by the model's dispersion."""
    dispersion = float(ols_fit(model).dispersion)
    scaled = np.maximum(np.asarray(drops, dtype=np.float64) / dispersion, 0.0)
    df = np.asarray(dfs, dtype=np.float64)
    df = np.where(df > 0, df, np.nan)
    if test == "F":
        return scaled / df, np.asarray(f_upper_p(scaled / df, df, float(model.df_residual)))
    return scaled, np.array([chi2_upper_p(s, k) for s, k in zip(scaled, df, strict=True)])


def check_f(model: GeneralizedLinearModel) -> None:
    """Refuse F tests of families whose dispersion is known.

    Raises
    ------
    OptionError
    """
    if not model.family.has_dispersion:
        raise OptionError(
            f"The dispersion of {model.family.name} is known; use test='Chisq' rather than 'F'."
        )


def _response(model: FittedModel) -> str:
    return f"Response: {model.design.response_name}"
