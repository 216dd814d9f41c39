"""`ranova`: a likelihood-ratio test of each random-effects term, as lmerTest's ``ranova``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlpool.comparisons.models_table import (
    P_BOUNDARY,
    Step,
    boundary_notes,
    error_notes,
    ratio_step,
)
from mlpool.comparisons.terms_table import DF, P_CHISQ
from mlpool.comparisons.tests_table import DIGITS, AnovaLayout, TestColumn
from mlpool.formula.types import BarTerm, Terms
from mlpool.models.argument_checks import backend_of, check_mixed
from mlpool.models.fit import as_bool
from mlpool.refits.reduced_models import (
    comparable_logliks,
    formula_text,
    refit_formula,
    without_terms,
)
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from mlpool.models import FittedModel


def ranova(model: FittedModel, *, reduce: bool = True, boundary: bool = False) -> ResultFrame:
    """Test random-effects terms one at a time (lmerTest's ``ranova``, ``rand``).

    Parameters
    ----------
    model : LinearMixedModel or GeneralizedLinearMixedModel
        REML fits are compared by REML, which is right because the fixed effects stay.
    reduce : bool
        Take one slope out of a term such as ``(1 + x | g)``, leaving ``(1 | g)``; False drops whole
        terms.
    boundary : bool
        Print p-values by the chi-square mixtures that hold for variance components (Stram & Lee
        1994) beside the naive ones, which are too large; column ``p_boundary`` has them in any
        case.

    Returns
    -------
    ResultFrame
        Term, npar, logLik, AIC, LRT, df, p, p_boundary; the first row is the model itself.

    Raises
    ------
    NotSupportedError
        For a model without random effects.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> table = ranova(m)
    >>> table["Term"].iloc[1], round(float(table["LRT"].iloc[1]), 2)
    ('Days in (Days | Subject)', 42.84)
    """
    m = check_mixed(model, "ranova()")
    as_bool(reduce, "reduce")
    reduced = [(label, _reduced(m, bars)) for label, bars in _deletions(m, reduce)]
    models = [m, *(r for _, r in reduced)]
    logliks = comparable_logliks(models, reml=m.reml)
    if m.kind in ("lmer", "gls") and not m.reml:
        logliks = [float(x.loglik) for x in models]
    rows, steps = [_row("<none>", m, logliks[0], None)], {}
    for (label, small), loglik in zip(reduced, logliks[1:], strict=True):
        steps[label] = ratio_step((label, small, loglik), ("the model", m, logliks[0]))
        rows.append(_row(label, small, loglik, steps[label]))
    columns: tuple[TestColumn, ...] = (
        TestColumn(name="npar", header="npar"),
        *(TestColumn(name=n, header=n) for n in ("logLik", "AIC", "LRT")),
        DF,
        P_CHISQ,
    )
    notes = [f"{label}: {s.remark}" for label, s in steps.items() if s.remark]
    notes += error_notes(steps)
    if as_bool(boundary, "boundary"):
        columns = (*columns, P_BOUNDARY)
        notes += boundary_notes(steps)
    title = "ANOVA-like table for random-effects: Single term deletions"
    return ResultFrame(
        data=pd.DataFrame(rows),
        layout=AnovaLayout(
            title=f"{title}\n\nModel:\n{m.formula.text}", labels="Term", columns=columns,
            footers=tuple(notes),
        ),
        options=DIGITS,
        metadata={
            "kind": m.kind, "estimator": "REML" if m.reml else "ML",
            "mixtures": {label: s.mixture for label, s in steps.items()},
        },
        backend=backend_of(m),
    )  # fmt: skip


def _reduced(m: FittedModel, bars: tuple[BarTerm, ...]) -> Any:
    return refit_formula(m, formula_text(m, bars=bars))


def _row(label: str, m: FittedModel, loglik: float, step: Step | None) -> dict[str, object]:
    found = step or Step()
    return {
        "Term": label,
        "npar": m.loglik_df,
        "logLik": loglik,
        "AIC": -2.0 * loglik + 2.0 * m.loglik_df,
        "LRT": found.chi2,
        "df": np.nan if step is None else found.df,
        "p": found.p,
        "p_boundary": found.p_boundary,
    }


def _deletions(m: FittedModel, reduce: bool) -> list[tuple[str, tuple[BarTerm, ...]]]:
    """Return (label, terms that stay) of each row, in the formula's order."""
    bars = m.formula.bars
    found: list[tuple[str, tuple[BarTerm, ...]]] = []
    for i, bar in enumerate(bars):
        others = (*bars[:i], *bars[i + 1 :])
        # effects of one structure are there together or not at all
        is_whole = bar.structure is not None or bar.diagonal
        slopes = _droppable(bar.terms) if reduce and not is_whole else []
        for place in slopes:
            name = ":".join(e.text for e in bar.terms.terms[place])
            smaller = _smaller(m, bar, place)
            kept = others if smaller is None or smaller in others else (
                *bars[:i], smaller, *bars[i + 1 :]
            )  # fmt: skip
            found.append((f"{name} in {bar.label}", kept))
        if not slopes:
            found.append((bar.label, others))
    return found


def _droppable(terms: Terms) -> list[int]:
    """Return the places of terms that no other term contains."""
    sets = [frozenset(e.text for e in t) for t in terms.terms]
    return [i for i, own in enumerate(sets) if not any(own < other for other in sets)]


def _smaller(m: FittedModel, bar: BarTerm, place: int) -> BarTerm | None:
    """Return the term without one slope; None if nothing is left.

    A factor alone, ``(0 + f | g)``, leaves the intercept that its levels have in common; lmerTest
    does the same with a number, which is no smaller model, so here that goes altogether.
    """
    terms = without_terms(bar.terms, [place])
    if not terms.terms and not terms.intercept:
        design = next(r for r in m.design.random if r.bar == bar)
        if not any(p.kind in ("factor", "ordered") for c in design.z.columns for p in c.parts):
            return None
        terms = without_terms(bar.terms, [place], intercept=True)
    if terms.intercept and terms.terms and not terms.text.startswith("1"):
        terms = replace(terms, text=f"1 + {terms.text}")
    group = ":".join(e.text for e in bar.group)
    return BarTerm(terms=terms, group=bar.group, text=f"{terms.text} | {group}")
