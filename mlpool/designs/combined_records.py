"""The engine's record of counted combinations as that of all rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from mlpool.engine.glm.likelihood import binomial_log_likelihoods, prior_weights
from mlpool.engine.glmm.types import GlmmFit
from mlpool.engine.types import OlsFit
from mlpool.families import Family
from mlpool.formula.design import Design
from mlpool.sources.absent_rows import absent_rows
from mlpool.sources.combinations import CombinedDesign
from mlpool.sources.combinations.design import COMBINED

R = TypeVar("R", OlsFit, GlmmFit)


def of_all_rows(design: Design, record: R, family: Family) -> tuple[Design, R]:
    """Return a design and the record of its fit, of combinations with n and df of all rows.

    Parameters
    ----------
    design : Design
        Others than combined ones are returned as they are, with their record.
    record : OlsFit or GlmmFit
    family : Family
    """
    if not isinstance(design, CombinedDesign):
        return design, record
    if not isinstance(record, OlsFit):
        whole = replace(record, n=design.n)
        return replace(design, record=whole), whole
    df = design.n - len(record.beta)
    # Pearson's dispersion of a quasi family is a sum over rows divided by df
    dispersion = record.dispersion
    if dispersion != 1.0 and df > 0:
        dispersion *= record.df_residual / df
    whole = replace(
        record, n=design.n, df_residual=df, dispersion=dispersion, sigma=dispersion**0.5,
        loglik=_log_likelihood(design, record) if family.name == "binomial" else record.loglik,
    )  # fmt: skip
    absent = absent_rows(design.n, sentence=COMBINED)
    kept = replace(whole, fitted=absent, working_weights=absent, working_resid=absent)
    return replace(design, record=whole), kept


def _log_likelihood(design: CombinedDesign, record: OlsFit) -> float:
    """Return the log-likelihood of single rows: of counted trials it has other coefficients."""
    cells, counts = design.cells, design.counts
    assert cells.weights is not None
    prior = prior_weights(len(counts), cells.trials, cells.weights / counts)
    return float(counts @ binomial_log_likelihoods(cells.y, record.fitted, prior))


def rows_fitted(design: Design) -> Design:
    """Return the design that the engine fits: of combinations where there are counts of them."""
    return design.cells if isinstance(design, CombinedDesign) else design


def record_of_rows_fitted(design: Design, record: object) -> object:
    """Return the record of what the engine fitted, whose means are those of `rows_fitted`."""
    return design.record if isinstance(design, CombinedDesign) else record


def said_of_counts(design: Design) -> tuple[str, ...]:
    """Return a sentence of how far the rows compress, none where they were not counted."""
    return (design.said,) if isinstance(design, CombinedDesign) else ()
