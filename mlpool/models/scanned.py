"""Which models are fitted to rows that stay where they are."""

from __future__ import annotations

from collections.abc import Mapping

from mlpool.errors import NotSupportedError
from mlpool.families import Family
from mlpool.formula.types import ParsedFormula

_COUNTABLE = ("binomial", "poisson", "quasibinomial", "quasipoisson")
"""Families of which equal rows are one row with a weight."""


def is_generalized(family: Family | None, formula: ParsedFormula) -> bool:
    """Tell whether a family asks for a generalised model; with bars a Gaussian one does not."""
    gaussian = Family("gaussian", "identity")
    return family not in ((None, gaussian) if formula.bars else (None,))


def check_scanned(
    family: Family | None, formula: ParsedFormula, arguments: Mapping[str, object]
) -> None:
    """Refuse what no query fits.

    Parameters
    ----------
    family : Family or None
    formula : ParsedFormula
    arguments : mapping
        What `fit` was given.

    Raises
    ------
    NotSupportedError
        For families whose likelihood is no sum over few combinations, robust standard errors of
        generalised models, residual structures, and statsmodels, which need the rows.
    """
    if arguments["correlation"] is not None or arguments["dispersion"] is not None:
        raise NotSupportedError("A residual structure needs the rows in memory; read them first.")
    if arguments["engine"] == "statsmodels":
        raise NotSupportedError("statsmodels needs the rows in memory; leave engine= out.")
    if family is None or not is_generalized(family, formula):
        return
    if family == Family("gaussian", "identity"):
        raise NotSupportedError(
            "A Gaussian glm of scanned rows is least squares: write lm() and leave family= out."
        )
    if family.name not in _COUNTABLE:
        raise NotSupportedError(
            f"The family {family} needs the rows in memory; of scanned rows generalised models are "
            "binomial or Poisson, linear ones lm() and lmer()."
        )
    if arguments["cluster"] is not None or arguments["vcov"] is not None:
        raise NotSupportedError(
            "Robust standard errors of generalised models need the rows in memory; leave cluster= "
            "and vcov= out, or read the rows."
        )
