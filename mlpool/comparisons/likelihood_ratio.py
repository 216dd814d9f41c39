"""`test_likelihoodratio`: models against each other, printed as easystats does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlpool.comparisons.argument_checks import check_same_data
from mlpool.comparisons.models_table import (
    Step,
    boundary_notes,
    check_reml,
    error_notes,
    ratio_step,
)
from mlpool.errors import OptionError, check_option
from mlpool.hypotheses.nested_models import same_fixed
from mlpool.models.argument_checks import backend_of, name_models
from mlpool.performance.performance_table import Grid, GridColumn
from mlpool.refits.reduced_models import by_ml, comparable_logliks
from mlpool.results import ResultFrame

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_R_NAMES = {"lm": "lm", "glm": "glm", "lmer": "lmerMod", "glmer": "glmerMod", "gls": "gls"}
_COLUMNS = (
    GridColumn(name="Name", header="Name", style="label"),
    GridColumn(name="Model", header="Model", style="label"),
    GridColumn(name="df", header="df", style="count"),
    GridColumn(name="df_diff", header="df_diff", style="count"),
    GridColumn(name="Chi2", header="Chi2"),
    GridColumn(name="p", header="p", style="p"),
)


def test_likelihoodratio(
    *models: FittedModel | Mapping[str, FittedModel],
    estimator: str | None = None,
    boundary: bool = False,
    names: Iterable[str] | None = None,
    **named_models: FittedModel,
) -> ResultFrame:
    """Test nested models by likelihood ratios (performance's ``test_likelihoodratio``).

    Parameters
    ----------
    *models : FittedModel or dict
        Models called ``Model 1``, ``Model 2`` ..., or one dict from names to models; sorted by
        their number of parameters.
    estimator : {"ML", "REML"}, optional
        By default REML where all are REML fits with the same fixed effects, else ML; REML fits are
        then fitted again.
    boundary : bool
        Print p-values by the chi-square mixtures that hold for variance components beside the naive
        ones; column ``p_boundary`` has them in any case.
    names : list of str, optional
    **named_models : FittedModel
        ``test_likelihoodratio(m0=m0, m1=m1)``.

    Returns
    -------
    ResultFrame
        Name, Model, df (parameters), df_diff, Chi2, p, p_boundary.

    Raises
    ------
    OptionError
        For fewer than two models, models that are not nested, or REML with different fixed effects.
    DataError
        If the models are not of the same rows, response, weights and family.

    Examples
    --------
    >>> import mlpool
    >>> d = mlpool.load_data("sleepstudy")
    >>> m0 = mlpool.lmer("Reaction ~ Days + (1 | Subject)", d)
    >>> m1 = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d)
    >>> print(test_likelihoodratio(m0=m0, m1=m1, boundary=True))
    # Likelihood-Ratio-Test (LRT) for Model Comparison (REML-estimator)
    <BLANKLINE>
    Name |   Model | df | df_diff |  Chi2 |      p | p (boundary)
    -------------------------------------------------------------
    m0   | lmerMod |  4 |         |       |        |
    m1   | lmerMod |  6 |       2 | 42.84 | < .001 |       < .001
    <BLANKLINE>
    Boundary p of m1: 1/2 chi2(1) + 1/2 chi2(2).
    """
    chosen = name_models(models, names, named_models, "test_likelihoodratio()")
    check_same_data(chosen, "test_likelihoodratio()")
    ordered = sorted(chosen.items(), key=lambda item: item[1].loglik_df)
    reml = _is_reml(ordered, estimator)
    used = ordered if reml else [(name, by_ml(m)) for name, m in ordered]
    logliks = comparable_logliks([m for _, m in used], reml=reml)
    states = [(name, m, ll) for (name, m), ll in zip(used, logliks, strict=True)]
    steps = {b[0]: ratio_step(a, b) for a, b in pairwise(states)}
    for step in steps.values():
        if step.remark:
            raise OptionError(f"A likelihood-ratio test compares nested models. {step.remark}")
    frame = pd.DataFrame([_row(name, m, steps.get(name)) for name, m in used])
    estimator = "REML" if reml else "ML"
    columns: tuple[GridColumn, ...] = _COLUMNS
    notes: tuple[str, ...] = tuple(error_notes(steps))
    if boundary:
        columns = (*_COLUMNS, GridColumn(name="p_boundary", header="p (boundary)", style="p"))
        notes = (*notes, *boundary_notes(steps))
    return ResultFrame(
        data=frame,
        layout=Grid(
            columns=columns,
            heading="Likelihood-Ratio-Test (LRT) for Model Comparison "
            f"({estimator}-estimator)",
            footers=notes,
        ),
        metadata={
            "kind": "test_likelihoodratio", "estimator": estimator, "models": [n for n, _ in used],
            "mixtures": {name: step.mixture for name, step in steps.items()},
        },
        backend=backend_of(ordered[0][1]),
    )  # fmt: skip


test_likelihoodratio.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it


def _is_reml(ordered: list[tuple[str, FittedModel]], estimator: str | None) -> bool:
    if estimator is not None:
        name = check_option(str(estimator).upper(), ("ML", "REML"), argument="estimator")
        if name == "REML":
            check_reml(ordered)
        return name == "REML"
    first = ordered[0][1]
    return all(m.kind in ("lmer", "gls") and m.reml for _, m in ordered) and all(
        same_fixed(first, m) for _, m in ordered[1:]
    )


def _row(name: str, m: FittedModel, step: Step | None) -> dict[str, object]:
    found = step or Step()
    return {
        "Name": name,
        "Model": _R_NAMES[m.kind],
        "df": m.loglik_df,
        "df_diff": found.df if step is not None else np.nan,
        "Chi2": found.chi2,
        "p": found.p,
        "p_boundary": found.p_boundary,
    }
